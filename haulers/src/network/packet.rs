//! Frames of Ethernet and the packets of IP in them: reading them, and their checksums; and
//! sockets that send and receive whole frames.

use super::links;
use super::names::{LinkName, Mac};
use super::netlink::Connection;
use super::netns::Netns;
use super::raw::{bind_to_link, set_option};
use nix::libc;
use phaul_core::failure::Failure;
use socket2::{Domain, SockFilter, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;
use std::thread;

/// Bytes of the header of Ethernet.
pub(super) const ETHERNET: usize = 14;
/// Numbers of what a frame carries.
pub(super) const IPV4_TYPE: u16 = 0x0800;
pub(super) const IPV6_TYPE: u16 = 0x86dd;
pub(super) const ARP_TYPE: u16 = 0x0806;
/// Numbers of what a packet carries.
const ICMP: u8 = 1;
pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;
pub(super) const ICMP6: u8 = 58;
/// ICMPv6 that one host sends another over any distance: errors and echoes. The rest is talk
/// among neighbours, which no peer may put into a host's mouth.
const FAR_ICMP6: [u8; 6] = [1, 2, 3, 4, 128, 129];

/// What a frame carries, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Packet {
    /// Who sent it.
    pub(super) source: IpAddr,
    /// Whom it is for.
    pub(super) destination: IpAddr,
    /// What it carries: TCP, UDP, ICMP or ICMPv6.
    pub(super) protocol: u8,
    /// Whether it is a part of a larger one.
    pub(super) is_fragment: bool,
    /// Where in the frame the whole packet is, without what pads the frame.
    pub(super) whole: Range<usize>,
    /// Where in the frame that which it carries begins.
    pub(super) carried: usize,
}

impl Packet {
    /// The packet in a frame; none if it is of no kind that is kept and sent again.
    pub(super) fn of(frame: &[u8]) -> Option<Self> {
        let kind = u16::from_be_bytes(*frame.get(12..)?.first_chunk()?);
        let packet = frame.get(ETHERNET..)?;
        match kind {
            IPV4_TYPE => Self::of_ipv4(packet),
            IPV6_TYPE => Self::of_ipv6(packet),
            _ => None,
        }
        .filter(|packet| packet.whole.end <= frame.len() && packet.carried <= packet.whole.end)
        .filter(|packet| packet.is_far(frame))
    }

    fn of_ipv4(packet: &[u8]) -> Option<Self> {
        let header: &[u8; 20] = packet.first_chunk()?;
        let length = usize::from(header[0] & 0xf) * 4;
        if header[0] >> 4 != 4 || length < 20 {
            return None;
        }
        let total = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let [
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            protocol,
            _,
            _,
            s0,
            s1,
            s2,
            s3,
            d @ ..,
        ] = *header;
        let fragment = u16::from_be_bytes([header[6], header[7]]) & 0x3fff;
        Some(Self {
            source: Ipv4Addr::from([s0, s1, s2, s3]).into(),
            destination: Ipv4Addr::from(d).into(),
            protocol,
            is_fragment: fragment != 0,
            whole: ETHERNET..ETHERNET + total,
            carried: ETHERNET + length,
        })
        .filter(|packet| [ICMP, TCP, UDP].contains(&packet.protocol))
    }

    /// One with headers in between is not read: there are none in ordinary traffic.
    fn of_ipv6(packet: &[u8]) -> Option<Self> {
        let header: &[u8; 40] = packet.first_chunk()?;
        let carried = usize::from(u16::from_be_bytes([header[4], header[5]]));
        let source: [u8; 16] = *header.get(8..)?.first_chunk()?;
        let destination: [u8; 16] = *header.get(24..)?.first_chunk()?;
        Some(Self {
            source: Ipv6Addr::from(source).into(),
            destination: Ipv6Addr::from(destination).into(),
            protocol: header[6],
            is_fragment: false,
            whole: ETHERNET..ETHERNET + 40 + carried,
            carried: ETHERNET + 40,
        })
        .filter(|packet| header[0] >> 4 == 6 && [ICMP6, TCP, UDP].contains(&packet.protocol))
    }

    fn is_far(&self, frame: &[u8]) -> bool {
        let kind = frame.get(self.carried);
        self.protocol != ICMP6 || kind.is_some_and(|kind| FAR_ICMP6.contains(kind))
    }
}

/// The sum of 16-bit words, folded, on top of another (RFC 1071); its complement is a checksum.
pub(super) fn sum(start: u16, bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|word| match word {
        [high, low] => u64::from(u16::from_be_bytes([*high, *low])),
        [high] => u64::from(*high) << 8,
        _ => 0,
    });
    let mut total = u64::from(start) + words.sum::<u64>();
    while total > 0xffff {
        total = (total >> 16) + (total & 0xffff);
    }
    u16::try_from(total).unwrap_or(0)
}

/// Completes a checksum that was left to the network card: the place holds the sum of the
/// addresses and so on; what begins at `start` is still to be added.
pub(super) fn complete_checksum(frame: &mut [u8], start: usize, place: usize) -> Option<()> {
    let checksum = match !sum(0, frame.get(start..)?) {
        // Zero says that there is none.
        0 => 0xffff,
        checksum => checksum,
    };
    frame
        .get_mut(place..place + 2)?
        .copy_from_slice(&u16::to_be_bytes(checksum));
    Some(())
}

/// Which frames are meant: those for a workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Towards {
    /// Those that are sent to this hardware address.
    Mac(Mac),
    /// Those that carry packets for one of these addresses.
    Ips(Vec<IpAddr>),
}

