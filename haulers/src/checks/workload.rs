//! Is the workload one that can be moved at all?

use super::look::Look;
use super::{failed, passed};
use crate::manifest::Manifest;
use crate::tasks::is_self_or_ancestor;
use phaul_core::graph::Side;
use phaul_core::report::Check;

pub(super) const ID: &str = "workload";

/// At the source: it exists and is neither the kernel's, nor the host's, nor phaul itself.
pub(super) fn source(root: i32, look: &Look) -> Check {
    let no = |text: String, hint: &str| failed(ID, Side::Source, text, hint);
    let Some(process) = look.processes.first() else {
        return no(
            format!("process {root} has ended"),
            "see whether the workload runs and the plan names the right process",
        );
    };
    if root == 1 {
        return no(
            "process 1 is the host's own".to_owned(),
            "name the process that is to be moved",
        );
    }
    if process.stat.is_kernel_thread() {
        return no(
            format!("{} is a thread of the kernel", process.name()),
            "name the process that is to be moved",
        );
    }
    if is_self_or_ancestor(root) {
        return no(
            format!("{} is phaul itself or one of its parents", process.name()),
            "run phaul from outside the workload",
        );
    }
    let threads: usize = look
        .processes
        .iter()
        .map(|process| process.threads.len())
        .sum();
    let (name, count) = (process.name(), look.processes.len());
    passed(
        ID,
        Side::Source,
        format!("{name}: {count} processes, {threads} threads"),
    )
}

/// At the target: what it shared with a shell at the source can be had here.
pub(super) fn target(manifest: &Manifest) -> Check {
    if manifest.shell_job && manifest.has_terminal {
        failed(
            ID,
            Side::Target,
            "the workload has a terminal open, and an agent has none to give it",
            "start it with its standard descriptors on files, or in a `screen` or `tmux` that moves along",
        )
    } else {
        passed(
            ID,
            Side::Target,
            "it needs nothing that an agent cannot give",
        )
    }
}
