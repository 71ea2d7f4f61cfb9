//! Makes links to one peer.

use super::bulk_out::Outgoing;
use super::failure::{Close, Wanted};
use super::frames::{self, FrameError, FrameReader};
use super::link::{Greeted, Guard, own_hello};
use super::options::DialerOptions;
use super::{endpoint, tls};
use crate::codec::Codec;
use crate::keys::{Identity, Keys};
use crate::life::Life;
use crate::rate::RateLimit;
use crate::wire::hello::{REFUSED_VERSION, Verdict, Versions, decode_welcome, encode_hello};
use crate::wire::{HELLO_MAX, STREAMS_MAX};
use async_trait::async_trait;
use phaul_core::executor::ports::{Dial, Link, Peer};
use phaul_core::failure::{Failure, FailureKind};
use phaul_core::plan::Rate;
use quinn::{ClientConfig, Connection, Endpoint, ReadError, TransportConfig, WriteError};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tokio_util::task::TaskTracker;

/// How many of a name's addresses are tried.
const ADDRESSES_MAX: usize = 4;

/// How long an address has for its answer before the next one is tried too (RFC 8305).
const STAGGER: Duration = Duration::from_millis(250);

/// Makes links to one peer over QUIC.
#[derive(Debug)]
pub struct QuicDialer {
    address: String,
    peer: String,
    keys: Keys,
    options: DialerOptions,
    rate: Arc<RateLimit>,
    tasks: TaskTracker,
}

impl QuicDialer {
    /// A dialer for the agent at `address` (`host:port`), which must prove to be the trusted
    /// peer of this name. Keys are read anew whenever it dials.
    pub fn new(
        address: impl Into<String>,
        peer: impl Into<String>,
        keys: Keys,
        mut options: DialerOptions,
    ) -> Self {
        options.streams = options.streams.clamp(1, STREAMS_MAX);
        Self {
            address: address.into(),
            peer: peer.into(),
            keys,
            options,
            rate: Arc::new(RateLimit::new(options.rate)),
            tasks: TaskTracker::new(),
        }
    }

    /// Changes the upper limit for the bulk streams, at once and for every link of the dialer.
    pub fn set_rate(&self, rate: Option<Rate>) {
        self.rate.set(rate);
    }

    /// Waits until every link that this dialer made has ended and its peer was told. A
    /// process that is about to exit calls this, or its peers have to find out by themselves.
    pub async fn finished(&self) {
        self.tasks.close();
        self.tasks.wait().await;
        self.tasks.reopen();
    }

    /// Whom to look for, and the key to show.
    async fn prepare(&self) -> Result<(Wanted, Identity), Failure> {
        let keys = self.keys.clone();
        let name = self.peer.clone();
        let address = self.address.clone();
        let work = tokio::task::spawn_blocking(move || {
            let identity = keys.identity()?;
            let wanted = Wanted {
                key: keys.key_of(&name)?,
                own: identity.public,
                address,
                name,
            };
            Ok((wanted, identity))
        });
        match work.await {
            Ok(done) => done,
            Err(error) => Err(Failure::new("keys-io", error.to_string())),
        }
    }

    /// Connects to whichever of the peer's addresses answers first.
    async fn connect(
        &self,
        wanted: &Wanted,
        identity: Identity,
        deadline: Instant,
    ) -> Result<(Endpoint, Connection), Failure> {
        let addresses = resolve(wanted, deadline).await?;
        let identity = Arc::new(identity);
        let options = &self.options;
        let transport = endpoint::dialer_transport(&options.timing, &options.windows);
        let transport = Arc::new(transport);
        let mut attempts = JoinSet::new();
        for (place, address) in (0..).zip(addresses) {
            let attempt = Attempt {
                address,
                wanted: wanted.clone(),
                identity: Arc::clone(&identity),
                transport: Arc::clone(&transport),
            };
            attempts.spawn(async move {
                tokio::time::sleep(STAGGER * place).await;
                attempt.connect(deadline).await
            });
        }
        let mut failure = wanted.unreachable("its name has no address");
        while let Some(Ok(attempt)) = attempts.join_next().await {
            match attempt {
                Ok(connected) => return Ok(connected),
                // What somebody answered says more than that nobody did elsewhere.
                Err(_) if failure.kind == FailureKind::Final => {}
                Err(next) => failure = next,
            }
        }
        Err(failure)
    }

    /// Says hello and hears whether the peer goes on. Only this proves that the peer has
    /// accepted our key: in TLS 1.3 the dialer's handshake is over before that.
    async fn greet(&self, connection: &Connection, wanted: &Wanted) -> Result<Greeting, Failure> {
        let (mut send, receive) = connection
            .open_bi()
            .await
            .map_err(|error| wanted.refusal(&error, None))?;
        let hello = encode_hello(&own_hello(self.options.streams))
            .map_err(|error| Failure::new("peer-protocol", error.to_string()))?;
        match frames::write(&mut send, hello).await {
            // What the peer has to say of it is in what it sends, or in how it closes.
            Ok(()) | Err(WriteError::Stopped(_)) => {}
            Err(WriteError::ConnectionLost(error)) => return Err(wanted.refusal(&error, None)),
            Err(error) => return Err(wanted.no_agent(&error)),
        }
        // Messages wait behind nothing but messages.
        let _ = send.set_priority(1);
        let mut frames = FrameReader::new(receive);
        let welcome = match frames.next("welcome", HELLO_MAX).await {
            Ok(Some(frame)) => decode_welcome(frame).map_err(|error| wanted.no_agent(&error))?,
            Ok(None) => return Err(wanted.no_agent(&"it says nothing")),
            Err(FrameError::Stream(ReadError::ConnectionLost(error))) => {
                return Err(wanted.refusal(&error, None));
            }
            Err(error) => return Err(wanted.no_agent(&error)),
        };
        let protocol = judge(&welcome.verdict, welcome.hello.versions, wanted)?;
        Ok(Greeting {
            codec: Codec::for_peer(self.options.compression, &welcome.hello.capabilities),
            greeted: Greeted {
                connection: connection.clone(),
                send,
                frames,
                peer: Peer {
                    name: wanted.name.clone(),
                    software: welcome.hello.software,
                    protocol,
                },
            },
        })
    }

