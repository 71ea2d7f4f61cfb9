//! Two hosts on one machine: each with its keys, one with a listener.

use phaul_core::executor::ports::{Dial, Link, Listen};
use phaul_core::failure::Failure;
use phaul_transports::keys::Keys;
use phaul_transports::quic::{
    DialerOptions, ListenerOptions, QuicDialer, QuicListener, Timing, Windows,
};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::timeout;

/// More than anything takes that happens at all.
const PATIENCE: Duration = Duration::from_secs(20);

/// Short enough for a test, long enough for a machine with other things to do.
pub(crate) const TIMING: Timing = Timing {
    handshake: Duration::from_secs(4),
    keep_alive: Duration::from_millis(400),
    idle: Duration::from_secs(2),
    linger: Duration::from_secs(1),
};

/// Small, so that tests of full windows are quick.
pub(crate) const WINDOWS: Windows = Windows {
    stream: 1 << 20,
    link: 2 << 20,
    send: 1 << 20,
};

/// A host with its keys.
pub(crate) struct Host {
    directory: TempDir,
}

impl Host {
    /// A host with a key that trusts nobody.
    pub(crate) fn new() -> Self {
        let host = Self {
            directory: TempDir::new().unwrap(),
        };
        host.keys().init().unwrap();
        host
    }

    pub(crate) fn keys(&self) -> Keys {
        Keys::new(self.directory.path())
    }

    pub(crate) fn state_directory(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn trust(&self, name: &str, other: &Host) {
        let key = other.keys().public_key().unwrap();
        self.keys().trust(name, key).unwrap();
    }
}

/// A source that dials and a target that listens, and trust between them.
pub(crate) struct Hosts {
    pub(crate) source: Host,
    pub(crate) target: Host,
    pub(crate) listener: QuicListener,
}

impl Hosts {
    /// The source is `a` to the target; the target is `b` to the source.
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut ListenerOptions)) -> Self {
        let (source, target) = (Host::new(), Host::new());
        source.trust("b", &target);
        target.trust("a", &source);
        let listener = listen(&target, change);
        Self {
            source,
            target,
            listener,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    pub(crate) fn dialer(&self) -> QuicDialer {
        dialer(&self.source, self.address(), |_| {})
    }

    /// Both ends of a fresh link.
    pub(crate) async fn link(&self, dialer: &QuicDialer) -> (Link, Link) {
        let (ours, theirs) =
            soon(async { tokio::join!(dialer.dial(), self.listener.accept()) }).await;
        (
            ours.map_err(|failure| failure.cause).unwrap(),
            theirs.unwrap(),
        )
    }

    /// The listener serves a proper caller.
    pub(crate) async fn assert_alive(&self) {
        let (ours, theirs) = self.link(&self.dialer()).await;
        assert_eq!((ours.bulk.lost(), theirs.bulk.lost()), (None, None));
    }
}

pub(crate) fn listen(host: &Host, change: impl FnOnce(&mut ListenerOptions)) -> QuicListener {
    let mut options = ListenerOptions {
        timing: TIMING,
        windows: WINDOWS,
        ..ListenerOptions::default()
    };
    change(&mut options);
    QuicListener::bind("127.0.0.1:0".parse().unwrap(), host.keys(), options).unwrap()
}

pub(crate) fn dialer(
    host: &Host,
    address: SocketAddr,
    change: impl FnOnce(&mut DialerOptions),
) -> QuicDialer {
    let mut options = DialerOptions {
        timing: TIMING,
        windows: WINDOWS,
        ..DialerOptions::default()
    };
    change(&mut options);
    QuicDialer::new(address.to_string(), "b", host.keys(), options)
}

/// Why the dialer gets no link.
pub(crate) async fn refusal(dialer: &QuicDialer) -> Failure {
    match soon(dialer.dial()).await {
        Ok(_) => panic!("it must not get a link"),
        Err(failure) => failure,
    }
}

/// What happens within a test's patience.
pub(crate) async fn soon<T>(happens: impl Future<Output = T>) -> T {
    timeout(PATIENCE, happens).await.expect("it must happen")
}
