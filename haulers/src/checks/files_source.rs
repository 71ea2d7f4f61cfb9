//! Can the files that the plan names be read at the source?

use super::{failed, passed};
use crate::manifest::{Shared, Tree};
use crate::{shared, trees};
use phaul_core::failure::Failure;
use phaul_core::graph::Side;
use phaul_core::plan::{Bytes, Plan};
use phaul_core::report::Check;
use std::path::Path;

const ID: &str = "files-source";

/// Looks at the trees that are copied and those that both hosts mount: what the target is told
/// of them, and the check.
pub(super) fn look(plan: &Plan, bundle: Option<&Path>) -> (Vec<Tree>, Vec<Shared>, Check) {
    match found(plan, bundle) {
        Ok((trees, shared)) => {
            let bytes: u64 = trees.iter().map(|tree| tree.bytes).sum();
            let entries: u64 = trees.iter().map(|tree| tree.entries).sum();
            let text = format!(
                "{} trees are copied ({entries} entries, {}), {} are shared",
                trees.len(),
                Bytes(bytes >> 10 << 10),
                shared.len()
            );
            (trees, shared, passed(ID, Side::Source, text))
        }
        Err(failure) => {
            let hint = failure.hint.unwrap_or_default();
            let hint = match hint.as_str() {
                "" => "see whether the plan's `files` name what is there",
                hint => hint,
            };
            let check = failed(ID, Side::Source, failure.cause, hint);
            (Vec::new(), Vec::new(), check)
        }
    }
}

fn found(plan: &Plan, bundle: Option<&Path>) -> Result<(Vec<Tree>, Vec<Shared>), Failure> {
    let trees = trees::describe(&trees::of(plan, bundle)?)?;
    Ok((trees, shared::describe(plan)?))
}
