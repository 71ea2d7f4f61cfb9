//! Telling the network where an address is now.

use super::names::{LinkName, Mac};
use super::netns::Netns;
use super::packet::{ARP_TYPE, ICMP6, IPV6_TYPE, Offloads, Sender, sender, sum};
use phaul_core::failure::Failure;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::thread;
use std::time::Duration;

/// After how long it is told again: a frame may get lost.
const AGAIN: Duration = Duration::from_millis(5);
/// All nodes on a link, and the hardware address of that group.
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_NODES_MAC: Mac = Mac([0x33, 0x33, 0, 0, 0, 1]);
/// A neighbour advertisement, its flag to override what is known, its option with an address.
const ADVERTISEMENT: u8 = 136;
const OVERRIDE: u8 = 0x20;
const OPTION: [u8; 2] = [2, 1];
/// Of an advertisement that came from further than the link nobody takes notice.
const HOPS: u8 = 255;

/// Announces addresses by a link, with this hardware address or the link's own: in ARP as a
/// question and as an answer, in IPv6 as an advertisement. They are sent again a few milliseconds
/// later, when this has returned. It goes round the rules of the namespace, so it may be called
/// for one that CRIU still locks.
///
/// # Errors
///
/// `network-link-missing` if there is no such link; `network-announce` if it has no hardware
/// address, or nothing can be sent.
pub(super) fn announce(
    netns: &Netns,
    link: &LinkName,
    ips: &[IpAddr],
    mac: Option<Mac>,
) -> Result<(), Failure> {
    let (socket, seen) = sender(netns, link, Offloads::No)?;
    let failed = |why: String| {
        let cause = format!("the addresses of {link} cannot be announced: {why}");
        Failure::new("network-announce", cause)
    };
    let mac = mac
        .or(seen.mac)
        .ok_or_else(|| failed("it has no hardware address".to_owned()))?;
    let frames: Vec<Vec<u8>> = ips.iter().flat_map(|ip| announcements(*ip, mac)).collect();
    send(&socket, &frames).map_err(|error| failed(error.to_string()))?;
    let again = thread::Builder::new().name("phaul-announce".to_owned());
    let begun = again.spawn(move || {
        thread::sleep(AGAIN);
        send(&socket, &frames)
    });
    begun
        .map(drop)
        .map_err(|error| failed(format!("they are not sent again: {error}")))
}

fn send(socket: &Sender, frames: &[Vec<u8>]) -> io::Result<()> {
    frames.iter().try_for_each(|frame| socket.send(frame))
}

fn announcements(ip: IpAddr, mac: Mac) -> Vec<Vec<u8>> {
    match ip {
        IpAddr::V4(ip) => vec![
            arp(ip, mac, 1, Mac([0; 6])),
            arp(ip, mac, 2, Mac::BROADCAST),
        ],
        IpAddr::V6(ip) => vec![advertisement(ip, mac)],
    }
}

fn ethernet(to: Mac, from: Mac, kind: u16) -> Vec<u8> {
    [&to.0[..], &from.0, &kind.to_be_bytes()].concat()
}

/// A question (1) or an answer (2) about an address, from itself, to everybody.
fn arp(ip: Ipv4Addr, mac: Mac, operation: u8, target: Mac) -> Vec<u8> {
    let mut frame = ethernet(Mac::BROADCAST, mac, ARP_TYPE);
    // Ethernet, IPv4, 6 and 4 bytes of address.
    frame.extend([0, 1, 8, 0, 6, 4, 0, operation]);
    frame.extend(mac.0);
    frame.extend(ip.octets());
    frame.extend(target.0);
    frame.extend(ip.octets());
    frame
}

fn advertisement(ip: Ipv6Addr, mac: Mac) -> Vec<u8> {
    let mut body = vec![ADVERTISEMENT, 0, 0, 0, OVERRIDE, 0, 0, 0];
    body.extend(ip.octets());
    body.extend(OPTION);
    body.extend(mac.0);
    let length = u8::try_from(body.len()).unwrap_or(0);
    let addresses = [ip.octets(), ALL_NODES.octets()].concat();
    let pseudo = [&addresses[..], &[0, 0, 0, length, 0, 0, 0, ICMP6]].concat();
    let checksum = !sum(sum(0, &pseudo), &body);
    body[2..4].copy_from_slice(&checksum.to_be_bytes());
    let mut frame = ethernet(ALL_NODES_MAC, mac, IPV6_TYPE);
    frame.extend([0x60, 0, 0, 0, 0, length, ICMP6, HOPS]);
    frame.extend(addresses);
    frame.extend(body);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_advertisement_has_a_right_checksum() {
        let frame = advertisement("2001:db8::5".parse().unwrap(), Mac([2, 0, 0, 0, 0, 9]));
        let (header, body) = frame[14..].split_at(40);
        let pseudo = [&header[8..], &[0, 0, 0, 32, 0, 0, 0, 58]].concat();
        assert_eq!(sum(sum(0, &pseudo), body), 0xffff);
        assert_eq!(frame.len(), 14 + 40 + 32);
    }
}
