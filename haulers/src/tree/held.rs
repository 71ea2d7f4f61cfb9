//! What is held at the source: collecting it, stopping it, seeing that it never ran.

use crate::cgroup;
use crate::criu::hold::Held;
use crate::images;
use crate::tasks::{Pending, Task, inner_pid, pending, stat, tree};
use phaul_core::failure::Failure;
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Under this name the held tasks are noted down before any of them is sent a signal.
pub(super) const TASKS: &str = "tasks";

/// The held tasks and those who hold them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Holding {
    /// The tasks, the root first.
    pub tasks: Vec<Held>,
    /// CRIU.
    pub criu: Task,
    /// The hold.
    pub hold: Task,
    /// The cgroup that is frozen for the hold; without one each task has a SIGSTOP waiting.
    pub cgroup: Option<PathBuf>,
}

/// Collects the tree that CRIU has stopped and dumped into these images.
pub(super) fn collect(root: Task, images: &Path) -> Result<Vec<Held>, Failure> {
    let dumped = images::processes(images)?;
    let stopped = images::stopped(images, &dumped)?;
    let there = tree(root.pid).map_err(|error| {
        Failure::lost(
            "hold-broken",
            format!("the held tree cannot be read: {error}"),
        )
    })?;
    // In the images a process has the pid that it has in its own namespace.
    let inner: BTreeMap<i32, i32> = there
        .iter()
        .filter_map(|pid| Some((inner_pid(*pid)?, *pid)))
        .collect();
    let dumped: Vec<i32> = dumped.iter().map(|process| process.pid).collect();
    let missing = dumped.iter().filter(|pid| !inner.contains_key(pid));
    let added = inner.keys().filter(|pid| !dumped.contains(pid));
    let odd: Vec<&i32> = missing.chain(added).collect();
    if !odd.is_empty() || inner.len() != there.len() {
        return Err(Failure::lost(
            "hold-broken",
            format!("the images and the held tree differ in the processes {odd:?}"),
        ));
    }
    let stopped: Vec<i32> = stopped
        .iter()
        .filter_map(|pid| inner.get(pid))
        .copied()
        .collect();
    let held: Vec<Held> = there
        .into_iter()
        .filter_map(Task::find)
        .map(|task| Held {
            task,
            was_stopped: stopped.contains(&task.pid),
        })
        .collect();
    if held.first().map(|held| held.task) != Some(root) {
        return Err(gone(root));
    }
    Ok(held)
}

/// The workload's root is not there.
pub(super) fn gone(root: Task) -> Failure {
    Failure::new(
        "workload-gone",
        format!("the workload's root, process {}, has ended", root.pid),
    )
}

impl Holding {
    /// Makes the hold independent of CRIU's life. Without a cgroup to freeze a SIGSTOP waits for
    /// every task, those that were stopped before included: CRIU's parasite may have taken
    /// their stop away, and if CRIU dies it does not give it back.
    pub(super) fn fix(&self) -> Result<(), Failure> {
        match &self.cgroup {
            Some(path) => cgroup::freeze(path, true).map_err(|error| {
                let cause = format!("the cgroup {} cannot be frozen: {error}", path.display());
                Failure::lost("hold-broken", cause)
            }),
            None => {
                stop(&self.tasks);
                Ok(())
            }
        }
    }

    /// Why it cannot be said that no task has run since the dump, if it cannot: every thread
    /// must still be stopped by CRIU, and would stay stopped without it.
    pub(super) fn has_run(&self) -> Option<String> {
        if let Some(path) = &self.cgroup
            && !cgroup::is_frozen(path)
        {
            return Some(format!(
                "the cgroup {} is not frozen any more",
                path.display()
            ));
        }
        self.tasks
            .iter()
            .find_map(|held| self.task_has_run(held.task))
    }

    fn task_has_run(&self, task: Task) -> Option<String> {
        let pid = task.pid;
        let Some(Pending { tracer, .. }) = task.pending() else {
            return Some(format!("process {pid} is gone"));
        };
        if tracer != self.criu.pid {
            return Some(format!("process {pid} is not stopped by CRIU any more"));
        }
        let stop_waits = || pending(pid).is_some_and(|pending| pending.has(Signal::STOP));
        if self.cgroup.is_none() && !stop_waits() {
            return Some(format!("process {pid} has been sent a signal to run on"));
        }
        task.threads().into_iter().find_map(|thread| {
            let state = stat(thread).map_or('?', |stat| stat.state);
            (state != 't').then(|| format!("thread {thread} of process {pid} is in state {state}"))
        })
    }
}

/// Lets a SIGSTOP wait for every task.
pub(super) fn stop(tasks: &[Held]) {
    for held in tasks {
        held.task.signal(Signal::STOP);
    }
}

/// The tasks that could still run.
pub(super) fn can_run(tasks: &[Held]) -> Vec<i32> {
    tasks
        .iter()
        .filter(|held| held.task.can_run())
        .map(|held| held.task.pid)
        .collect()
}

/// Whether a task stands still because of a hold that has ended: stopped, or about to be.
pub(super) fn is_stopped(task: Task) -> bool {
    let waits = task
        .pending()
        .is_some_and(|pending| pending.has(Signal::STOP));
    waits || task.stat().is_some_and(|stat| stat.state == 'T')
}

/// Whether a task is stopped by this tracer.
pub(super) fn is_traced_by(task: Task, tracer: Task) -> bool {
    task.pending()
        .is_some_and(|pending| pending.tracer == tracer.pid)
}

/// Whether a task is stopped by any tracer.
pub(super) fn is_traced(task: Task) -> bool {
    task.pending().is_some_and(|pending| pending.tracer != 0)
}
