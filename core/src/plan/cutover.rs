//! The gate, what is verified, hooks, and what happens on failure and success.

use super::units::Millis;
use crate::graph::{Side, StateName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Whether a person is asked before the freeze.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gate {
    /// Nobody is asked.
    None,
    /// The run waits for `phaul continue`.
    Ask,
}

/// What must hold on the target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verify {
    /// A command that must succeed.
    Exec {
        /// Program and arguments.
        argv: Vec<String>,
        /// How long it may take.
        within: Millis,
    },
    /// Every page is compared before the commit.
    Pages,
}

/// Commands around states, on both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Hooks {
    /// At the source.
    pub source: BTreeMap<StateName, StateHooks>,
    /// At the target.
    pub target: BTreeMap<StateName, StateHooks>,
}

/// Commands around one state; each is a program with its arguments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct StateHooks {
    /// Before the state's work.
    pub before: Vec<Vec<String>>,
    /// After it succeeded.
    pub after: Vec<Vec<String>>,
}

impl Hooks {
    /// The hooks of one state, if it has any.
    pub fn of(&self, side: Side, state: StateName) -> Option<&StateHooks> {
        match side {
            Side::Source => self.source.get(&state),
            Side::Target => self.target.get(&state),
        }
    }
}

/// How often an attempt is repeated after a loss, and the pauses between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// Attempts in all, at least 1.
    pub attempts: u32,
    /// The first pause; each further one is twice as long.
    pub backoff_first: Millis,
    /// The longest pause.
    pub backoff_longest: Millis,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: 3,
            backoff_first: Millis(1_000),
            backoff_longest: Millis(30_000),
        }
    }
}

impl Retry {
    /// The pause before the next try after `failures` (1 or more) in a row.
    pub fn pause(&self, failures: u32) -> Millis {
        let doublings = failures.saturating_sub(1).min(32);
        let pause = self.backoff_first.0.saturating_mul(1 << doublings);
        Millis(pause.min(self.backoff_longest.0))
    }
}

/// What a failure before the commit leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// The workload runs on at the source, the target is cleaned.
    Rollback,
    /// It stays frozen for a person.
    Hold,
}

/// What stays after success.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Keep {
    /// Only the workload.
    None,
    /// The images, on the target.
    Images,
    /// The stopped workload, at the source.
    Source,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let retry = Retry::default();
        let pauses: Vec<u64> = (1..=7).map(|n| retry.pause(n).0).collect();
        assert_eq!(pauses, [1000, 2000, 4000, 8000, 16000, 30000, 30000]);
        assert_eq!(retry.pause(u32::MAX).0, 30_000);
    }
}
