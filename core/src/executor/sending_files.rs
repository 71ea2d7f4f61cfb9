//! Sends the files of a workload, a round at a time.

use super::ports::{Bulk, FilesSent};
use super::reading_files::{Given, Piece, read};
use super::recorder::{Progress, Recorder};
use super::source::SourceWorld;
use crate::failure::Failure;
use crate::journal::Record;
use crate::machine::convergence::{RoundLeft, Verdict, verdict};
use crate::machine::{Machine, Worked};
use crate::plan::{Converge, Otherwise};
use crate::protocol::{Chunk, FilesHeld, FilesRound, Part};
use crate::report::{EventBody, Round};
use crate::run::RunId;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Pieces that wait to be sent.
const QUEUE: usize = 4;

/// Bulk streams must not come further apart than about twice this many bytes: the target puts
/// the pieces in order, in memory.
const AHEAD: u64 = 16 << 20;

/// How often progress is told.
const TELL: Duration = Duration::from_millis(200);

/// The files at the source, kept over the attempts of one process.
#[derive(Default)]
pub(super) struct SendingFiles {
    /// None until the first round begins.
    given: Option<Arc<Mutex<Given>>>,
    /// What the target is known to have of the last round that it saw.
    there: Option<FilesHeld>,
    /// The round that the target is asked about.
    asked: Option<FilesRound>,
    rounds: Rounds,
}

/// The rounds of the present attempt.
#[derive(Debug, Default)]
struct Rounds {
    attempt: u32,
    number: u32,
    /// Content of the round before, in bytes.
    sent_before: Option<u64>,
    /// When the first round had been sent. How long that takes says nothing about convergence.
    first_sent: Option<Instant>,
}

/// What went out for a round.
#[derive(Debug, Clone, Copy, Default)]
struct Went {
    /// Bytes of the stream.
    stream: u64,
    /// Bytes on the wire.
    wire: u64,
}

impl SendingFiles {
    /// What the target has of an earlier attempt's files.
    pub(super) fn reserved(&mut self, held: Option<FilesHeld>) {
        self.there = held;
    }

    /// The target has taken a round; says whether it is the one that it was asked about.
    pub(super) fn taken(&mut self, attempt: u32, round: u32) -> bool {
        match &self.asked {
            Some(asked) if asked.round == round => {
                self.there = Some(FilesHeld {
                    attempt,
                    round,
                    bytes: asked.bytes,
                });
                true
            }
            _ => false,
        }
    }

    /// The round to ask the target about.
    pub(super) fn asked(&self) -> Option<FilesRound> {
        self.asked.clone()
    }

    fn next_round(&mut self, attempt: u32) -> u32 {
        if self.rounds.attempt != attempt {
            self.rounds = Rounds {
                attempt,
                ..Rounds::default()
            };
        }
        self.rounds.number += 1;
        self.asked = None;
        self.rounds.number
    }
}

impl SourceWorld {
    /// Sends a round while the workload runs, and says whether another is worth it.
    pub(super) async fn copy_files(
        &mut self,
        machine: &Machine,
        recorder: &mut Recorder,
    ) -> Result<Worked, Failure> {
        let began = Instant::now();
        let (sent, went) = self
            .send_round(machine.attempt, false, recorder.events())
            .await?;
        let rounds = &mut self.files.rounds;
        let left = rounds.left(sent.bytes, millis(began));
        let verdict = verdict(&left, &self.plan.memory.converge);
        let why = match verdict {
            Verdict::CopyAgain => "another round is worth it",
            Verdict::Freeze(why) | Verdict::Otherwise(_, why) => why.text(),
        };
        self.record_round(recorder, went, began, why)?;
        match verdict {
            Verdict::CopyAgain => Ok(Worked::More),
            Verdict::Otherwise(Otherwise::Fail, _) => {
                Err(no_end(&left, why, &self.plan.memory.converge))
            }
            Verdict::Freeze(_) | Verdict::Otherwise(..) => Ok(Worked::Well),
        }
    }

    /// Sends the last round, while the workload is frozen.
    pub(super) async fn final_files(
        &mut self,
        machine: &Machine,
        recorder: &mut Recorder,
    ) -> Result<Worked, Failure> {
        let began = Instant::now();
        let (_, went) = self
            .send_round(machine.attempt, true, recorder.events())
            .await?;
        self.record_round(recorder, went, began, "the workload is frozen")?;
        Ok(Worked::Well)
    }

    async fn send_round(
        &mut self,
        attempt: u32,
        frozen: bool,
        progress: Progress,
    ) -> Result<(FilesSent, Went), Failure> {
        let bulk = self.line.bulk().ok_or_else(super::line::gone)?;
        let given = self.given()?;
        let number = self.files.next_round(attempt);
        let there = self.files.there;
        let (pieces, arriving) = mpsc::channel(QUEUE);
        // If this future is dropped, the channel ends, and with it the reading.
        let reading = tokio::task::spawn_blocking(move || {
            read(&given, there, (attempt, number), frozen, &pieces)
        });
        let sending = Sending {
            run: &self.run,
            attempt,
            number,
            window: Window::new(bulk),
            progress,
        };
        let went = sending.send(arriving).await?;
        let sent = reading
            .await
            .map_err(|error| Failure::new("files-broken", format!("reading files: {error}")))??;
        self.files.asked = Some(FilesRound {
            round: number,
            bytes: went.stream,
            digest: sent.digest.clone(),
        });
        Ok((sent, went))
    }

