//! What differs between the kinds of workload.

use crate::criu::job::Job;
use crate::manifest::Manifest;
use crate::network::Described;
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
    fn cgroup(&self) -> Option<PathBuf>;

    /// Makes what an attempt needs besides its directory and that of its images.
    async fn reserve(
        &mut self,
        attempt: &Path,
        root: Task,
        ledger: &mut dyn Ledger,
    ) -> Result<(), Failure>;

    /// Gets the dump ready, in the directory of an attempt.
    fn dump(&mut self, attempt: &Path, root: Task) -> Result<Job, Failure>;

    /// The path of the network namespace that somebody made for the workload, if one did.
    fn given_network(&self) -> Option<PathBuf> {
        None
    }

    /// Where on this host a file is that the workload knows by this path.
    fn host_path(&self, inside: &Path, ledger: &dyn Ledger) -> Option<PathBuf>;

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

/// A network of a workload's own.
#[derive(Debug)]
pub(crate) struct OwnNetwork {
    /// What it was like at the source.
    pub described: Described,
    /// The path of its namespace, if somebody made it for the workload.
    pub given: Option<PathBuf>,
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

    /// The network that is made for the workload, if it has one of its own.
    fn network(&self, _ledger: &dyn Ledger) -> Result<Option<OwnNetwork>, Failure> {
        Ok(None)
    }

    /// After the tasks run: what belongs to them now is the run's no longer.
    fn released(&mut self, _ledger: &mut dyn Ledger) -> Result<(), Failure> {
        Ok(())
    }

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
