//! nftables by netlink, as far as phaul needs it: tables of its own that drop, and which
//! tables there are. No external program: not every host has one.

use super::netlink::{Connection, Refusal, of_family, unless};
use super::netns::Netns;
use super::wire::{Answer, Attributes, CREATE, Message};
use nix::errno::Errno;
use phaul_core::failure::Failure;

/// Bytes of `struct nfgenmsg`.
const HEADER: usize = 4;
/// `NFNL_SUBSYS_NFTABLES` in its place in a message's kind.
const SUBSYSTEM: u16 = 10 << 8;
/// `NFNL_MSG_BATCH_BEGIN`, `NFNL_MSG_BATCH_END`.
const BEGIN: u16 = 0x10;
const END: u16 = 0x11;
/// `NFT_MSG_*`.
const NEW_TABLE: u16 = SUBSYSTEM;
const GET_TABLE: u16 = SUBSYSTEM | 1;
const DELETE_TABLE: u16 = SUBSYSTEM | 2;
const NEW_CHAIN: u16 = SUBSYSTEM | 3;
const GET_CHAIN: u16 = SUBSYSTEM | 4;
const NEW_RULE: u16 = SUBSYSTEM | 6;
const GET_RULE: u16 = SUBSYSTEM | 7;
/// `NFTA_TABLE_NAME`, `NFTA_CHAIN_TABLE`, `NFTA_RULE_TABLE`.
const TABLE: u16 = 1;
/// `NFTA_CHAIN_POLICY`.
const POLICY: u16 = 5;
/// `NLM_F_APPEND`: a rule comes after those that there are.
const APPEND: u16 = 0x800;
/// `NF_DROP`.
const DROP: u32 = 0;
/// Before all that others do (`NF_IP_PRI_RAW`).
const FIRST: i32 = -300;

/// A table's family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// IPv4 and IPv6.
    Inet,
    /// ARP.
    Arp,
}

impl Family {
    fn number(self) -> u8 {
        match self {
            Self::Inet => 1,
            Self::Arp => 3,
        }
    }
}

/// Where a chain hooks in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Towards this host's own sockets.
    In,
    /// From them.
    Out,
}

impl Way {
    fn name(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
        }
    }

    /// `NF_INET_LOCAL_IN` and `OUT`; `NF_ARP_IN` and `OUT`.
    fn hook(self, family: Family) -> u32 {
        match (family, self) {
            (Family::Inet, Self::In) => 1,
            (Family::Inet, Self::Out) => 3,
            (Family::Arp, Self::In) => 0,
            (Family::Arp, Self::Out) => 1,
        }
    }
}

/// One condition of a rule.
#[derive(Debug, Clone)]
pub(super) enum Match {
    /// The packet is IPv4 (2) or IPv6 (10).
    Protocol(u8),
    /// What it carries, such as 58 for ICMPv6.
    Carries(u8),
    /// Bytes at an offset into the network's header.
    Network(u32, Vec<u8>),
    /// Bytes at an offset into the header of what it carries.
    Transport(u32, Vec<u8>),
}

impl Match {
    fn expressions(&self) -> [Attributes; 2] {
        let meta = |key: u32| expression("meta", &Attributes::new().big(1, 1).big(2, key));
        let payload = |base: u32, offset: u32, length: usize| {
            let length = u32::try_from(length).unwrap_or(0);
            let at = Attributes::new().big(1, 1).big(2, base);
            expression("payload", &at.big(3, offset).big(4, length))
        };
        let equal = |value: &[u8]| {
            let value = Attributes::new().with(1, value);
            expression(
                "cmp",
                &Attributes::new().big(1, 1).big(2, 0).nest(3, &value),
            )
        };
        match self {
            // NFT_META_NFPROTO, NFT_META_L4PROTO.
            Self::Protocol(number) => [meta(15), equal(&[*number])],
            Self::Carries(number) => [meta(16), equal(&[*number])],
            Self::Network(offset, value) => [payload(1, *offset, value.len()), equal(value)],
            Self::Transport(offset, value) => [payload(2, *offset, value.len()), equal(value)],
        }
    }
}

fn expression(name: &str, data: &Attributes) -> Attributes {
    Attributes::new().text(1, name).nest(2, data)
}

fn message(kind: u16, flags: u16, family: Family, attributes: &Attributes) -> Message {
    Message::new(kind, flags, &[family.number(), 0, 0, 0], attributes)
}

