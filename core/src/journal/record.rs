//! What a journal holds. Records name states and facts, never indices.

use crate::graph::{EventKind, Parts, Side, StateName};
use crate::machine::Machine;
use crate::plan::Plan;
use crate::report::{Check, Outcome, ReportError, Round, Trail};
use crate::resource::Resource;
use crate::run::RunId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The version of the records that this phaul writes; it reads this one.
pub const VERSION: u32 = 1;

/// A record with its time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// When it was written.
    pub at: Timestamp,
    /// What it says.
    #[serde(flatten)]
    pub record: Record,
}

/// Something that is true of the run from now on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "kebab-case")]
pub enum Record {
    /// The run began on this side.
    Begun {
        /// The version of the records.
        version: u32,
        /// The run.
        run: RunId,
        /// This side.
        side: Side,
        /// The peer: the name that it is trusted under.
        peer: String,
        /// What is hauled, as other runs must not touch it meanwhile.
        workload: String,
        /// The plan.
        plan: Box<Plan>,
        /// The graph of this side.
        graph: Parts,
        /// The graph's digest.
        digest: String,
    },
    /// A state is entered.
    Entered {
        /// The machine in the new state.
        machine: Machine,
        /// The state that was left.
        from: Option<StateName>,
        /// The event that led here.
        event: Option<EventKind>,
    },
    /// A resource is about to be made.
    Made {
        /// Which.
        resource: Resource,
    },
    /// A resource is gone.
    Gone {
        /// Which.
        resource: Resource,
    },
    /// A fact of the hauler's.
    Fact {
        /// Its name.
        name: String,
        /// Its value.
        value: serde_json::Value,
    },
    /// Preflight checks were made.
    Checked {
        /// Their results.
        checks: Vec<Check>,
    },
    /// The workload was frozen, and dumped.
    Frozen {
        /// When it began to stand still.
        since: Timestamp,
        /// Milliseconds until all stood still.
        freeze_ms: u64,
        /// Milliseconds of the dump.
        dump_ms: u64,
        /// Pages in the images.
        pages: u64,
    },
    /// A round of copying ended.
    Copied {
        /// The round.
        round: Round,
    },
    /// The workload runs: again at the source, or on the target.
    Runs {
        /// On which side.
        side: Side,
        /// For how many milliseconds it has run by now.
        #[serde(default)]
        ago_ms: u64,
    },
    /// Something went wrong.
    Wrong {
        /// What.
        error: ReportError,
    },
    /// The target passed a state.
    Passed {
        /// Which.
        trail: Trail,
    },
    /// The run ended, or rests undecided.
    Ended {
        /// How.
        outcome: Outcome,
    },
}
