//! Preflight checks: what must be so for the move to work, looked at before anything is
//! touched. One check a file; [`source`] and [`target`] make the lists of the two hosts.

mod addresses;
mod bundle;
mod cgroup;
pub(crate) mod container_source;
pub(crate) mod container_target;
mod cpu;
mod criu_options;
mod criu_refuses;
mod criu_usable;
mod criu_version;
mod files_place;
mod files_present;
mod files_source;
pub(crate) mod host;
mod kernel;
mod locks;
mod look;
mod namespaces;
mod network;
mod peer_loopback;
mod pid_free;
mod print;
mod rlimits;
mod runtime;
mod session;
pub(crate) mod source;
mod space;
pub(crate) mod target;
mod tcp;
mod unix_peers;
mod workload;

use phaul_core::failure::Failure;
use phaul_core::graph::Side;
use phaul_core::report::{Check, CheckResult};

/// So many findings are named in a check's text; the rest is counted.
const NAMED_MAX: usize = 10;

fn check(id: &str, side: Side, result: CheckResult, text: String, hint: Option<&str>) -> Check {
    Check {
        id: id.to_owned(),
        side,
        result,
        waived: false,
        text,
        hint: hint.map(str::to_owned),
    }
}

fn passed(id: &str, side: Side, text: impl Into<String>) -> Check {
    check(id, side, CheckResult::Passed, text.into(), None)
}

fn warned(id: &str, side: Side, text: impl Into<String>, hint: &str) -> Check {
    check(id, side, CheckResult::Warned, text.into(), Some(hint))
}

fn failed(id: &str, side: Side, text: impl Into<String>, hint: &str) -> Check {
    check(id, side, CheckResult::Failed, text.into(), Some(hint))
}

/// Looks on a thread of its own: files are read and summed, which is not a thing for the
/// runtime's own threads.
async fn off_runtime<T: Send + 'static>(
    look: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    let looked = tokio::task::spawn_blocking(look).await;
    looked.map_err(|error| Failure::new("inspect", format!("the look broke off: {error}")))
}

/// The findings in one line: the first few, and how many more there are.
fn listed(findings: &[String]) -> String {
    let named = findings
        .iter()
        .take(NAMED_MAX)
        .cloned()
        .collect::<Vec<_>>()
        .join("; ");
    match findings.len().saturating_sub(NAMED_MAX) {
        0 => named,
        more => format!("{named}; and {more} more"),
    }
}

/// Failed with the findings if there are any, else passed.
fn none_of(id: &str, side: Side, findings: &[String], good: &str, hint: &str) -> Check {
    if findings.is_empty() {
        passed(id, side, good)
    } else {
        failed(id, side, listed(findings), hint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_are_cut() {
        let findings: Vec<String> = (0..13).map(|number| number.to_string()).collect();
        assert!(listed(&findings).ends_with("9; and 3 more"));
        let check = none_of("x", Side::Source, &findings, "good", "hint");
        assert!(check.stops() && check.hint.is_some());
        assert!(!none_of("x", Side::Source, &[], "good", "hint").stops());
    }
}
