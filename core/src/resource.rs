//! What a run makes outside its journal.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};

/// Something that a run makes outside its journal and must take away again.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Resource {
    /// A directory with all that is in it.
    Directory {
        /// Where.
        path: PathBuf,
    },
    /// A file or a socket.
    File {
        /// Where.
        path: PathBuf,
    },
    /// A cgroup (version 2) with every task in it.
    Cgroup {
        /// Its directory.
        path: PathBuf,
    },
    /// A mount.
    Mount {
        /// Where.
        path: PathBuf,
    },
}

impl Resource {
    /// Where it is.
    pub fn path(&self) -> &Path {
        match self {
            Self::Directory { path }
            | Self::File { path }
            | Self::Cgroup { path }
            | Self::Mount { path } => path,
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::Directory { .. } => "directory",
            Self::File { .. } => "file",
            Self::Cgroup { .. } => "cgroup",
            Self::Mount { .. } => "mount",
        };
        write!(f, "{kind} {}", self.path().display())
    }
}
