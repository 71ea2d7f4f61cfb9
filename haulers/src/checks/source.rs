//! The checks of the source.
use crate::manifest::Manifest;
use crate::tasks::{Task, threads, tree};
use phaul_core::executor::ports::Inspection;
use phaul_core::failure::Failure;
use phaul_core::graph::Side;
use phaul_core::plan::{Pid, Plan};
use phaul_core::report::{Check, CheckResult};
use std::path::Path;

/// The inspection of a workload that is not there.
pub(crate) fn without_workload(failure: Failure) -> Inspection {
    Inspection {
        manifest: phaul_core::protocol::Manifest(serde_json::Value::Null),
        checks: vec![Check {
            id: "workload".to_owned(),
            side: Side::Source,
            result: CheckResult::Failed,
            waived: false,
            text: failure.cause,
            hint: failure.hint,
        }],
    }
}

/// Looks at the workload and this host.
pub(crate) async fn inspect(
    _plan: &Plan,
    _pid: &Pid,
    root: Task,
    _directory: &Path,
) -> Result<Inspection, Failure> {
    let mut manifest = Manifest::new();
    for pid in tree(root.pid).unwrap_or_default() {
        manifest.ids.extend(threads(pid));
    }
    Ok(Inspection {
        manifest: manifest.opaque()?,
        checks: vec![],
    })
}
