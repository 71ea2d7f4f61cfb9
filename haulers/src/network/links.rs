//! Links of one namespace: looking at them and changing them.

use super::names::{LinkName, Mac};
use super::netlink::{Connection, Refusal, of_family};
use super::wire::{Answer, Attributes, IPV6, Message};
use nix::errno::Errno;
use nix::libc;
use phaul_core::failure::Failure;

/// Bytes of `struct ifinfomsg`.
pub(super) const LINK_HEADER: usize = 16;
/// `IFLA_INET6_ADDR_GEN_MODE` and its value for none.
const ADDRESS_MODE: (u16, u8) = (8, 1);

/// A link as the kernel tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    /// Its number in its namespace.
    pub(super) index: u32,
    /// Its name.
    pub(super) name: LinkName,
    /// `veth`, `bridge` and so on; none for a device, and the loopback.
    pub(super) kind: Option<String>,
    /// Whether it is the loopback.
    pub(super) loopback: bool,
    /// Its hardware address, if it has one of Ethernet.
    pub(super) mac: Option<Mac>,
    /// Its largest packet in bytes.
    pub(super) mtu: u32,
    /// Packets that wait to be sent.
    pub(super) queue: u32,
    /// Whether it is switched on.
    pub(super) up: bool,
    /// Whether there is somebody at its other end.
    pub(super) running: bool,
    /// What it is tied to, as a veth's other end; a number in that one's namespace.
    pub(super) tied_to: Option<u32>,
    /// Which namespace that is, by this one's numbers.
    pub(super) tied_in: Option<i32>,
    /// The bridge or so that it is plugged into.
    pub(super) plugged_into: Option<u32>,
}

impl Seen {
    fn of(answer: &Answer) -> Option<Self> {
        if answer.kind != libc::RTM_NEWLINK {
            return None;
        }
        let (header, attributes) = answer.split(LINK_HEADER)?;
        let index = u32::from_ne_bytes(*header.get(4..)?.first_chunk()?);
        let flags = u32::from_ne_bytes(*header.get(8..)?.first_chunk()?);
        let has = |flag: i32| flags & flag.cast_unsigned() != 0;
        let mac = attributes.bytes(libc::IFLA_ADDRESS);
        Some(Self {
            index,
            name: attributes.text(libc::IFLA_IFNAME)?.parse().ok()?,
            kind: attributes
                .nested(libc::IFLA_LINKINFO)
                .text(libc::IFLA_INFO_KIND),
            loopback: has(libc::IFF_LOOPBACK),
            mac: mac.and_then(|mac| mac.try_into().ok()).map(Mac),
            mtu: attributes.number(libc::IFLA_MTU)?,
            queue: attributes.number(libc::IFLA_TXQLEN).unwrap_or(0),
            up: has(libc::IFF_UP),
            running: has(libc::IFF_RUNNING),
            tied_to: attributes.number(libc::IFLA_LINK),
            tied_in: attributes
                .number(libc::IFLA_LINK_NETNSID)
                .map(u32::cast_signed),
            plugged_into: attributes.number(libc::IFLA_MASTER),
        })
    }

    /// Whether it is one end of a veth pair.
    pub(super) fn is_veth(&self) -> bool {
        self.kind.as_deref() == Some("veth")
    }
}

/// `struct ifinfomsg` of this link with these flags set of those that are changed.
fn header(index: u32, flags: u32, changed: u32) -> Vec<u8> {
    let mut bytes = vec![0; 4];
    for number in [index, flags, changed] {
        bytes.extend(number.to_ne_bytes());
    }
    bytes
}

/// All links, in the order of their numbers.
pub(super) fn all(connection: &mut Connection) -> Result<Vec<Seen>, Failure> {
    let answers = connection
        .list(&of_family(libc::RTM_GETLINK, LINK_HEADER, 0))
        .map_err(|refusal| refusal.failure("network-links", "list the network links"))?;
    Ok(answers.iter().filter_map(Seen::of).collect())
}

