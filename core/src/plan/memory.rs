//! How the memory of the workload is moved.

use super::units::{Bytes, Millis, Percent};
use serde::{Deserialize, Serialize};

/// The section `memory` of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// When the memory is copied.
    pub strategy: Strategy,
    /// How changed pages are found.
    pub tracker: Tracker,
    /// How the target restores.
    pub restore: RestoreMode,
    /// When the rounds end.
    pub converge: Converge,
}

/// When the memory is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// phaul chooses.
    Auto,
    /// Nothing is copied: the workload is stopped and started anew.
    Restart,
    /// All of it, while the workload is frozen.
    StopCopy,
    /// In rounds before the freeze.
    PreCopy,
    /// After the workload runs on the target.
    PostCopy,
    /// Rounds before, the rest after.
    Hybrid,
}

/// How changed pages are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tracker {
    /// phaul chooses.
    Auto,
    /// Write protection by userfaultfd.
    UffdWp,
    /// The kernel's soft-dirty bits.
    SoftDirty,
    /// Comparing sums.
    Content,
}

/// How the target restores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestoreMode {
    /// phaul chooses.
    Auto,
    /// From a whole set of images.
    Full,
    /// At once, with pages served from the target's own store.
    Warm,
}

/// When the rounds end: the first of these that holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Converge {
    /// The estimated cut-over fits.
    pub downtime: Millis,
    /// So little is left to send.
    pub remaining: Bytes,
    /// So many rounds were made.
    pub rounds: u32,
    /// A round grew by more than this.
    pub growth: Percent,
    /// This has passed.
    pub within: Millis,
    /// What happens when rounds, growth or time end it.
    pub otherwise: Otherwise,
}

/// What happens when the rounds do not converge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Otherwise {
    /// Freeze all the same.
    Freeze,
    /// Slow the workload down.
    Throttle,
    /// Send the rest after the cut-over.
    PostCopy,
    /// Give up and roll back.
    Fail,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            strategy: Strategy::Auto,
            tracker: Tracker::Auto,
            restore: RestoreMode::Auto,
            converge: Converge::default(),
        }
    }
}

impl Default for Converge {
    fn default() -> Self {
        Self {
            downtime: Millis(300),
            remaining: Bytes(256 << 10),
            rounds: 8,
            growth: Percent(10),
            within: Millis(600_000),
            otherwise: Otherwise::Freeze,
        }
    }
}
