//! Takes in the files of a run at the target.
//!
//! The links bring the pieces of a round, which are put in order here and given to the sink on a
//! thread of its own. A sink that is slow holds up the link's bulk data, and nothing else. The
//! sink outlives links and attempts; it is given up before anything of the run is undone.

use super::deadlines;
use super::driver::Incoming;
use super::feeding::{Kept, Order};
use super::ordered::Ordered;
use super::ports::FileSink;
use crate::failure::Failure;
use crate::protocol::{FilesHeld, FilesRound};
use bytes::Bytes;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, mpsc, oneshot};

/// Pieces in order that wait for the sink.
const QUEUE: usize = 8;

/// The files of one run as they arrive, shared by the run and the links.
#[derive(Default)]
pub(super) struct ReceivingFiles {
    shared: Arc<Shared>,
    /// Whoever has it hands pieces on, so that they stay in order.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    moved: Notify,
    /// The sink; whoever works with it keeps the lock.
    kept: Mutex<Option<Kept>>,
    /// The way to the run.
    run: Mutex<Option<mpsc::WeakSender<Incoming>>>,
}

#[derive(Default)]
struct State {
    has_sink: bool,
    /// The attempt whose pieces are taken.
    attempt: Option<u32>,
    current: Option<Current>,
    /// The last round of the attempt that is whole in place.
    taken: u32,
}

/// The round that arrives now.
struct Current {
    number: u32,
    pieces: Ordered,
    /// Bytes that the sink has taken.
    put: u64,
    orders: mpsc::Sender<Order>,
    failed: Option<Failure>,
}

/// How far a round has come.
enum Stands {
    Taken,
    Whole(mpsc::Sender<Order>),
    /// The sink has pieces before it.
    Busy,
    Missing,
}

impl ReceivingFiles {
    /// Whom to tell when something fails that nobody has asked about.
    pub(super) fn belongs_to(&self, run: mpsc::WeakSender<Incoming>) {
        *lock(&self.shared.run) = Some(run);
    }

    pub(super) fn has_sink(&self) -> bool {
        lock(&self.shared.state).has_sink
    }

    pub(super) fn keep(&self, sink: Box<dyn FileSink>) {
        *lock(&self.shared.kept) = Some(Kept::new(sink));
        lock(&self.shared.state).has_sink = true;
    }

    /// From now on pieces of this attempt are taken. Returns what is in place of the last round
    /// of an earlier one.
    pub(super) async fn begin(&self, attempt: u32) -> Result<Option<FilesHeld>, Failure> {
        self.close();
        let shared = Arc::clone(&self.shared);
        let held = on_a_thread(move || lock(&shared.kept).as_ref().and_then(Kept::held)).await?;
        let mut state = lock(&self.shared.state);
        state.attempt = Some(attempt);
        state.taken = 0;
        Ok(held)
    }

    /// Pieces are no longer taken. The sink keeps what it has.
    pub(super) fn close(&self) {
        let mut state = lock(&self.shared.state);
        (state.attempt, state.current) = (None, None);
    }

    /// Gives the sink up. When this returns its thread is at its end, and nothing is written.
    pub(super) async fn give_up(&self) -> Result<(), Failure> {
        self.close();
        lock(&self.shared.state).has_sink = false;
        let shared = Arc::clone(&self.shared);
        on_a_thread(move || drop(lock(&shared.kept).take())).await
    }

    /// Takes a piece, and waits while the sink has enough before it. A piece that is not
    /// expected is passed over.
    pub(super) async fn take(&self, attempt: u32, round: u32, offset: u64, data: Bytes) {
        let _turn = self.turn.lock().await;
        if !self.shared.sort_in(attempt, round, offset, data) {
            return;
        }
        while let Some((orders, piece)) = self.shared.next(attempt, round) {
            if orders.send(Order::Take(piece)).await.is_err() {
                return;
            }
        }
    }

    /// Waits until the round is whole in place, and is what the source has.
    pub(super) async fn complete(&self, attempt: u32, asked: &FilesRound) -> Result<(), Failure> {
        loop {
            let moved = self.shared.moved.notified();
            match self.shared.stands(attempt, asked)? {
                Stands::Taken => return Ok(()),
                Stands::Whole(orders) => return self.end(orders, attempt, asked).await,
                Stands::Busy => moved.await,
                Stands::Missing => {
                    let waited = tokio::time::timeout(deadlines::STALL, moved).await;
                    waited.map_err(|_| incomplete(asked.round))?;
                }
            }
        }
    }

    async fn end(
        &self,
        orders: mpsc::Sender<Order>,
        attempt: u32,
        asked: &FilesRound,
    ) -> Result<(), Failure> {
        let (said, ended) = oneshot::channel();
        let digest = asked.digest.clone();
        // That nobody takes it means the same as that nobody answers.
        let _ = orders.send(Order::End { digest, said }).await;
        drop(orders);
        if ended.await.is_err() {
            loop {
                let moved = self.shared.moved.notified();
                // The thread's end is told in a moment, and with it the failure.
                self.shared.stands(attempt, asked)?;
                moved.await;
            }
        }
        let mut state = lock(&self.shared.state);
        if state.attempt == Some(attempt) {
            (state.taken, state.current) = (asked.round, None);
        }
        Ok(())
    }
}

