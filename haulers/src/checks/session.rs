//! Does the tree have its sessions and process groups within itself?

use super::look::Look;
use super::{none_of, passed};
use phaul_core::graph::Side;
use phaul_core::report::Check;

const ID: &str = "session";

/// A session or group that a process outside leads cannot be rebuilt without that process.
pub(super) fn check(look: &Look, shell_job: bool) -> Check {
    let pids = look.pids();
    let outside: Vec<String> = look
        .processes
        .iter()
        .filter_map(|process| {
            let what = match (
                pids.contains(&process.stat.session),
                pids.contains(&process.stat.group),
            ) {
                (true, true) => return None,
                (false, _) => format!("session {}", process.stat.session),
                (true, false) => format!("process group {}", process.stat.group),
            };
            Some(format!(
                "{} is in {what} of a process outside",
                process.name()
            ))
        })
        .collect();
    // Not even a shell's session can be had from outside the pid namespace.
    let unreachable = look
        .processes
        .iter()
        .any(|process| process.stat.session == 0);
    if shell_job && !unreachable {
        return passed(
            ID,
            Side::Source,
            format!(
                "`shell_job` is set: {} processes are in a shell's session",
                outside.len()
            ),
        );
    }
    none_of(
        ID,
        Side::Source,
        &outside,
        "every session and process group is led from within",
        "start the workload with `setsid`, or say `shell_job: true` in the plan",
    )
}
