//! Making a namespace like one that was described on another host.

use super::address::Address;
use super::described::{Described, HostLink, Kind, Link};
use super::links::Seen;
use super::names::{LinkName, Mac};
use super::netlink::{Connection, Refusal, unless};
use super::netns::Netns;
use super::route::Route;
use super::wire::Attributes;
use super::{address, links, route, sysctls};
use nix::errno::Errno;
use nix::libc;
use phaul_core::failure::Failure;
use std::fmt::Display;
use std::os::fd::AsRawFd;

/// `VETH_INFO_PEER`.
const OTHER_END: u16 = 1;
/// Which name the host's end of a link is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostEnd {
    /// The link's name within the namespace.
    pub(crate) inner: LinkName,
    /// The name of its end in the host's namespace.
    pub(crate) host: LinkName,
}

/// Makes the links, addresses, routes and settings. The host's ends are switched on and plugged
/// into nothing. If anything fails, those that were made are removed again.
///
/// # Errors
///
/// `network-…` with what could not be made.
pub(super) fn build(
    netns: &Netns,
    host: &Netns,
    described: &Described,
    host_ends: &[HostEnd],
) -> Result<(), Failure> {
    let inside = &mut Connection::route(netns)?;
    let outside = &mut Connection::route(host)?;
    // New links get the settings for links to come.
    sysctls::set_global(netns, &described.all().sysctls)?;
    let mut made = Vec::new();
    let built = pairs(netns, outside, described, host_ends, &mut made)
        .and_then(|()| furnish(netns, inside, described));
    if built.is_err() {
        for index in made {
            if let Err(refusal) = links::remove(outside, index) {
                tracing::warn!(index, %refusal, "a link that was just made cannot be removed");
            }
        }
    }
    built
}

fn failed(what: impl Display) -> impl FnOnce(Refusal) -> Failure {
    move |refusal| refusal.failure("network-build", what)
}

/// Makes the pairs and switches the host's ends on; `made` gets the numbers of these.
fn pairs(
    netns: &Netns,
    outside: &mut Connection,
    described: &Described,
    host_ends: &[HostEnd],
    made: &mut Vec<u32>,
) -> Result<(), Failure> {
    for (link, end) in described.pairs() {
        let named = host_ends.iter().find(|end| end.inner == link.name);
        let name = &named
            .ok_or_else(|| {
                let cause = format!("nobody said what the host's end of {} is called", link.name);
                Failure::new("network-build", cause)
            })?
            .host;
        make_pair(netns, outside, link, end, name)
            .map_err(failed(format!("make the links {} and {name}", link.name)))?;
        let index = links::need(outside, name)?.index;
        made.push(index);
        links::no_own_address(outside, index)
            .and_then(|()| links::switch_on(outside, index))
            .map_err(failed(format!("switch the link {name} on")))?;
    }
    Ok(())
}

fn make_pair(
    netns: &Netns,
    outside: &mut Connection,
    link: &Link,
    end: &HostLink,
    name: &LinkName,
) -> Result<(), Refusal> {
    let mac = link.mac.ok_or(Errno::EADDRNOTAVAIL)?;
    let netns = netns.file().as_raw_fd().cast_unsigned();
    let attributes = |mac: Mac, mtu: u32| {
        Attributes::new()
            .with(libc::IFLA_ADDRESS, &mac.0)
            .number(libc::IFLA_MTU, mtu)
    };
    let inner = attributes(mac, link.mtu)
        .text(libc::IFLA_IFNAME, link.name.as_str())
        .number(libc::IFLA_TXQLEN, link.queue)
        .number(libc::IFLA_NET_NS_FD, netns);
    // Within the data the peer's attributes come after a header of their own.
    let peer = [&[0; links::LINK_HEADER][..], inner.bytes()].concat();
    let data = Attributes::new().with(OTHER_END, &peer);
    links::make(
        outside,
        name,
        "veth",
        &data,
        attributes(outer_mac(mac), end.mtu),
    )
}

