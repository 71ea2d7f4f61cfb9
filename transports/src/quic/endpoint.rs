//! The UDP socket and QUIC's own settings.

use super::options::{Timing, Windows};
use crate::wire::STREAMS_MAX;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::{RcvBuf, RcvBufForce, SndBuf, SndBufForce};
use quinn::{
    Endpoint, EndpointConfig, IdleTimeout, MtuDiscoveryConfig, ServerConfig, TokioRuntime,
    TransportConfig, VarInt,
};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Once};
use std::time::Duration;

/// The largest UDP payload that is tried. quinn 0.11 hands the kernel ten packets at a time,
/// and together they must fit into one datagram of 65,507 bytes: larger ones would be dropped
/// without a word.
const MTU_MAX: u16 = 6550;

/// The socket's buffers, in bytes. The system's default overflows whenever the receiver is
/// not scheduled for ten milliseconds; much more would be a queue that delays everything.
const SOCKET_BUFFER: usize = 2 << 20;

/// An endpoint on an address of this host; with a configuration it accepts connections.
pub(super) fn open(address: SocketAddr, server: Option<ServerConfig>) -> io::Result<Endpoint> {
    let socket = UdpSocket::bind(address)?;
    enlarge_buffers(&socket);
    let mut config = EndpointConfig::default();
    config
        .max_udp_payload_size(MTU_MAX)
        .map_err(io::Error::other)?;
    Endpoint::new(config, server, socket, Arc::new(TokioRuntime))
}

/// As large as wanted where this process may; as large as it gets where it may not.
fn enlarge_buffers(socket: &UdpSocket) {
    let sent = setsockopt(socket, SndBufForce, &SOCKET_BUFFER)
        .or_else(|_| setsockopt(socket, SndBuf, &SOCKET_BUFFER));
    let received = setsockopt(socket, RcvBufForce, &SOCKET_BUFFER)
        .or_else(|_| setsockopt(socket, RcvBuf, &SOCKET_BUFFER));
    // The kernel reports twice what was asked for, and less if its limit is lower.
    let size = nix::sys::socket::getsockopt(socket, RcvBuf).unwrap_or_default() / 2;
    if sent.is_err() || received.is_err() || size < SOCKET_BUFFER {
        // Once: every further socket of this process meets the same limit.
        static WARNED: Once = Once::new();
        WARNED.call_once(|| {
            tracing::warn!(
                wanted_bytes = SOCKET_BUFFER,
                got_bytes = size,
                "the UDP socket's buffer is small: transfers will be slow until the sysctls \
                 net.core.rmem_max and net.core.wmem_max are raised"
            );
        });
    }
}

/// The settings of a dialer's connections: the listener opens one stream, for receipts.
pub(super) fn dialer_transport(timing: &Timing, windows: &Windows) -> TransportConfig {
    let mut config = transport(timing, windows);
    config
        .max_concurrent_bidi_streams(VarInt::from_u32(0))
        .max_concurrent_uni_streams(VarInt::from_u32(1))
        .keep_alive_interval(Some(timing.keep_alive));
    config
}

/// The settings of a listener's connections: the dialer opens the control stream and the
/// bulk streams.
pub(super) fn listener_transport(timing: &Timing, windows: &Windows) -> TransportConfig {
    let mut config = transport(timing, windows);
    config
        .max_concurrent_bidi_streams(VarInt::from_u32(1))
        .max_concurrent_uni_streams(VarInt::from_u32(STREAMS_MAX));
    config
}

fn transport(timing: &Timing, windows: &Windows) -> TransportConfig {
    let mut discovery = MtuDiscoveryConfig::default();
    discovery.upper_bound(MTU_MAX);
    let mut config = TransportConfig::default();
    config
        .mtu_discovery_config(Some(discovery))
        .max_idle_timeout(Some(idle(timing.idle)))
        .stream_receive_window(VarInt::from_u32(windows.stream))
        .receive_window(VarInt::from_u32(windows.link))
        .send_window(windows.send.into())
        .datagram_receive_buffer_size(None);
    config
}

/// QUIC counts in milliseconds up to 2^62; a span that is longer is as good as that.
fn idle(span: Duration) -> IdleTimeout {
    let millis = u32::try_from(span.as_millis()).unwrap_or(u32::MAX);
    VarInt::from_u32(millis).into()
}
