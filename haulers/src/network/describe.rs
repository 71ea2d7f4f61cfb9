//! Looking at a container's network namespace.

use super::described::{
    ADDRESSES_MAX, Described, HostLink, Kind, LINKS_MAX, Link, ROUTES_MAX, TEXT_MAX,
    UNSUPPORTED_MAX, Unchecked,
};
use super::links::Seen;
use super::locks::is_criu_lock;
use super::netlink::{Connection, of_family};
use super::netns::Netns;
use super::wire::{Attributes, IPV4, IPV6, Message};
use super::{address, links, nftables, route, sysctls};
use nix::errno::Errno;
use nix::libc;
use phaul_core::failure::Failure;
use std::fs;
use std::os::fd::AsRawFd;

/// Links that the kernel puts into each new namespace once a module is loaded.
const BY_ITSELF: [&str; 10] = [
    "erspan0", "gre0", "gretap0", "ip6_vti0", "ip6gre0", "ip6tnl0", "ip_vti0", "sit0", "tunl0",
    "teql0",
];
/// Bytes of `struct fib_rule_hdr`; `FRA_PRIORITY`.
const RULE: (usize, u16) = (12, 6);
/// The ranks of the rules that every namespace has.
const USUAL_RULES: [u32; 3] = [0, 32_766, 32_767];
/// Bytes of `struct rtgenmsg`; `NETNSA_NSID`, `NETNSA_FD`.
const NAMESPACE: (usize, u16, u16) = (4, 1, 3);

/// Describes a namespace whose links end in that of the host.
///
/// # Errors
///
/// `network-…` if the kernel does not say, or there is more than a description may hold.
pub(super) fn describe(netns: &Netns, host: &Netns) -> Result<Described, Failure> {
    let inside = &mut Connection::route(netns)?;
    let outside = &mut Connection::route(host)?;
    let mut unsupported = Vec::new();
    let seen: Vec<Seen> = links::all(inside)?
        .into_iter()
        .filter(|link| link.up || !BY_ITSELF.contains(&link.name.as_str()))
        .collect();
    let number = number_of(outside, netns)?;
    let mut found = Vec::new();
    for link in &seen {
        let described = of_link(link, outside, number)?;
        unsupported.extend(obstacle(&described));
        found.push(described);
    }
    let (routes, strange) = route::all(inside, &seen)?;
    unsupported.extend(strange);
    unsupported.extend(rules(inside)?);
    let has_firewall = has_firewall(netns)?;
    if has_firewall {
        unsupported.push("rules that filter or translate packets".to_owned());
    }
    unsupported.truncate(UNSUPPORTED_MAX);
    let names: Vec<_> = seen.iter().map(|link| &link.name).collect();
    let unchecked = Unchecked {
        links: found,
        addresses: address::all(inside, &seen)?,
        routes,
        sysctls: netns.inside(|| Ok(sysctls::read(&names)))?,
        has_firewall,
        unsupported,
    };
    Described::try_from(unchecked).map_err(|fault| {
        Failure::new(
            "network-description",
            format!("the network namespace ({}) cannot be moved: {fault}", netns.name()),
        )
        .hint(format!(
            "phaul moves at most {LINKS_MAX} links, {ADDRESSES_MAX} addresses and {ROUTES_MAX} routes"
        ))
    })
}

fn of_link(link: &Seen, outside: &mut Connection, number: Option<i32>) -> Result<Link, Failure> {
    let kind = match &link.kind {
        _ if link.loopback => Kind::Loopback,
        Some(kind) if kind == "veth" => Kind::Veth,
        Some(kind) => Kind::Other(kind.chars().take(TEXT_MAX / 4).collect()),
        None => Kind::Other("device".to_owned()),
    };
    let host = match (kind == Kind::Veth, link.tied_to) {
        (true, Some(index)) => links::numbered(outside, index)?
            .filter(|end| end.is_veth() && end.tied_to == Some(link.index))
            .filter(|end| number.is_some() && end.tied_in == number),
        _ => None,
    };
    let host = match host {
        Some(end) => Some(host_link(&end, outside)?),
        None => None,
    };
    Ok(Link {
        name: link.name.clone(),
        kind,
        mac: link.mac.filter(|mac| mac.is_of_a_link()),
        mtu: link.mtu,
        up: link.up,
        queue: link.queue,
        host,
    })
}

fn host_link(end: &Seen, outside: &mut Connection) -> Result<HostLink, Failure> {
    let bridge = match end.plugged_into {
        Some(index) => links::numbered(outside, index)?.map(|bridge| bridge.name),
        None => None,
    };
    Ok(HostLink {
        name: end.name.clone(),
        mtu: end.mtu,
        bridge,
    })
}

/// The number that the host's namespace has for this one; none if they have nothing in common.
fn number_of(outside: &mut Connection, netns: &Netns) -> Result<Option<i32>, Failure> {
    let (header, number, descriptor) = NAMESPACE;
    let file = netns.file().as_raw_fd().cast_unsigned();
    let attributes = Attributes::new().number(descriptor, file);
    let message = Message::new(libc::RTM_GETNSID, 0, &vec![0; header], &attributes);
    let answer = outside.get(&message).map_err(|refusal| {
        refusal.failure("network-namespace", "tell which namespace a link ends in")
    })?;
    let found = answer.and_then(|answer| answer.split(header)?.1.number(number));
    Ok(found.map(u32::cast_signed).filter(|number| *number >= 0))
}

/// Why a link cannot be made anew, in words that go on "it has …".
fn obstacle(link: &Link) -> Option<String> {
    let name = &link.name;
    match &link.kind {
        Kind::Loopback => None,
        Kind::Veth if link.host.is_some() && link.mac.is_some() => None,
        Kind::Veth => Some(format!(
            "the link {name} (veth), whose other end is not in the host's namespace"
        )),
        Kind::Other(kind) => Some(format!("the link {name} ({kind}), which is no veth")),
    }
}

/// The rules beside the usual ones.
fn rules(inside: &mut Connection) -> Result<Vec<String>, Failure> {
    let (header, rank) = RULE;
    let answers = inside
        .list(&of_family(libc::RTM_GETRULE, header, 0))
        .or_else(|refusal| match refusal.errno {
            // A kernel without routing rules.
            Errno::EOPNOTSUPP | Errno::EAFNOSUPPORT => Ok(Vec::new()),
            _ => Err(refusal.failure("network-rules", "list the routing rules")),
        })?;
    let ranks = answers
        .iter()
        .filter(|answer| matches!(answer.body.first(), Some(&(IPV4 | IPV6))))
        .filter_map(|answer| Some(answer.split(header)?.1.number(rank).unwrap_or(0)));
    Ok(ranks
        .filter(|rank| !USUAL_RULES.contains(rank))
        .map(|rank| format!("a routing rule of rank {rank}"))
        .collect())
}

fn has_firewall(netns: &Netns) -> Result<bool, Failure> {
    let old = netns.inside(|| {
        let names = |family: &str| {
            let path = format!("/proc/thread-self/net/{family}_tables_names");
            // Not there while nobody has loaded the old kind of filter.
            fs::read_to_string(path).unwrap_or_default()
        };
        Ok(["ip", "ip6"].iter().any(|family| !names(family).is_empty()))
    })?;
    Ok(old || nftables::filters(netns, is_criu_lock)?)
}
