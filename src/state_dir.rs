//! The state directory: where runs, the agent's runs and the keys live.
//!
//! ```text
//! STATE/keys/            this host's key and the trusted peers
//! STATE/runs/RUN/        a run of which this host is the source: its journal and logs
//! STATE/agent/RUN/       a run of which this host is the target
//! ```

use crate::exit_code::{Exit, Stop};
use phaul_core::journal::{JournalError, Record, RedbJournal};
use phaul_core::run::RunId;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// The state directory.
#[derive(Debug, Clone)]
pub(crate) struct StateDir {
    root: PathBuf,
}

/// The runs of one side beneath a state directory.
#[derive(Debug, Clone)]
pub(crate) struct Runs {
    dir: PathBuf,
}

impl StateDir {
    /// The directory as an absolute path; it is made when it is first written to.
    pub(crate) fn new(root: &Path) -> Result<Self, Stop> {
        let root = std::path::absolute(root).map_err(|error| unusable(root, &error))?;
        Ok(Self { root })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The runs of which this host is the source.
    pub(crate) fn runs(&self) -> Runs {
        Runs {
            dir: self.root.join("runs"),
        }
    }

    /// The runs of which this host is the target.
    pub(crate) fn agent_runs(&self) -> Runs {
        Runs {
            dir: self.root.join("agent"),
        }
    }
}

impl Runs {
    /// The directory of a run.
    pub(crate) fn dir(&self, run: &RunId) -> PathBuf {
        self.dir.join(run.as_str())
    }

    /// Makes the directory of a run, for this user only.
    pub(crate) fn make(&self, run: &RunId) -> Result<PathBuf, Stop> {
        let dir = self.dir(run);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&dir)
            .map_err(|error| unusable(&dir, &error))?;
        Ok(dir)
    }

    fn journal_path(&self, run: &RunId) -> PathBuf {
        self.dir(run).join("journal.redb")
    }

    /// Whether there is such a run.
    pub(crate) fn has(&self, run: &RunId) -> bool {
        self.journal_path(run).is_file()
    }

    /// Makes the journal of a run that begins; its directory exists.
    pub(crate) fn begin(
        &self,
        run: &RunId,
        beginning: Record,
    ) -> Result<RedbJournal, JournalError> {
        RedbJournal::create(&self.journal_path(run), beginning)
    }

    /// Opens the journal of a run that has begun.
    pub(crate) fn journal(&self, run: &RunId) -> Result<RedbJournal, JournalError> {
        RedbJournal::open(&self.journal_path(run))
    }

    /// Removes what was left of runs whose process was killed before they had begun. Only for
    /// whoever alone begins runs here.
    pub(crate) fn forget_unbegun(&self) {
        let Ok(entries) = std::fs::read_dir(&self.dir) else {
            return;
        };
        let runs = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        for run in runs.filter(|run| !self.has(run)) {
            let new = self.journal_path(&run).with_extension("new");
            let removed = match std::fs::remove_file(&new) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
                // What else is in there is not ours to remove, and keeps the directory.
                _ => std::fs::remove_dir(self.dir(&run)),
            };
            if let Err(error) = removed {
                tracing::warn!(%run, %error, "what is left of a run that never began stays");
            }
        }
    }

    /// All runs, the oldest first. What is not a run is passed over.
    pub(crate) fn all(&self) -> Vec<RunId> {
        let Ok(entries) = std::fs::read_dir(&self.dir) else {
            return Vec::new();
        };
        let mut runs: Vec<RunId> = entries
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter(|run| self.has(run))
            .collect();
        runs.sort();
        runs
    }

    /// The run that a person named: the whole id, or a beginning that only one run has.
    pub(crate) fn find(&self, text: &str) -> Result<RunId, Stop> {
        let all = self.all();
        let mut fitting = all.iter().filter(|run| run.as_str().starts_with(text));
        match (fitting.next(), fitting.next()) {
            (Some(run), None) => Ok(run.clone()),
            (Some(run), Some(_)) if run.as_str() == text => Ok(run.clone()),
            (Some(_), Some(_)) => Err(Stop::new(
                Exit::Usage,
                "run-ambiguous",
                format!("several runs begin with `{text}`"),
            )
            .hint("give more of the id; see: phaul runs")),
            (None, _) => Err(Stop::new(
                Exit::Usage,
                "run-unknown",
                format!("there is no run `{text}` in {}", self.dir.display()),
            )
            .hint("see: phaul runs")),
        }
    }
}

fn unusable(path: &Path, error: &std::io::Error) -> Stop {
    Stop::new(
        Exit::Other,
        "state-dir",
        format!(
            "the state directory {} cannot be used: {error}",
            path.display()
        ),
    )
    .hint("run as root, or give another with --state-dir")
}
