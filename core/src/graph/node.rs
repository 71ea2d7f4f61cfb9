//! What a node and an edge of the graph carry.

use super::StateName;
use crate::plan::Millis;
use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[doc = $doc:literal])+ $variant:ident = $word:literal,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum $name { $($(#[doc = $doc])+ $variant,)* }

        impl $name {
            /// Every one of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its word in graphs and journals.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// What it means, in one phrase.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+).trim_ascii(),)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.name())
            }
        }
    };
}

words! {
    /// Where a state stands relative to the one step that cannot be undone.
    Phase {
        /// the workload runs at the source
        Before = "before",
        /// the workload is frozen at the source
        Frozen = "frozen",
        /// the step itself
        Commit = "commit",
        /// only the target may run the workload
        After = "after",
        /// what was done is undone
        Undo = "undo",
        /// the run has ended
        End = "end",
        /// the run waits for a person or another try
        Undecided = "undecided",
    }
}

words! {
    /// What the executor does in a state, through its ports.
    Work {
        /// reach the peer and agree on the run
        Connect = "connect",
        /// look at the workload and check that it can move
        Inspect = "inspect",
        /// let go of what an earlier attempt restored
        Accept = "accept",
        /// check this host for the workload
        Check = "check",
        /// make what the run needs
        Reserve = "reserve",
        /// send what the target lacks of the files
        CopyFiles = "copy-files",
        /// wait for a person
        Gate = "gate",
        /// stop, dump and hold the workload
        Freeze = "freeze",
        /// send the images
        Send = "send",
        /// send what changed in the files since the last round
        FinalFiles = "final-files",
        /// kill the held workload
        Kill = "kill",
        /// reach the peer again if the link is gone
        Reach = "reach",
        /// let the held workload run on
        Thaw = "thaw",
        /// put the files of a round in place
        TakeFiles = "take-files",
        /// restore the workload and hold it
        Restore = "restore",
        /// let the restored workload run
        Release = "release",
        /// undo every resource of the run
        Undo = "undo",
        /// remove what is no longer needed
        Clean = "clean",
    }
}

words! {
    /// What the source asks of the target.
    AskKind {
        /// take a run on
        Open = "open",
        /// check this host for the workload
        Preflight = "preflight",
        /// make what the run needs
        Reserve = "reserve",
        /// say that the files of a round have arrived
        Files = "files",
        /// restore the workload from what was sent, and hold it
        Restore = "restore",
        /// let the workload run
        Resume = "resume",
        /// undo the run
        Drop = "drop",
        /// say that all is cleaned
        Finish = "finish",
    }
}

words! {
    /// What can happen in a state.
    EventKind {
        /// the state's work succeeded
        Done = "done",
        /// a preflight check said no
        Refused = "refused",
        /// the work failed, and trying again would not help
        Failed = "failed",
        /// the peer or a helper process is gone; another attempt may succeed
        Lost = "lost",
        /// a person said stop
        Cancelled = "cancelled",
        /// this process was started again and found the run in its journal
        Restarted = "restarted",
        /// the source begins another attempt
        Reopened = "reopened",
        /// whether the workload lives cannot be told
        Unsure = "unsure",
    }
}

words! {
    /// What a guard looks at.
    Condition {
        /// another attempt is worth it: a loss, attempts left, nobody said stop
        Again = "again",
        /// tries are left
        TriesLeft = "tries-left",
        /// a person said stop
        Cancelled = "cancelled",
        /// preflight said no before anything was made
        Refused = "refused",
        /// the source has committed
        Committed = "committed",
        /// another round of files is worth it
        MoreFiles = "more-files",
    }
}

/// A condition, or its opposite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Guard {
    /// What is looked at.
    pub condition: Condition,
    /// Whether it must hold or must not.
    pub holds: bool,
}

impl fmt::Display for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let not = if self.holds { "" } else { "not " };
        write!(f, "{not}{}", self.condition)
    }
}

/// How often an edge that leads back may be taken in a row, and the pauses before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// Tries in all.
    pub tries: u32,
    /// The first pause; each further one is twice as long.
    pub first: Millis,
    /// The longest pause.
    pub longest: Millis,
}

/// A state in a graph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Its name.
    pub state: StateName,
    /// Where it stands relative to the commit.
    pub phase: Phase,
    /// What the executor does in it.
    pub work: Option<Work>,
    /// At the source: what it asks once the work is done. At the target: what it waits for.
    pub ask: Option<AskKind>,
    /// Whether its work makes resources that must be undone.
    pub makes: bool,
}

/// A transition in a graph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edge {
    /// The state it leaves.
    pub from: StateName,
    /// The state it leads to.
    pub to: StateName,
    /// What must happen.
    pub event: EventKind,
    /// What must hold besides.
    pub guard: Option<Guard>,
    /// Where it leads back: how often, and the pauses before it.
    pub retry: Option<RetryPolicy>,
}

impl Edge {
    /// Its label: the event, and the guard in brackets.
    pub fn label(&self) -> String {
        match &self.guard {
            Some(guard) => format!("{} [{guard}]", self.event),
            None => self.event.to_string(),
        }
    }

    /// Whether it is part of the way to success.
    pub fn is_forward(&self) -> bool {
        self.event == EventKind::Done
    }
}

impl RetryPolicy {
    /// The pause before the next try after `failures` (1 or more) in a row.
    pub fn pause(&self, failures: u32) -> Millis {
        crate::plan::Retry {
            attempts: self.tries,
            backoff_first: self.first,
            backoff_longest: self.longest,
        }
        .pause(failures)
    }
}
