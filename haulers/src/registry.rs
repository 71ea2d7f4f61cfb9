//! The haulers: from what a plan hauls to the two halves that know it.

use crate::kinds;
use crate::kinds::container::{ContainerSource, ContainerTarget, Runtime};
use crate::kinds::pid::{PidSource, PidTarget};
use crate::tree::kind::{SourceKind, TargetKind};
use crate::tree::{TreeSource, TreeTarget};
use phaul_core::executor::ports::{SourceHauler, TargetHauler};
use phaul_core::failure::Failure;
use phaul_core::plan::{Container, Haul, Plan};
use phaul_core::run::RunId;
use std::path::{Path, PathBuf};

/// The kinds of workload that can be hauled, as plans write them.
pub const KINDS: [&str; 3] = ["pid", "runc", "crun"];

fn unknown(haul: &Haul) -> Failure {
    Failure::new(
        "hauler-missing",
        format!("this phaul cannot haul `{}` workloads", haul.kind()),
    )
    .hint(format!("it can haul: {}", KINDS.join(", ")))
}

/// The source's half for a run. `directory` is the run's own and exists; `exe` is phaul
/// itself, which CRIU is made to call ([`crate::called_back`]).
pub fn source(
    plan: &Plan,
    run: &RunId,
    directory: &Path,
    exe: PathBuf,
) -> Result<Box<dyn SourceHauler>, Failure> {
    let kind: Box<dyn SourceKind> = match (&plan.haul, container(&plan.haul)) {
        (Haul::Pid(pid), _) => Box::new(PidSource::new(plan, pid, directory, exe)),
        (_, Some((runtime, of))) => {
            Box::new(ContainerSource::new(plan, runtime, of, directory, exe))
        }
        (other, None) => return Err(unknown(other)),
    };
    Ok(Box::new(TreeSource::new(kind, plan, run, directory)))
}

/// The target's half for a run; the same holds as for [`source`].
pub fn target(
    plan: &Plan,
    run: &RunId,
    directory: &Path,
    exe: PathBuf,
) -> Result<Box<dyn TargetHauler>, Failure> {
    let kind: Box<dyn TargetKind> = match (&plan.haul, container(&plan.haul)) {
        (Haul::Pid(_), _) => Box::new(PidTarget::new(plan, run, exe)),
        (_, Some((runtime, of))) => Box::new(ContainerTarget::new(plan, run, runtime, of, exe)),
        (other, None) => return Err(unknown(other)),
    };
    Ok(Box::new(TreeTarget::new(kind, plan, run, directory)))
}

/// What makes the workload one and the same: two plans with the same text haul the same one,
/// and as long as one run is unfinished no other may touch it.
pub fn identity(haul: &Haul) -> String {
    match haul {
        Haul::Pid(pid) => crate::kinds::pid::identity(pid),
        other => match container(other) {
            Some((runtime, of)) => kinds::container::identity(runtime, of),
            None => format!("{} {other:?}", other.kind()),
        },
    }
}

/// The container of a runtime that is hauled, if it is one that is known here.
fn container(haul: &Haul) -> Option<(Runtime, &Container)> {
    match haul {
        Haul::Runc(container) => Some((Runtime::Runc, container)),
        Haul::Crun(container) => Some((Runtime::Crun, container)),
        Haul::Pid(_) | Haul::Podman(_) | Haul::Docker(_) | Haul::Lxc(_) => None,
    }
}
