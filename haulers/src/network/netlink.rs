//! Netlink sockets: one a namespace, blocking, for as long as one piece of work lasts. The
//! kernel answers within the call that sends the request, so nothing here waits for long.

use super::netns::Netns;
use super::raw::set_option;
use super::wire::{ACK, Answer, Attributes, DUMP, HEADER, Message, Parsed};
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, setsockopt, socket,
    sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};
use phaul_core::failure::Failure;
use std::fmt;
use std::os::fd::{AsRawFd, OwnedFd};

/// Most messages in one listing: a namespace with more is not one to rebuild.
const ANSWERS_MAX: usize = 300_000;
/// Bytes of one read; the kernel's listings fill at most 32 KiB.
const READ: usize = 65_536;
/// Seconds after which the kernel is taken to have no answer.
const PATIENCE: i64 = 5;
/// How often a listing is begun anew because something changed in its course.
const LISTINGS: u32 = 8;
/// `NLMSGERR_ATTR_MSG`.
const SAID: u16 = 1;
/// `NLM_F_CAPPED`, `NLM_F_ACK_TLVS`: attributes follow the header of an error.
const EXPLAINED: u16 = 0x200;

/// Why the kernel refused a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// Its number.
    pub(super) errno: Errno,
    /// Its own words, if it had any.
    said: Option<String>,
}

impl From<Errno> for Refusal {
    fn from(errno: Errno) -> Self {
        Self { errno, said: None }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.errno.desc())?;
        self.said
            .as_ref()
            .map_or(Ok(()), |said| write!(f, " ({said})"))
    }
}

impl Refusal {
    /// The failure of what was tried, which reads after "cannot".
    pub(super) fn failure(&self, code: &str, what: impl fmt::Display) -> Failure {
        let failure = Failure::new(code, format!("cannot {what}: {self}"));
        if self.errno == Errno::EPERM {
            return failure.hint("phaul must run as root (CAP_NET_ADMIN)");
        }
        failure
    }
}

/// Takes these refusals as success: what was asked for is so already.
pub(super) fn unless(result: Result<(), Refusal>, fine: &[Errno]) -> Result<(), Refusal> {
    result.or_else(|refusal| {
        if fine.contains(&refusal.errno) {
            Ok(())
        } else {
            Err(refusal)
        }
    })
}

/// A socket to the kernel's part of one namespace.
#[derive(Debug)]
pub(super) struct Connection {
    socket: OwnedFd,
    sequence: u32,
}

impl Connection {
    /// For links, addresses and routes.
    pub(super) fn route(netns: &Netns) -> Result<Self, Failure> {
        netns.inside(|| Self::open(SockProtocol::NetlinkRoute).map_err(Into::into))
    }

    /// For nftables.
    pub(super) fn netfilter(netns: &Netns) -> Result<Self, Failure> {
        netns.inside(|| Self::open(SockProtocol::NetlinkNetFilter).map_err(Into::into))
    }

