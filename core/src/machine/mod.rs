//! The machine of both sides: pure functions over the compiled graph. No clock, no I/O.
//!
//! A run is a chain of two kinds of step. [`react`] says what an [`Input`] means in the present
//! state: what is to be started or said, and whether an event has come of it. [`advance`] takes
//! the edge of that event. The executor calls them in turn; so does the model checker.

pub mod convergence;
pub mod cutover;
pub mod rollback;
mod source;
mod target;

use crate::graph::{
    AskKind, Condition, Edge, EventKind, Graph, Guard, Phase, Side, StateName, Work,
};
use crate::plan::Millis;
use crate::protocol::AnswerKind;
use serde::{Deserialize, Serialize};

/// Where a run stands on one side, with all that its next steps depend on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Machine {
    /// Which side.
    pub side: Side,
    /// In which state.
    pub state: StateName,
    /// What the state waits for.
    pub doing: Doing,
    /// The number of the attempt; the first is 1.
    pub attempt: u32,
    /// Losses since the run was begun or taken up again.
    pub losses: u32,
    /// Failures of the present state in a row.
    pub tries: u32,
    /// What is undone now was caused by a loss.
    pub lost: bool,
    /// A person said stop.
    pub cancelled: bool,
    /// Preflight said no before anything was made.
    pub refused: bool,
    /// At the source: the target may hold something of the run.
    pub touched: bool,
    /// At the source: something was made. At the target: the checks were made.
    pub passed: bool,
    /// The source has committed.
    pub committed: bool,
    /// The state was entered because the process was started again.
    pub recovering: bool,
    /// At the target: the source waits to hear that all is cleaned.
    pub awaited: bool,
    /// At the source: the state's work has said that another round of files is worth it.
    #[serde(default)]
    pub more_files: bool,
}

/// What a state waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Doing {
    /// It was just entered.
    Entered,
    /// Its work.
    Work(Work),
    /// The peer's answer.
    Answer(AskKind),
    /// The peer's next word.
    Word,
}

/// What reaches the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Input {
    /// The state was entered, and its hooks have run.
    Entered,
    /// Work has ended.
    Worked(Work, Worked),
    /// At the target: the source asks something, for an attempt.
    Asked(AskKind, u32),
    /// At the source: the target answers, for an attempt.
    Answered(AnswerKind, u32),
    /// The link to the peer is lost (at the target: and has not come back in time).
    LinkLost,
    /// A person says stop.
    Cancel,
    /// At the target: the files of an attempt cannot be taken in, and nobody has asked yet.
    Trouble {
        /// Another attempt may succeed.
        again: bool,
        /// The attempt.
        attempt: u32,
    },
}

/// How work ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Worked {
    /// It succeeded.
    Well,
    /// It succeeded, and doing it once more is worth it.
    More,
    /// A check said no.
    Refused,
    /// It failed; `again` when another attempt may succeed.
    Failed {
        /// Another attempt may succeed.
        again: bool,
    },
    /// What became of the workload cannot be told.
    Unsure,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Output {
    /// Start this work.
    Start(Work),
    /// Ask the target.
    Ask(AskKind),
    /// Answer the source: what it asked is done.
    Answer(AskKind),
    /// Answer the source: what it asked has failed.
    AnswerFailed,
}

/// What an input came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reaction {
    /// The machine, in the same state.
    pub machine: Machine,
    /// What is to be done, in order.
    pub outputs: Vec<Output>,
    /// The event that has happened, if one has.
    pub event: Option<EventKind>,
}

/// A step along an edge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The machine in its new state.
    pub machine: Machine,
    /// How long to wait before the new state's work.
    pub pause: Option<Millis>,
}

/// An event for which the present state has no edge.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event `{event}` means nothing in state `{state}` of the {side}")]
pub struct Illegal {
    /// Which side.
    pub side: Side,
    /// The state.
    pub state: StateName,
    /// The event.
    pub event: EventKind,
}