/// A table that is there afterwards, empty if it was not.
pub(super) fn table(family: Family, name: &str) -> Message {
    let attributes = Attributes::new().text(TABLE, name);
    message(NEW_TABLE, CREATE, family, &attributes)
}

/// A table goes, with all that is in it.
pub(super) fn delete(family: Family, name: &str) -> Message {
    let attributes = Attributes::new().text(TABLE, name);
    message(DELETE_TABLE, 0, family, &attributes)
}

/// A chain that sees packets first of all, and drops all of them or lets them pass.
pub(super) fn chain(family: Family, table: &str, way: Way, drops: bool) -> Message {
    let hook = Attributes::new()
        .big(1, way.hook(family))
        .big(2, FIRST.cast_unsigned());
    let attributes = Attributes::new()
        .text(TABLE, table)
        .text(3, way.name())
        .nest(4, &hook)
        .big(POLICY, u32::from(!drops))
        .text(7, "filter");
    message(NEW_CHAIN, CREATE, family, &attributes)
}

/// A rule that drops what meets all the conditions.
pub(super) fn drop_rule(family: Family, table: &str, way: Way, conditions: &[Match]) -> Message {
    let verdict = Attributes::new().nest(2, &Attributes::new().big(1, DROP));
    let immediate = Attributes::new().big(1, 0).nest(2, &verdict);
    let list = conditions
        .iter()
        .flat_map(Match::expressions)
        .chain([expression("immediate", &immediate)])
        .fold(Attributes::new(), |list, one| list.nest(1, &one));
    let attributes = Attributes::new()
        .text(TABLE, table)
        .text(2, way.name())
        .nest(4, &list);
    message(NEW_RULE, CREATE | APPEND, family, &attributes)
}

/// Does all of these or none.
pub(super) fn apply(connection: &mut Connection, requests: &[Message]) -> Result<(), Refusal> {
    let edge = |kind: u16| {
        let [high, low] = (SUBSYSTEM >> 8).to_be_bytes();
        Message::new(kind, 0, &[0, 0, high, low], &Attributes::new())
    };
    connection.batch(&edge(BEGIN), requests, &edge(END))
}

/// Deletes tables; one that is not there counts as deleted.
pub(super) fn delete_all(
    connection: &mut Connection,
    family: Family,
    names: &[String],
) -> Result<(), Failure> {
    for name in names {
        let deleted = apply(connection, &[delete(family, name)]);
        unless(deleted, &[Errno::ENOENT]).map_err(|refusal| {
            refusal.failure("network-nftables", format!("delete the table {name}"))
        })?;
    }
    Ok(())
}

/// The names of this family's tables; none if the kernel has no nftables.
pub(super) fn tables(connection: &mut Connection, family: Family) -> Result<Vec<String>, Failure> {
    let answers = listed(connection, GET_TABLE, family.number())?;
    Ok(answers.iter().filter_map(name_of_table).collect())
}

/// Whether there are rules or chains that drop, in any table but those that `passes` names.
///
/// # Errors
///
/// `network-nftables` if the kernel does not say.
pub(super) fn filters(netns: &Netns, passes: impl Fn(&str) -> bool) -> Result<bool, Failure> {
    let connection = &mut Connection::netfilter(netns)?;
    let counts = |answer: &Answer| name_of_table(answer).is_some_and(|name| !passes(&name));
    let rules = listed(connection, GET_RULE, 0)?;
    let chains = listed(connection, GET_CHAIN, 0)?;
    let drops = |answer: &&Answer| {
        let policy = answer.split(HEADER).and_then(|(_, a)| a.big(POLICY));
        policy == Some(DROP)
    };
    Ok(rules.iter().any(counts) || chains.iter().filter(drops).any(counts))
}

fn name_of_table(answer: &Answer) -> Option<String> {
    answer.split(HEADER)?.1.text(TABLE)
}

fn listed(connection: &mut Connection, kind: u16, family: u8) -> Result<Vec<Answer>, Failure> {
    match connection.list(&of_family(kind, HEADER, family)) {
        Ok(answers) => Ok(answers),
        // The kernel, or the namespace, has no nftables.
        Err(refusal) if ABSENT.contains(&refusal.errno) => Ok(Vec::new()),
        Err(refusal) => Err(refusal.failure("network-nftables", "list the rules of nftables")),
    }
}

/// How a kernel without nftables, or without a family of it, answers.
const ABSENT: [Errno; 4] = [
    Errno::EINVAL,
    Errno::EOPNOTSUPP,
    Errno::EAFNOSUPPORT,
    Errno::ENOENT,
];