    /// In the namespace of the calling thread.
    pub(super) fn open(protocol: SockProtocol) -> nix::Result<Self> {
        let socket = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            protocol,
        )?;
        for option in [libc::NETLINK_EXT_ACK, libc::NETLINK_CAP_ACK] {
            set_option(&socket, libc::SOL_NETLINK, option, 1)?;
        }
        setsockopt(
            &socket,
            sockopt::ReceiveTimeout,
            &TimeVal::seconds(PATIENCE),
        )?;
        Ok(Self {
            socket,
            sequence: 0,
        })
    }

    fn next(&mut self) -> u32 {
        self.sequence += 1;
        self.sequence
    }

    fn send(&self, bytes: &[u8]) -> Result<(), Refusal> {
        send(self.socket.as_raw_fd(), bytes, MsgFlags::empty())?;
        Ok(())
    }

    /// The messages of one read, each with its sequence number and flags.
    fn receive(&self) -> Result<Vec<(u32, u16, Answer)>, Refusal> {
        let mut buffer = vec![0; READ];
        let length = loop {
            match recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::MSG_TRUNC) {
                Err(Errno::EINTR) => {}
                // A receive that timed out.
                Err(Errno::EAGAIN) => return Err(Errno::ETIMEDOUT.into()),
                other => break other?,
            }
        };
        let bytes = buffer.get(..length).ok_or(Errno::EMSGSIZE)?;
        Ok(messages(bytes))
    }

    /// A request that has no answer but that it was done.
    pub(super) fn ask(&mut self, message: &Message) -> Result<(), Refusal> {
        self.exchange(&message.clone().flagged(ACK)).map(drop)
    }

    /// A request for one thing; none if the kernel only says that the request was fine.
    pub(super) fn get(&mut self, message: &Message) -> Result<Option<Answer>, Refusal> {
        let answers = self.exchange(&message.clone().flagged(ACK))?;
        Ok(answers.into_iter().next())
    }

    /// All there are of a kind.
    pub(super) fn list(&mut self, message: &Message) -> Result<Vec<Answer>, Refusal> {
        let message = message.clone().flagged(DUMP);
        for _ in 0..LISTINGS {
            match self.exchange(&message) {
                Err(refusal) if refusal.errno == Errno::EINTR => {}
                other => return other,
            }
        }
        Err(Errno::EAGAIN.into())
    }

    /// Sends a request and reads up to its end; a listing that something disturbed is `EINTR`.
    fn exchange(&mut self, message: &Message) -> Result<Vec<Answer>, Refusal> {
        let sequence = self.next();
        self.send(&message.encode(sequence))?;
        let mut answers = Vec::new();
        let mut disturbed = false;
        loop {
            for (number, flags, answer) in self.receive()? {
                if number != sequence {
                    continue;
                }
                disturbed |= i32::from(flags) & libc::NLM_F_DUMP_INTR != 0;
                match i32::from(answer.kind) {
                    libc::NLMSG_ERROR => return outcome(&answer, flags).map(|()| answers),
                    libc::NLMSG_DONE if disturbed => return Err(Errno::EINTR.into()),
                    libc::NLMSG_DONE => return outcome(&answer, flags).map(|()| answers),
                    _ if answers.len() == ANSWERS_MAX => return Err(Errno::E2BIG.into()),
                    _ => answers.push(answer),
                }
            }
        }
    }

    /// Requests that are done all or none: `begin` and `end` enclose them. The first refusal
    /// is the batch's.
    pub(super) fn batch(
        &mut self,
        begin: &Message,
        requests: &[Message],
        end: &Message,
    ) -> Result<(), Refusal> {
        let first = self.next();
        let mut bytes = begin.encode(first);
        let mut last = first;
        for request in requests {
            last = self.next();
            bytes.extend(request.clone().flagged(ACK).encode(last));
        }
        let closing = self.next();
        bytes.extend(end.encode(closing));
        self.send(&bytes)?;
        let mut refused = None;
        loop {
            for (number, flags, answer) in self.receive()? {
                if i32::from(answer.kind) != libc::NLMSG_ERROR {
                    continue;
                }
                if (first..=closing).contains(&number) {
                    refused = refused.or(outcome(&answer, flags).err());
                }
                // A batch that is refused as a whole is answered at its begin or end only.
                if number == last || (refused.is_some() && [first, closing].contains(&number)) {
                    return refused.map_or(Ok(()), Err);
                }
            }
        }
    }
}

/// Whether an error's number is zero, which says that all is well.
fn outcome(answer: &Answer, flags: u16) -> Result<(), Refusal> {
    let number = answer.body.first_chunk().map(|b| i32::from_ne_bytes(*b));
    let number = number.unwrap_or(0);
    if number == 0 {
        return Ok(());
    }
    let attributes = answer.body.get(4 + HEADER..).unwrap_or_default();
    let said = (flags & EXPLAINED != 0)
        .then(|| Parsed::of(attributes).text(SAID))
        .flatten();
    let errno = Errno::from_raw(number.saturating_neg());
    Err(Refusal { errno, said })
}

fn messages(bytes: &[u8]) -> Vec<(u32, u16, Answer)> {
    let mut found = Vec::new();
    let mut rest = bytes;
    while let Some((header, _)) = rest.split_first_chunk::<HEADER>() {
        let [l0, l1, l2, l3, k0, k1, f0, f1, s0, s1, s2, s3, ..] = *header;
        let length = u32::from_ne_bytes([l0, l1, l2, l3]) as usize;
        let Some(body) = rest.get(HEADER..length) else {
            break;
        };
        let answer = Answer {
            kind: u16::from_ne_bytes([k0, k1]),
            body: body.to_vec(),
        };
        let sequence = u32::from_ne_bytes([s0, s1, s2, s3]);
        found.push((sequence, u16::from_ne_bytes([f0, f1]), answer));
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    found
}

/// A request with a header of zeroes but for the family, as listings have it.
pub(super) fn of_family(kind: u16, header: usize, family: u8) -> Message {
    let mut bytes = vec![0; header];
    if let Some(first) = bytes.first_mut() {
        *first = family;
    }
    Message::new(kind, 0, &bytes, &Attributes::new())
}
