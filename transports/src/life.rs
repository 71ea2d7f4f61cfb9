//! The life of one end of a link: it lives until it ends, once, for one reason.

use crate::wire::WireError;
use phaul_core::failure::Failure;
use std::sync::OnceLock;
use tokio_util::sync::CancellationToken;

/// Messages that wait between the transport and its user, in each direction. Each may be as
/// large as a frame, so this bounds the memory that a peer can take up.
pub(crate) const MESSAGES: usize = 8;

/// Chunks that wait for the receiver.
pub(crate) const CHUNKS: usize = 16;

/// Whether this end of a link lives, and if not, why.
#[derive(Debug, Default)]
pub(crate) struct Life {
    end: OnceLock<End>,
    ended: CancellationToken,
}

/// How an end of a link ended.
#[derive(Debug)]
pub(crate) struct End {
    /// For the user.
    pub(crate) failure: Failure,
    /// By whom.
    pub(crate) by: By,
}

/// Who ended a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum By {
    /// The user of this end; messages that were accepted still go out, then the reason.
    Us(String),
    /// This end, because the peer does not keep to the protocol; the reason goes out.
    UsBecauseOfThem(String),
    /// The peer, or nobody: the network.
    Them,
}

impl Life {
    /// Ends it, unless it has ended.
    pub(crate) fn end(&self, by: By, failure: Failure) {
        // Set before it is announced: who sees the end can ask for the reason.
        if self.end.set(End { failure, by }).is_ok() {
            self.ended.cancel();
        }
    }

    /// The user closed it.
    pub(crate) fn close(&self, reason: &str) {
        self.end(By::Us(reason.to_owned()), closed_here(reason));
    }

    /// The peer does not keep to the protocol.
    pub(crate) fn violated(&self, error: &dyn std::fmt::Display) {
        let failure = Failure::lost(
            "peer-protocol",
            format!("the peer does not keep to the protocol: {error}"),
        );
        self.end(By::UsBecauseOfThem(error.to_string()), failure);
    }

    /// A message of the user is not one that may be sent. It was accepted, so the link, which
    /// owes its delivery, cannot go on; another attempt would meet the same message.
    pub(crate) fn unsendable(&self, error: &WireError) {
        let failure = Failure::new(
            "message-unsendable",
            format!("a message to the peer cannot be sent: {error}"),
        );
        self.end(By::Us(failure.cause.clone()), failure);
    }

    /// Waits for the end.
    pub(crate) async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// How it ended, if it did.
    pub(crate) fn how(&self) -> Option<&End> {
        self.end.get()
    }

    /// Why it ended, if it did.
    pub(crate) fn lost(&self) -> Option<Failure> {
        self.end.get().map(|end| end.failure.clone())
    }

    /// Why it ended. For use after [`Life::ended`].
    pub(crate) fn reason(&self) -> Failure {
        self.lost()
            .unwrap_or_else(|| Failure::lost("link-lost", "the link is gone"))
    }
}

fn closed_here(reason: &str) -> Failure {
    Failure::lost("link-closed", format!("the link was closed here: {reason}"))
}

/// The failure at the end that did not close the link.
pub(crate) fn closed_by_peer(reason: &str) -> Failure {
    Failure::lost("link-closed", format!("the peer closed the link: {reason}"))
}

/// The reason for the peer when the user let go of a link without closing it.
pub(crate) const DROPPED: &str = "it is no longer needed";

/// The failure for bulk data from the listener.
pub(crate) fn one_way() -> Failure {
    Failure::new(
        "bulk-one-way",
        "bulk data goes from the side that dialled to the side that was called",
    )
}
