//! Can the target's CRIU read what the source's writes?

use super::{failed, passed, warned};
use crate::criu::rpc::CriuVersion;
use phaul_core::graph::Side;
use phaul_core::report::Check;

const ID: &str = "criu-version";

/// Images of a newer CRIU may hold what an older one does not know.
pub(super) fn check(source: Option<CriuVersion>, target: Option<CriuVersion>) -> Check {
    let hint = "install the same or a newer CRIU on the target";
    match (source, target) {
        (Some(source), Some(target)) if target < source => failed(
            ID,
            Side::Target,
            format!("CRIU is {target} here and {source} at the source"),
            hint,
        ),
        (Some(source), Some(target)) => passed(
            ID,
            Side::Target,
            format!("CRIU is {target} here and {source} at the source"),
        ),
        _ => warned(
            ID,
            Side::Target,
            "the versions of CRIU are not both known",
            hint,
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_criu_cannot_read_a_newer_ones_images() {
        let version = |minor| {
            Some(CriuVersion {
                major: 4,
                minor,
                sublevel: 0,
            })
        };
        assert!(check(version(2), version(1)).stops());
        assert!(!check(version(1), version(2)).stops());
        assert!(!check(None, version(1)).stops());
    }
}
