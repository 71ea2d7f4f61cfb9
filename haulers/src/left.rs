//! What workloads that were moved away have left behind on this host: their files stay, and may
//! be replaced when the workload comes back, unless somebody has changed them since.

use crate::files::{self, SourceTree};
use phaul_core::failure::Failure;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The directory of these notes, in the state directory.
const DIRECTORY: &str = "left";

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

/// The notes of a host: beside the directories of its runs.
#[derive(Debug, Clone)]
pub(crate) struct Notes {
    directory: Option<PathBuf>,
}

impl Notes {
    /// The notes of the host on which a run has this directory.
    pub(crate) fn beside(run_directory: &Path) -> Self {
        let state = run_directory.parent().and_then(Path::parent);
        Self {
            directory: state.map(|state| state.join(DIRECTORY)),
        }
    }

    fn note(&self, path: &Path) -> Option<PathBuf> {
        let name = blake3::hash(path.as_os_str().as_encoded_bytes()).to_hex();
        Some(
            self.directory
                .as_ref()?
                .join(format!("{}.json", &name[..32])),
        )
    }

    /// Notes down that a tree was left behind, as it is now.
    pub(crate) fn leave(&self, tree: &SourceTree) -> Result<(), Failure> {
        let (Some(note), Some(directory)) = (self.note(&tree.root), &self.directory) else {
            return Ok(());
        };
        let left = Left {
            path: tree.root.clone(),
            exclude: tree.exclude.clone(),
            outline: files::outline(tree)?.digest,
        };
        let failed = |error: io::Error| {
            Failure::new(
                "left",
                format!("{} cannot be written: {error}", note.display()),
            )
        };
        fs::create_dir_all(directory).map_err(failed)?;
        let text = serde_json::to_vec(&left).map_err(|error| failed(error.into()))?;
        fs::write(&note, text).map_err(failed)
    }

    /// Whether what stands at a path was left there by a workload and has not changed since.
    pub(crate) fn is_untouched(&self, path: &Path) -> bool {
        let text = self.note(path).and_then(|note| fs::read(note).ok());
        let left: Option<Left> = text.and_then(|text| serde_json::from_slice(&text).ok());
        left.is_some_and(|left| {
            let tree = SourceTree {
                root: left.path,
                exclude: left.exclude,
            };
            let now = files::outline(&tree).map(|outline| outline.digest);
            tree.root == path && now.is_ok_and(|now| now == left.outline)
        })
    }

    /// The workload has come back: what it left is no more.
    pub(crate) fn forget(&self, path: &Path) {
        if let Some(note) = self.note(path) {
            // A note that stays tells of a tree that is not there any more.
            let _ = fs::remove_file(note);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_that_was_left_is_known_until_it_changes() {
        let dir = tempfile::tempdir().unwrap();
        let run = dir.path().join("state/runs/run");
        let root = dir.path().join("web");
        fs::create_dir_all(&run).unwrap();
        fs::create_dir(&root).unwrap();
        fs::write(root.join("file"), "x").unwrap();
        let notes = Notes::beside(&run);
        assert!(!notes.is_untouched(&root));
        let tree = SourceTree {
            root: root.clone(),
            exclude: Vec::new(),
        };
        notes.leave(&tree).unwrap();
        assert!(notes.is_untouched(&root));
        assert!(!notes.is_untouched(&dir.path().join("other")));
        fs::write(root.join("file"), "longer").unwrap();
        assert!(!notes.is_untouched(&root));
        notes.leave(&tree).unwrap();
        notes.forget(&root);
        assert!(!notes.is_untouched(&root));
    }
}
