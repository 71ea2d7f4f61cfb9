//! Which process tree a plan hauls.

use crate::tasks::{Task, boot_id};
use phaul_core::plan::{Pid, PidSource};

/// A text that names the tree: the same for two plans exactly when they haul the same one.
pub(crate) fn identity(pid: &Pid) -> String {
    match root(pid) {
        Some(root) => format!(
            "pid {} started {} boot {}",
            root.pid,
            root.start_ticks,
            boot_id()
        ),
        // There is no such process; preflight says what is wrong.
        None => format!("pid of {:?}", pid.root),
    }
}

fn root(pid: &Pid) -> Option<Task> {
    let number = match &pid.root {
        PidSource::Pid(number) => *number,
        PidSource::Pidfile(path) => std::fs::read_to_string(path).ok()?.trim().parse().ok()?,
    };
    Task::find(number)
}
