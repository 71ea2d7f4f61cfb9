//! Is a unix socket of the tree connected to a process that stays behind?
//!
//! The system bus and the log daemon are the commonest; CRIU refuses both. Who is connected to
//! whom only the kernel's socket diagnosis tells.

use super::look::Look;
use super::none_of;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket,
};
use phaul_core::graph::Side;
use phaul_core::report::Check;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::AsRawFd;

const ID: &str = "unix-peers";

/// From Linux' `netlink.h`, `sock_diag.h` and `unix_diag.h`.
const NLM_F_REQUEST_DUMP: u16 = 0x301;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const AF_UNIX: u8 = 1;
const UDIAG_SHOW_PEER: u32 = 4;
const UNIX_DIAG_PEER: u16 = 2;
/// Sizes of a netlink header, a request and an answer of the unix diagnosis, in bytes.
const HEADER: usize = 16;
const REQUEST: usize = 24;
const ANSWER: usize = 16;

pub(super) fn check(look: &Look) -> Check {
    let peers = peers().unwrap_or_else(|error| {
        tracing::warn!(%error, "the kernel does not tell the peers of unix sockets");
        BTreeMap::new()
    });
    let ours: BTreeSet<u32> = look
        .descriptors()
        .filter_map(|(_, open)| u32::try_from(open.socket()?).ok())
        .collect();
    let found: BTreeSet<String> = look
        .descriptors()
        .filter_map(|(process, open)| {
            let peer = peers.get(&u32::try_from(open.socket()?).ok()?)?;
            let (name, number) = (process.name(), open.number);
            (!ours.contains(peer)).then(|| {
                format!(
                    "{name} is connected to a process outside: descriptor {number}, unix socket"
                )
            })
        })
        .collect();
    none_of(
        ID,
        Side::Source,
        &Vec::from_iter(found),
        "no unix socket is connected to a process that stays behind",
        "close the connection before the move (a system bus or a log daemon is the commonest one)",
    )
}

/// The peer of every connected unix socket of this network namespace, by inode.
fn peers() -> io::Result<BTreeMap<u32, u32>> {
    let kind = (SockType::Raw, SockFlag::SOCK_CLOEXEC);
    let diagnosis = SockProtocol::NetlinkSockDiag;
    let socket = socket(AddressFamily::Netlink, kind.0, kind.1, diagnosis)?;
    let kernel = NetlinkAddr::new(0, 0);
    sendto(socket.as_raw_fd(), &request(), &kernel, MsgFlags::empty())?;
    let mut found = BTreeMap::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let count = recv(socket.as_raw_fd(), &mut buffer, MsgFlags::empty())?;
        if understand(&buffer[..count], &mut found)? {
            return Ok(found);
        }
    }
}

fn request() -> Vec<u8> {
    let length = u32::try_from(HEADER + REQUEST).unwrap_or(0);
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    bytes.extend(NLM_F_REQUEST_DUMP.to_ne_bytes());
    bytes.extend([0; 8]);
    bytes.extend([AF_UNIX, 0, 0, 0]);
    // All states, all inodes.
    bytes.extend(u32::MAX.to_ne_bytes());
    bytes.extend(0u32.to_ne_bytes());
    bytes.extend(UDIAG_SHOW_PEER.to_ne_bytes());
    bytes.extend([0xff; 8]);
    bytes
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// Takes in one packet of the kernel's answer; true if it was the last.
fn understand(mut packet: &[u8], found: &mut BTreeMap<u32, u32>) -> io::Result<bool> {
    while let (Some(length), Some(kind)) = (u32_at(packet, 0), u16_at(packet, 4)) {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let Some(message) = packet.get(HEADER..length) else {
            return Err(io::Error::other("a message is cut off"));
        };
        match kind {
            NLMSG_DONE => return Ok(true),
            NLMSG_ERROR => return Err(io::Error::other("the kernel refuses to tell")),
            _ => found.extend(connection(message)),
        }
        packet = packet.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(false)
}

/// The inodes of a socket and its peer, if it has one.
fn connection(message: &[u8]) -> Option<(u32, u32)> {
    let inode = u32_at(message, 4)?;
    let mut attributes = message.get(ANSWER..)?;
    loop {
        let length = usize::from(u16_at(attributes, 0)?);
        if u16_at(attributes, 2)? == UNIX_DIAG_PEER {
            // A connection that nobody has accepted yet has no inode at its other end.
            let peer = u32_at(attributes, 4).filter(|peer| *peer != 0);
            return peer.map(|peer| (inode, peer));
        }
        attributes = attributes.get(length.max(4).next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;
    use std::os::unix::net::UnixStream;

    fn inode(stream: &UnixStream) -> u32 {
        let path = format!("/proc/self/fd/{}", stream.as_raw_fd());
        u32::try_from(std::fs::metadata(path).unwrap().ino()).unwrap()
    }

    #[test]
    fn the_kernel_tells_who_is_connected_to_whom() {
        let (one, other) = UnixStream::pair().unwrap();
        let peers = peers().unwrap();
        assert_eq!(peers.get(&inode(&one)), Some(&inode(&other)));
        assert_eq!(peers.get(&inode(&other)), Some(&inode(&one)));
    }

    #[test]
    fn cut_off_answers_are_no_trouble() {
        let mut found = BTreeMap::new();
        assert!(!understand(&[], &mut found).unwrap());
        assert!(understand(&[200, 0, 0, 0, 20, 0, 0, 0], &mut found).is_err());
        assert_eq!(connection(&[0; 15]), None);
        assert_eq!(connection(&[0; 40]), None);
    }
}
