//! The places at which a fault can strike.

use phaul_tests::rig::{SOURCE, TARGET};
use std::fmt;

/// What kind of workload is moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A process with its descendants.
    Pid,
    /// A container of runc.
    Runc,
    /// A container of crun.
    Crun,
}

impl Kind {
    /// Of the cell with that number: the two cells of a state have different ones, and which of them
    /// has which changes from state to state.
    pub(crate) fn container(number: usize) -> Self {
        if (number / 2 + number).is_multiple_of(2) {
            Self::Runc
        } else {
            Self::Crun
        }
    }
}

/// The states in which the source copies files, which only runs with files pass.
const FILES: [&str; 2] = ["copy-files", "final-files"];

/// A place: before or after the work of a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cell {
    /// `source` or `target`.
    pub(crate) side: &'static str,
    /// The state.
    pub(crate) state: &'static str,
    /// `before` or `after`.
    pub(crate) when: &'static str,
}

impl Cell {
    /// Every place at the source.
    pub(crate) fn at_source() -> Vec<Self> {
        Self::all("source", &SOURCE)
    }

    /// Every place at the target.
    pub(crate) fn at_target() -> Vec<Self> {
        Self::all("target", &TARGET)
    }

    /// Every place at the source of a run that copies files.
    pub(crate) fn at_source_with_files() -> Vec<Self> {
        let files = FILES.iter().flat_map(|state| Self::of("source", state));
        Self::at_source().into_iter().chain(files).collect()
    }

    /// All but the last: in `done` there is no work that could be struck.
    fn all(side: &'static str, states: &[&'static str]) -> Vec<Self> {
        let working = states[..states.len() - 1].iter();
        working.flat_map(|state| Self::of(side, state)).collect()
    }

    fn of(side: &'static str, state: &'static str) -> [Self; 2] {
        ["before", "after"].map(|when| Self { side, state, when })
    }

    /// Every place.
    pub(crate) fn everywhere() -> Vec<Self> {
        [Self::at_source(), Self::at_target()].concat()
    }

    /// Whether the source, left to itself, has committed or will: with the target prepared it needs no network for that.
    pub(crate) fn goes_forward(self) -> bool {
        let alone = [("restore", "after"), ("commit", "before")];
        self.is_committed() || self.side == "source" && alone.contains(&(self.state, self.when))
    }

    /// Whether the source has committed when the fault strikes.
    pub(crate) fn is_committed(self) -> bool {
        let after = ["resume", "clean"].contains(&self.state);
        after || (["commit", "prepared"].contains(&self.state) && self.when == "after")
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.side, self.state, self.when)
    }
}
