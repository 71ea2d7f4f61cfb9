//! What workloads that were moved away have left behind on this host: their files stay, and may
//! be replaced when the workload comes back, unless somebody has changed them since.

use crate::files::{self, SourceTree};
use phaul_core::failure::Failure;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The note of a run, among what is kept of it.
const NOTE: &str = "logs/left.json";

/// A tree that a workload left behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Left {
    /// Where.
    path: PathBuf,
    /// What was left out of the look at it.
    exclude: Vec<String>,
    /// What it looked like.
    outline: String,
}

/// What runs have noted down on a host.
#[derive(Debug, Clone)]
pub(crate) struct Notes {
    run_directory: PathBuf,
}

impl Notes {
    /// The notes of the host on which a run has this directory: its own, and those of the runs
    /// that have theirs near it.
    pub(crate) fn near(run_directory: &Path) -> Self {
        Self {
            run_directory: run_directory.to_owned(),
        }
    }

    /// Notes down that these trees were left behind, as they are now.
    pub(crate) fn leave(&self, trees: &[SourceTree]) -> Result<(), Failure> {
        let path = self.run_directory.join(NOTE);
        let failed = |error: io::Error| {
            Failure::new(
                "left",
                format!("{} cannot be written: {error}", path.display()),
            )
        };
        let mut left = Vec::new();
        for tree in trees {
            left.push(Left {
                path: tree.root.clone(),
                exclude: tree.exclude.clone(),
                outline: files::outline(tree)?.digest,
            });
        }
        let text = serde_json::to_vec(&left).map_err(|error| failed(error.into()))?;
        let directory = path.parent().unwrap_or(&self.run_directory);
        fs::create_dir_all(directory).map_err(failed)?;
        fs::write(&path, text).map_err(failed)
    }

    /// Whether what stands at a path was left there by a workload and has not changed since.
    pub(crate) fn is_untouched(&self, path: &Path) -> bool {
        let Some(left) = self.newest(path) else {
            return false;
        };
        let tree = SourceTree {
            root: left.path,
            exclude: left.exclude,
        };
        files::outline(&tree).is_ok_and(|now| now.digest == left.outline)
    }

    /// The newest note about a path. The names of runs are in the order of their time.
    fn newest(&self, path: &Path) -> Option<Left> {
        let state = self.run_directory.parent()?.parent()?;
        let directories = |parent: &Path| fs::read_dir(parent).into_iter().flatten().flatten();
        let mut runs: Vec<PathBuf> = directories(state)
            .flat_map(|runs| directories(&runs.path()))
            .map(|run| run.path())
            .collect();
        runs.sort_by(|one, other| other.file_name().cmp(&one.file_name()));
        runs.iter().find_map(|run| {
            let text = fs::read(run.join(NOTE)).ok()?;
            let left: Vec<Left> = serde_json::from_slice(&text).ok()?;
            left.into_iter().find(|left| left.path == path)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_that_was_left_is_known_until_it_changes() {
        let dir = tempfile::tempdir().unwrap();
        let [first, second] = ["state/runs/1", "state/agent/2"].map(|run| dir.path().join(run));
        let root = dir.path().join("web");
        for directory in [&first, &second, &root] {
            fs::create_dir_all(directory).unwrap();
        }
        fs::write(root.join("file"), "x").unwrap();
        let [first, second] = [first, second].map(|run| Notes::near(&run));
        assert!(!second.is_untouched(&root));
        let tree = SourceTree {
            root: root.clone(),
            exclude: Vec::new(),
        };
        first.leave(std::slice::from_ref(&tree)).unwrap();
        assert!(first.is_untouched(&root) && second.is_untouched(&root));
        assert!(!second.is_untouched(&dir.path().join("other")));
        fs::write(root.join("file"), "longer").unwrap();
        assert!(!second.is_untouched(&root));
        second.leave(&[tree]).unwrap();
        assert!(first.is_untouched(&root), "the newest note counts");
    }
}
