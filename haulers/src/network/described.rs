//! What a container's network namespace is made of, in the form that travels to the target.

use super::address::Address;
use super::names::{LinkName, Mac};
use super::route::Route;
use super::sysctls::Sysctl;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Most links of a namespace that is rebuilt.
pub(super) const LINKS_MAX: usize = 64;
/// Most addresses.
pub(super) const ADDRESSES_MAX: usize = 1024;
/// Most routes.
pub(super) const ROUTES_MAX: usize = 4096;
/// Most things that are named as unsupported.
pub(super) const UNSUPPORTED_MAX: usize = 64;
/// Most bytes of one of these.
pub(super) const TEXT_MAX: usize = 200;
/// Most settings.
const SYSCTLS_MAX: usize = 2048;
/// The range of a link's largest packet in bytes.
const MTU: std::ops::RangeInclusive<u32> = 68..=65_536;

/// A network namespace: its links, addresses, routes and settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked", into = "Unchecked")]
pub(crate) struct Described(Unchecked);

/// The same before anybody has looked whether it makes sense.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename = "Described")]
pub(crate) struct Unchecked {
    /// Its links, in the order of their numbers.
    pub(crate) links: Vec<Link>,
    /// Their addresses, in the kernel's order.
    pub(crate) addresses: Vec<Address>,
    /// Its routes but those of the local table, sorted.
    pub(crate) routes: Vec<Route>,
    /// The settings that are carried over.
    pub(crate) sysctls: Vec<Sysctl>,
    /// Whether it filters packets, CRIU's own locks aside.
    pub(crate) has_firewall: bool,
    /// What is in it that cannot be made anew, in words for an operator.
    pub(crate) unsupported: Vec<String>,
}

/// A link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Link {
    /// Its name.
    pub(crate) name: LinkName,
    /// What it is.
    pub(crate) kind: Kind,
    /// Its hardware address, if it has one of Ethernet.
    pub(crate) mac: Option<Mac>,
    /// Its largest packet in bytes.
    pub(crate) mtu: u32,
    /// Whether it is switched on.
    pub(crate) up: bool,
    /// How many packets wait to be sent at most.
    pub(crate) queue: u32,
    /// The other end, if that is in the host's namespace.
    pub(crate) host: Option<HostLink>,
}

/// What a link is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// The loopback.
    Loopback,
    /// One end of a pair.
    Veth,
    /// Something that phaul does not make, in the kernel's word.
    Other(String),
}

/// The host's end of a pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HostLink {
    /// Its name there.
    pub(crate) name: LinkName,
    /// Its largest packet in bytes.
    pub(crate) mtu: u32,
    /// The bridge that it is plugged into.
    pub(crate) bridge: Option<LinkName>,
}

impl Described {
    /// Everything.
    pub(crate) fn all(&self) -> &Unchecked {
        &self.0
    }

    /// The pairs between the namespace and its host, which are made anew.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&Link, &HostLink)> {
        self.0.links.iter().filter_map(|link| {
            let host = link.host.as_ref()?;
            (link.kind == Kind::Veth).then_some((link, host))
        })
    }
}

impl From<Described> for Unchecked {
    fn from(described: Described) -> Self {
        described.0
    }
}

impl TryFrom<Unchecked> for Described {
    type Error = String;

    fn try_from(unchecked: Unchecked) -> Result<Self, String> {
        match unchecked.fault() {
            Some(fault) => Err(fault),
            None => Ok(Self(unchecked)),
        }
    }
}

impl Unchecked {
    fn fault(&self) -> Option<String> {
        let names: Vec<&LinkName> = self.links.iter().map(|link| &link.name).collect();
        let known = |name: &LinkName| names.contains(&name);
        let foreign = |name: &LinkName| format!("there is no link {name} in this namespace");
        let addresses = self.addresses.iter().find_map(|address| {
            let unknown = (!known(&address.link)).then(|| foreign(&address.link));
            unknown.or_else(|| address.fault())
        });
        let routes = self.routes.iter().find_map(|route| {
            let unknown = route.link.as_ref().filter(|link| !known(link));
            unknown.map(foreign).or_else(|| route.fault())
        });
        self.amount()
            .or_else(|| unequal(&names))
            .or_else(|| self.links.iter().find_map(Link::fault))
            .or(addresses)
            .or(routes)
            .or_else(|| self.sysctls.iter().find_map(|s| s.fault(&names)))
    }

    fn amount(&self) -> Option<String> {
        let counts = [
            (self.links.len(), LINKS_MAX, "links"),
            (self.addresses.len(), ADDRESSES_MAX, "addresses"),
            (self.routes.len(), ROUTES_MAX, "routes"),
            (self.sysctls.len(), SYSCTLS_MAX, "settings"),
            (self.unsupported.len(), UNSUPPORTED_MAX, "obstacles"),
        ];
        let odd = |text: &String| text.len() > TEXT_MAX || text.contains(char::is_control);
        let strange = self.unsupported.iter().any(odd);
        let over = counts.into_iter().find(|(count, most, _)| count > most);
        over.map(|(count, most, what)| format!("{count} {what} are more than {most}"))
            .or_else(|| strange.then(|| "the name of an obstacle is none".to_owned()))
    }
}

