//! A process tree at the target.

use crate::cgroup;
use crate::checks;
use crate::criu::config::{self, Besides};
use crate::criu::job::{Job, Work};
use crate::files::TargetTree;
use crate::manifest::Manifest;
use crate::places;
use crate::tree::kind::TargetKind;
use async_trait::async_trait;
use phaul_core::executor::ports::{FileSink, Ledger};
use phaul_core::failure::Failure;
use phaul_core::plan::Plan;
use phaul_core::protocol::Manifest as Opaque;
use phaul_core::report::Check;
use phaul_core::run::RunId;
use std::path::{Path, PathBuf};

/// The target's half of the hauler `pid`.
#[derive(Debug)]
pub(crate) struct PidTarget {
    plan: Plan,
    run: RunId,
    exe: PathBuf,
    /// Where the copied trees are put, from reserving on.
    trees: Vec<TargetTree>,
}

impl PidTarget {
    /// The kind of a run; `exe` is phaul itself.
    pub(crate) fn new(plan: &Plan, run: &RunId, exe: PathBuf) -> Self {
        Self {
            plan: plan.clone(),
            run: run.clone(),
            exe,
            trees: Vec::new(),
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
        config::write(attempt, &self.exe, &self.plan, Besides::default())?;
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

    async fn reserve(
        &mut self,
        manifest: &Manifest,
        ledger: &mut dyn Ledger,
    ) -> Result<(), Failure> {
        places::prepare(&self.plan, &self.run, &manifest.trees, ledger)?;
        self.trees = places::targets(&self.plan, &manifest.trees, None);
        Ok(())
    }

    async fn clean(&mut self, ledger: &mut dyn Ledger) -> Result<(), Failure> {
        places::keep(ledger).await
    }

    fn files(&mut self) -> Result<Option<Box<dyn FileSink>>, Failure> {
        places::sink(&self.trees)
    }
}
