//! Accepts links.

use super::bulk_in::Incoming;
use super::failure::Close;
use super::frames::{self, FrameError, FrameReader};
use super::gate::{Caller, Gate, Seat};
use super::link::{Greeted, Guard, own_hello};
use super::options::ListenerOptions;
use super::{endpoint, tls};
use crate::keys::{Identity, Keys, KeysError, PublicKey, TrustedPeer};
use crate::life::Life;
use crate::wire::HELLO_MAX;
use crate::wire::hello::{
    Hello, REFUSED_HELLO, REFUSED_VERSION, Verdict, Versions, Welcome, decode_hello, encode_welcome,
};
use async_trait::async_trait;
use phaul_core::executor::ports::{Link, Listen, Peer};
use phaul_core::failure::Failure;
use quinn::{Connection, Endpoint, RecvStream, SendStream, ServerConfig};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::{Mutex, mpsc};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Links that wait until they are accepted.
const BACKLOG: usize = 16;

/// Accepts links over QUIC from every peer that is trusted.
#[derive(Debug)]
pub struct QuicListener {
    address: SocketAddr,
    links: Mutex<mpsc::Receiver<Link>>,
    closing: CancellationToken,
    tasks: TaskTracker,
}

impl QuicListener {
    /// Listens on an address of this host. This host's key is read now, the peers' keys
    /// whenever one calls, so that trust is given and taken away at once. To be called within
    /// a Tokio runtime, which then serves the callers.
    pub fn bind(
        address: SocketAddr,
        keys: Keys,
        options: ListenerOptions,
    ) -> Result<Self, Failure> {
        let failed = |why: &dyn std::fmt::Display| {
            Failure::new("listen", format!("cannot listen on {address}: {why}"))
        };
        let identity = keys.identity()?;
        // Only for the time until a caller's own configuration is made: it lets nobody in.
        let nobody = config(&identity, Vec::new(), Arc::default(), &options)
            .map_err(|error| failed(&error))?;
        let endpoint = endpoint::open(address, Some(nobody)).map_err(|error| failed(&error))?;
        let address = endpoint.local_addr().map_err(|error| failed(&error))?;
        let (ready, links) = mpsc::channel(BACKLOG);
        let closing = CancellationToken::new();
        let tasks = TaskTracker::new();
        let door = Arc::new(Door {
            keys,
            identity,
            options,
            gate: Gate::new(options.links, options.callers_per_address),
            ready,
            tasks: tasks.clone(),
        });
        tokio::spawn(attend(endpoint, door, closing.clone()));
        Ok(Self {
            address,
            links: Mutex::new(links),
            closing,
            tasks,
        })
    }

    /// The address that it listens on; of use when it was bound to port 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts nobody any more. Links that were accepted live on.
    pub fn close(&self) {
        self.closing.cancel();
    }

    /// Waits until every link that was accepted has ended and its peer was told.
    pub async fn finished(&self) {
        self.tasks.close();
        self.tasks.wait().await;
        self.tasks.reopen();
    }
}

impl Drop for QuicListener {
    fn drop(&mut self) {
        self.close();
    }
}

#[async_trait]
impl Listen for QuicListener {
    async fn accept(&self) -> Option<Link> {
        let mut links = self.links.lock().await;
        tokio::select! {
            biased;
            () = self.closing.cancelled() => {}
            link = links.recv() => return link,
        }
        // Whoever got in and was not accepted before the end is sent away.
        links.close();
        while links.try_recv().is_ok() {}
        None
    }
}

fn config(
    identity: &Identity,
    accepted: Vec<PublicKey>,
    presented: tls::Presented,
    options: &ListenerOptions,
) -> Result<ServerConfig, rustls::Error> {
    let tls = tls::server(identity, accepted, presented)?;
    let mut config = ServerConfig::with_crypto(Arc::new(tls));
    let transport = endpoint::listener_transport(&options.timing, &options.windows);
    config.transport_config(Arc::new(transport));
    Ok(config)
}

/// What is needed to let a caller in.
struct Door {
    keys: Keys,
    identity: Identity,
    options: ListenerOptions,
    gate: Arc<Gate>,
    ready: mpsc::Sender<Link>,
    tasks: TaskTracker,
}

/// Sees to the callers until the listener is closed.
async fn attend(endpoint: Endpoint, door: Arc<Door>, closing: CancellationToken) {
    loop {
        let incoming = tokio::select! {
            () = closing.cancelled() => break,
            incoming = endpoint.accept() => match incoming {
                Some(incoming) => incoming,
                None => break,
            },
        };
        let remote = incoming.remote_address();
        if door.gate.is_crowded() && !incoming.remote_address_validated() {
            // Can only fail for a caller that was asked already, and that one is validated.
            let _ = incoming.retry();
            continue;
        }
        let Some(caller) = door.gate.enter(remote.ip()) else {
            tracing::warn!(%remote, "refused a caller: there are too many");
            incoming.refuse();
            continue;
        };
        let door = Arc::clone(&door);
        tokio::spawn(async move {
            if let Err(reason) = door.let_in(incoming, caller).await {
                tracing::warn!(%remote, "refused a caller: {reason}");
            }
        });
    }
    // Nobody is answered from here on; links that there are go on.
    endpoint.set_server_config(None);
}

