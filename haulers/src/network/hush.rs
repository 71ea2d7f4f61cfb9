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
use super::wire::{IPV4, IPV6, Message, ip_bytes};
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

/// How quiet an address is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quiet {
    /// As if the host did not have it: at the target before the cut-over.
    Wholly,
    /// The host says that it has it, but takes and sends nothing: at the source in the cut-over,
    /// so that nothing is accepted that would be lost.
    Packets,
}

/// Keeps addresses quiet until [`unhush`]. Said again it replaces what was said for the id.
///
/// # Errors
///
/// `network-hush` if the id is none, or the kernel has no nftables.
pub(super) fn hush(netns: &Netns, ips: &[IpAddr], id: &str, quiet: Quiet) -> Result<(), Failure> {
    let name = &table_name(id)?;
    let mut requests = Vec::new();
    for family in [Family::Inet, Family::Arp] {
        // Made first, so that there is one to delete; a batch is done all or none.
        requests.extend([
            table(family, name),
            delete(family, name),
            table(family, name),
        ]);
        for way in [Way::In, Way::Out] {
            requests.push(chain(family, name, way, false));
        }
    }
    for ip in ips {
        requests.extend(packets(name, *ip));
        if quiet == Quiet::Wholly {
            requests.extend(questions(name, *ip));
        }
    }
    let connection = &mut Connection::netfilter(netns)?;
    apply(connection, &requests).map_err(|refusal| {
        refusal
            .failure("network-hush", "keep an address quiet until the cut-over")
            .hint("phaul needs nftables in the kernel: CONFIG_NF_TABLES with INET and ARP")
    })
}

/// Ends what [`hush`] began. Nothing of this id counts as ended.
///
/// # Errors
///
/// `network-nftables` if the kernel refuses.
pub(super) fn unhush(netns: &Netns, id: &str) -> Result<(), Failure> {
    let names = [table_name(id)?];
    let connection = &mut Connection::netfilter(netns)?;
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
    hush(netns, &[], &id, Quiet::Wholly)?;
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
