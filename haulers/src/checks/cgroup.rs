//! Can the target keep what it restores in a cgroup of its own?

use super::{failed, passed};
use crate::cgroup::own;
use phaul_core::graph::Side;
use phaul_core::report::Check;

const ID: &str = "cgroup";

pub(super) fn check() -> Check {
    match own() {
        Ok(path) => passed(
            ID,
            Side::Target,
            format!("what is restored will be kept below {}", path.display()),
        ),
        Err(failure) => failed(
            ID,
            Side::Target,
            failure.cause,
            &failure.hint.unwrap_or_default(),
        ),
    }
}
