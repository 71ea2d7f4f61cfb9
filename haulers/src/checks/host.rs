//! What this host can do for any workload: the part of the checks that needs none.

use super::{cgroup, criu_usable, namespaces};
use phaul_core::graph::Side;
use phaul_core::report::Check;

/// Looks at this host as a source or as a target. Leaves nothing behind.
pub async fn check(side: Side) -> Vec<Check> {
    let (usable, _) = criu_usable::check(side).await;
    match side {
        Side::Source => vec![usable],
        Side::Target => vec![usable, namespaces::target(), cgroup::check()],
    }
}
