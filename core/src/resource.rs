//! What a run makes outside its journal.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;

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
    /// A directory that is removed only if it is empty.
    EmptyDirectory {
        /// Where.
        path: PathBuf,
    },
    /// What is in a directory that was there, empty, before; the directory stays.
    Contents {
        /// The directory.
        path: PathBuf,
    },
    /// A directory that was moved aside, and goes back in the place of what stands there now.
    Aside {
        /// Where it was.
        path: PathBuf,
        /// Where it is meanwhile.
        aside: PathBuf,
    },
    /// A container of a runtime, with every task in it.
    Container {
        /// The runtime's program.
        runtime: String,
        /// The runtime's state root, where it is not the default.
        root: Option<PathBuf>,
        /// Its id.
        id: String,
    },
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory { path } => write!(f, "directory {}", path.display()),
            Self::File { path } => write!(f, "file {}", path.display()),
            Self::Cgroup { path } => write!(f, "cgroup {}", path.display()),
            Self::Mount { path } => write!(f, "mount {}", path.display()),
            Self::EmptyDirectory { path } => write!(f, "empty directory {}", path.display()),
            Self::Contents { path } => write!(f, "contents of {}", path.display()),
            Self::Aside { path, aside } => {
                write!(f, "{}, moved aside to {}", path.display(), aside.display())
            }
            Self::Container { runtime, id, .. } => write!(f, "{runtime} container {id}"),
        }
    }
}
