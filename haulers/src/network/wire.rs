//! The form of netlink messages: a header, a family's own header, attributes.
//!
//! Route and nftables messages share it, and routes are put back from the very bytes the
//! kernel described them with; a library for one of the two would be a second codec beside this.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Bytes of the header of every message.
pub(super) const HEADER: usize = 16;
/// `NLA_F_NESTED`, `NLA_F_NET_BYTEORDER`: no part of an attribute's number.
const NUMBER_MASK: u16 = 0x3fff;
/// `NLA_F_NESTED`.
const NESTED: u16 = 0x8000;

/// Attributes being written.
#[derive(Debug, Clone, Default)]
pub(super) struct Attributes(Vec<u8>);

impl Attributes {
    /// None.
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// The same with an attribute of these bytes.
    #[must_use]
    pub(super) fn with(mut self, number: u16, value: &[u8]) -> Self {
        let length = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
        self.0.extend(length.to_ne_bytes());
        self.0.extend(number.to_ne_bytes());
        self.0.extend(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    /// The same with an integer in the host's order, as routes and links have them.
    #[must_use]
    pub(super) fn number(self, number: u16, value: u32) -> Self {
        self.with(number, &value.to_ne_bytes())
    }

    /// The same with an integer in the network's order, as nftables has them.
    #[must_use]
    pub(super) fn big(self, number: u16, value: u32) -> Self {
        self.with(number, &value.to_be_bytes())
    }

    /// The same with a text, ended by a zero.
    #[must_use]
    pub(super) fn text(self, number: u16, value: &str) -> Self {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.with(number, &bytes)
    }

    /// The same with an address.
    #[must_use]
    pub(super) fn ip(self, number: u16, value: IpAddr) -> Self {
        self.with(number, &ip_bytes(value))
    }

    /// The same with attributes within one.
    #[must_use]
    pub(super) fn nest(self, number: u16, inner: &Self) -> Self {
        self.with(number | NESTED, &inner.0)
    }

    /// The same with one if there is a value for it.
    #[must_use]
    pub(super) fn maybe<T>(self, value: Option<T>, put: impl FnOnce(Self, T) -> Self) -> Self {
        match value {
            Some(value) => put(self, value),
            None => self,
        }
    }

    /// What was written.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A request to the kernel, without its sequence number.
#[derive(Debug, Clone)]
pub(super) struct Message {
    kind: u16,
    flags: u16,
    body: Vec<u8>,
}

impl Message {
    /// A request of this kind with the flags beside `NLM_F_REQUEST`, the family's header (a
    /// multiple of 4 bytes) and attributes.
    pub(super) fn new(kind: u16, flags: u16, header: &[u8], attributes: &Attributes) -> Self {
        Self {
            kind,
            flags: flags | REQUEST,
            body: [header, attributes.bytes()].concat(),
        }
    }

    /// The same with further flags.
    #[must_use]
    pub(super) fn flagged(mut self, flags: u16) -> Self {
        self.flags |= flags;
        self
    }

    /// The bytes that are sent.
    pub(super) fn encode(&self, sequence: u32) -> Vec<u8> {
        let length = u32::try_from(HEADER + self.body.len()).unwrap_or(u32::MAX);
        let mut bytes = Vec::with_capacity(HEADER + self.body.len());
        bytes.extend(length.to_ne_bytes());
        bytes.extend(self.kind.to_ne_bytes());
        bytes.extend(self.flags.to_ne_bytes());
        bytes.extend(sequence.to_ne_bytes());
        bytes.extend(0u32.to_ne_bytes());
        bytes.extend(&self.body);
        bytes
    }
}

/// `NLM_F_REQUEST`.
const REQUEST: u16 = 0x1;
/// `NLM_F_ACK`: the kernel says that it is done.
pub(super) const ACK: u16 = 0x4;
/// `NLM_F_DUMP`: all there are.
pub(super) const DUMP: u16 = 0x300;
/// `NLM_F_REPLACE`: one that exists is changed.
pub(super) const REPLACE: u16 = 0x100;
/// `NLM_F_EXCL`: one that exists is an error.
pub(super) const EXCLUSIVE: u16 = 0x200;
/// `NLM_F_CREATE`: one that does not exist is made.
pub(super) const CREATE: u16 = 0x400;

/// One message of the kernel: its kind and what follows the header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) kind: u16,
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// The family's header of this many bytes, and the attributes after it.
    pub(super) fn split(&self, header: usize) -> Option<(&[u8], Parsed<'_>)> {
        let (header, rest) = self.body.split_at_checked(header)?;
        Some((header, Parsed::of(rest)))
    }
}

/// Attributes that the kernel wrote, by number; of several with one number the last.
#[derive(Debug, Clone, Default)]
pub(super) struct Parsed<'a>(BTreeMap<u16, &'a [u8]>);

impl<'a> Parsed<'a> {
    /// Reads attributes up to the first that is malformed.
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self(each_attribute(bytes).collect())
    }

