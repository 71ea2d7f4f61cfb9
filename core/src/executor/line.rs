//! The present link of a run: it comes and goes while the run goes on.

use super::driver::Incoming;
use super::ports::{Bulk, Link};
use crate::failure::Failure;
use crate::protocol::Message;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;

/// Where messages go now, and where bulk data does.
#[derive(Default)]
pub(crate) struct Line {
    current: Mutex<Option<Current>>,
}

struct Current {
    number: u64,
    outgoing: mpsc::Sender<Message>,
    bulk: Arc<dyn Bulk>,
}

impl Line {
    /// Puts a link in place of the present one and returns its number.
    pub(crate) fn attach(&self, outgoing: mpsc::Sender<Message>, bulk: Arc<dyn Bulk>) -> u64 {
        let mut current = self.lock();
        let number = current.as_ref().map_or(1, |current| current.number + 1);
        *current = Some(Current {
            number,
            outgoing,
            bulk,
        });
        number
    }

    /// Takes the link away if it is still the present one; says whether it was.
    pub(crate) fn detach(&self, number: u64) -> bool {
        let mut current = self.lock();
        let present = current.as_ref().is_some_and(|c| c.number == number);
        if present {
            *current = None;
        }
        present
    }

    /// Attaches a link whose messages all belong to one run, and pumps them into its inbox.
    pub(crate) fn attach_whole(self: &Arc<Self>, link: Link, inbox: mpsc::Sender<Incoming>) {
        let Link {
            outgoing,
            mut incoming,
            bulk,
            ..
        } = link;
        let number = self.attach(outgoing, Arc::clone(&bulk));
        let line = Arc::clone(self);
        tokio::spawn(async move {
            while let Some(message) = incoming.recv().await {
                if inbox.send(Incoming::Message(message)).await.is_err() {
                    return;
                }
            }
            if line.detach(number) {
                let failure = bulk.lost().unwrap_or_else(gone);
                let _ = inbox.send(Incoming::LinkLost(failure)).await;
            }
        });
    }

    /// Sends a message; false if there is no link to send it on.
    pub(crate) async fn send(&self, message: Message) -> bool {
        let outgoing = self.lock().as_ref().map(|current| current.outgoing.clone());
        match outgoing {
            Some(outgoing) => outgoing.send(message).await.is_ok(),
            None => false,
        }
    }

    pub(crate) fn bulk(&self) -> Option<Arc<dyn Bulk>> {
        self.lock()
            .as_ref()
            .map(|current| Arc::clone(&current.bulk))
    }

    pub(crate) fn is_up(&self) -> bool {
        self.lock()
            .as_ref()
            .is_some_and(|current| !current.outgoing.is_closed() && current.bulk.lost().is_none())
    }

    /// Closes the present link, if there is one.
    pub(crate) fn close(&self, reason: &str) {
        if let Some(current) = self.lock().take() {
            current.bulk.close(reason);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Current>> {
        // The lock is held for plain assignments only: a panic cannot leave it half changed.
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a link that ended without a word is taken for.
pub(crate) fn gone() -> Failure {
    Failure::lost("peer-lost", "the link to the peer was lost")
        .hint("nothing needs to be done: the run tries again, or rolls back, by itself")
}
