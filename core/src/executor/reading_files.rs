//! Reads the files of a round from the hauler, on a thread of its own.

use super::ports::{FileSource, FilesSent};
use crate::failure::Failure;
use crate::protocol::FilesHeld;
use bytes::Bytes;
use std::sync::{Mutex, PoisonError};
use tokio::sync::mpsc;

/// The hauler's files, behind a lock: a reading that was given up may still be at work.
pub(super) struct Given {
    source: Box<dyn FileSource>,
    /// The attempt and number of the last round that was begun.
    begun: Option<(u32, u32)>,
    /// The length of its stream, once it was read to its end.
    ended: Option<u64>,
    /// The last round that the target has whole, if one was whole at last.
    confirmed: Option<FilesHeld>,
}

/// A piece of a round's stream, with how far the round is.
pub(super) struct Piece {
    pub(super) data: Bytes,
    pub(super) done: u64,
    pub(super) total: u64,
}

/// Reads one round, until its end or until nobody takes the pieces any more.
pub(super) fn read(
    given: &Mutex<Given>,
    there: Option<FilesHeld>,
    round: (u32, u32),
    frozen: bool,
    pieces: &mpsc::Sender<Piece>,
) -> Result<FilesSent, Failure> {
    let given_up = || Failure::lost("given-up", "the round was given up");
    let mut given = given.lock().unwrap_or_else(PoisonError::into_inner);
    if pieces.is_closed() {
        return Err(given_up()); // before it began: the next round may have begun already
    }
    given.settle(there);
    given.begin(round, frozen)?;
    let mut length = 0;
    while let Some(data) = given.source.next()? {
        if data.is_empty() {
            continue;
        }
        length += data.len() as u64;
        let (done, total) = given.source.progress();
        let piece = Piece { data, done, total };
        pieces.blocking_send(piece).map_err(|_| given_up())?;
    }
    given.ended = Some(length);
    Ok(given.source.sent())
}

impl Given {
    pub(super) fn new(source: Box<dyn FileSource>) -> Self {
        Self {
            source,
            begun: None,
            ended: None,
            confirmed: None,
        }
    }

    /// Tells the hauler what the target has of the last round.
    fn settle(&mut self, there: Option<FilesHeld>) {
        let round = there.map(|held| (held.attempt, held.round));
        match there {
            Some(held) if round == self.begun => {
                self.source.held(held.bytes);
                let whole = self.ended == Some(held.bytes);
                self.confirmed = whole.then_some(held);
            }
            // Nothing of the last round has got there; what it had before, it has.
            Some(_) if there == self.confirmed => self.source.held(0),
            _ => {
                self.source.forget();
                self.confirmed = None;
            }
        }
    }

    fn begin(&mut self, round: (u32, u32), frozen: bool) -> Result<(), Failure> {
        // A beginning that fails leaves nothing to go by.
        let confirmed = self.confirmed.take();
        (self.begun, self.ended) = (None, None);
        self.source.begin(frozen)?;
        (self.begun, self.confirmed) = (Some(round), confirmed);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    /// Notes what it is told; each round has three bytes.
    struct Noted {
        told: Arc<Mutex<Vec<String>>>,
        left: u8,
    }

    impl Noted {
        fn note(&self, what: String) {
            self.told.lock().unwrap().push(what);
        }
    }

    impl FileSource for Noted {
        fn begin(&mut self, _: bool) -> Result<(), Failure> {
            self.left = 3;
            self.note("begin".into());
            Ok(())
        }

        fn next(&mut self) -> Result<Option<Bytes>, Failure> {
            self.left = self.left.wrapping_sub(1);
            Ok((self.left < 3).then(|| Bytes::from_static(b"x")))
        }

        fn progress(&self) -> (u64, u64) {
            (0, 0)
        }

        fn sent(&self) -> FilesSent {
            FilesSent::default()
        }

        fn held(&mut self, bytes: u64) {
            self.note(format!("held {bytes}"));
        }

        fn forget(&mut self) {
            self.note("forget".into());
        }
    }

    /// What the target has by then, the round, and whether it is read to its end.
    type Made = (Option<(u32, u32, u64)>, (u32, u32), bool);

    /// What the source is told when these rounds are made one after the other.
    fn told(rounds: &[Made]) -> String {
        let notes = Arc::default();
        let source = Noted {
            told: Arc::clone(&notes),
            left: 0,
        };
        let given = Mutex::new(Given::new(Box::new(source)));
        for (there, round, whole) in rounds {
            let there = there.map(|(attempt, round, bytes)| FilesHeld {
                attempt,
                round,
                bytes,
            });
            // One that is not read to its end is given up after two pieces.
            let (pieces, mut taken) = mpsc::channel(if *whole { 3 } else { 2 });
            let gives_up = !whole;
            let link = std::thread::spawn(move || {
                while taken.len() < 2 {
                    std::thread::yield_now();
                }
                if gives_up {
                    taken.close();
                }
                taken
            });
            let sent = read(&given, there, *round, false, &pieces);
            assert_eq!(sent.is_ok(), *whole);
            link.join().unwrap();
        }
        notes.lock().unwrap().join(", ")
    }

    #[test]
    fn the_source_is_told_what_the_target_has() {
        let first = (None, (1, 1), true);
        assert_eq!(told(&[first]), "forget, begin");
        let second = (Some((1, 1, 3)), (1, 2), true);
        let all = "forget, begin, held 3, begin";
        assert_eq!(told(&[first, second]), all);
        // The link was lost within the second round, and the target has a part of it.
        let torn = (Some((1, 1, 3)), (1, 2), false);
        let again = (Some((1, 2, 1)), (2, 1), true);
        assert_eq!(told(&[first, torn, again]), format!("{all}, held 1, begin"));
        // It never saw the second round: it has the first.
        let again = (Some((1, 1, 3)), (2, 1), true);
        assert_eq!(told(&[first, torn, again]), format!("{all}, held 0, begin"));
        // It has lost everything.
        let again = (None, (2, 1), true);
        assert_eq!(told(&[first, torn, again]), format!("{all}, forget, begin"));
        // It has a part of the first, and the source has begun another since: none is known.
        let again = (Some((1, 1, 2)), (2, 1), true);
        assert_eq!(told(&[first, torn, again]), format!("{all}, forget, begin"));
    }

    #[test]
    fn a_round_that_nobody_waits_for_is_not_begun() {
        let notes = Arc::default();
        let source = Noted {
            told: Arc::clone(&notes),
            left: 0,
        };
        let (pieces, taken) = mpsc::channel(1);
        drop(taken);
        let given = Mutex::new(Given::new(Box::new(source)));
        assert!(read(&given, None, (1, 1), false, &pieces).is_err());
        assert!(notes.lock().unwrap().is_empty());
    }
}