/// Most addresses in one filter: jumps of a filter reach 255 instructions at most.
pub(super) const TOWARDS_MAX: usize = 64;

impl Towards {
    /// Whether a frame is one of them.
    pub(super) fn has(&self, frame: &[u8], packet: &Packet) -> bool {
        match self {
            Self::Mac(mac) => frame.starts_with(&mac.0),
            Self::Ips(ips) => ips.contains(&packet.destination),
        }
    }

    /// The same for the kernel, which then wakes nobody for others.
    fn program(&self) -> Vec<SockFilter> {
        const LOAD_WORD: u16 = 0x20;
        const LOAD_HALF: u16 = 0x28;
        const EQUAL: u16 = 0x15;
        const RETURN: u16 = 0x06;
        let mut program = Vec::new();
        let mut test = |fields: &[(u16, u32, u32)]| {
            let steps = fields.len();
            for (step, (load, offset, value)) in fields.iter().enumerate() {
                // Over the remaining steps, of two instructions each, and the verdict.
                let on = u8::try_from((steps - step - 1) * 2 + 1).unwrap_or(u8::MAX);
                program.push(SockFilter::new(*load, 0, 0, *offset));
                program.push(SockFilter::new(EQUAL, 0, on, *value));
            }
            program.push(SockFilter::new(RETURN, 0, 0, u32::MAX));
        };
        match self {
            Self::Mac(Mac([a, b, c, d, e, f])) => test(&[
                (LOAD_WORD, 0, u32::from_be_bytes([*a, *b, *c, *d])),
                (LOAD_HALF, 4, u16::from_be_bytes([*e, *f]).into()),
            ]),
            Self::Ips(ips) => {
                for ip in ips {
                    match ip {
                        IpAddr::V4(ip) => test(&[
                            (LOAD_HALF, 12, IPV4_TYPE.into()),
                            (LOAD_WORD, 30, ip.to_bits()),
                        ]),
                        IpAddr::V6(ip) => {
                            let bits = ip.to_bits();
                            let word = |n: u32| (bits >> (96 - 32 * n)) as u32;
                            test(&[
                                (LOAD_HALF, 12, IPV6_TYPE.into()),
                                (LOAD_WORD, 38, word(0)),
                                (LOAD_WORD, 42, word(1)),
                                (LOAD_WORD, 46, word(2)),
                                (LOAD_WORD, 50, word(3)),
                            ]);
                        }
                    }
                }
            }
        }
        program.push(SockFilter::new(RETURN, 0, 0, 0));
        program
    }
}

/// Whether a socket gives and takes each frame with a header that says what was left to the
/// network card: checksums and cutting it up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Offloads {
    No,
    Yes,
}

/// A socket that sends frames by a link, and receives none.
#[derive(Debug)]
pub(super) struct Sender(Option<Socket>);

impl Sender {
    /// Sends a frame, whole.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub(super) fn send(&self, frame: &[u8]) -> io::Result<()> {
        let socket = self.0.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        socket.send(frame).map(drop)
    }
}

impl Drop for Sender {
    /// To close a packet socket takes the kernel 10 to 20 ms, for which no cut-over waits.
    fn drop(&mut self) {
        let socket = self.0.take();
        // Without a thread the socket is closed here.
        let _begun = thread::Builder::new().spawn(move || drop(socket));
    }
}

/// Opens such a socket; with it what the link is.
///
/// # Errors
///
/// `network-link-missing` if there is no such link; `network-socket` if there can be none.
pub(super) fn sender(
    netns: &Netns,
    link: &LinkName,
    offloads: Offloads,
) -> Result<(Sender, links::Seen), Failure> {
    let (socket, seen) = open(netns, link, offloads)?;
    bind_to_link(&socket, seen.index, 0).map_err(|error| no_socket(link, error.into()))?;
    Ok((Sender(Some(socket)), seen))
}

/// A socket that receives the frames that are meant, coming and going by a link, at once.
///
/// # Errors
///
/// `network-link-missing` if there is no such link; `network-socket` if there can be none.
pub(super) fn receiver(
    netns: &Netns,
    link: &LinkName,
    towards: &Towards,
    room: usize,
) -> Result<Socket, Failure> {
    let (socket, seen) = open(netns, link, Offloads::Yes)?;
    let prepare = || {
        socket.attach_filter(&towards.program())?;
        nix::sys::socket::setsockopt(&socket, nix::sys::socket::sockopt::RcvBufForce, &room)?;
        socket.set_nonblocking(true)?;
        bind_to_link(&socket, seen.index, super::raw::EVERY_PROTOCOL)?;
        Ok(())
    };
    prepare().map_err(|error| no_socket(link, error))?;
    Ok(socket)
}

fn open(
    netns: &Netns,
    link: &LinkName,
    offloads: Offloads,
) -> Result<(Socket, links::Seen), Failure> {
    let seen = links::need(&mut Connection::route(netns)?, link)?;
    // Without a protocol it receives nothing until it is bound.
    let socket = netns.inside(|| Socket::new(Domain::PACKET, Type::RAW, None))?;
    if offloads == Offloads::Yes {
        set_option(&socket, libc::SOL_PACKET, libc::PACKET_VNET_HDR, 1)
            .map_err(|error| no_socket(link, error.into()))?;
    }
    Ok((socket, seen))
}

fn no_socket(link: &LinkName, error: io::Error) -> Failure {
    Failure::new(
        "network-socket",
        format!("no socket for the frames of the link {link} can be opened: {error}"),
    )
    .hint("phaul must run as root, on a kernel with CONFIG_PACKET")
}
