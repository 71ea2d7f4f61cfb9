//! Keeping an address quiet: it is there, so that a restored socket can be bound to it, and
//! nobody on the network notices.
//!
//! Two tables of nftables, `phaul-ID` of the families `inet` and `arp`, drop what is for or
//! from the address on whichever link. `arp_ignore` would do this for one link and for ARP
//! only: not for neighbour solicitations of IPv6, and the host would still reset connections
//! that it does not know. The tables outlive phaul, and their name is all that an undo needs.

use super::netlink::Connection;
use super::netns::Netns;
use super::nftables::{Family, Match, Way, apply, chain, delete, delete_all, drop_rule, table};
use super::wire::{EXCLUSIVE, IPV4, IPV6, Message, ip_bytes};
use nix::errno::Errno;
use phaul_core::failure::Failure;
use std::net::IpAddr;

/// Longest id in bytes; a table's name may have 255.
const ID_MAX: usize = 64;
/// Offsets of sender and target in an ARP packet, of source and destination in a packet of IP.
const ARP: (u32, u32) = (14, 24);
const IP4: (u32, u32) = (12, 16);
const IP6: (u32, u32) = (8, 24);
/// ICMPv6, its neighbour solicitation, and the offset of the address that it asks for.
const ICMP6: u8 = 58;
const SOLICITATION: u8 = 135;
const ASKED_FOR: u32 = 8;

/// Keeps addresses quiet until [`unhush`]. Said again it replaces what was said for the id.
///
/// # Errors
///
/// `network-hush` if the id is none, or the kernel has no nftables.
pub(super) fn hush(netns: &Netns, ips: &[IpAddr], id: &str) -> Result<(), Failure> {
    keep(netns, ips, id, true)
}

/// The same, except that who asks by ARP is answered: a lock such as CRIU's.
#[cfg(test)]
pub(super) fn lock(netns: &Netns, ips: &[IpAddr], id: &str) -> Result<(), Failure> {
    keep(netns, ips, id, false)
}

fn keep(netns: &Netns, ips: &[IpAddr], id: &str, wholly: bool) -> Result<(), Failure> {
    let name = &table_name(id)?;
    let connection = &mut Connection::netfilter(netns)?;
    // The kernel takes several times as long for a batch that deletes something.
    let mut done = apply(connection, &requests(name, ips, wholly, false));
    if done.as_ref().is_err_and(|r| r.errno == Errno::EEXIST) {
        done = apply(connection, &requests(name, ips, wholly, true));
    }
    done.map_err(|refusal| {
        refusal
            .failure("network-hush", "keep an address quiet until the cut-over")
            .hint("phaul needs nftables in the kernel: CONFIG_NF_TABLES with INET and ARP")
    })
}

/// All that keeps the addresses quiet; `anew` in the place of what there may be of this name.
fn requests(name: &str, ips: &[IpAddr], wholly: bool, anew: bool) -> Vec<Message> {
    let mut requests = Vec::new();
    for family in [Family::Inet, Family::Arp] {
        if anew {
            // Made first, so that there is one to delete; a batch is done all or none.
            requests.extend([table(family, name), delete(family, name)]);
        }
        requests.push(table(family, name).flagged(EXCLUSIVE));
        for way in [Way::In, Way::Out] {
            requests.push(chain(family, name, way, false));
        }
    }
    for ip in ips {
        requests.extend(packets(name, *ip));
        if wholly {
            requests.extend(questions(name, *ip));
        }
    }
    requests
}

/// Ends what [`hush`] began. Nothing of this id counts as ended.
///
/// # Errors
///
/// `network-nftables` if the kernel refuses.
pub(super) fn unhush(netns: &Netns, id: &str) -> Result<(), Failure> {
    let names = [table_name(id)?];
    let connection = &mut Connection::netfilter(netns)?;
    // Both in one batch, which waits for the processors once.
    let both = [Family::Arp, Family::Inet].map(|family| delete(family, &names[0]));
    if apply(connection, &both).is_ok() {
        return Ok(());
    }
    for family in [Family::Arp, Family::Inet] {
        delete_all(connection, family, &names)?;
    }
    Ok(())
}

/// Whether an address could be kept quiet here: a preflight check. Nothing is left.
///
/// # Errors
///
/// `network-hush` if the kernel has no nftables.
pub(super) fn can_hush(netns: &Netns) -> Result<(), Failure> {
    let id = format!("check-{}", std::process::id());
    hush(netns, &[], &id)?;
    unhush(netns, &id)
}

fn table_name(id: &str) -> Result<String, Failure> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if id.is_empty() || id.len() > ID_MAX || !id.bytes().all(plain) {
        let cause = format!("{id:?} cannot be part of the name of a table of nftables");
        return Err(Failure::new("network-hush", cause));
    }
    Ok(format!("phaul-{id}"))
}

fn both_ways(
    family: Family,
    name: &str,
    protocol: Option<u8>,
    at: (u32, u32),
    ip: IpAddr,
) -> [Message; 2] {
    let rule = |way: Way, offset: u32| {
        let protocol = protocol.map(Match::Protocol).into_iter();
        let conditions: Vec<Match> = protocol
            .chain([Match::Network(offset, ip_bytes(ip))])
            .collect();
        drop_rule(family, name, way, &conditions)
    };
    [rule(Way::Out, at.0), rule(Way::In, at.1)]
}

fn packets(name: &str, ip: IpAddr) -> [Message; 2] {
    match ip {
        IpAddr::V4(_) => both_ways(Family::Inet, name, Some(IPV4), IP4, ip),
        IpAddr::V6(_) => both_ways(Family::Inet, name, Some(IPV6), IP6, ip),
    }
}

/// The rules against being asked who has the address. What IPv6 asks goes to a group.
fn questions(name: &str, ip: IpAddr) -> Vec<Message> {
    match ip {
        IpAddr::V4(_) => both_ways(Family::Arp, name, None, ARP, ip).to_vec(),
        IpAddr::V6(_) => {
            let conditions = [
                Match::Protocol(IPV6),
                Match::Carries(ICMP6),
                Match::Transport(0, vec![SOLICITATION]),
                Match::Transport(ASKED_FOR, ip_bytes(ip)),
            ];
            vec![drop_rule(Family::Inet, name, Way::In, &conditions)]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::table_name;

    #[test]
    fn an_id_is_plain() {
        assert_eq!(table_name("run-1").unwrap(), "phaul-run-1");
        for id in ["", "a b", "a/b", "ü", &"x".repeat(65)] {
            assert_eq!(table_name(id).unwrap_err().code, "network-hush", "{id}");
        }
    }
}
