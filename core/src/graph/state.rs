//! The names of the states: a contract with people's scripts.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// One of the two hosts of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// Where the workload runs before; it coordinates.
    Source,
    /// Where it runs after.
    Target,
}

impl Side {
    /// `source` or `target`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Target => "target",
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

macro_rules! states {
    ($($variant:ident $name:literal $side:ident $doc:literal;)*) => {
        /// The name of a state.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum StateName { $(#[doc = $doc] $variant,)* }

        impl StateName {
            /// Every state, in the order of the design.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name in plans, reports and graphs.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What happens in the state, in one phrase.
            pub fn purpose(self) -> &'static str {
                match self { $(Self::$variant => $doc,)* }
            }

            /// Whether a graph of this side may have the state.
            pub fn belongs_to(self, side: Side) -> bool {
                match self { $(Self::$variant => Sides::$side.has(side),)* }
            }
        }
    };
}

#[derive(Clone, Copy)]
enum Sides {
    Source,
    Target,
    Both,
}

impl Sides {
    fn has(self, side: Side) -> bool {
        matches!(
            (self, side),
            (Self::Both, _) | (Self::Source, Side::Source) | (Self::Target, Side::Target)
        )
    }
}

states! {
    Connect "connect" Source "reach the target's agent and agree on the run";
    Preflight "preflight" Source "check on both hosts that the workload can move";
    Accept "accept" Target "take the run on and check this host for it";
    Reserve "reserve" Both "lock the workload and make what the run needs";
    CopyFiles "copy-files" Source "copy the files in rounds while the workload runs";
    CopyMemory "copy-memory" Source "copy the memory in rounds while the workload runs";
    Gate "gate" Source "wait for a person";
    Freeze "freeze" Source "stop the workload, dump it and hold it";
    FinalMemory "final-memory" Source "send what memory the target does not have yet";
    FinalFiles "final-files" Source "send what changed in the files";
    Receive "receive" Target "take in memory and files";
    Restore "restore" Both "bring the workload into being on the target, held";
    Prepared "prepared" Target "hold the workload until the source has decided";
    Commit "commit" Source "end the workload at the source for good";
    Resume "resume" Both "let the workload run on the target";
    PullMemory "pull-memory" Source "send the rest of the memory while it runs";
    ServeMemory "serve-memory" Target "fill in the rest of the memory while it runs";
    Verify "verify" Both "check the workload on the target";
    Thaw "thaw" Source "let the workload run on at the source";
    Drop "drop" Both "undo what the run made";
    Clean "clean" Both "remove what the run no longer needs";
    Done "done" Both "the workload runs on the target";
    RolledBack "rolled-back" Source "the workload runs at the source, nothing is left of the run";
    Refused "refused" Source "preflight said no, nothing was touched";
    Held "held" Source "the workload stays frozen for a person";
    Undecided "undecided" Both "a person, or another try, is needed";
    Dropped "dropped" Target "nothing is left of the run here";
}

impl fmt::Display for StateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A word that is not the name of a state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a state")]
pub struct UnknownState(pub String);

impl FromStr for StateName {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .copied()
            .find(|state| state.name() == text)
            .ok_or_else(|| UnknownState(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_same_in_text_and_in_json() {
        for state in StateName::ALL {
            assert_eq!(
                serde_json::to_string(state).unwrap(),
                format!("\"{}\"", state.name())
            );
            assert_eq!(state.name().parse(), Ok(*state));
        }
        assert!("frozen".parse::<StateName>().is_err());
    }
}
