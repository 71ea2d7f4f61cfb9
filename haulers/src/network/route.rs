//! Routes that are described for another host, to be made there anew.

use super::links::Seen;
use super::names::LinkName;
use super::netlink::{Connection, Refusal, of_family};
use super::wire::{
    Answer, Attributes, CREATE, EXCLUSIVE, IPV4, IPV6, Message, Parsed, each_attribute, family,
    unspecified,
};
use nix::libc;
use phaul_core::failure::Failure;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Bytes of `struct rtmsg`.
pub(super) const ROUTE_HEADER: usize = 12;
/// The table of the host's own addresses, which the kernel keeps itself.
pub(super) const LOCAL_TABLE: u32 = 255;
/// `RTM_F_CLONED`: a note of one destination, no route.
const CLONED: u32 = 0x200;
/// `RTNH_F_ONLINK`: the gateway is reached directly whatever its address.
pub(super) const ONLINK: u32 = 4;
/// `RTAX_CC_ALGO`: a metric that is a text.
const CONGESTION: u16 = 16;
/// Metrics of one route: the kernel knows 17.
const METRICS_MAX: usize = 17;
/// What of a route is described; one with anything else cannot be made anew.
const KNOWN: [u16; 14] = [
    libc::RTA_DST,
    libc::RTA_OIF,
    libc::RTA_GATEWAY,
    libc::RTA_PRIORITY,
    libc::RTA_PREFSRC,
    libc::RTA_METRICS,
    libc::RTA_CACHEINFO,
    libc::RTA_TABLE,
    libc::RTA_PREF,
    libc::RTA_EXPIRES,
    libc::RTA_PAD,
    libc::RTA_UID,
    libc::RTA_FLOW,
    HASH_POLICY_PADDING,
];
/// `RTA_UNSPEC`, which some kernels pad with.
const HASH_POLICY_PADDING: u16 = 0;

/// A route.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Route {
    /// The network that it leads to, and its prefix's length; unspecified and 0 for all.
    pub(crate) destination: IpAddr,
    /// Length of the prefix in bits.
    pub(crate) prefix: u8,
    /// Where packets are handed to; directly to their destination if none.
    pub(crate) gateway: Option<IpAddr>,
    /// The link they leave by.
    pub(crate) link: Option<LinkName>,
    /// The source address that they get.
    pub(crate) source: Option<IpAddr>,
    /// Its rank among routes to one destination; lower ones win.
    pub(crate) metric: u32,
    /// How far its destination is, in the kernel's numbers: 253 on the link.
    pub(crate) scope: u8,
    /// Its table; 254 is the main one.
    pub(crate) table: u32,
    /// Who made it, in the kernel's numbers: 2 the kernel, 3 somebody at boot, 4 an operator.
    pub(crate) protocol: u8,
    /// 1 leads somewhere; 6 to 9 refuse in their ways.
    pub(crate) kind: u8,
    /// The type of service that it is for.
    pub(crate) service: u8,
    /// Whether the gateway is reached directly whatever its address.
    pub(crate) onlink: bool,
    /// Numbered metrics, such as its largest packet.
    pub(crate) metrics: Vec<(u8, u32)>,
    /// A router's preference, in the kernel's numbers.
    pub(crate) preference: u8,
    /// Seconds until it goes; never if none.
    pub(crate) expires_seconds: Option<u32>,
}

/// A route of the kernel: one that can be described, or what it is that cannot.
pub(super) enum Told {
    Route(Box<Route>),
    Unsupported(String),
}

impl Route {
    /// What is wrong with one that a peer sent.
    pub(super) fn fault(&self) -> Option<String> {
        let is_of_family = |ip: IpAddr| ip.is_ipv4() == self.destination.is_ipv4();
        let longest = if self.destination.is_ipv4() { 32 } else { 128 };
        let wrong = self.prefix > longest
            || self.gateway.is_some_and(|ip| !is_of_family(ip))
            || self.source.is_some_and(|ip| !is_of_family(ip))
            || [0, LOCAL_TABLE].contains(&self.table)
            || !(1..=9).contains(&self.kind)
            || self.metrics.len() > METRICS_MAX
            || self
                .metrics
                .iter()
                .any(|(n, _)| u16::from(*n) >= CONGESTION + 2);
        let to = format!("{}/{}", self.destination, self.prefix);
        wrong.then(|| format!("the route to {to} is none that the kernel takes"))
    }

    /// Whether it must come before those with gateways, which need it.
    pub(super) fn is_direct(&self) -> bool {
        self.gateway.is_none()
    }

    /// The message that adds or removes it; `link` is its link's number.
    fn message(&self, kind: u16, flags: u16, link: Option<u32>) -> Message {
        let table = u8::try_from(self.table).unwrap_or(0);
        let mut header = vec![family(self.destination), self.prefix, 0, self.service];
        header.extend([table, self.protocol, self.scope, self.kind]);
        header.extend(if self.onlink { ONLINK } else { 0 }.to_ne_bytes());
        let metrics = self
            .metrics
            .iter()
            .fold(Attributes::new(), |list, (number, value)| {
                list.number((*number).into(), *value)
            });
        let given = |yes: bool| yes.then_some(());
        let attributes = Attributes::new()
            .number(libc::RTA_TABLE, self.table)
            .maybe(given(self.prefix > 0), |a, ()| {
                a.ip(libc::RTA_DST, self.destination)
            })
            .maybe(self.gateway, |a, ip| a.ip(libc::RTA_GATEWAY, ip))
            .maybe(link, |a, link| a.number(libc::RTA_OIF, link))
            .maybe(self.source, |a, ip| a.ip(libc::RTA_PREFSRC, ip))
            .maybe(given(self.metric > 0), |a, ()| {
                a.number(libc::RTA_PRIORITY, self.metric)
            })
            .maybe(given(!self.metrics.is_empty()), |a, ()| {
                a.nest(libc::RTA_METRICS, &metrics)
            })
            .maybe(given(self.preference > 0), |a, ()| {
                a.with(libc::RTA_PREF, &[self.preference])
            })
            .maybe(self.expires_seconds, |a, seconds| {
                a.number(libc::RTA_EXPIRES, seconds)
            });
        Message::new(kind, flags, &header, &attributes)
    }

