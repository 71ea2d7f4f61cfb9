//! The trees of files that a plan copies, at the source.

use crate::files::{self, SourceTree, TreesSource};
use crate::left::Notes;
use crate::manifest;
use crate::tasks::{Task, tree};
use phaul_core::executor::ports::FileSource;
use phaul_core::failure::Failure;
use phaul_core::plan::{FileSet, Plan};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The trees of a plan, in its order. A relative path is one in the bundle of a container.
pub(crate) fn of(plan: &Plan, bundle: Option<&Path>) -> Result<Vec<SourceTree>, Failure> {
    let mut found = Vec::new();
    for set in &plan.files {
        let FileSet::Tree { path, exclude } = set else {
            continue;
        };
        let root = match bundle {
            _ if path.is_absolute() => path.clone(),
            Some(bundle) => bundle.join(path),
            None => {
                let cause = format!("the tree {} has no absolute path", path.display());
                return Err(Failure::new("files-read", cause)
                    .hint("only a container has a bundle to which a path can be relative"));
            }
        };
        found.push(SourceTree {
            root,
            exclude: exclude.clone(),
        });
    }
    for (number, tree) in found.iter().enumerate() {
        let mut others = found.iter().enumerate();
        let outer =
            others.find(|(other, outer)| *other != number && tree.root.starts_with(&outer.root));
        if let Some((_, outer)) = outer {
            let (tree, outer) = (tree.root.display(), outer.root.display());
            let cause = format!("the tree {tree} lies in the tree {outer}");
            return Err(Failure::new("files-read", cause).hint("name only one of the two"));
        }
    }
    Ok(found)
}

/// The paths that a plan copies or shares.
pub(crate) fn covered(plan: &Plan, bundle: Option<&Path>) -> Vec<PathBuf> {
    let base = bundle.unwrap_or(Path::new("/"));
    plan.files
        .iter()
        .filter_map(|set| match set {
            FileSet::Tree { path, .. } | FileSet::Shared { path } => Some(base.join(path)),
            FileSet::None => None,
        })
        .collect()
}

/// What the target is told of the trees.
pub(crate) fn describe(trees: &[SourceTree]) -> Result<Vec<manifest::Tree>, Failure> {
    trees
        .iter()
        .map(|tree| {
            let outline = files::outline(tree)?;
            Ok(manifest::Tree {
                path: tree.root.clone(),
                is_file: tree.root.is_file(),
                entries: outline.entries,
                bytes: outline.bytes,
                outline: outline.digest,
            })
        })
        .collect()
}

/// Notes down that the workload has left its trees behind, and with them a container's
/// `config.json`: they may be replaced when it comes back.
pub(crate) fn leave(plan: &Plan, bundle: Option<&Path>, notes: &Notes) -> Result<(), Failure> {
    let config = bundle.map(|bundle| SourceTree {
        root: bundle.join("config.json"),
        exclude: Vec::new(),
    });
    let trees: Vec<SourceTree> = of(plan, bundle)?.into_iter().chain(config).collect();
    if trees.is_empty() {
        return Ok(());
    }
    notes.leave(&trees)
}

/// The trees as they are sent, if there are any; `root` is the workload's.
pub(crate) fn source(
    plan: &Plan,
    bundle: Option<&Path>,
    root: Task,
) -> Result<Option<Box<dyn FileSource>>, Failure> {
    let trees = of(plan, bundle)?;
    if trees.is_empty() {
        return Ok(None);
    }
    let source = TreesSource::new(trees, Box::new(move || written_by(root)))?;
    Ok(Some(Box::new(source)))
}

/// Device and inode of every file that a workload has mapped to write to: writing so need not
/// show in the file's times.
fn written_by(root: Task) -> BTreeSet<(u64, u64)> {
    let pids = tree(root.pid).unwrap_or_default();
    pids.into_iter().flat_map(written_mappings).collect()
}

fn written_mappings(pid: i32) -> Vec<(u64, u64)> {
    let maps = fs::read(format!("/proc/{pid}/maps")).unwrap_or_default();
    let maps = String::from_utf8_lossy(&maps);
    let shared = maps.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let range = words.next()?;
        let permissions = words.next()?;
        (permissions.as_bytes().get(1) == Some(&b'w') && permissions.ends_with('s'))
            .then_some(range)
    });
    shared
        .filter_map(|range| {
            let about = fs::metadata(format!("/proc/{pid}/map_files/{range}")).ok()?;
            about.is_file().then(|| (about.dev(), about.ino()))
        })
        .collect()
}