    /// The hauler's files; asked for once.
    fn given(&mut self) -> Result<Arc<Mutex<Given>>, Failure> {
        if let Some(given) = &self.files.given {
            return Ok(Arc::clone(given));
        }
        let Some(source) = self.parts.hauler.files()? else {
            return Err(Failure::new(
                "no-files",
                "the plan copies files, and this kind of workload has none to give",
            )
            .hint("take `files` out of the plan"));
        };
        let given = Arc::new(Mutex::new(Given::new(source)));
        self.files.given = Some(Arc::clone(&given));
        Ok(given)
    }

    fn record_round(
        &self,
        recorder: &mut Recorder,
        went: Went,
        began: Instant,
        why: &str,
    ) -> Result<(), Failure> {
        let round = Round {
            kind: "files".into(),
            number: self.files.rounds.number,
            pages: 0,
            bytes: went.wire,
            ms: millis(began),
            why: why.into(),
        };
        recorder.emit(EventBody::from(&round));
        recorder.write(Record::Copied { round }).map(drop)
    }
}

impl Rounds {
    /// What a round that was just sent leaves. What changed while it was made is known when the
    /// next is made; the best guess is that it is as much, and takes as long.
    fn left(&mut self, bytes: u64, took_ms: u64) -> RoundLeft {
        let first_sent = *self.first_sent.get_or_insert_with(Instant::now);
        RoundLeft {
            number: self.number,
            sent: bytes,
            sent_before: self.sent_before.replace(bytes),
            dirty: bytes,
            bytes_per_second: bytes.saturating_mul(1000) / took_ms.max(1),
            fixed_ms: 0,
            elapsed_ms: millis(first_sent),
        }
    }
}

fn no_end(left: &RoundLeft, why: &str, rule: &Converge) -> Failure {
    Failure::new(
        "files-do-not-converge",
        format!(
            "the files change faster than they are copied: round {} had {} bytes to send, which \
             would stop the workload for about {} ms, and the plan allows {}; {why}",
            left.number,
            left.sent,
            left.downtime_ms(),
            rule.downtime,
        ),
    )
    .hint("allow more in `memory.converge`, or say `otherwise: freeze` there")
}

/// Sends what is read for one round.
struct Sending<'a> {
    run: &'a RunId,
    attempt: u32,
    number: u32,
    window: Window,
    progress: Progress,
}

impl Sending<'_> {
    async fn send(mut self, mut pieces: mpsc::Receiver<Piece>) -> Result<Went, Failure> {
        let mut went = Went::default();
        let mut told = Instant::now();
        let mut last = (0, 0);
        while let Some(Piece { data, done, total }) = pieces.recv().await {
            let len = data.len() as u64;
            let chunk = Chunk {
                run: self.run.clone(),
                attempt: self.attempt,
                part: Part::Files { round: self.number },
                offset: went.stream,
                data,
            };
            went.wire += self.window.send(chunk).await?;
            went.stream += len;
            last = (done, total);
            if told.elapsed() > TELL {
                told = Instant::now();
                self.progress.tell("files", done, total);
            }
        }
        self.window.bulk.flush().await?;
        self.progress.tell("files", last.0, last.1);
        Ok(went)
    }
}

/// Keeps the bulk streams together: before so much more is sent, what was sent before the last
/// of it has arrived.
struct Window {
    bulk: Arc<dyn Bulk>,
    since: u64,
    arriving: Option<JoinHandle<Result<(), Failure>>>,
}

impl Window {
    fn new(bulk: Arc<dyn Bulk>) -> Self {
        Self {
            bulk,
            since: 0,
            arriving: None,
        }
    }

    async fn send(&mut self, chunk: Chunk) -> Result<u64, Failure> {
        self.since += chunk.data.len() as u64;
        let size = self.bulk.send(chunk).await?;
        if self.since >= AHEAD {
            self.since = 0;
            let bulk = Arc::clone(&self.bulk);
            let next = tokio::spawn(async move { bulk.flush().await });
            if let Some(before) = self.arriving.replace(next) {
                before.await.unwrap_or_else(|_| Err(super::line::gone()))?;
            }
        }
        Ok(size)
    }
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::convergence::Why;

    const MIB: u64 = 1 << 20;

    /// The verdicts on rounds of so many bytes and milliseconds.
    fn verdicts(rounds: &[(u64, u64)]) -> Vec<Verdict> {
        let mut made = Rounds::default();
        let rule = Converge::default();
        let each = rounds.iter().map(|(bytes, ms)| {
            made.number += 1;
            verdict(&made.left(*bytes, *ms), &rule)
        });
        each.collect()
    }

    #[test]
    fn rounds_go_on_until_one_is_short() {
        use Verdict::{CopyAgain, Freeze, Otherwise as Else};
        let grew = Else(Otherwise::Freeze, Why::Grew);
        let spent = Else(Otherwise::Freeze, Why::RoundsSpent);
        // A first round that took long is followed by another, however long it took.
        let long = (900_000 * MIB, 3_600_000);
        assert_eq!(verdicts(&[(5 * MIB, 200)]), [Freeze(Why::FitsBudget)]);
        assert_eq!(verdicts(&[(0, 5_000)]), [Freeze(Why::Remaining)]);
        let two = verdicts(&[long, (9 * MIB, 250)]);
        assert_eq!(two, [CopyAgain, Freeze(Why::FitsBudget)]);
        let quiet = verdicts(&[long, (1 << 10, 2_000)]);
        assert_eq!(quiet, [CopyAgain, Freeze(Why::Remaining)]);
        let busy = verdicts(&[long, (400 * MIB, 4_000), (500 * MIB, 5_000)]);
        assert_eq!(busy, [CopyAgain, CopyAgain, grew]);
        let steady = verdicts(&[(400 * MIB, 4_000); 8]);
        assert_eq!(steady[..7], [CopyAgain; 7]);
        assert_eq!(steady[7], spent);
    }
}
