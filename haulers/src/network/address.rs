//! Addresses of links: their description, listing, adding and removing.

use super::links::{self, Seen};
use super::names::LinkName;
use super::netlink::{Connection, Refusal, of_family};
use super::route;
use super::wire::{Answer, Attributes, CREATE, IPV4, IPV6, Message, REPLACE, family};
use nix::libc;
use phaul_core::failure::Failure;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Bytes of `struct ifaddrmsg`.
const HEADER: usize = 8;
/// `IFA_RT_PRIORITY`, `IFA_PROTO`.
const METRIC: u16 = 9;
const ORIGIN: u16 = 11;
/// `IFA_F_NODAD`: in use at once, without asking whether another has it.
const AT_ONCE: u32 = 0x02;
/// The flags that somebody chose, rather than the kernel: also `IFA_F_HOMEADDRESS`,
/// `IFA_F_MANAGETEMPADDR`, `IFA_F_NOPREFIXROUTE`, `IFA_F_MCAUTOJOIN`.
const CHOSEN: u32 = AT_ONCE | 0x10 | 0x100 | 0x200 | 0x400;
/// `IFA_F_TENTATIVE`: not in use yet.
const TENTATIVE: u32 = 0x40;
/// How long new addresses of IPv6 may take until they are in use, and between two looks.
const SETTLING: Duration = Duration::from_millis(500);
const LOOK: Duration = Duration::from_micros(500);
/// Seconds that stand for no end.
const FOREVER: u32 = u32::MAX;

/// An address of a link.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Address {
    /// The link.
    pub(crate) link: LinkName,
    /// The address.
    pub(crate) ip: IpAddr,
    /// Length of its network's prefix in bits.
    pub(crate) prefix: u8,
    /// The address at the other end of a link between two.
    pub(crate) peer: Option<IpAddr>,
    /// Where packets to all of the network go.
    pub(crate) broadcast: Option<Ipv4Addr>,
    /// Its name, where it is not the link's.
    pub(crate) label: Option<String>,
    /// How far it is valid, in the kernel's numbers: 0 everywhere, 253 on the link.
    pub(crate) scope: u8,
    /// The kernel's flags that somebody chose.
    pub(crate) flags: u32,
    /// The metric of the route to its network.
    pub(crate) metric: Option<u32>,
    /// Who gave it, in the kernel's numbers (`IFAPROT_*`).
    pub(crate) origin: Option<u8>,
    /// How long it lasts; forever if none.
    pub(crate) lifetime: Option<Lifetime>,
}

/// How long an address lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lifetime {
    /// Seconds in which new connections use it.
    pub(crate) preferred_seconds: u32,
    /// Seconds until it goes.
    pub(crate) valid_seconds: u32,
}

impl Address {
    /// A plain one, as `ip address add IP/PREFIX dev LINK` makes it.
    pub(crate) fn plain(link: &LinkName, ip: IpAddr, prefix: u8) -> Self {
        Self {
            link: link.clone(),
            ip,
            prefix,
            peer: None,
            broadcast: None,
            label: None,
            scope: 0,
            flags: 0,
            metric: None,
            origin: None,
            lifetime: None,
        }
    }

    /// What is wrong with one that a peer sent.
    pub(super) fn fault(&self) -> Option<String> {
        let of_family = |ip: IpAddr| ip.is_ipv4() == self.ip.is_ipv4();
        let label = |label: &String| {
            let named = label.strip_prefix(self.link.as_str()).unwrap_or_default();
            label.len() > 15 || !named.starts_with(':') || !label.bytes().all(graphic)
        };
        let longest = if self.ip.is_ipv4() { 32 } else { 128 };
        let wrong = self.prefix > longest
            || self.peer.is_some_and(|peer| !of_family(peer))
            || (self.broadcast.is_some() && !self.ip.is_ipv4())
            || self.label.as_ref().is_some_and(label)
            || self.flags & !CHOSEN != 0
            || self.ip.is_multicast()
            || self.ip.is_unspecified();
        wrong.then(|| format!("{}/{} is no address of a link", self.ip, self.prefix))
    }

    fn of(answer: &Answer, links: &[Seen]) -> Option<(Self, u32)> {
        if answer.kind != libc::RTM_NEWADDR {
            return None;
        }
        let (header, attributes) = answer.split(HEADER)?;
        let [family, prefix, flags, scope, index @ ..] = *header.first_chunk::<HEADER>()?;
        let link = &links
            .iter()
            .find(|link| link.index == u32::from_ne_bytes(index))?
            .name;
        let far = attributes.ip(libc::IFA_ADDRESS);
        let near = attributes.ip(libc::IFA_LOCAL);
        let flags = attributes
            .number(libc::IFA_FLAGS)
            .unwrap_or_else(|| flags.into());
        let broadcast = attributes.ip(libc::IFA_BROADCAST);
        let found = Self {
            link: link.clone(),
            ip: near.or(far)?,
            prefix,
            peer: far.filter(|far| near.is_some_and(|near| near != *far)),
            broadcast: broadcast.and_then(|ip| match ip {
                IpAddr::V4(ip) if family == IPV4 => Some(ip),
                _ => None,
            }),
            label: attributes
                .text(libc::IFA_LABEL)
                .filter(|label| label != link.as_str()),
            scope,
            flags: flags & CHOSEN,
            metric: attributes.number(METRIC).filter(|metric| *metric != 0),
            origin: attributes.bytes(ORIGIN).and_then(|b| b.first().copied()),
            lifetime: attributes.bytes(libc::IFA_CACHEINFO).and_then(Lifetime::of),
        };
        Some((found, flags))
    }

