//! Links within one process, over channels: for tests of what uses links.
//!
//! Nothing in here depends on time, so that tests may stop the clock. Messages go through the
//! same encoding as on a real link, and are refused for the same reasons.

use crate::codec::Codec;
use crate::life::{By, CHUNKS, DROPPED, Life, MESSAGES, closed_by_peer, one_way};
use crate::wire::chunk::Packed;
use crate::wire::hello::Versions;
use crate::wire::message::{Decoded, decode, encode};
use async_trait::async_trait;
use phaul_core::executor::ports::{Bulk, Dial, Link, Listen, Peer};
use phaul_core::failure::Failure;
use phaul_core::protocol::{Chunk, Message};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::sync::mpsc::{self, Receiver, Sender};

/// The name that the listener has for the dialer.
pub const SOURCE: &str = "source";
/// The name that the dialer has for the listener.
pub const TARGET: &str = "target";

/// Links that wait until they are accepted.
const BACKLOG: usize = 16;

/// A dialer, the listener that it reaches, and the switch between them.
#[derive(Debug)]
pub struct InProcess {
    /// Makes links.
    pub dialer: InProcessDialer,
    /// Accepts them.
    pub listener: InProcessListener,
    /// Cuts and mends the way between them.
    pub switch: Switch,
}

/// A dialer and a listener within this process, with the way between them whole.
pub fn pair() -> InProcess {
    let (ready, links) = mpsc::channel(BACKLOG);
    let switch = Switch::default();
    InProcess {
        dialer: InProcessDialer {
            ready,
            switch: switch.clone(),
        },
        listener: InProcessListener {
            links: tokio::sync::Mutex::new(links),
        },
        switch,
    }
}

/// Cuts and mends the way between a dialer and its listener.
#[derive(Debug, Clone, Default)]
pub struct Switch {
    wires: Arc<Mutex<Wires>>,
}

#[derive(Debug, Default)]
struct Wires {
    cut: bool,
    /// Both ends of every link.
    ends: Vec<Weak<Life>>,
}

impl Switch {
    /// Both ends of every link are lost, and nobody can dial until it is mended.
    pub fn cut(&self) {
        let mut wires = self.wires();
        wires.cut = true;
        for end in wires.ends.drain(..).filter_map(|end| end.upgrade()) {
            let failure = Failure::lost("link-lost", "the link is lost: it was cut");
            end.end(By::Them, failure);
        }
    }

    /// The dialer can dial again. What was lost stays lost.
    pub fn mend(&self) {
        self.wires().cut = false;
    }

    /// Makes the two ends of a link, unless the way is cut.
    fn connect(&self) -> Option<(Arc<Life>, Arc<Life>)> {
        let mut wires = self.wires();
        if wires.cut {
            return None;
        }
        let ends = (Arc::<Life>::default(), Arc::<Life>::default());
        wires.ends.retain(|end| end.strong_count() > 0);
        wires.ends.extend([&ends.0, &ends.1].map(Arc::downgrade));
        Some(ends)
    }

