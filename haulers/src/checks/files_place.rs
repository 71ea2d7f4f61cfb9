//! Can the copied trees be put where they belong, and is there room for them?

use super::{failed, listed, none_of, passed};
use crate::files::{self, SourceTree};
use crate::kinds::container::mapped;
use crate::left::Notes;
use crate::manifest::{Manifest, Tree};
use crate::places::{Standing, standing};
use crate::shared;
use nix::sys::statvfs::statvfs;
use phaul_core::graph::Side;
use phaul_core::plan::{Bytes, FileSet, Plan};
use phaul_core::report::Check;
use std::collections::BTreeMap;
use std::path::Path;

const ID: &str = "files-place";
const SHARED: &str = "files-shared";
const SPACE: &str = "files-space";

/// Nothing stands there, or an empty directory, or what the workload itself left behind, or what
/// looks the same; everything else is somebody's.
pub(super) fn check(plan: &Plan, trees: &[Tree], notes: &Notes) -> Check {
    let excludes = plan.files.iter().filter_map(|set| match set {
        FileSet::Tree { exclude, .. } => Some(exclude.clone()),
        FileSet::Shared { .. } | FileSet::None => None,
    });
    let wrong: Vec<String> = trees
        .iter()
        .zip(excludes)
        .filter_map(|(tree, exclude)| {
            let path = mapped(&plan.to.paths, &tree.path);
            let why = taken(tree, &path, exclude, notes)?;
            Some(format!("{}: {why}", path.display()))
        })
        .collect();
    none_of(
        ID,
        Side::Target,
        &wrong,
        &format!(
            "{} trees of files can be put where they belong",
            trees.len()
        ),
        "move away what stands there, or map the path elsewhere in `to.paths`",
    )
}

fn taken(tree: &Tree, path: &Path, exclude: Vec<String>, notes: &Notes) -> Option<String> {
    match standing(path) {
        Err(error) => return Some(error.to_string()),
        Ok(Standing::Nothing) => return None,
        Ok(Standing::Empty) if !tree.is_file => return None,
        Ok(_) => {}
    }
    let there = SourceTree {
        root: path.to_owned(),
        exclude,
    };
    let same = files::outline(&there).is_ok_and(|there| there.digest == tree.outline);
    let free = same || notes.is_untouched(path);
    (!free).then(|| "something else stands there, which differs from what is copied".to_owned())
}

/// Trees that both hosts are to mount look the same here.
pub(super) fn shared(plan: &Plan, manifest: &Manifest) -> Check {
    none_of(
        SHARED,
        Side::Target,
        &shared::differences(plan, &manifest.shared),
        &format!("{} shared trees look the same here", manifest.shared.len()),
        "mount the same file system on both hosts, or copy it with `tree`",
    )
}

/// There is room on every file system that gets some of the trees.
pub(super) fn space(plan: &Plan, trees: &[Tree]) -> Check {
    let mut needed: BTreeMap<u64, (u64, u64, String)> = BTreeMap::new();
    for tree in trees {
        let path = mapped(&plan.to.paths, &tree.path);
        let there = path.ancestors().find(|above| above.exists());
        let Some(about) = there.and_then(|there| statvfs(there).ok()) else {
            continue;
        };
        let free = about
            .blocks_available()
            .saturating_mul(about.fragment_size());
        let name = path.display().to_string();
        let entry = needed
            .entry(about.filesystem_id())
            .or_insert((0, free, name));
        // An entry takes a block of its own, more or less.
        let bytes = tree.bytes.saturating_add(tree.entries.saturating_mul(4096));
        entry.0 = entry.0.saturating_add(bytes);
    }
    let short: Vec<String> = needed
        .into_values()
        .filter(|(needed, free, _)| needed > free)
        .map(|(needed, free, path)| {
            let [needed, free] = [needed, free].map(|bytes| Bytes(bytes >> 20 << 20));
            format!("{path} needs about {needed}, and {free} are free")
        })
        .collect();
    match short.is_empty() {
        true => passed(SPACE, Side::Target, "there is room for the files"),
        false => failed(SPACE, Side::Target, listed(&short), "make room there"),
    }
}
