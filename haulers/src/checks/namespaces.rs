//! Is the tree in the namespaces in which phaul works?

use super::look::{Look, namespaces};
use super::{failed, none_of, passed};
use phaul_core::graph::Side;
use phaul_core::report::Check;
use std::fs;

const ID: &str = "namespaces";
const TIME: &str = "time";

/// At the source: a tree with namespaces of its own is a container; its pids, files and
/// addresses mean something else than here.
pub(super) fn source(look: &Look) -> Check {
    let own = namespaces(i32::try_from(std::process::id()).unwrap_or(0));
    // CRIU gives what it restores a time namespace, so a tree that was moved before has one for
    // itself. It moves again, as long as all of the tree is in it.
    let time = look
        .processes
        .first()
        .and_then(|root| root.namespaces.get(TIME));
    let expected = |name: &str| match name {
        TIME => time,
        _ => own.get(name),
    };
    let other: Vec<String> = look
        .processes
        .iter()
        .filter_map(|process| {
            let differ = process
                .namespaces
                .iter()
                .filter(|(name, link)| expected(name) != Some(*link));
            let names: Vec<&str> = differ.map(|(name, _)| *name).collect();
            let names = names.join(", ");
            (!names.is_empty()).then(|| format!("{} has other namespaces: {names}", process.name()))
        })
        .collect();
    none_of(
        ID,
        Side::Source,
        &other,
        "every process is in phaul's own namespaces",
        "run phaul in the namespaces of the workload, or haul it as the container that it is",
    )
}

/// At the target: user and group ids mean what they mean at the source.
pub(super) fn target() -> Check {
    let whole = |name: &str| {
        let map = fs::read_to_string(format!("/proc/self/{name}")).unwrap_or_default();
        map.split_whitespace().eq(["0", "0", "4294967295"])
    };
    if whole("uid_map") && whole("gid_map") {
        passed(ID, Side::Target, "the agent has all user and group ids")
    } else {
        failed(
            ID,
            Side::Target,
            "the agent is in a user namespace that has not all user and group ids",
            "run the agent outside of user namespaces",
        )
    }
}
