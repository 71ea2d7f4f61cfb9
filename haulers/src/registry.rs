//! The haulers: from what a plan hauls to the two halves that know it.

use crate::kinds::pid::{PidSource, PidTarget};
use phaul_core::executor::ports::{SourceHauler, TargetHauler};
use phaul_core::failure::Failure;
use phaul_core::plan::{Haul, Plan};
use phaul_core::run::RunId;
use std::path::{Path, PathBuf};

/// The kinds of workload that can be hauled, as plans write them.
pub const KINDS: [&str; 1] = ["pid"];

fn unknown(haul: &Haul) -> Failure {
    Failure::new(
        "hauler-missing",
        format!("this phaul cannot haul `{}` workloads", haul.kind()),
    )
    .hint(format!("it can haul: {}", KINDS.join(", ")))
}

/// The source's half for a run. `directory` is the run's own and exists; `exe` is phaul
/// itself, which CRIU is made to call (`phaul hold DIRECTORY`: [`crate::hold_main`]).
pub fn source(
    plan: &Plan,
    _run: &RunId,
    directory: &Path,
    exe: PathBuf,
) -> Result<Box<dyn SourceHauler>, Failure> {
    match &plan.haul {
        Haul::Pid(pid) => Ok(Box::new(PidSource::new(plan, pid, directory, exe))),
        other => Err(unknown(other)),
    }
}

/// The target's half for a run; the same holds as for [`source`].
pub fn target(
    plan: &Plan,
    run: &RunId,
    directory: &Path,
    exe: PathBuf,
) -> Result<Box<dyn TargetHauler>, Failure> {
    match &plan.haul {
        Haul::Pid(_) => Ok(Box::new(PidTarget::new(plan, run, directory, exe))),
        other => Err(unknown(other)),
    }
}

/// What makes the workload one and the same: two plans with the same text haul the same one,
/// and as long as one run is unfinished no other may touch it.
pub fn identity(haul: &Haul) -> String {
    match haul {
        Haul::Pid(pid) => crate::kinds::pid::identity(pid),
        other => format!("{} {other:?}", other.kind()),
    }
}
