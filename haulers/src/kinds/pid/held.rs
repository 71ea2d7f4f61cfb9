//! What is held at the source: collecting it, stopping it, seeing that it never ran.

use crate::criu::hold::Held;
use crate::images;
use crate::tasks::{Pending, Task, pending, stat, tree};
use phaul_core::failure::Failure;
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::Path;

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
    let in_images: BTreeSet<i32> = dumped.iter().map(|process| process.pid).collect();
    let in_tree: BTreeSet<i32> = there.iter().copied().collect();
    if in_images != in_tree {
        let odd: Vec<&i32> = in_images.symmetric_difference(&in_tree).collect();
        return Err(Failure::lost(
            "hold-broken",
            format!("the images and the held tree differ in the processes {odd:?}"),
        ));
    }
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

/// Lets a SIGSTOP wait for every held task, those that were stopped before included: CRIU's
/// parasite may have taken their stop away, and if CRIU dies it does not give it back.
pub(super) fn stop(tasks: &[Held]) {
    for held in tasks {
        held.task.signal(Signal::STOP);
    }
}

/// Why it cannot be said that no task has run since the dump, if it cannot: every thread must
/// still be stopped by CRIU, with the SIGSTOP waiting behind.
pub(super) fn has_run(tasks: &[Held], criu: Task) -> Option<String> {
    tasks.iter().find_map(|held| {
        let pid = held.task.pid;
        let Some(Pending { tracer, .. }) = held.task.pending() else {
            return Some(format!("process {pid} is gone"));
        };
        if tracer != criu.pid {
            return Some(format!("process {pid} is not stopped by CRIU any more"));
        }
        if !pending(pid).is_some_and(|pending| pending.has(Signal::STOP)) {
            return Some(format!("process {pid} has been sent a signal to run on"));
        }
        held.task.threads().into_iter().find_map(|thread| {
            let state = stat(thread).map_or('?', |stat| stat.state);
            (state != 't').then(|| format!("thread {thread} of process {pid} is in state {state}"))
        })
    })
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
