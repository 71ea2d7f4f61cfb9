//! The settings in `/proc/sys/net` that move with a namespace: an explicit list.

use super::names::LinkName;
use super::netns::Netns;
use phaul_core::failure::Failure;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Longest value in bytes.
const VALUE_MAX: usize = 64;

/// Settings of the whole namespace.
const GLOBAL: [&str; 17] = [
    "core/somaxconn",
    "ipv4/icmp_echo_ignore_all",
    "ipv4/ip_default_ttl",
    "ipv4/ip_forward",
    "ipv4/ip_local_port_range",
    "ipv4/ip_nonlocal_bind",
    "ipv4/ip_unprivileged_port_start",
    "ipv4/ping_group_range",
    "ipv4/tcp_fin_timeout",
    "ipv4/tcp_keepalive_intvl",
    "ipv4/tcp_keepalive_probes",
    "ipv4/tcp_keepalive_time",
    "ipv4/tcp_retries2",
    "ipv4/tcp_syncookies",
    "ipv4/tcp_tw_reuse",
    "ipv6/bindv6only",
    "ipv6/ip_nonlocal_bind",
];

/// Settings of each link, of all and of those to come. What switches forwarding changes
/// others, so it comes first.
const OF_LINKS: [&str; 17] = [
    "ipv4/conf/*/forwarding",
    "ipv6/conf/*/forwarding",
    "ipv4/conf/*/accept_local",
    "ipv4/conf/*/accept_redirects",
    "ipv4/conf/*/arp_accept",
    "ipv4/conf/*/arp_announce",
    "ipv4/conf/*/arp_filter",
    "ipv4/conf/*/arp_ignore",
    "ipv4/conf/*/arp_notify",
    "ipv4/conf/*/promote_secondaries",
    "ipv4/conf/*/proxy_arp",
    "ipv4/conf/*/route_localnet",
    "ipv4/conf/*/rp_filter",
    "ipv6/conf/*/disable_ipv6",
    "ipv6/conf/*/accept_ra",
    "ipv6/conf/*/addr_gen_mode",
    "ipv6/conf/*/autoconf",
];

/// One setting.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sysctl {
    /// Its path below `/proc/sys/net`.
    pub(crate) key: String,
    /// Its value as the kernel writes it.
    pub(crate) value: String,
}

impl Sysctl {
    /// What is wrong with one that a peer sent, for a namespace with these links.
    pub(super) fn fault(&self, links: &[&LinkName]) -> Option<String> {
        let known = keys(links).any(|key| key == self.key);
        let plain = |byte: u8| byte.is_ascii_digit() || b"-\t ".contains(&byte);
        let wrong = !known || self.value.len() > VALUE_MAX || !self.value.bytes().all(plain);
        wrong.then(|| format!("the setting {:?} is none that phaul carries over", self.key))
    }

    /// Whether it is one of this link's own.
    fn is_of(&self, link: &LinkName) -> bool {
        self.key.split('/').nth(2) == Some(link.as_str())
    }
}

fn of_link<'a>(name: &'a str) -> impl Iterator<Item = String> + 'a {
    OF_LINKS.iter().map(move |key| key.replace('*', name))
}

fn keys<'a>(links: &'a [&LinkName]) -> impl Iterator<Item = String> + 'a {
    let named = links.iter().map(|link| link.as_str());
    let of_links = ["all", "default"]
        .into_iter()
        .chain(named)
        .flat_map(of_link);
    GLOBAL.into_iter().map(str::to_owned).chain(of_links)
}

fn path(key: &str) -> PathBuf {
    Path::new("/proc/sys/net").join(key)
}

/// The settings of the calling thread's namespace; those that this kernel lacks are left out.
pub(super) fn read(links: &[&LinkName]) -> Vec<Sysctl> {
    keys(links)
        .filter_map(|key| {
            let text = fs::read_to_string(path(&key)).ok()?;
            let value = text.trim_end().to_owned();
            Some(Sysctl { key, value })
        })
        .collect()
}

/// Writes those that differ from what is there. One that this kernel lacks, or does not let
/// anybody change, is passed over: a preflight check cannot do better than the attempt.
///
/// # Errors
///
/// `network-namespace` if the namespace cannot be entered.
fn write<'a>(netns: &Netns, list: impl Iterator<Item = &'a Sysctl>) -> Result<(), Failure> {
    let list: Vec<&Sysctl> = list.collect();
    if list.is_empty() {
        return Ok(());
    }
    netns.inside(move || {
        for Sysctl { key, value } in list {
            let path = path(key);
            let there = fs::read_to_string(&path).unwrap_or_default();
            if there.trim_end() != value
                && let Err(error) = fs::write(&path, value)
            {
                tracing::warn!(key, value, %error, "a network setting cannot be carried over");
            }
        }
        Ok(())
    })
}

/// Sets what concerns the whole namespace, or links that are to come.
///
/// # Errors
///
/// `network-namespace` if the namespace cannot be entered.
pub(super) fn set_global(netns: &Netns, list: &[Sysctl]) -> Result<(), Failure> {
    let concerns_all = |sysctl: &&Sysctl| {
        let scope = sysctl.key.split('/').nth(2);
        scope.is_none_or(|scope| ["all", "default"].contains(&scope))
    };
    write(netns, list.iter().filter(concerns_all))
}

/// Sets what concerns one link each.
///
/// # Errors
///
/// `network-namespace` if the namespace cannot be entered.
pub(super) fn set_of_links(
    netns: &Netns,
    list: &[Sysctl],
    links: &[&LinkName],
) -> Result<(), Failure> {
    let concerns_one = |sysctl: &&Sysctl| links.iter().any(|link| sysctl.is_of(link));
    write(netns, list.iter().filter(concerns_one))
}

/// Changes a setting of the calling thread's namespace; what it was before.
///
/// # Errors
///
/// The kernel's, if it cannot be read or written.
pub(super) fn swap(key: &str, value: &str) -> io::Result<String> {
    let path = path(key);
    let there = fs::read_to_string(&path)?.trim_end().to_owned();
    if there != value {
        fs::write(&path, value)?;
    }
    Ok(there)
}