    fn wires(&self) -> MutexGuard<'_, Wires> {
        // Every change is whole before anything could panic.
        self.wires.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes links to the listener that it was made with.
#[derive(Debug, Clone)]
pub struct InProcessDialer {
    ready: Sender<Link>,
    switch: Switch,
}

#[async_trait]
impl Dial for InProcessDialer {
    async fn dial(&self) -> Result<Link, Failure> {
        let unreachable = |why| {
            let cause = format!("no agent can be reached: {why}");
            Failure::lost("peer-unreachable", cause)
        };
        let Some((here, there)) = self.switch.connect() else {
            return Err(unreachable("the way is cut"));
        };
        let (ours, theirs) = link(here, there);
        match self.ready.send(theirs).await {
            Ok(()) => Ok(ours),
            Err(_) => Err(unreachable("the listener is gone")),
        }
    }
}

/// Accepts the links of the dialer that it was made with.
#[derive(Debug)]
pub struct InProcessListener {
    links: tokio::sync::Mutex<Receiver<Link>>,
}

impl InProcessListener {
    /// Accepts nobody any more.
    pub async fn close(&self) {
        self.links.lock().await.close();
    }
}

#[async_trait]
impl Listen for InProcessListener {
    async fn accept(&self) -> Option<Link> {
        self.links.lock().await.recv().await
    }
}

/// The dialer's and the listener's end of a link.
fn link(here: Arc<Life>, there: Arc<Life>) -> (Link, Link) {
    let (chunks_in, chunks_out) = mpsc::channel(CHUNKS);
    let ours = Outgoing {
        chunks: chunks_in,
        life: Arc::clone(&here),
    };
    let theirs = Incoming {
        chunks: tokio::sync::Mutex::new(chunks_out),
        life: Arc::clone(&there),
    };
    let (to_them, from_us) = carry(&here, &there);
    let (to_us, from_them) = carry(&there, &here);
    let end = |name: &str, outgoing, incoming, bulk| Link {
        peer: Peer {
            name: name.to_owned(),
            software: "phaul in this process".to_owned(),
            protocol: Versions::OURS.max,
        },
        outgoing,
        incoming,
        bulk,
    };
    (
        end(TARGET, to_them, from_them, Arc::new(ours)),
        end(SOURCE, to_us, from_us, Arc::new(theirs)),
    )
}

/// Carries messages one way, until the end of either end is known to the other.
fn carry(here: &Arc<Life>, there: &Arc<Life>) -> (Sender<Message>, Receiver<Message>) {
    let (outgoing, from_user) = mpsc::channel(MESSAGES);
    let (to_user, incoming) = mpsc::channel(MESSAGES);
    let carrier = Carrier {
        from_user,
        to_user,
        here: Arc::clone(here),
        there: Arc::clone(there),
    };
    tokio::spawn(carrier.run());
    (outgoing, incoming)
}

struct Carrier {
    from_user: Receiver<Message>,
    to_user: Sender<Message>,
    here: Arc<Life>,
    there: Arc<Life>,
}

impl Carrier {
    async fn run(mut self) {
        loop {
            let message = tokio::select! {
                biased;
                () = self.here.ended() => break,
                () = self.there.ended() => break,
                () = self.to_user.closed() => break self.there.close(DROPPED),
                message = self.from_user.recv() => match message {
                    Some(message) => message,
                    None => break self.here.close(DROPPED),
                },
            };
            self.deliver(&message).await;
        }
        let by_us = |life: &Life| match life.how().map(|end| &end.by) {
            Some(By::Us(reason) | By::UsBecauseOfThem(reason)) => Some(reason.clone()),
            _ => None,
        };
        if let Some(reason) = by_us(&self.there) {
            self.here.end(By::Them, closed_by_peer(&reason));
        }
        if let Some(reason) = by_us(&self.here) {
            self.from_user.close();
            while let Some(message) = self.from_user.recv().await {
                self.deliver(&message).await;
            }
            self.there.end(By::Them, closed_by_peer(&reason));
        }
        // As on a real link: the end of `incoming` is seen when its reason can be asked for,
        // and by then each end has one.
        self.there.ended().await;
    }

    async fn deliver(&self, message: &Message) {
        match encode(message).map(decode) {
            Ok(Ok(Decoded::Message(message))) => {
                // No receiver means that the other end is about to end.
                let _ = self.to_user.send(message).await;
            }
            // What this side encodes, this side understands.
            Ok(Ok(Decoded::NotUnderstood(_))) => {}
            Ok(Err(error)) => self.there.violated(&error),
            Err(error) => self.here.unsendable(&error),
        }
    }
}

struct Outgoing {
    chunks: Sender<Chunk>,
    life: Arc<Life>,
}

#[async_trait]
impl Bulk for Outgoing {
    async fn send(&self, chunk: Chunk) -> Result<u64, Failure> {
        let packed = Packed::new(&chunk, Codec::Raw)
            .map_err(|error| Failure::new("chunk-unsendable", error.to_string()))?;
        tokio::select! {
            biased;
            () = self.life.ended() => return Err(self.life.reason()),
            sent = self.chunks.send(chunk) => if sent.is_err() {
                // The receiver goes with its link, whose end is on its way here.
                self.life.ended().await;
                return Err(self.life.reason());
            },
        }
        Ok(packed.size())
    }

    async fn flush(&self) -> Result<(), Failure> {
        // What is in the channel is at the peer's end already.
        self.life.lost().map_or(Ok(()), Err)
    }

    async fn receive(&self) -> Option<Chunk> {
        self.life.ended().await;
        None
    }

    fn close(&self, reason: &str) {
        self.life.close(reason);
    }

    fn lost(&self) -> Option<Failure> {
        self.life.lost()
    }
}

struct Incoming {
    chunks: tokio::sync::Mutex<Receiver<Chunk>>,
    life: Arc<Life>,
}

#[async_trait]
impl Bulk for Incoming {
    async fn send(&self, _: Chunk) -> Result<u64, Failure> {
        Err(one_way())
    }

    async fn flush(&self) -> Result<(), Failure> {
        self.life.lost().map_or(Ok(()), Err)
    }

    async fn receive(&self) -> Option<Chunk> {
        let mut chunks = self.chunks.lock().await;
        tokio::select! {
            biased;
            // The dialer may let go of its end while the link goes on.
            Some(chunk) = chunks.recv() => Some(chunk),
            () = self.life.ended() => chunks.try_recv().ok(),
        }
    }

    fn close(&self, reason: &str) {
        self.life.close(reason);
    }

    fn lost(&self) -> Option<Failure> {
        self.life.lost()
    }
}
