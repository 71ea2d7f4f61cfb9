//! A sink of files with what it has come to, and the work on it: of a thread of its own.

use super::ports::FileSink;
use crate::failure::Failure;
use crate::protocol::FilesHeld;
use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

/// A sink, kept over links and attempts.
pub(super) struct Kept {
    sink: Box<dyn FileSink>,
    /// The attempt and the number of the last round that it began, unless that has failed.
    round: Option<(u32, u32)>,
    /// The length of that round, once it has ended.
    ended: Option<u64>,
}

/// What is to be done in a round.
pub(super) enum Order {
    /// Take the next bytes.
    Take(Bytes),
    /// End the round, and see that the files are those of this digest.
    End {
        /// The digest.
        digest: String,
        /// Hears that they are.
        said: oneshot::Sender<()>,
    },
}

impl Kept {
    pub(super) fn new(sink: Box<dyn FileSink>) -> Self {
        Self {
            sink,
            round: None,
            ended: None,
        }
    }

    /// What it holds of the last round.
    pub(super) fn held(&self) -> Option<FilesHeld> {
        let (attempt, round) = self.round?;
        Some(FilesHeld {
            attempt,
            round,
            bytes: self.ended.unwrap_or_else(|| self.sink.held()),
        })
    }

    /// Gives the sink a round, until its end or until nobody has orders any more. `put` hears
    /// how many bytes it has taken.
    pub(super) fn feed(
        &mut self,
        round: (u32, u32),
        orders: &mut mpsc::Receiver<Order>,
        put: impl FnMut(u64),
    ) -> Result<(), Failure> {
        (self.round, self.ended) = (None, None);
        self.sink.begin()?;
        self.round = Some(round);
        let fed = self.follow(orders, put);
        if fed.is_err() {
            // What is in place now is anybody's guess.
            self.round = None;
        }
        fed
    }

    fn follow(
        &mut self,
        orders: &mut mpsc::Receiver<Order>,
        mut put: impl FnMut(u64),
    ) -> Result<(), Failure> {
        let mut length = 0;
        while let Some(order) = orders.blocking_recv() {
            match order {
                Order::Take(data) => {
                    self.sink.take(&data)?;
                    length += data.len() as u64;
                    put(length);
                }
                Order::End { digest, said } => {
                    if self.sink.end()? != digest {
                        return Err(differ());
                    }
                    self.ended = Some(length);
                    // Whoever asked may be gone; another attempt is told what is held.
                    let _ = said.send(());
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

fn differ() -> Failure {
    Failure::lost(
        "files-differ",
        "the files that were put in place are not what they are at the source",
    )
    .hint("nothing needs to be done: another attempt sends all of them")
}