    fn of(answer: &Answer, links: &[Seen]) -> Option<Told> {
        let (header, attributes) = answer.split(ROUTE_HEADER)?;
        let [
            family,
            prefix,
            source_prefix,
            service,
            table,
            protocol,
            scope,
            kind,
            flags @ ..,
        ] = *header.first_chunk::<ROUTE_HEADER>()?;
        let flags = u32::from_ne_bytes(flags);
        let table = attributes.number(libc::RTA_TABLE).unwrap_or(table.into());
        if table == LOCAL_TABLE || flags & CLONED != 0 {
            return None;
        }
        let destination = attributes.ip(libc::RTA_DST).or(unspecified(family))?;
        let named = |index: u32| links.iter().find(|link| link.index == index);
        let link = attributes.number(libc::RTA_OIF);
        let unknown = attributes.numbers().any(|number| !KNOWN.contains(&number));
        let (metrics, whole) = metrics(&attributes);
        if unknown || source_prefix > 0 || !whole {
            return Some(Told::Unsupported(format!(
                "a route to {destination}/{prefix} of a kind that phaul cannot make anew"
            )));
        }
        let preference = attributes.bytes(libc::RTA_PREF);
        Some(Told::Route(Box::new(Self {
            destination,
            prefix,
            gateway: attributes.ip(libc::RTA_GATEWAY),
            link: link.and_then(named).map(|link| link.name.clone()),
            source: attributes.ip(libc::RTA_PREFSRC),
            metric: attributes.number(libc::RTA_PRIORITY).unwrap_or(0),
            scope,
            table,
            protocol,
            kind,
            service,
            onlink: flags & ONLINK != 0,
            metrics,
            preference: preference.and_then(|b| b.first().copied()).unwrap_or(0),
            expires_seconds: expiry(&attributes),
        })))
    }
}

/// The metrics, and whether these are all.
fn metrics(attributes: &Parsed<'_>) -> (Vec<(u8, u32)>, bool) {
    let bytes = attributes.bytes(libc::RTA_METRICS).unwrap_or_default();
    let mut found = Vec::new();
    let mut whole = true;
    for (number, value) in each_attribute(bytes) {
        match (u8::try_from(number), <[u8; 4]>::try_from(value)) {
            (Ok(number), Ok(value)) if u16::from(number) != CONGESTION => {
                found.push((number, u32::from_ne_bytes(value)));
            }
            _ => whole = false,
        }
    }
    (found, whole)
}

/// Seconds until it goes: `rta_expires` of `struct rta_cacheinfo`, in hundredths.
fn expiry(attributes: &Parsed<'_>) -> Option<u32> {
    let about = attributes.bytes(libc::RTA_CACHEINFO)?;
    let left = i32::from_ne_bytes(*about.get(8..)?.first_chunk()?);
    u32::try_from(left / 100)
        .ok()
        .filter(|seconds| *seconds > 0)
}

/// The address of this host's own that a route of the local table stands for.
pub(super) fn own_address(answer: &Answer, family: u8) -> Option<IpAddr> {
    let (header, attributes) = answer.split(ROUTE_HEADER)?;
    let is_own = header.first() == Some(&family) && header.get(7) == Some(&libc::RTN_LOCAL);
    is_own.then(|| attributes.ip(libc::RTA_DST)).flatten()
}

/// The routes of IPv4 and IPv6 as the kernel tells of them.
pub(super) fn raw(connection: &mut Connection) -> Result<Vec<Answer>, Failure> {
    let answers = connection
        .list(&of_family(libc::RTM_GETROUTE, ROUTE_HEADER, 0))
        .map_err(|refusal| refusal.failure("network-routes", "list the routes"))?;
    let known = |answer: &Answer| {
        answer.kind == libc::RTM_NEWROUTE && matches!(answer.body.first(), Some(&(IPV4 | IPV6)))
    };
    Ok(answers.into_iter().filter(known).collect())
}

/// All routes but those of the local table, sorted; and what cannot be described.
pub(super) fn all(
    connection: &mut Connection,
    links: &[Seen],
) -> Result<(Vec<Route>, Vec<String>), Failure> {
    let mut routes = Vec::new();
    let mut unsupported = Vec::new();
    for told in raw(connection)?.iter().filter_map(|a| Route::of(a, links)) {
        match told {
            Told::Route(route) => routes.push(*route),
            Told::Unsupported(what) => unsupported.push(what),
        }
    }
    routes.sort();
    Ok((routes, unsupported))
}

/// Adds a route; `link` is its link's number. One that exists is `EEXIST`.
pub(super) fn add(
    connection: &mut Connection,
    route: &Route,
    link: Option<u32>,
) -> Result<(), Refusal> {
    connection.ask(&route.message(libc::RTM_NEWROUTE, CREATE | EXCLUSIVE, link))
}

/// Removes a route.
pub(super) fn remove(
    connection: &mut Connection,
    route: &Route,
    link: Option<u32>,
) -> Result<(), Refusal> {
    connection.ask(&route.message(libc::RTM_DELROUTE, 0, link))
}