fn unequal(names: &[&LinkName]) -> Option<String> {
    let distinct: BTreeSet<_> = names.iter().collect();
    (distinct.len() != names.len()).then(|| "two links have one name".to_owned())
}

impl Link {
    fn fault(&self) -> Option<String> {
        let mac = self.mac.is_some_and(|mac| !mac.is_of_a_link());
        let wrong = match &self.kind {
            Kind::Loopback => self.name.as_str() != "lo" || self.host.is_some(),
            Kind::Veth => mac || self.mac.is_none() || !MTU.contains(&self.mtu),
            Kind::Other(kind) => {
                kind.len() > TEXT_MAX || kind.contains(char::is_control) || self.host.is_some()
            }
        };
        let host = self.host.as_ref().is_some_and(|h| !MTU.contains(&h.mtu));
        (wrong || host).then(|| format!("the link {} is none that there can be", self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn good() -> Value {
        json!({
            "links": [
                {"name": "lo", "kind": "loopback", "mac": null, "mtu": 65536, "up": true,
                 "queue": 1000, "host": null},
                {"name": "eth0", "kind": "veth", "mac": "02:00:00:00:00:01", "mtu": 1500,
                 "up": true, "queue": 1000,
                 "host": {"name": "veth1", "mtu": 1500, "bridge": "br0"}},
            ],
            "addresses": [
                {"link": "eth0", "ip": "10.0.0.2", "prefix": 24, "peer": null,
                 "broadcast": "10.0.0.255", "label": "eth0:1", "scope": 0, "flags": 0,
                 "metric": null, "origin": null, "lifetime": null},
            ],
            "routes": [
                {"destination": "0.0.0.0", "prefix": 0, "gateway": "10.0.0.1", "link": "eth0",
                 "source": null, "metric": 0, "scope": 0, "table": 254, "protocol": 3, "kind": 1,
                 "service": 0, "onlink": false, "metrics": [[2, 1400]], "preference": 0,
                 "expires_seconds": null},
            ],
            "sysctls": [{"key": "ipv4/conf/eth0/rp_filter", "value": "1"}],
            "has_firewall": false,
            "unsupported": [],
        })
    }

    fn read(value: Value) -> Result<Described, serde_json::Error> {
        serde_json::from_value(value)
    }

    #[test]
    fn a_sensible_description_is_read_and_written_alike() {
        let described = read(good()).unwrap();
        assert_eq!(serde_json::to_value(&described).unwrap(), good());
        assert_eq!(described.pairs().count(), 1);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let cases = [
            ("/links/1/name", json!("../../etc")),
            ("/links/1/name", json!("lo")),
            ("/links/1/mac", json!("ff:ff:ff:ff:ff:ff")),
            ("/links/1/mac", Value::Null),
            ("/links/1/mtu", json!(1)),
            ("/links/1/host/mtu", json!(4_000_000)),
            ("/links/1/host/name", json!("a/b")),
            ("/links/1/host/bridge", json!("a b")),
            ("/links/0/name", json!("lo1")),
            ("/addresses/0/link", json!("eth1")),
            ("/addresses/0/prefix", json!(33)),
            ("/addresses/0/ip", json!("224.0.0.1")),
            ("/addresses/0/ip", json!("fe80::1")),
            ("/addresses/0/label", json!("eth1:1")),
            ("/addresses/0/label", json!("eth0:\n")),
            ("/addresses/0/flags", json!(0x8000_0000u32)),
            ("/routes/0/link", json!("eth1")),
            ("/routes/0/gateway", json!("fe80::1")),
            ("/routes/0/prefix", json!(129)),
            ("/routes/0/table", json!(255)),
            ("/routes/0/kind", json!(77)),
            ("/routes/0/metrics", json!([[200, 1]])),
            ("/sysctls/0/key", json!("../kernel/core_pattern")),
            ("/sysctls/0/key", json!("ipv4/conf/eth1/rp_filter")),
            ("/sysctls/0/value", json!("1; reboot")),
            ("/unsupported", json!(["x".repeat(300)])),
            ("/unsupported", json!(vec!["x"; 100])),
            ("/unsupported", json!(["\u{1b}[2J"])),
        ];
        for (pointer, value) in cases {
            let mut bad = good();
            *bad.pointer_mut(pointer).unwrap() = value.clone();
            assert!(read(bad).is_err(), "{pointer} {value}");
        }
        let mut bad = good();
        bad["links"][0]["more"] = json!(1);
        assert!(read(bad).is_err());
    }
}
