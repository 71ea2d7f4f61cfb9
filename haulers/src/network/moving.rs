//! Addresses of the host's own namespace that move at the cut-over.

use super::address::{self, Address};
use super::links::{self, Seen};
use super::names::LinkName;
use super::netlink::{Connection, Refusal, unless};
use super::netns::Netns;
use super::route::{self, ONLINK, ROUTE_HEADER};
use super::sysctls;
use super::wire::{Answer, Attributes, CREATE, EXCLUSIVE, IPV4, Message, each_attribute, family};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use nix::errno::Errno;
use nix::libc;
use phaul_core::failure::Failure;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// `RTA_NH_ID`: a route by reference to an object that says the rest.
const BY_REFERENCE: u16 = 30;
/// What the kernel tells beside it, and does not take beside it.
const THE_REST: [u16; 4] = [
    libc::RTA_OIF,
    libc::RTA_GATEWAY,
    libc::RTA_MULTIPATH,
    libc::RTA_VIA,
];
/// An address that is taken from a host, with all that is needed to give it back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Taken {
    /// The address as it was.
    pub(crate) address: Address,
    /// The number that its link had.
    pub(crate) index: u32,
    /// The routes that went with it, or may go with it.
    pub(crate) routes: Vec<RawRoute>,
}

/// A route in the kernel's own form, as it is given back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct RawRoute(Vec<u8>);

impl TryFrom<String> for RawRoute {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let bytes = BASE64_STANDARD.decode(text).map_err(|e| e.to_string())?;
        if bytes.len() < ROUTE_HEADER {
            return Err("the record of a route is too short".to_owned());
        }
        Ok(Self(bytes))
    }
}

impl From<RawRoute> for String {
    fn from(route: RawRoute) -> Self {
        BASE64_STANDARD.encode(route.0)
    }
}

impl RawRoute {
    /// A route of this family in its lasting parts; none for one of the kernel's own, which
    /// comes and goes with the addresses: put back by another it would go too early or too late.
    fn of(answer: &Answer, family: u8) -> Option<Self> {
        let (header, attributes) = answer.split(ROUTE_HEADER)?;
        let mut header = *header.first_chunk::<ROUTE_HEADER>()?;
        let flags = u32::from_ne_bytes(*header.last_chunk()?);
        let of_the_kernel = header[5] == libc::RTPROT_KERNEL;
        if header[0] != family || of_the_kernel || flags & libc::RTM_F_CLONED != 0 {
            return None;
        }
        // The other flags are the link's state.
        header[8..].copy_from_slice(&(flags & ONLINK).to_ne_bytes());
        let referring = attributes.has(BY_REFERENCE);
        let body = answer.body.get(ROUTE_HEADER..)?;
        let lasting = each_attribute(body)
            .filter(|(number, _)| *number != libc::RTA_CACHEINFO)
            .filter(|(number, _)| !(referring && THE_REST.contains(number)))
            .fold(Attributes::new(), |list, (number, value)| {
                list.with(number, value)
            });
        Some(Self([&header[..], lasting.bytes()].concat()))
    }

    /// All but the source address.
    fn place(&self) -> Vec<u8> {
        let (header, body) = self.0.split_at(ROUTE_HEADER.min(self.0.len()));
        let rest = each_attribute(body)
            .filter(|(number, _)| *number != libc::RTA_PREFSRC)
            .fold(Attributes::new(), |list, (number, value)| {
                list.with(number, value)
            });
        [header, rest.bytes()].concat()
    }

    fn is_through_a_gateway(&self) -> bool {
        let body = self.0.get(ROUTE_HEADER..).unwrap_or_default();
        each_attribute(body).any(|(number, _)| THE_REST[1..].contains(&number))
    }

    fn ask(&self, connection: &mut Connection, kind: u16, flags: u16) -> Result<(), Refusal> {
        connection.ask(&Message::new(kind, flags, &self.0, &Attributes::new()))
    }
}

/// What the host has on its links, as far as moving an address is concerned.
struct Sight {
    connection: Connection,
    links: Vec<Seen>,
}

impl Sight {
    fn new(netns: &Netns) -> Result<Self, Failure> {
        let mut connection = Connection::route(netns)?;
        let links = links::all(&mut connection)?;
        Ok(Self { connection, links })
    }

