//! The places at which a fault can strike.

use phaul_tests::rig::{SOURCE, TARGET};
use std::fmt;

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

    /// All but the last: in `done` there is no work that could be struck.
    fn all(side: &'static str, states: &[&'static str]) -> Vec<Self> {
        let both = |state: &&'static str| {
            let state = *state;
            ["before", "after"].map(|when| Self { side, state, when })
        };
        let working = &states[..states.len() - 1];
        working.iter().flat_map(both).collect()
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
