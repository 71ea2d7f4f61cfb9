//! Does the tree hold file locks?

use super::look::{Descriptor, Look, Process};
use super::{failed, listed, passed, warned};
use phaul_core::graph::Side;
use phaul_core::plan::FileSet;
use phaul_core::report::Check;
use std::path::Path;

const ID: &str = "locks";

/// On a file system that both hosts see, the frozen source still holds its locks while the
/// target takes them again.
pub(super) fn check(look: &Look, files: &[FileSet]) -> Check {
    let locked = look
        .descriptors()
        .filter(|(_, open)| !open.locks.is_empty());
    let (on_shared, others): (Vec<_>, Vec<_>) = locked.partition(|(_, open)| {
        let shared = |set: &FileSet| {
            matches!(set, FileSet::Shared { path } if Path::new(&open.target).starts_with(path))
        };
        files.iter().any(shared)
    });
    let names = |found: Vec<(&Process, &Descriptor)>| -> Vec<String> {
        let names = found.into_iter();
        names
            .map(|(process, open)| format!("{}: {}", process.name(), open.target))
            .collect()
    };
    if !on_shared.is_empty() {
        let text = format!(
            "locks are held on files that both hosts see: {}",
            listed(&names(on_shared))
        );
        let hint = "let the workload release them before the move: the restore would wait for them";
        return failed(ID, Side::Source, text, hint);
    }
    let found = names(others);
    if found.is_empty() {
        return passed(ID, Side::Source, "no file locks are held");
    }
    warned(
        ID,
        Side::Source,
        format!("file locks are held: {}", listed(&found)),
        "on a file system that both hosts mount, the restore waits for ever while the source holds them",
    )
}
