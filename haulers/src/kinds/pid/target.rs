//! A process tree at the target.

use crate::cgroup;
use crate::checks;
use crate::criu::config;
use crate::criu::job::{Job, Work};
use crate::manifest::Manifest;
use crate::tree::kind::TargetKind;
use async_trait::async_trait;
use phaul_core::executor::ports::Ledger;
use phaul_core::failure::Failure;
use phaul_core::plan::Plan;
use phaul_core::protocol::Manifest as Opaque;
use phaul_core::report::Check;
use std::path::{Path, PathBuf};

/// The target's half of the hauler `pid`.
#[derive(Debug)]
pub(crate) struct PidTarget {
    plan: Plan,
    exe: PathBuf,
}

impl PidTarget {
    /// The kind of a run; `exe` is phaul itself.
    pub(crate) fn new(plan: &Plan, exe: PathBuf) -> Self {
        Self {
            plan: plan.clone(),
            exe,
        }
    }
}

#[async_trait]
impl TargetKind for PidTarget {
    async fn check(&mut self, manifest: &Opaque, directory: &Path) -> Result<Vec<Check>, Failure> {
        checks::target::check(&self.plan, manifest, directory).await
    }

    fn claims(&self, manifest: &Manifest) -> Vec<String> {
        let ids = manifest.ids.iter();
        ids.map(|id| format!("process {id}")).collect()
    }

    async fn restore(
        &mut self,
        attempt: &Path,
        images: &Path,
        cgroup: &Path,
        _ledger: &mut dyn Ledger,
    ) -> Result<Job, Failure> {
        config::write(attempt, &self.exe, &self.plan, None)?;
        let job = Job::own(Work::Restore, attempt, images, |images, work| {
            config::restore(&self.plan, images, work)
        })?;
        // What CRIU makes begins its life where CRIU is.
        cgroup::enter(cgroup, job.process().pid).map_err(|error| {
            let cause = format!("CRIU cannot be put into {}: {error}", cgroup.display());
            Failure::new("cgroup-missing", cause)
        })?;
        Ok(job)
    }
}
