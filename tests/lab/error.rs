//! What can go wrong in the lab, in words that say what to do next.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use nix::errno::Errno;

/// The result of everything the lab does.
pub type Result<T> = std::result::Result<T, Error>;

/// Why the lab could not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The lab makes namespaces, mounts and cgroups.
    #[error("the lab makes namespaces and mounts: run it as root")]
    NotRoot,
    /// A lab name becomes part of paths and cgroup names.
    #[error("`{0}` is no lab name: use 1 to 32 of a-z, 0-9 and `-`")]
    BadName(String),
    /// Neither `a` nor `b`.
    #[error("`{0}` is no host of the lab: `a` or `b`")]
    BadSide(String),
    /// Nothing is up under that name.
    #[error("the lab `{0}` is not up: `cargo lab up --name {0}`")]
    NotUp(String),
    /// A file operation failed.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was tried, as a verb.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A system call failed.
    #[error("cannot {action}")]
    Call {
        /// What was tried, as a verb with its object.
        action: String,
        /// Why not.
        source: Errno,
    },
    /// A program could not be started.
    #[error("cannot start `{command}`")]
    Start {
        /// The whole command line.
        command: String,
        /// Why not.
        source: io::Error,
    },
    /// A program ran and failed.
    #[error("`{command}` failed ({status}){}", indented(stderr))]
    Failed {
        /// The whole command line.
        command: String,
        /// How it ended.
        status: String,
        /// What it wrote to its standard error.
        stderr: String,
    },
    /// A program ran for too long and was killed.
    #[error(
        "`{command}` was killed: it ran longer than {limit:?}{}",
        indented(stderr)
    )]
    TooLong {
        /// The whole command line.
        command: String,
        /// How long it was allowed to run.
        limit: Duration,
        /// What it had written to its standard error.
        stderr: String,
    },
    /// Something that must come about did not.
    #[error("{what} did not come about within {limit:?}")]
    Waited {
        /// What was waited for.
        what: String,
        /// For how long.
        limit: Duration,
    },
    /// A host did not come up.
    #[error("host {side} did not come up{}", indented(log))]
    HostFailed {
        /// Which host.
        side: super::Side,
        /// What its first process had to say.
        log: String,
    },
    /// Something is not as it has to be; the text says what, and what to do.
    #[error("{0}")]
    Unfit(String),
}

impl Error {
    /// For `map_err` on file operations.
    pub(crate) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File {
            action,
            path,
            source,
        }
    }

    /// For `map_err` on system calls.
    pub(crate) fn call(action: impl Into<String>) -> impl FnOnce(Errno) -> Self {
        let action = action.into();
        move |source| Self::Call { action, source }
    }

    /// The whole chain of causes in one line.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(inner) = cause {
            text.push_str(": ");
            text.push_str(&inner.to_string());
            cause = inner.source();
        }
        text
    }
}

/// A program's own words, set off from ours; nothing when it said nothing.
fn indented(text: &str) -> String {
    text.trim_end()
        .lines()
        .map(|line| format!("\n  | {line}"))
        .collect()
}
