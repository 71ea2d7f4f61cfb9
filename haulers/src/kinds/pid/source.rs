//! A process tree at the source.

use crate::checks;
use crate::criu::config::{self, Besides};
use crate::criu::job::{Job, Work};
use crate::left::Notes;
use crate::tasks::{Task, stat};
use crate::tree::kind::SourceKind;
use crate::trees;
use async_trait::async_trait;
use phaul_core::executor::ports::{FileSource, Inspection, Ledger};
use phaul_core::failure::Failure;
use phaul_core::plan::{Pid, PidSource as RootFrom, Plan};
use std::fs;
use std::path::{Path, PathBuf};

/// The source's half of the hauler `pid`.
#[derive(Debug)]
pub(crate) struct PidSource {
    plan: Plan,
    pid: Pid,
    notes: Notes,
    exe: PathBuf,
}

impl PidSource {
    /// The kind of a run with this directory; `exe` is phaul itself.
    pub(crate) fn new(plan: &Plan, pid: &Pid, directory: &Path, exe: PathBuf) -> Self {
        Self {
            plan: plan.clone(),
            pid: pid.clone(),
            notes: Notes::near(directory),
            exe,
        }
    }
}

#[async_trait]
impl SourceKind for PidSource {
    async fn named_root(&self) -> Result<Task, Failure> {
        let missing = |cause: String| {
            Failure::new("workload-gone", cause)
                .hint("see whether the workload runs and the plan names the right process")
        };
        let pid = match &self.pid.root {
            RootFrom::Pid(pid) => *pid,
            RootFrom::Pidfile(path) => {
                let text = fs::read_to_string(path).map_err(|error| {
                    missing(format!(
                        "cannot read the pidfile {}: {error}",
                        path.display()
                    ))
                })?;
                text.trim()
                    .parse()
                    .map_err(|_| missing(format!("the pidfile {} holds no pid", path.display())))?
            }
        };
        match stat(pid) {
            Some(stat) if !stat.ended() => Ok(Task {
                pid,
                start_ticks: stat.start_ticks,
            }),
            Some(_) => Err(missing(format!("process {pid} has ended"))),
            None => Err(missing(format!("there is no process {pid}"))),
        }
    }

    async fn inspect(&mut self, root: Task, directory: &Path) -> Result<Inspection, Failure> {
        checks::source::inspect(&self.plan, &self.pid, root, directory).await
    }

    fn cgroup(&self) -> Option<PathBuf> {
        // It shares its cgroup with others.
        None
    }

    async fn reserve(
        &mut self,
        attempt: &Path,
        _root: Task,
        _ledger: &mut dyn Ledger,
    ) -> Result<(), Failure> {
        config::write(attempt, &self.exe, &self.plan, Besides::default())
    }

    fn dump(&mut self, attempt: &Path, root: Task) -> Result<Job, Failure> {
        Job::own(
            Work::Dump,
            attempt,
            &attempt.join("images"),
            |images, work| config::dump(&self.plan, root.pid, images, work),
        )
    }

    fn host_path(&self, inside: &Path, _ledger: &dyn Ledger) -> Option<PathBuf> {
        Some(Path::new("/").join(inside))
    }

    async fn clean(&mut self, _ledger: &mut dyn Ledger) -> Result<(), Failure> {
        trees::leave(&self.plan, None, &self.notes)
    }

    fn files(&mut self, root: Task) -> Result<Option<Box<dyn FileSource>>, Failure> {
        trees::source(&self.plan, None, root)
    }
}