    fn address(&mut self, link: &LinkName, ip: IpAddr) -> Result<Option<Address>, Failure> {
        let all = address::all(&mut self.connection, &self.links)?;
        Ok(all.into_iter().find(|a| a.link == *link && a.ip == ip))
    }

    fn routes(&mut self, ip: IpAddr) -> Result<Vec<RawRoute>, Failure> {
        let answers = route::raw(&mut self.connection)?;
        let of = |answer| RawRoute::of(answer, family(ip));
        Ok(answers.iter().filter_map(of).collect())
    }

    fn index(&self, name: &LinkName) -> Option<u32> {
        let found = self.links.iter().find(|link| link.name == *name)?;
        Some(found.index)
    }
}

fn cannot(verb: &str, address: &Address) -> impl FnOnce(Refusal) -> Failure {
    let Address {
        ip, prefix, link, ..
    } = address;
    let what = format!("{verb} the address {ip}/{prefix} of {link}");
    move |refusal| refusal.failure("network-address", what)
}

/// Looks at an address that is to be taken: with all routes of its family, since only the
/// taking shows which of them go. To be noted down before [`take`].
///
/// # Errors
///
/// `network-address-missing` if the link does not have it.
pub(super) fn look(netns: &Netns, link: &LinkName, ip: IpAddr) -> Result<Taken, Failure> {
    let mut sight = Sight::new(netns)?;
    let address = sight.address(link, ip)?;
    let (Some(address), Some(index)) = (address, sight.index(link)) else {
        let cause = format!("the link {link} does not have the address {ip}");
        return Err(Failure::new("network-address-missing", cause)
            .hint("`ip address` lists the addresses that there are"));
    };
    Ok(Taken {
        address,
        index,
        routes: sight.routes(ip)?,
    })
}

/// Takes an address that was looked at; other addresses of its network stay. What is returned
/// names only the routes that went with it. An address that is not there counts as taken.
///
/// # Errors
///
/// `network-address` if the kernel refuses.
pub(super) fn take(netns: &Netns, taken: &Taken) -> Result<Taken, Failure> {
    remove(netns, &taken.address)?;
    let left = Sight::new(netns)?.routes(taken.address.ip)?;
    let mut narrowed = taken.clone();
    narrowed.routes.retain(|route| !left.contains(route));
    Ok(narrowed)
}

/// Removes an address. Without `promote_secondaries` the kernel would remove the others of its
/// network with it.
fn remove(netns: &Netns, address: &Address) -> Result<(), Failure> {
    let mut sight = Sight::new(netns)?;
    let Some(index) = sight.index(&address.link) else {
        return Ok(());
    };
    let all = address::all(&mut sight.connection, &sight.links)?;
    let may_follow = |other: &Address| {
        other.link == address.link && other.ip.is_ipv4() && other.ip != address.ip
    };
    let mut remove = || address::remove(&mut sight.connection, index, address);
    let removed = if address.ip.is_ipv4() && all.iter().any(may_follow) {
        let key = format!("ipv4/conf/{}/promote_secondaries", address.link);
        let before = netns.inside(|| sysctls::swap(&key, "1"))?;
        let removed = remove();
        netns.inside(|| sysctls::swap(&key, &before))?;
        removed
    } else {
        remove()
    };
    unless(removed, &[Errno::EADDRNOTAVAIL, Errno::ENODEV]).map_err(cannot("remove", address))
}