impl Machine {
    /// A run that begins.
    pub fn new(graph: &Graph) -> Self {
        Self {
            side: graph.side(),
            state: graph.start(),
            doing: Doing::Entered,
            attempt: 1,
            losses: 0,
            tries: 0,
            lost: false,
            cancelled: false,
            refused: false,
            touched: false,
            passed: false,
            committed: false,
            recovering: false,
            awaited: false,
            more_files: false,
        }
    }

    /// The phase of the present state.
    pub fn phase(&self, graph: &Graph) -> Phase {
        graph
            .node(self.state)
            .map_or(Phase::Undecided, |node| node.phase)
    }

    /// Whether the run has ended for good.
    pub fn has_ended(&self, graph: &Graph) -> bool {
        self.phase(graph) == Phase::End
    }

    /// Whether the present state has an edge for the event.
    pub fn handles(&self, graph: &Graph, event: EventKind) -> bool {
        graph.leaving(self.state).any(|edge| edge.event == event)
    }
}

/// What the input means in the present state.
pub fn react(graph: &Graph, machine: &Machine, input: Input) -> Reaction {
    match machine.side {
        Side::Source => source::react(graph, machine, input),
        Side::Target => target::react(graph, machine, input),
    }
}

/// Takes the edge of an event.
pub fn advance(graph: &Graph, machine: &Machine, event: EventKind) -> Result<Step, Illegal> {
    let mut next = machine.clone();
    match event {
        EventKind::Lost => {
            next.losses += 1;
            next.tries += 1;
            next.lost = true;
        }
        EventKind::Failed => {
            next.tries += 1;
            next.lost = false;
        }
        EventKind::Cancelled => {
            next.cancelled = true;
            next.lost = false;
        }
        EventKind::Refused => {
            next.refused = !next.passed;
            next.lost = false;
        }
        EventKind::Restarted => {
            // Whoever starts the process again wants new attempts.
            next.losses = 0;
            next.tries = 0;
            next.lost = true;
            // The target may have been asked just before.
            next.touched |= machine.state == StateName::Connect;
        }
        EventKind::Done | EventKind::Reopened | EventKind::Unsure => {}
    }
    let edges: Vec<&Edge> = graph
        .leaving(machine.state)
        .filter(|edge| edge.event == event)
        .collect();
    let retry = edges.iter().find_map(|edge| edge.retry);
    let tries = retry.map_or(0, |retry| retry.tries);
    let edge = edges
        .into_iter()
        .find(|edge| edge.guard.is_none_or(|guard| holds(&next, guard, tries)))
        .ok_or(Illegal {
            side: machine.side,
            state: machine.state,
            event,
        })?;
    let failures = next.tries.max(next.losses);
    enter(&mut next, edge, event);
    let pause = edge.retry.map(|retry| retry.pause(failures));
    Ok(Step {
        machine: next,
        pause,
    })
}

fn holds(machine: &Machine, guard: Guard, tries: u32) -> bool {
    let met = match guard.condition {
        Condition::Again => machine.lost && !machine.cancelled && machine.losses < tries,
        Condition::TriesLeft => machine.tries < tries,
        Condition::Cancelled => machine.cancelled,
        Condition::Refused => machine.refused,
        Condition::Committed => machine.committed,
        Condition::MoreFiles => machine.more_files,
    };
    met == guard.holds
}

fn enter(machine: &mut Machine, edge: &Edge, event: EventKind) {
    if edge.to != edge.from {
        machine.tries = 0;
    }
    match (machine.side, edge.to) {
        (Side::Source, StateName::Connect) => {
            machine.attempt += 1;
            machine.lost = false;
        }
        (Side::Source, StateName::Reserve) => machine.passed = true,
        (Side::Target, StateName::Accept) => machine.passed = false,
        (_, StateName::Resume) => machine.committed = true,
        _ => {}
    }
    machine.more_files = false;
    machine.state = edge.to;
    machine.doing = Doing::Entered;
    machine.recovering = event == EventKind::Restarted;
}

/// A reaction that changes nothing.
fn nothing(machine: &Machine) -> Reaction {
    Reaction {
        machine: machine.clone(),
        outputs: Vec::new(),
        event: None,
    }
}

/// The event that a failure of work is.
fn failure(again: bool) -> EventKind {
    if again {
        EventKind::Lost
    } else {
        EventKind::Failed
    }
}