    async fn open_link(
        &self,
        connection: &Connection,
        wanted: &Wanted,
        guard: Draining,
    ) -> Result<Link, Failure> {
        let Greeting { greeted, codec } = self.greet(connection, wanted).await?;
        let life = Arc::new(Life::default());
        let rate = Arc::clone(&self.rate);
        let bulk = Outgoing::open(connection, self.options.streams, codec, rate, &life)
            .await
            .map_err(|error| wanted.refusal(&error, None))?;
        let linger = self.options.timing.linger;
        Ok(greeted.start(life, Arc::new(bulk), linger, &self.tasks, guard))
    }
}

#[async_trait]
impl Dial for QuicDialer {
    async fn dial(&self) -> Result<Link, Failure> {
        let deadline = Instant::now() + self.options.timing.handshake;
        let (wanted, identity) = self.prepare().await?;
        let (endpoint, connection) = self.connect(&wanted, identity, deadline).await?;
        let link = self.open_link(&connection, &wanted, Draining(endpoint));
        match timeout_at(deadline, link).await {
            Ok(Ok(link)) => Ok(link),
            Ok(Err(failure)) => {
                connection.close(Close::Violation.code(), failure.cause.as_bytes());
                Err(failure)
            }
            Err(_) => {
                connection.close(Close::Violation.code(), b"no welcome in time");
                Err(wanted.unreachable("it says no hello"))
            }
        }
    }
}

/// An attempt to connect to one of the peer's addresses.
struct Attempt {
    address: SocketAddr,
    wanted: Wanted,
    identity: Arc<Identity>,
    transport: Arc<TransportConfig>,
}

impl Attempt {
    async fn connect(self, deadline: Instant) -> Result<(Endpoint, Connection), Failure> {
        let wanted = &self.wanted;
        let broken = |why: &dyn ToString| wanted.unreachable(&why.to_string());
        let presented = tls::Presented::default();
        let tls = tls::client(&self.identity, wanted.key, Arc::clone(&presented))
            .map_err(|error| Failure::new("keys-damaged", error.to_string()))?;
        let mut config = ClientConfig::new(Arc::new(tls));
        config.transport_config(self.transport);
        let local: SocketAddr = match self.address {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let endpoint = endpoint::open(local, None).map_err(|error| broken(&error))?;
        let connecting = endpoint
            .connect_with(config, self.address, tls::SERVER_NAME)
            .map_err(|error| broken(&error))?;
        match timeout_at(deadline, connecting).await {
            Ok(Ok(connection)) => Ok((endpoint, connection)),
            Ok(Err(error)) => Err(wanted.refusal(&error, presented.get().copied())),
            Err(_) => Err(broken(&"it does not answer")),
        }
    }
}

struct Greeting {
    greeted: Greeted,
    codec: Codec,
}

/// The endpoint of a link: it stays until the end of the link is on the wire.
struct Draining(Endpoint);

impl Guard for Draining {
    async fn release(self) {
        self.0.wait_idle().await;
    }
}

/// The version that both speak from here on.
fn judge(verdict: &Verdict, theirs: Versions, wanted: &Wanted) -> Result<u32, Failure> {
    match verdict {
        Verdict::Accepted { protocol } if Versions::OURS.common(theirs) == Some(*protocol) => {
            Ok(*protocol)
        }
        Verdict::Accepted { protocol } => {
            let (ours, address) = (Versions::OURS, &wanted.address);
            Err(version_failure(format!(
                "the agent at {address} wants to speak version {protocol} of the protocol; \
                 this host understands {ours}, it understands {theirs}"
            )))
        }
        Verdict::Refused { code, reason } if code == REFUSED_VERSION => Err(version_failure(
            wanted.refused("peer-version", reason).cause,
        )),
        Verdict::Refused { reason, .. } => Err(wanted.refused("peer-refused", reason)),
    }
}

fn version_failure(cause: String) -> Failure {
    Failure::new("peer-version", cause)
        .hint("versions of phaul on the two hosts may be one release apart, not more")
}

async fn resolve(wanted: &Wanted, deadline: Instant) -> Result<Vec<SocketAddr>, Failure> {
    let address = &wanted.address;
    let port = address
        .rsplit_once(':')
        .map(|(_, port)| port.parse::<u16>());
    if !matches!(port, Some(Ok(1..))) {
        return Err(Failure::new(
            "peer-address",
            format!("`{address}` is not an address: `host:port` is expected"),
        ));
    }
    // The network may come back, and its name service with it.
    let failed = |why: &dyn std::fmt::Display| {
        Failure::lost(
            "peer-unresolved",
            format!("the name in `{address}` cannot be resolved: {why}"),
        )
    };
    match timeout_at(deadline, tokio::net::lookup_host(address)).await {
        Ok(Ok(addresses)) => Ok(addresses.take(ADDRESSES_MAX).collect()),
        Ok(Err(error)) => Err(failed(&error)),
        Err(_) => Err(failed(&"there is no answer in time")),
    }
}
