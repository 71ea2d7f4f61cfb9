//! Copies trees of files in rounds, from a source that may go on changing them.
//!
//! The source walks its trees, compares them with what the target holds (`index`, `diff`), and
//! gives a stream of records (`record`). The sink puts each of them in place beneath handles of
//! its roots. Both sum up what the target has in a `digest`, each from its own knowledge.

mod content;
mod diff;
mod digest;
mod entry;
mod fault;
mod index;
mod look;
mod outline;
mod reading;
mod record;
mod sink;
mod source;
#[cfg(test)]
mod tests;
mod tree;
mod walk;

pub(crate) use outline::outline;
pub(crate) use sink::TreesSink;
pub(crate) use source::TreesSource;

use std::collections::BTreeSet;
use std::path::PathBuf;

/// A tree at the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SourceTree {
    /// Its absolute path: a directory or a single regular file.
    pub root: PathBuf,
    /// What is left out: globs relative to the root, such as `tmp/**`. A `*` stops at a slash.
    pub exclude: Vec<String>,
}

/// A tree at the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TargetTree {
    /// Its absolute path. A directory must be there, at the latest when the first round's
    /// stream comes; of a single file, only its parent.
    pub root: PathBuf,
    /// Whether device nodes may be made in it.
    pub devices: bool,
}

/// Tells the files that tasks have mapped shared and writable, as device and inode. Their
/// times do not tell whether they were written to, so that they are read again in every round.
pub(crate) type Written = Box<dyn Fn() -> BTreeSet<(u64, u64)> + Send>;
