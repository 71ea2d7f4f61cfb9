//! May CRIU read the limits of every process?

use super::look::{Look, namespaces};
use super::{none_of, passed};
use phaul_core::graph::Side;
use phaul_core::report::Check;
use std::fs;

const ID: &str = "rlimits";
/// `CAP_SYS_RESOURCE`.
const SYS_RESOURCE: u32 = 24;

pub(super) fn check(look: &Look) -> Check {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    if has_capability(&status, SYS_RESOURCE) {
        return passed(ID, Side::Source, "phaul has CAP_SYS_RESOURCE");
    }
    // In a user namespace that it owns, phaul has every capability.
    let own = namespaces(i32::try_from(std::process::id()).unwrap_or(0));
    let foreign: Vec<String> = look
        .processes
        .iter()
        .filter(|process| process.namespaces.get("user") == own.get("user"))
        .filter(|process| !process.is_root && !process.stat.ended())
        .map(|process| format!("{} has ids that are not root's", process.name()))
        .collect();
    none_of(
        ID,
        Side::Source,
        &foreign,
        "every process has root's ids",
        "run phaul with CAP_SYS_RESOURCE: without it CRIU may not read the limits of others",
    )
}

fn has_capability(status: &str, number: u32) -> bool {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let bits = line.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok());
    bits.is_some_and(|bits| bits & (1 << number) != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_read_from_the_status() {
        assert!(has_capability("CapEff:\t0000000001000000\n", SYS_RESOURCE));
        assert!(!has_capability("CapEff:\t0000000000ffffff\n", SYS_RESOURCE));
        assert!(!has_capability("", SYS_RESOURCE));
    }
}
