//! The JSON report; its keys are a contract.

use crate::failure::Failure;
use crate::graph::{EventKind, Side, StateName};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How a run ended, for both hosts together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The workload runs on the target.
    Migrated,
    /// The workload runs at the source; nothing is left of the run.
    RolledBack,
    /// Preflight said no; nothing was touched.
    Refused,
    /// The workload stays frozen for a person.
    Held,
    /// A person, or another try, is needed.
    Undecided,
}

impl Outcome {
    /// The outcome that a state at the source stands for, if it is one in which a run ends.
    pub fn of(state: StateName) -> Option<Self> {
        match state {
            StateName::Done => Some(Self::Migrated),
            StateName::RolledBack | StateName::Dropped => Some(Self::RolledBack),
            StateName::Refused => Some(Self::Refused),
            StateName::Held => Some(Self::Held),
            StateName::Undecided => Some(Self::Undecided),
            _ => None,
        }
    }

    /// The word in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Migrated => "migrated",
            Self::RolledBack => "rolled-back",
            Self::Refused => "refused",
            Self::Held => "held",
            Self::Undecided => "undecided",
        }
    }
}

/// The report of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The run's id.
    pub run: String,
    /// The plan's name.
    pub plan: String,
    /// How it ended.
    pub outcome: Outcome,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// How many attempts were made.
    pub attempts: u32,
    /// From the freeze until the workload ran again, in milliseconds; null if it never froze.
    pub downtime_ms: Option<u64>,
    /// The parts of the downtime.
    pub downtime: Downtime,
    /// From beginning to end, in milliseconds.
    pub total_ms: u64,
    /// Bytes of images and files put on the wire.
    pub bytes_sent: u64,
    /// Pages of memory.
    pub pages: Pages,
    /// The rounds of copying.
    pub rounds: Vec<Round>,
    /// What was predicted, if anything was.
    pub predicted: Option<Predicted>,
    /// The preflight checks.
    pub checks: Vec<Check>,
    /// The states that were passed, on both sides.
    pub states: Vec<Trail>,
    /// What went wrong, if anything did.
    pub error: Option<ReportError>,
}

/// The parts of the downtime, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Downtime {
    /// Stopping the tasks.
    pub freeze: u64,
    /// Dumping them.
    pub dump: u64,
    /// Sending the last of the memory.
    pub memory: u64,
    /// Sending the last of the files.
    pub files: u64,
    /// Restoring on the target.
    pub restore: u64,
    /// Deciding.
    pub commit: u64,
    /// Letting the tasks run.
    pub resume: u64,
}

/// Pages of memory, 4 KiB each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Pages {
    /// Pages the workload has.
    pub total: u64,
    /// Pages sent.
    pub sent: u64,
    /// Of them or besides: pages that are zero.
    pub zero: u64,
    /// Pages the target already had.
    pub deduplicated: u64,
    /// Pages sent as a difference.
    pub delta: u64,
}

/// One round of copying.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Round {
    /// `memory` or `files`.
    pub kind: String,
    /// The first is 1.
    pub number: u32,
    /// Pages sent.
    pub pages: u64,
    /// Bytes sent.
    pub bytes: u64,
    /// How long it took.
    pub ms: u64,
    /// Why it ended.
    pub why: String,
}

/// What was predicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Predicted {
    /// Downtime in milliseconds.
    pub downtime_ms: u64,
    /// Bytes sent.
    pub bytes: u64,
}

/// The result of a preflight check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Its id, as plans waive it.
    pub id: String,
    /// The host it was made on.
    pub side: Side,
    /// What it found.
    pub result: CheckResult,
    /// Whether the plan passes over it.
    pub waived: bool,
    /// What was looked at and found, in a sentence.
    pub text: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// What a preflight check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckResult {
    /// As it should be.
    Passed,
    /// Worth knowing; does not stop the run.
    Warned,
    /// Stops the run unless it is waived.
    Failed,
}

impl Check {
    /// Whether it stops the run.
    pub fn stops(&self) -> bool {
        self.result == CheckResult::Failed && !self.waived
    }
}

/// A state that was passed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trail {
    /// Which state.
    pub state: StateName,
    /// On which side.
    pub side: Side,
    /// When it was entered.
    pub entered: Timestamp,
    /// When it was left; null for the last one.
    pub left: Option<Timestamp>,
    /// The event that ended it; null for the last one.
    pub event: Option<EventKind>,
}

impl Trail {
    /// Whether both tell of the same stay in a state, at whatever time.
    pub(crate) fn is_same_stay(&self, other: &Self) -> bool {
        (self.state, self.side, self.entered) == (other.state, other.side, other.entered)
    }
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportError {
    /// A stable word.
    pub code: String,
    /// The state in which it happened.
    pub state: StateName,
    /// The host on which it happened.
    pub side: Side,
    /// What happened.
    pub cause: String,
    /// What to do.
    pub hint: Option<String>,
    /// The lines of a log that say why.
    pub log: Vec<String>,
}

impl ReportError {
    /// The failure with the place where it happened.
    pub fn at(failure: &Failure, side: Side, state: StateName) -> Self {
        Self {
            code: failure.code.clone(),
            state,
            side,
            cause: failure.cause.clone(),
            hint: failure.hint.clone(),
            log: failure.log.clone(),
        }
    }
}
