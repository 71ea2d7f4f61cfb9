//! Puts a link together once both sides have said hello, and serves it until its end.

use super::control::{Reader, Writer};
use super::failure;
use super::frames::FrameReader;
use crate::codec::Codec;
use crate::life::{Life, MESSAGES};
use crate::wire::hello::{Hello, Versions};
use phaul_core::executor::ports::{Bulk, Link, Peer};
use quinn::{Connection, SendStream};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

/// The name and version of this software, for the peer's people.
const SOFTWARE: &str = concat!("phaul ", env!("CARGO_PKG_VERSION"));

/// What this side says of itself; the listener opens no bulk streams.
pub(super) fn own_hello(bulk_streams: u32) -> Hello {
    Hello {
        versions: Versions::OURS,
        software: SOFTWARE.to_owned(),
        capabilities: Codec::CAPABILITIES
            .iter()
            .map(|(word, _)| (*word).to_owned())
            .collect(),
        bulk_streams,
    }
}

/// A connection on which both sides have said hello.
pub(super) struct Greeted {
    pub(super) connection: Connection,
    /// The control stream, both ways.
    pub(super) send: SendStream,
    pub(super) frames: FrameReader,
    pub(super) peer: Peer,
}

impl Greeted {
    /// Starts what serves the link. `guard` is kept until the connection has ended and the
    /// peer was told.
    pub(super) fn start(
        self,
        life: Arc<Life>,
        bulk: Arc<dyn Bulk>,
        linger: Duration,
        tasks: &TaskTracker,
        guard: impl Guard,
    ) -> Link {
        let (outgoing, from_user) = mpsc::channel(MESSAGES);
        let (to_user, incoming) = mpsc::channel(MESSAGES);
        let (answers, answers_out) = mpsc::channel(1);
        let writer = Writer {
            stream: self.send,
            outgoing: from_user,
            answers: answers_out,
            connection: self.connection.clone(),
            life: Arc::clone(&life),
            linger,
        };
        let reader = Reader {
            frames: self.frames,
            incoming: to_user,
            answers,
            connection: self.connection.clone(),
            life: Arc::clone(&life),
            linger,
        };
        tokio::spawn(reader.run());
        tokio::spawn(watch(self.connection, life));
        let peer = self.peer.name.clone();
        tracing::info!(peer, "a link is up");
        tasks.spawn(async move {
            let life = Arc::clone(&writer.life);
            writer.run().await;
            tracing::info!(peer, reason = %life.reason(), "a link has ended");
            guard.release().await;
        });
        Link {
            peer: self.peer,
            outgoing,
            incoming,
            bulk,
        }
    }
}

/// What a link holds until its end.
pub(super) trait Guard: Send + 'static {
    /// The link has ended.
    fn release(self) -> impl Future<Output = ()> + Send;
}

/// The link ends with its connection, also while nobody reads or writes.
async fn watch(connection: Connection, life: Arc<Life>) {
    let error = connection.closed().await;
    failure::broken(&life, &error);
}