    /// The numbers there are.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u16> + '_ {
        self.0.keys().copied()
    }

    /// The bytes of one.
    pub(super) fn bytes(&self, number: u16) -> Option<&'a [u8]> {
        self.0.get(&number).copied()
    }

    /// Whether it is there.
    pub(super) fn has(&self, number: u16) -> bool {
        self.0.contains_key(&number)
    }

    /// An integer in the host's order.
    pub(super) fn number(&self, number: u16) -> Option<u32> {
        let bytes = self.bytes(number)?.first_chunk()?;
        Some(u32::from_ne_bytes(*bytes))
    }

    /// An integer in the network's order.
    pub(super) fn big(&self, number: u16) -> Option<u32> {
        let bytes = self.bytes(number)?.first_chunk()?;
        Some(u32::from_be_bytes(*bytes))
    }

    /// A text.
    pub(super) fn text(&self, number: u16) -> Option<String> {
        let bytes = self.bytes(number)?;
        let end = bytes.iter().position(|&byte| byte == 0);
        let bytes = bytes.get(..end.unwrap_or(bytes.len()))?;
        String::from_utf8(bytes.to_vec()).ok()
    }

    /// An address.
    pub(super) fn ip(&self, number: u16) -> Option<IpAddr> {
        ip_of(self.bytes(number)?)
    }

    /// Attributes within one; none if it is not there.
    pub(super) fn nested(&self, number: u16) -> Parsed<'a> {
        self.bytes(number).map(Parsed::of).unwrap_or_default()
    }
}

/// Each attribute with its number, up to the first that is malformed.
pub(super) fn each_attribute(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let length = usize::from(u16::from_ne_bytes(*rest.first_chunk()?));
        let number = u16::from_ne_bytes(*rest.get(2..)?.first_chunk()?);
        let value = rest.get(4..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((number & NUMBER_MASK, value))
    })
}

/// An address in the network's order.
pub(super) fn ip_bytes(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

/// The address in 4 or 16 bytes.
pub(super) fn ip_of(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(octets).into());
    }
    let octets = <[u8; 16]>::try_from(bytes).ok()?;
    Some(Ipv6Addr::from(octets).into())
}

/// `AF_INET` or `AF_INET6`.
pub(super) fn family(ip: IpAddr) -> u8 {
    if ip.is_ipv4() { IPV4 } else { IPV6 }
}

/// `AF_INET`.
pub(super) const IPV4: u8 = 2;
/// `AF_INET6`.
pub(super) const IPV6: u8 = 10;

/// The unspecified address of a family, which stands for the default route.
pub(super) fn unspecified(family: u8) -> Option<IpAddr> {
    match family {
        IPV4 => Some(Ipv4Addr::UNSPECIFIED.into()),
        IPV6 => Some(Ipv6Addr::UNSPECIFIED.into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let inner = Attributes::new().number(1, 7);
        let written = Attributes::new()
            .text(3, "eth0")
            .nest(4, &inner)
            .big(5, 0x0102_0304)
            .ip(6, Ipv6Addr::LOCALHOST.into());
        let read = Parsed::of(written.bytes());
        assert_eq!(read.text(3).as_deref(), Some("eth0"));
        assert_eq!(read.nested(4).number(1), Some(7));
        assert_eq!(read.bytes(5), Some(&[1, 2, 3, 4][..]));
        assert_eq!(read.ip(6), Some(Ipv6Addr::LOCALHOST.into()));
        assert!(!read.has(7) && read.nested(7).numbers().next().is_none());
    }

    #[test]
    fn malformed_attributes_end_the_reading() {
        for bytes in [&[3u8, 0, 1, 0][..], &[9, 0, 1, 0, 1], &[0, 0, 0, 0], &[8]] {
            assert_eq!(each_attribute(bytes).count(), 0, "{bytes:?}");
        }
    }
}
