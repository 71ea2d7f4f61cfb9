//! What went wrong, in the form in which an operator reads it.

use serde::{Deserialize, Serialize};

/// A failure of a piece of work on one of the hosts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{cause}")]
pub struct Failure {
    /// A stable word for scripts and for looking it up, such as `criu-dump`.
    pub code: String,
    /// What happened, in one or two sentences.
    pub cause: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The lines of a log that say why, oldest first.
    pub log: Vec<String>,
    /// What kind of failure it is.
    pub kind: FailureKind,
}

/// What a failure means for the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// Trying again would fail again.
    Final,
    /// The link or a helper process is gone; another attempt may succeed.
    Lost,
    /// Another run holds the workload.
    Busy,
    /// A preflight check said no.
    Refused,
}

impl Failure {
    /// A failure that another attempt would meet again.
    pub fn new(code: impl Into<String>, cause: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            cause: cause.into(),
            hint: None,
            log: Vec::new(),
            kind: FailureKind::Final,
        }
    }

    /// A loss: another attempt may succeed.
    pub fn lost(code: impl Into<String>, cause: impl Into<String>) -> Self {
        Self {
            kind: FailureKind::Lost,
            ..Self::new(code, cause)
        }
    }

    /// The same with a hint.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }

    /// The same with lines of a log.
    #[must_use]
    pub fn log(self, log: Vec<String>) -> Self {
        Self { log, ..self }
    }

    /// The same as another kind.
    #[must_use]
    pub fn kind(self, kind: FailureKind) -> Self {
        Self { kind, ..self }
    }
}
