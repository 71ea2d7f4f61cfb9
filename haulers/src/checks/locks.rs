//! Does the tree hold file locks?

use super::look::Look;
use super::{listed, passed, warned};
use phaul_core::graph::Side;
use phaul_core::report::Check;

const ID: &str = "locks";

/// On a file system that both hosts see, the frozen source still holds its locks while the
/// target takes them again.
pub(super) fn check(look: &Look) -> Check {
    let found: Vec<String> = look
        .descriptors()
        .filter(|(_, descriptor)| !descriptor.locks.is_empty())
        .map(|(process, descriptor)| format!("{}: {}", process.name(), descriptor.target))
        .collect();
    if found.is_empty() {
        return passed(ID, Side::Source, "no file locks are held");
    }
    warned(
        ID,
        Side::Source,
        format!("file locks are held: {}", listed(&found)),
        "on a file system that both hosts mount, the restore fails while the source holds them",
    )
}