/// Why a caller is not let in.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("{0}")]
    Keys(#[from] KeysError),
    #[error("its key {} is not trusted", .0)]
    Unknown(PublicKey),
    #[error("{0}")]
    Tls(#[from] rustls::Error),
    #[error("the connection failed: {0}")]
    Connection(#[from] quinn::ConnectionError),
    #[error("{0}")]
    Hello(String),
    #[error("it did not say hello in time")]
    Late,
    #[error("the listener has closed")]
    Closed,
}

impl Door {
    async fn let_in(&self, incoming: quinn::Incoming, caller: Caller) -> Result<(), Refusal> {
        let deadline = Instant::now() + self.options.timing.handshake;
        let (connection, name) = timeout_at(deadline, self.authenticate(incoming))
            .await
            .map_err(|_| Refusal::Late)??;
        let greeted = timeout_at(deadline, self.greet(&connection, name)).await;
        match greeted.unwrap_or(Err(Refusal::Late)) {
            Ok((greeted, streams)) => {
                let life = Arc::new(Life::default());
                let bulk = Arc::new(Incoming::start(&connection, streams, &life));
                let linger = self.options.timing.linger;
                let link = greeted.start(life, bulk, linger, &self.tasks, caller.stay());
                self.ready.send(link).await.map_err(|_| Refusal::Closed)
            }
            Err(refusal) => {
                connection.close(Close::Refused.code(), refusal.to_string().as_bytes());
                Err(refusal)
            }
        }
    }

    /// Finds out who calls. Nothing that an untrusted caller sends gets beyond this.
    async fn authenticate(
        &self,
        incoming: quinn::Incoming,
    ) -> Result<(Connection, String), Refusal> {
        let trusted = self.trusted().await?;
        let presented = tls::Presented::default();
        let keys = trusted.iter().map(|peer| peer.key).collect();
        let config = config(&self.identity, keys, Arc::clone(&presented), &self.options)?;
        let connecting = incoming.accept_with(Arc::new(config))?;
        let connected = connecting.await;
        let key = presented.get().copied().flatten();
        match (connected, key) {
            (Ok(connection), Some(key)) => match trusted.into_iter().find(|peer| peer.key == key) {
                Some(peer) => Ok((connection, peer.name)),
                None => Err(Refusal::Unknown(key)),
            },
            (Err(_), Some(key)) if trusted.iter().all(|peer| peer.key != key) => {
                Err(Refusal::Unknown(key))
            }
            (Err(error), _) => Err(error.into()),
            (Ok(_), None) => Err(Refusal::Hello("it showed no key".to_owned())),
        }
    }

    async fn trusted(&self) -> Result<Vec<TrustedPeer>, Refusal> {
        let keys = self.keys.clone();
        match tokio::task::spawn_blocking(move || keys.list()).await {
            Ok(list) => Ok(list?),
            // The runtime is shutting down.
            Err(_) => Err(Refusal::Closed),
        }
    }

    /// Hears the caller's hello and says whether both go on.
    async fn greet(
        &self,
        connection: &Connection,
        name: String,
    ) -> Result<(Greeted, u32), Refusal> {
        let (send, receive) = connection.accept_bi().await?;
        let (hello, frames) = match hear(receive).await {
            Ok(heard) => heard,
            Err(error) => {
                let reason = format!("what it says is no hello: {error}");
                return Err(self.turn_away(send, REFUSED_HELLO, reason).await);
            }
        };
        let Some(protocol) = Versions::OURS.common(hello.versions) else {
            let (ours, theirs) = (Versions::OURS, hello.versions);
            let reason = format!(
                "versions {theirs} of the protocol are not understood here, but {ours} are"
            );
            return Err(self.turn_away(send, REFUSED_VERSION, reason).await);
        };
        let mut send = send;
        let verdict = Verdict::Accepted { protocol };
        say(&mut send, verdict).await.map_err(Refusal::Hello)?;
        // Messages wait behind nothing but messages.
        let _ = send.set_priority(1);
        let greeted = Greeted {
            connection: connection.clone(),
            send,
            frames,
            peer: Peer {
                name,
                software: hello.software,
                protocol,
            },
        };
        Ok((greeted, hello.bulk_streams))
    }

    /// Tells the caller why it is not let in, and waits a while until it has heard.
    async fn turn_away(&self, mut send: SendStream, code: &str, reason: String) -> Refusal {
        let verdict = Verdict::Refused {
            code: code.to_owned(),
            reason: reason.clone(),
        };
        if say(&mut send, verdict).await.is_ok() && send.finish().is_ok() {
            let _ = timeout(self.options.timing.linger, send.stopped()).await;
        }
        Refusal::Hello(reason)
    }
}

impl Guard for Seat {
    async fn release(self) {
        drop(self);
    }
}

async fn hear(receive: RecvStream) -> Result<(Hello, FrameReader), FrameError> {
    let mut frames = FrameReader::new(receive);
    let frame = frames.next("hello", HELLO_MAX).await?;
    let hello = decode_hello(frame.ok_or(FrameError::Torn)?)?;
    Ok((hello, frames))
}

async fn say(send: &mut SendStream, verdict: Verdict) -> Result<(), String> {
    let welcome = Welcome {
        hello: own_hello(0),
        verdict,
    };
    let frame = encode_welcome(&welcome).map_err(|error| error.to_string())?;
    frames::write(send, frame)
        .await
        .map_err(|error| error.to_string())
}