/// The hardware address of the host's end: a high one, since a bridge without an address of
/// its own takes the lowest of its ports'.
fn outer_mac(mac: Mac) -> Mac {
    let [first, rest @ ..] = mac.0;
    let first = if first == 0xfe { 0xfa } else { 0xfe };
    let [a, b, c, d, e] = rest;
    Mac([first, a, b, c, d, e])
}

/// Gives the links within the namespace what they need, and takes what came by itself.
fn furnish(netns: &Netns, inside: &mut Connection, described: &Described) -> Result<(), Failure> {
    let all = described.all();
    let ours: Vec<&Link> = all
        .links
        .iter()
        .filter(|link| link.kind == Kind::Loopback || link.host.is_some())
        .collect();
    let names: Vec<&LinkName> = ours.iter().map(|link| &link.name).collect();
    sysctls::set_of_links(netns, &all.sysctls, &names)?;
    let seen = links::all(inside)?;
    let number = |name: &LinkName| {
        let found = seen.iter().find(|link| link.name == *name);
        found.map(|link| link.index).ok_or_else(|| {
            let cause = format!("the link {name} is not in the namespace");
            Failure::new("network-build", cause)
        })
    };
    // The kernel gives none of its own to a link that has one of the same value already. Of
    // IPv6 it lists the newest first, and prefers it.
    let (old, new): (Vec<_>, Vec<_>) = all
        .addresses
        .iter()
        .filter(|address| names.contains(&&address.link))
        .partition(|address| address.ip.is_ipv4());
    for address in old.iter().chain(new.iter().rev()) {
        let added = address::add(inside, number(&address.link)?, address);
        let what = format!("add the address {}/{}", address.ip, address.prefix);
        unless(added, &[Errno::EEXIST]).map_err(failed(what))?;
    }
    for link in ours.iter().filter(|link| link.up) {
        links::switch_on(inside, number(&link.name)?)
            .map_err(failed(format!("switch the link {} on", link.name)))?;
    }
    address::settle(inside)?;
    for address in new {
        address::reset_flags(inside, number(&address.link)?, address)
            .map_err(failed(format!("change the address {}", address.ip)))?;
    }
    prune_addresses(inside, &seen, &all.addresses)?;
    make_routes(inside, &seen, &all.routes)
}

/// Removes addresses that the kernel added and the description does not have.
fn prune_addresses(
    inside: &mut Connection,
    seen: &[Seen],
    wanted: &[Address],
) -> Result<(), Failure> {
    let same = |a: &Address, b: &Address| (&a.link, a.ip, a.prefix) == (&b.link, b.ip, b.prefix);
    for address in address::all(inside, seen)? {
        if wanted.iter().any(|other| same(other, &address)) {
            continue;
        }
        if let Some(link) = seen.iter().find(|link| link.name == address.link) {
            let removed = address::remove(inside, link.index, &address);
            unless(removed, &[Errno::EADDRNOTAVAIL])
                .map_err(failed(format!("remove the address {}", address.ip)))?;
        }
    }
    Ok(())
}

/// Makes the routes exactly those that are wanted.
fn make_routes(inside: &mut Connection, seen: &[Seen], wanted: &[Route]) -> Result<(), Failure> {
    let (there, _) = route::all(inside, seen)?;
    let number = |route: &Route| {
        let link = route.link.as_ref()?;
        Some(seen.iter().find(|seen| seen.name == *link)?.index)
    };
    let to = |route: &Route| format!("route to {}/{}", route.destination, route.prefix);
    for route in there.iter().filter(|route| !wanted.contains(route)) {
        let removed = route::remove(inside, route, number(route));
        unless(removed, &[Errno::ESRCH]).map_err(failed(format!("remove the {}", to(route))))?;
    }
    let missing = wanted.iter().filter(|route| !there.contains(route));
    // Gateways must be reachable when a route through them is added.
    let (direct, others): (Vec<_>, Vec<_>) = missing.partition(|route| route.is_direct());
    for route in direct.into_iter().chain(others) {
        if route.link.is_some() && number(route).is_none() {
            continue;
        }
        let added = route::add(inside, route, number(route));
        unless(added, &[Errno::EEXIST]).map_err(failed(format!("add the {}", to(route))))?;
    }
    Ok(())
}
