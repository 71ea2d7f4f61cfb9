//! CRIU's options for a container, as lines of its configuration. It wins over what the runtime
//! asks for.

use super::runtime::Runtime;
use super::spec::{Network, Spec};
use crate::criu::config;
use phaul_core::plan::{Cgroups, Plan, Tcp};

/// The lines, with the plan's own at the end.
pub(super) fn lines(runtime: Runtime, plan: &Plan, spec: &Spec) -> String {
    let cgroups = match plan.criu.cgroups {
        // The runtime makes the container's cgroup and its limits; phaul adds what was changed
        // since it was started.
        Cgroups::Auto | Cgroups::Ignore => "ignore",
        Cgroups::Full => "full",
        Cgroups::Soft => "soft",
        Cgroups::Strict => "strict",
    };
    // The `=` is needed: with a blank CRIU takes the value for nothing.
    let mut lines = vec![format!("manage-cgroups={cgroups}")];
    lines.extend(["file-locks", "link-remap"].map(str::to_owned));
    lines.push(format!("ghost-limit {}", config::GHOST_MAX));
    match plan.network.tcp {
        Tcp::Keep => {
            let keep = ["tcp-established", "skip-in-flight", "network-lock nftables"];
            lines.extend(keep.map(str::to_owned));
        }
        Tcp::Close => lines.extend(["tcp-close", "network-lock skip"].map(str::to_owned)),
        Tcp::Refuse => lines.push("network-lock skip".to_owned()),
    }
    if runtime == Runtime::Crun && spec.network() == Network::Own {
        // What runc asks for by itself: the target rebuilds the namespace, not CRIU.
        lines.push("empty-ns=net".to_owned());
    }
    lines.join("\n") + "\n" + &config::lines(plan)
}