/// Gives an address back as it was, with its routes. What is there already is fine. Where
/// another address of its network has become the first since, it stays so, and the kernel's own
/// route prefers it: only to remove the other for a moment could change this.
///
/// # Errors
///
/// `network-link-missing` if its link is gone, or another has its name; `network-address` or
/// `network-routes` if the kernel refuses.
pub(super) fn give_back(netns: &Netns, taken: &Taken) -> Result<(), Failure> {
    let address = &taken.address;
    let mut sight = Sight::new(netns)?;
    if sight.index(&address.link) != Some(taken.index) {
        let Address {
            ip, prefix, link, ..
        } = address;
        let cause = format!("the link {link}, whose address {ip} is given back, is another now");
        return Err(Failure::new("network-link-missing", cause).hint(format!(
            "`ip address add {ip}/{prefix} dev {link}` gives it to the new one"
        )));
    }
    add(&mut sight, taken.index, address)?;
    let there = sight.routes(address.ip)?;
    let missing: Vec<&RawRoute> = taken.routes.iter().filter(|r| !there.contains(r)).collect();
    let (far, near): (Vec<_>, Vec<_>) = missing
        .into_iter()
        .partition(|route| route.is_through_a_gateway());
    for route in near.into_iter().chain(far) {
        put_back(&mut sight.connection, route, &there).map_err(|refusal| {
            let what = format!("put back a route that went with {}", address.ip);
            refusal.failure("network-routes", what)
        })?;
    }
    Ok(())
}

/// Puts a route back. In IPv6 it has stayed, without its source address, and goes for it.
fn put_back(
    connection: &mut Connection,
    route: &RawRoute,
    there: &[RawRoute],
) -> Result<(), Refusal> {
    let is_ipv4 = route.0.first() == Some(&IPV4);
    let place = route.place();
    let bereft = there.iter().find(|other| other.place() == place);
    if let Some(bereft) = bereft.filter(|_| !is_ipv4) {
        let removed = bereft.ask(connection, libc::RTM_DELROUTE, 0);
        unless(removed, &[Errno::ESRCH])?;
    }
    // Routes of IPv6 to one destination may stand beside each other.
    let flags = CREATE | if is_ipv4 { EXCLUSIVE } else { 0 };
    let added = route.ask(connection, libc::RTM_NEWROUTE, flags);
    unless(added, &[Errno::EEXIST])
}

/// Adds an address, in use at once; for IPv6 with the flags it had once it is.
fn add(sight: &mut Sight, index: u32, address: &Address) -> Result<(), Failure> {
    let added = address::add(&mut sight.connection, index, address);
    if added
        .as_ref()
        .is_err_and(|refusal| refusal.errno == Errno::EEXIST)
    {
        return Ok(());
    }
    added.map_err(cannot("add", address))?;
    if address.ip.is_ipv6() {
        address::settle(&mut sight.connection)?;
        address::reset_flags(&mut sight.connection, index, address)
            .map_err(cannot("change", address))?;
    }
    Ok(())
}

/// Gives an address to a link here. One that it has with this prefix is fine.
///
/// # Errors
///
/// `network-link-missing` if there is no such link; `network-address-taken` if it has the
/// address with another prefix; `network-address` if the kernel refuses.
pub(super) fn give(netns: &Netns, link: &LinkName, ip: IpAddr, prefix: u8) -> Result<(), Failure> {
    let mut sight = Sight::new(netns)?;
    let index = links::need(&mut sight.connection, link)?.index;
    if let Some(there) = sight.address(link, ip)? {
        if there.prefix == prefix {
            return Ok(());
        }
        let cause = format!(
            "the link {link} has the address {ip}/{} already",
            there.prefix
        );
        return Err(Failure::new("network-address-taken", cause).hint(format!(
            "remove it, or name the prefix {} in the plan",
            there.prefix
        )));
    }
    let broadcast = match ip {
        IpAddr::V4(ip) if prefix < 31 => Some((ip.to_bits() | (u32::MAX >> prefix)).into()),
        _ => None,
    };
    let address = Address {
        broadcast,
        ..Address::plain(link, ip, prefix)
    };
    add(&mut sight, index, &address)
}

/// Removes an address from a link here. One that is not there counts as removed.
///
/// # Errors
///
/// `network-address` if the kernel refuses.
pub(super) fn drop_address(netns: &Netns, link: &LinkName, ip: IpAddr) -> Result<(), Failure> {
    match Sight::new(netns)?.address(link, ip)? {
        Some(address) => remove(netns, &address),
        None => Ok(()),
    }
}

/// Whether a link has an address.
///
/// # Errors
///
/// `network-…` if the kernel does not say.
pub(super) fn holds(netns: &Netns, link: &LinkName, ip: IpAddr) -> Result<bool, Failure> {
    Ok(Sight::new(netns)?.address(link, ip)?.is_some())
}