/// The thread must not wait for what cannot come any more.
impl Drop for ReceivingFiles {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    /// Puts a piece where it belongs; says whether it is one that is expected. The first piece
    /// of a round, whichever it is, begins it.
    fn sort_in(self: &Arc<Self>, attempt: u32, round: u32, offset: u64, data: Bytes) -> bool {
        let mut state = lock(&self.state);
        if !state.has_sink || state.attempt != Some(attempt) || round <= state.taken {
            return false;
        }
        let present = state.current.as_ref().map_or(0, |current| current.number);
        if round > present {
            state.current = Some(self.start(attempt, round));
        }
        let Some(current) = state.current.as_mut().filter(|c| c.number == round) else {
            return false;
        };
        if current.failed.is_some() {
            return false;
        }
        if current.pieces.put(offset, data).is_err() {
            drop(state);
            let cause = "the pieces of the files come too far out of order";
            self.fail(attempt, round, Failure::lost("files-out-of-order", cause));
            return false;
        }
        drop(state);
        self.moved.notify_waiters();
        true
    }

    /// The next piece for the sink, if the round still goes on.
    fn next(&self, attempt: u32, round: u32) -> Option<(mpsc::Sender<Order>, Bytes)> {
        let mut state = lock(&self.state);
        let current = state.current(attempt, round)?;
        let piece = current.pieces.pop()?;
        Some((current.orders.clone(), piece))
    }

    fn stands(self: &Arc<Self>, attempt: u32, asked: &FilesRound) -> Result<Stands, Failure> {
        let mut state = lock(&self.state);
        if !state.has_sink {
            return Err(Failure::new(
                "no-files",
                "nothing on the target takes in the files of this workload",
            ));
        }
        if state.attempt != Some(attempt) {
            return Err(Failure::lost("files-gone", "no files are expected now"));
        }
        if asked.round <= state.taken {
            return Ok(Stands::Taken);
        }
        if state.current(attempt, asked.round).is_none() {
            if asked.bytes > 0 {
                return Ok(Stands::Missing);
            }
            // A round in which nothing had changed has no pieces, and is one all the same.
            state.current = Some(self.start(attempt, asked.round));
        }
        let Some(current) = state.current(attempt, asked.round) else {
            return Ok(Stands::Missing);
        };
        let given = current.pieces.given();
        if let Some(failure) = &current.failed {
            Err(failure.clone())
        } else if given > asked.bytes {
            Err(incomplete(asked.round))
        } else if current.put < given {
            Ok(Stands::Busy)
        } else if given < asked.bytes {
            Ok(Stands::Missing)
        } else {
            Ok(Stands::Whole(current.orders.clone()))
        }
    }

    /// Begins a round: from now on a thread gives the sink what comes.
    fn start(self: &Arc<Self>, attempt: u32, number: u32) -> Current {
        let (orders, taken) = mpsc::channel(QUEUE);
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            let feeding = Arc::clone(&shared);
            let fed = on_a_thread(move || feeding.feed(attempt, number, taken)).await;
            if let Err(failure) = fed.and_then(|fed| fed) {
                shared.fail(attempt, number, failure);
            }
        });
        Current {
            number,
            pieces: Ordered::default(),
            put: 0,
            orders,
            failed: None,
        }
    }

    /// Gives the sink one round, until its end or until it is given up.
    fn feed(
        &self,
        attempt: u32,
        number: u32,
        mut orders: mpsc::Receiver<Order>,
    ) -> Result<(), Failure> {
        let mut kept = lock(&self.kept);
        let Some(kept) = kept.as_mut() else {
            return Ok(());
        };
        if lock(&self.state).current(attempt, number).is_none() {
            return Ok(()); // given up before it began
        }
        kept.feed((attempt, number), &mut orders, |put| {
            if let Some(current) = lock(&self.state).current(attempt, number) {
                current.put = put;
            }
            self.moved.notify_waiters();
        })
    }

    /// The round has failed: whoever waits for it sees so, and the run is told.
    fn fail(&self, attempt: u32, number: u32, failure: Failure) {
        match lock(&self.state).current(attempt, number) {
            Some(current) if current.failed.is_none() => current.failed = Some(failure.clone()),
            _ => return,
        }
        self.moved.notify_waiters();
        let run = lock(&self.run).as_ref().and_then(mpsc::WeakSender::upgrade);
        if let Some(run) = run {
            // A run with a full inbox sees it when the source asks about the round.
            let _ = run.try_send(Incoming::Trouble { attempt, failure });
        }
    }
}

impl State {
    fn current(&mut self, attempt: u32, round: u32) -> Option<&mut Current> {
        let current = self.current.as_mut()?;
        (self.attempt == Some(attempt) && current.number == round).then_some(current)
    }
}

/// Does on a thread of its own what may block.
async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Failure::new("files-broken", format!("taking the files in: {error}")))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A sink that panicked is not used again: its round has failed, and the run is undone.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn incomplete(round: u32) -> Failure {
    Failure::lost(
        "files-incomplete",
        format!("round {round} of the files has not arrived whole"),
    )
}

#[cfg(test)]
mod tests;
