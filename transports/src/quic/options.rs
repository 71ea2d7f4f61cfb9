//! What can be set. The defaults are what was measured to be good; facts, not tastes.

use phaul_core::plan::{Compression, Quic, Rate};
use std::time::Duration;

/// How long a handshake may take in all, from looking up the name to the peer's hello.
pub const HANDSHAKE: Duration = Duration::from_secs(10);
/// How often the dialer makes itself heard when there is nothing to say.
pub const KEEP_ALIVE: Duration = Duration::from_secs(2);
/// After how long a silence the link counts as lost. Both ends need it: the shorter one holds.
pub const IDLE: Duration = Duration::from_secs(10);
/// How long an end that closes the link waits for what it still has to say to arrive.
pub const LINGER: Duration = Duration::from_secs(2);

/// The spans of time of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// See [`HANDSHAKE`].
    pub handshake: Duration,
    /// See [`KEEP_ALIVE`].
    pub keep_alive: Duration,
    /// See [`IDLE`].
    pub idle: Duration,
    /// See [`LINGER`].
    pub linger: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            handshake: HANDSHAKE,
            keep_alive: KEEP_ALIVE,
            idle: IDLE,
            linger: LINGER,
        }
    }
}

/// How many bytes may be under way without the receiver having taken them. They bound the
/// memory of a link, and its speed: a stream carries at most a window in a round trip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Windows {
    /// On one stream.
    pub stream: u32,
    /// On all streams of a link.
    pub link: u32,
    /// Sent and not yet acknowledged, on all streams of a link.
    pub send: u32,
}

impl Default for Windows {
    fn default() -> Self {
        Self {
            stream: 16 << 20,
            link: 64 << 20,
            send: 8 << 20,
        }
    }
}

/// The settings of a dialer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DialerOptions {
    /// Bulk streams in parallel, 1 to [`STREAMS_MAX`](crate::wire::STREAMS_MAX).
    pub streams: u32,
    /// Upper limit for all bulk streams together.
    pub rate: Option<Rate>,
    /// Compression of bulk data.
    pub compression: Compression,
    /// The spans of time.
    pub timing: Timing,
    /// The bytes under way.
    pub windows: Windows,
}

impl From<&Quic> for DialerOptions {
    fn from(plan: &Quic) -> Self {
        Self {
            streams: plan.streams,
            rate: plan.rate,
            compression: plan.compression,
            timing: Timing::default(),
            windows: Windows::default(),
        }
    }
}

impl Default for DialerOptions {
    fn default() -> Self {
        Self::from(&Quic::default())
    }
}

/// The settings of a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenerOptions {
    /// Links at the same time, and callers on their way to one.
    pub links: usize,
    /// Callers from one address that have not said hello yet.
    pub callers_per_address: usize,
    /// The spans of time; [`Timing::keep_alive`] is the dialer's business.
    pub timing: Timing,
    /// The bytes under way.
    pub windows: Windows,
}

impl Default for ListenerOptions {
    fn default() -> Self {
        Self {
            links: 64,
            callers_per_address: 8,
            timing: Timing::default(),
            windows: Windows::default(),
        }
    }
}
