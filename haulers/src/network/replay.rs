//! Sending frames again that were kept, at the host that has the workload now.

use super::frames::{Frame, Frames};
use super::names::LinkName;
use super::netns::Netns;
use super::packet::{Offloads, Towards, sender};
use nix::libc;
use phaul_core::failure::Failure;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, SocketAddr};

/// What became of frames that were sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Replayed {
    /// Frames that went out.
    pub(crate) sent: usize,
    /// Frames that were for somebody else, or that the kernel did not take.
    pub(crate) refused: usize,
}

/// Sends frames out by a link: by the host's end of a pair they arrive in the container. Only
/// those that are meant are sent, whatever the other host put among them.
///
/// # Errors
///
/// `network-link-missing` if there is no such link; `network-socket` if there can be no socket.
pub(super) fn out_of(
    netns: &Netns,
    link: &LinkName,
    frames: &Frames,
    towards: &Towards,
) -> Result<Replayed, Failure> {
    if frames.is_empty() {
        return Ok(Replayed::default());
    }
    let (socket, _) = sender(netns, link, Offloads::Yes)?;
    Ok(each(frames, towards, |frame| {
        socket.send(&frame.for_a_link())
    }))
}

/// Sends the packets of frames to this host's own sockets.
///
/// They go by the loopback through a raw socket, with the headers they have: a packet of the
/// loopback has its route already, so that no filter of the reverse path asks where it came
/// from. It needs no device, which might be left behind, and takes 64 KiB in one piece.
///
/// # Errors
///
/// `network-namespace` if there can be no socket.
pub(super) fn into_host(
    netns: &Netns,
    frames: &Frames,
    towards: &Towards,
) -> Result<Replayed, Failure> {
    if frames.is_empty() {
        return Ok(Replayed::default());
    }
    let (ipv4, ipv6) = netns.inside(|| Ok((raw(Domain::IPV4)?, raw(Domain::IPV6))))?;
    Ok(each(frames, towards, |frame| {
        let packet = frame.packet().zip(frame.for_the_host());
        let (about, packet) = packet.ok_or(io::ErrorKind::InvalidData)?;
        let socket = match about.destination {
            IpAddr::V4(_) => &ipv4,
            IpAddr::V6(_) => ipv6.as_ref().map_err(io::Error::kind)?,
        };
        let to = SocketAddr::new(about.destination, 0);
        socket.send_to(&packet, &to.into()).map(drop)
    }))
}

/// A socket for whole packets.
fn raw(domain: Domain) -> io::Result<Socket> {
    let raw = Protocol::from(libc::IPPROTO_RAW);
    let socket = Socket::new(domain, Type::RAW, Some(raw))?;
    // A raw socket receives every packet's copy unless it has no room for any.
    socket.set_recv_buffer_size(0)?;
    if domain == Domain::IPV6 {
        socket.set_header_included_v6(true)?;
    }
    Ok(socket)
}

fn each(frames: &Frames, towards: &Towards, send: impl Fn(&Frame) -> io::Result<()>) -> Replayed {
    let mut replayed = Replayed::default();
    for frame in &frames.frames {
        if frame.is_towards(towards) && sent(frame, &send) {
            replayed.sent += 1;
        } else {
            replayed.refused += 1;
        }
    }
    replayed
}

fn sent(frame: &Frame, send: impl Fn(&Frame) -> io::Result<()>) -> bool {
    send(frame)
        .inspect_err(|error| tracing::debug!(%error, "a kept frame cannot be sent again"))
        .is_ok()
}