    /// The message that adds or removes it.
    fn message(&self, kind: u16, flags: u16, index: u32, more: u32) -> Message {
        let mut header = vec![family(self.ip), self.prefix, 0, self.scope];
        header.extend(index.to_ne_bytes());
        let attributes = Attributes::new()
            .ip(libc::IFA_LOCAL, self.ip)
            .ip(libc::IFA_ADDRESS, self.peer.unwrap_or(self.ip))
            .number(libc::IFA_FLAGS, self.flags | more)
            .maybe(self.broadcast, |a, ip| a.ip(libc::IFA_BROADCAST, ip.into()))
            .maybe(self.ip.is_ipv4().then_some(()), |a, ()| {
                let label = self.label.as_deref().unwrap_or(self.link.as_str());
                a.text(libc::IFA_LABEL, label)
            })
            .maybe(self.metric, |a, metric| a.number(METRIC, metric))
            .maybe(self.origin, |a, origin| a.with(ORIGIN, &[origin]))
            .maybe(self.lifetime, |a, lifetime| {
                a.with(libc::IFA_CACHEINFO, &lifetime.bytes())
            });
        Message::new(kind, flags, &header, &attributes)
    }
}

fn graphic(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b'/'
}

impl Lifetime {
    fn of(bytes: &[u8]) -> Option<Self> {
        let preferred = u32::from_ne_bytes(*bytes.first_chunk()?);
        let valid = u32::from_ne_bytes(*bytes.get(4..)?.first_chunk()?);
        (valid != FOREVER).then_some(Self {
            preferred_seconds: preferred,
            valid_seconds: valid,
        })
    }

    fn bytes(self) -> Vec<u8> {
        let [first, second] = [self.preferred_seconds, self.valid_seconds].map(u32::to_ne_bytes);
        [first, second, [0; 4], [0; 4]].concat()
    }
}

/// All addresses of these links, in the kernel's order.
pub(super) fn all(connection: &mut Connection, links: &[Seen]) -> Result<Vec<Address>, Failure> {
    Ok(listed(connection, links)?
        .into_iter()
        .map(|(address, _)| address)
        .collect())
}

/// Waits until the addresses of IPv6 are in use on the links that are on: nobody can bind to
/// one before, and the kernel takes no packet for it. One that asked nobody first is shown as
/// in use a moment before its route makes it so.
pub(super) fn settle(connection: &mut Connection) -> Result<(), Failure> {
    let end = Instant::now() + SETTLING;
    while !are_settled(connection)? {
        if Instant::now() > end {
            tracing::warn!("an address of IPv6 is not in use yet");
            break;
        }
        sleep(LOOK);
    }
    Ok(())
}

fn are_settled(connection: &mut Connection) -> Result<bool, Failure> {
    let mut links = links::all(connection)?;
    links.retain(|link| link.up && link.running);
    let addresses = listed(connection, &links)?;
    let taken: BTreeSet<IpAddr> = route::raw(connection)?
        .iter()
        .filter_map(|answer| route::own_address(answer, IPV6))
        .collect();
    Ok(addresses
        .iter()
        .filter(|(address, _)| address.ip.is_ipv6())
        .all(|(address, flags)| flags & TENTATIVE == 0 && taken.contains(&address.ip)))
}

fn listed(connection: &mut Connection, links: &[Seen]) -> Result<Vec<(Address, u32)>, Failure> {
    let answers = connection
        .list(&of_family(libc::RTM_GETADDR, HEADER, 0))
        .map_err(|refusal| refusal.failure("network-addresses", "list the addresses"))?;
    let known = |answer: &&Answer| matches!(answer.body.first(), Some(&(IPV4 | IPV6)));
    Ok(answers
        .iter()
        .filter(known)
        .filter_map(|answer| Address::of(answer, links))
        .collect())
}

/// Adds an address to the link of this number, in use at once.
pub(super) fn add(
    connection: &mut Connection,
    index: u32,
    address: &Address,
) -> Result<(), Refusal> {
    let at_once = if address.ip.is_ipv4() { 0 } else { AT_ONCE };
    let flags = CREATE | super::wire::EXCLUSIVE;
    connection.ask(&address.message(libc::RTM_NEWADDR, flags, index, at_once))
}

/// Takes back that an address of IPv6 was in use at once, if nobody had chosen that.
pub(super) fn reset_flags(
    connection: &mut Connection,
    index: u32,
    address: &Address,
) -> Result<(), Refusal> {
    if address.ip.is_ipv4() || address.flags & AT_ONCE != 0 {
        return Ok(());
    }
    connection.ask(&address.message(libc::RTM_NEWADDR, REPLACE, index, 0))
}

/// Removes an address from the link of this number.
pub(super) fn remove(
    connection: &mut Connection,
    index: u32,
    address: &Address,
) -> Result<(), Refusal> {
    connection.ask(&address.message(libc::RTM_DELADDR, 0, index, 0))
}
