//! The section `network`: connections and addresses.

use super::key::{Key, Kind, Word};
use super::reader::{Fields, Reader, Value};
use super::{named, section, value};
use phaul_core::plan::{Address, Network};

section! {
    pub(super) NETWORK = "What happens to the workload's connections and addresses.";
    TCP = Key::or(
        "tcp",
        Kind::Words(CONNECTIONS),
        "refuse",
        "what happens to established TCP connections",
    ),
    ADDRESSES = Key::or(
        "addresses",
        Kind::List(&ENTRY),
        "[]",
        "addresses that move at the cut-over and are announced there",
    ),
}

const CONNECTIONS: &[Word] = &[
    Word::new("keep", "they move with the workload"),
    Word::new("close", "they are closed"),
    Word::new("refuse", "a workload that has one is not moved"),
];

section! {
    ADDRESS = "An address that moves at the cut-over.";
    IP = Key::required("ip", Kind::AddressAndPrefix, "the address with its prefix"),
    FROM = Key::required("from", Kind::Interface, "the interface at the source"),
    TO = Key::required("to", Kind::Interface, "the interface at the target"),
}

static ENTRY: Kind = Kind::Section(&ADDRESS);

pub(super) fn read(reader: &mut Reader, value: &Value<'_>) -> Option<Network> {
    let fields = Fields::open(reader, value)?;
    let tcp = fields.get(reader, &TCP, value::chosen);
    let addresses = fields.get(reader, &ADDRESSES, |reader, value| {
        value::list(reader, value, address)
    });
    Some(Network {
        tcp: tcp?,
        addresses: addresses?,
    })
}

fn address(reader: &mut Reader, value: &Value<'_>) -> Option<Address> {
    let fields = Fields::open(reader, value)?;
    let ip = fields.get(reader, &IP, named::address_and_prefix);
    let from = fields.get(reader, &FROM, named::interface);
    let to = fields.get(reader, &TO, named::interface);
    Some(Address {
        ip: ip?,
        from: from?,
        to: to?,
    })
}
