//! The exit codes: a contract with people's scripts.

use phaul_core::report::Outcome;
use std::process::ExitCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It did what it was asked; for a run: migrated.
    Ok = 0,
    /// Anything that has no code of its own.
    Other = 1,
    /// The plan or the command line is wrong.
    Usage = 2,
    /// Preflight said no; nothing was touched.
    Refused = 3,
    /// Failed or cancelled, and rolled back: the workload runs at the source.
    RolledBack = 4,
    /// Undecided or unfinished: `phaul resume` or a person is needed.
    Unfinished = 5,
    /// Another run holds the workload.
    Busy = 6,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl From<Outcome> for Exit {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Migrated => Self::Ok,
            Outcome::RolledBack => Self::RolledBack,
            Outcome::Refused => Self::Refused,
            Outcome::Held | Outcome::Undecided => Self::Unfinished,
        }
    }
}

/// Why a command could not do what it was asked: said to the person, with the exit code.
#[derive(Debug)]
pub(crate) struct Stop {
    /// A stable word.
    pub(crate) code: String,
    /// What happened.
    pub(crate) message: String,
    /// What to do.
    pub(crate) hint: Option<String>,
    /// The exit code.
    pub(crate) exit: Exit,
}

impl Stop {
    pub(crate) fn new(exit: Exit, code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            hint: None,
            exit,
        }
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }
}

impl From<phaul_core::failure::Failure> for Stop {
    fn from(failure: phaul_core::failure::Failure) -> Self {
        let exit = match failure.kind {
            phaul_core::failure::FailureKind::Busy => Exit::Busy,
            phaul_core::failure::FailureKind::Refused => Exit::Refused,
            _ => Exit::Other,
        };
        Self {
            code: failure.code,
            message: failure.cause,
            hint: failure.hint,
            exit,
        }
    }
}

/// What every command returns.
pub(crate) type Done = Result<Exit, Stop>;
