//! What differs between the kinds of workload.

use crate::criu::job::Job;
use crate::manifest::Manifest;
use crate::tasks::Task;
use async_trait::async_trait;
use phaul_core::executor::ports::{FileSink, FileSource, Inspection, Ledger, ProposedTree};
use phaul_core::failure::Failure;
use phaul_core::protocol::Manifest as Opaque;
use phaul_core::report::Check;
use std::fmt::Debug;
use std::path::{Path, PathBuf};

/// A kind of workload at the source.
#[async_trait]
pub(crate) trait SourceKind: Debug + Send {
    /// The root of the workload as the plan names it now.
    async fn named_root(&self) -> Result<Task, Failure>;

    /// Looks at the workload and this host. `directory` is the run's own. Touches nothing.
    async fn inspect(&mut self, root: Task, directory: &Path) -> Result<Inspection, Failure>;

    /// The cgroup (version 2) that holds the workload and nothing else, if it has one.
    fn cgroup(&self, root: Task) -> Option<PathBuf>;

    /// Makes what an attempt needs besides its directory and that of its images.
    async fn reserve(
        &mut self,
        attempt: &Path,
        root: Task,
        ledger: &mut dyn Ledger,
    ) -> Result<(), Failure>;

    /// Gets the dump ready, in the directory of an attempt.
    fn dump(&mut self, attempt: &Path, root: Task) -> Result<Job, Failure>;

    /// Right before the freeze.
    async fn freezing(&mut self, _root: Task, _ledger: &mut dyn Ledger) -> Result<(), Failure> {
        Ok(())
    }

    /// After everything is held.
    async fn held(&mut self, _ledger: &mut dyn Ledger) -> Result<(), Failure> {
        Ok(())
    }

    /// Puts right what [`SourceKind::held`] changed, before anybody lets the tasks run on. May be
    /// called when nothing was changed, and again.
    async fn thawing(&mut self, _ledger: &mut dyn Ledger) -> Result<(), Failure> {
        Ok(())
    }

    /// Puts right what a CRIU that was killed left in and around the tasks, before they run on.
    async fn mending(&mut self, _tasks: &[Task]) -> Result<(), Failure> {
        Ok(())
    }

    /// After the tasks run on.
    async fn thawed(&mut self) {}

    /// After the tasks were killed: what goes along with the word to resume.
    async fn farewell(&mut self) -> Opaque {
        Opaque(serde_json::Value::Null)
    }

    /// After success, when every task has ended: keeps nothing of its own.
    async fn clean(&mut self, _ledger: &mut dyn Ledger) -> Result<(), Failure> {
        Ok(())
    }

    /// Files of the workload that the plan does not copy and could.
    fn proposed_trees(&self) -> Vec<ProposedTree> {
        Vec::new()
    }

    /// The files that are copied, if the plan copies any.
    fn files(&mut self, _root: Task) -> Result<Option<Box<dyn FileSource>>, Failure> {
        Ok(None)
    }
}

/// A kind of workload at the target.
#[async_trait]
pub(crate) trait TargetKind: Debug + Send {
    /// Checks this host for the workload. `directory` is the run's own. Touches nothing.
    async fn check(&mut self, manifest: &Opaque, directory: &Path) -> Result<Vec<Check>, Failure>;

    /// What no other run may bring into being at the same time.
    fn claims(&self, manifest: &Manifest) -> Vec<String>;

    /// Makes what the restore needs besides images and cgroup.
    async fn reserve(
        &mut self,
        _manifest: &Manifest,
        _ledger: &mut dyn Ledger,
    ) -> Result<(), Failure> {
        Ok(())
    }

    /// Gets a restore ready, in the directory of an attempt. What CRIU makes must begin its
    /// life in `cgroup`.
    async fn restore(
        &mut self,
        attempt: &Path,
        images: &Path,
        cgroup: &Path,
        ledger: &mut dyn Ledger,
    ) -> Result<Job, Failure>;

    /// After everything is restored and held, the root first.
    async fn held(&mut self, _tasks: &[Task], _ledger: &mut dyn Ledger) -> Result<(), Failure> {
        Ok(())
    }

    /// When the namespaces are there and nothing is in them yet; only if the kind asks for it.
    async fn namespaces(&mut self, _root: Task, _ledger: &mut dyn Ledger) -> Result<(), Failure> {
        Ok(())
    }

    /// Right before the held tasks are let run. What fails here is logged and passed over: by
    /// now the workload has no other home.
    async fn releasing(
        &mut self,
        _root: Option<Task>,
        _ledger: &mut dyn Ledger,
    ) -> Result<(), Failure> {
        Ok(())
    }

    /// After the tasks run.
    async fn released(&mut self, _farewell: &Opaque, _ledger: &mut dyn Ledger) {}

    /// Takes away what a restore left that did not come to run, so that another can be tried.
    async fn sweep(&mut self, _ledger: &mut dyn Ledger) -> Result<(), Failure> {
        Ok(())
    }

    /// After the workload runs: what belongs to it now is the run's no longer.
    async fn clean(&mut self, _ledger: &mut dyn Ledger) -> Result<(), Failure> {
        Ok(())
    }

    /// What takes in the files, if the plan copies any; after [`TargetKind::reserve`].
    fn files(&mut self) -> Result<Option<Box<dyn FileSink>>, Failure> {
        Ok(None)
    }
}