/// The link of this name, if there is one.
pub(super) fn find(connection: &mut Connection, name: &LinkName) -> Result<Option<Seen>, Failure> {
    let attributes = Attributes::new().text(libc::IFLA_IFNAME, name.as_str());
    let message = Message::new(libc::RTM_GETLINK, 0, &header(0, 0, 0), &attributes);
    one(connection, &message, name)
}

/// The link of this number, if there is one.
pub(super) fn numbered(connection: &mut Connection, index: u32) -> Result<Option<Seen>, Failure> {
    let header = header(index, 0, 0);
    let message = Message::new(libc::RTM_GETLINK, 0, &header, &Attributes::new());
    one(connection, &message, &format!("number {index}"))
}

fn one(
    connection: &mut Connection,
    message: &Message,
    name: &impl std::fmt::Display,
) -> Result<Option<Seen>, Failure> {
    match connection.get(message) {
        Ok(answer) => Ok(answer.as_ref().and_then(Seen::of)),
        Err(refusal) if refusal.errno == Errno::ENODEV => Ok(None),
        Err(refusal) => {
            Err(refusal.failure("network-links", format!("look at the network link {name}")))
        }
    }
}

/// The link of this name.
///
/// # Errors
///
/// `network-link-missing` if there is none.
pub(super) fn need(connection: &mut Connection, name: &LinkName) -> Result<Seen, Failure> {
    find(connection, name)?.ok_or_else(|| {
        Failure::new(
            "network-link-missing",
            format!("there is no network link {name}"),
        )
        .hint("`ip link` lists the links that there are")
    })
}

/// Switches a link on.
pub(super) fn switch_on(connection: &mut Connection, index: u32) -> Result<(), Refusal> {
    let up = libc::IFF_UP.cast_unsigned();
    change(connection, &header(index, up, up), &Attributes::new())
}

/// Plugs a link into a bridge; 0 for none.
pub(super) fn plug(connection: &mut Connection, index: u32, bridge: u32) -> Result<(), Refusal> {
    let attributes = Attributes::new().number(libc::IFLA_MASTER, bridge);
    change(connection, &header(index, 0, 0), &attributes)
}

/// Lets the kernel give the link no IPv6 address of its own making when it is switched on.
pub(super) fn no_own_address(connection: &mut Connection, index: u32) -> Result<(), Refusal> {
    let mode = Attributes::new().with(ADDRESS_MODE.0, &[ADDRESS_MODE.1]);
    let family = Attributes::new().nest(IPV6.into(), &mode);
    let attributes = Attributes::new().nest(libc::IFLA_AF_SPEC, &family);
    change(connection, &header(index, 0, 0), &attributes)
}

fn change(
    connection: &mut Connection,
    header: &[u8],
    attributes: &Attributes,
) -> Result<(), Refusal> {
    connection.ask(&Message::new(libc::RTM_NEWLINK, 0, header, attributes))
}

/// Makes a link of a kind with attributes beside its name; one that exists is `EEXIST`.
pub(super) fn make(
    connection: &mut Connection,
    name: &LinkName,
    kind: &str,
    data: &Attributes,
    attributes: Attributes,
) -> Result<(), Refusal> {
    let about = Attributes::new()
        .text(libc::IFLA_INFO_KIND, kind)
        .nest(libc::IFLA_INFO_DATA, data);
    let attributes = attributes
        .text(libc::IFLA_IFNAME, name.as_str())
        .nest(libc::IFLA_LINKINFO, &about);
    let flags = super::wire::CREATE | super::wire::EXCLUSIVE;
    connection.ask(&Message::new(
        libc::RTM_NEWLINK,
        flags,
        &header(0, 0, 0),
        &attributes,
    ))
}

/// Removes a link.
pub(super) fn remove(connection: &mut Connection, index: u32) -> Result<(), Refusal> {
    let header = header(index, 0, 0);
    connection.ask(&Message::new(
        libc::RTM_DELLINK,
        0,
        &header,
        &Attributes::new(),
    ))
}
