//! What an input means at the source. Each state does its work, then asks the target.

use super::{Doing, Input, Machine, Output, Reaction, Worked, failure, nothing};
use crate::graph::{AskKind, EventKind, Graph, Phase, StateName, Work};
use crate::protocol::AnswerKind;

pub(super) fn react(graph: &Graph, machine: &Machine, input: Input) -> Reaction {
    match input {
        Input::Entered => match graph.node(machine.state).and_then(|node| node.work) {
            Some(work) => start(machine, work),
            None => ask_or_done(graph, machine),
        },
        Input::Worked(work, worked) if machine.doing == Doing::Work(work) => match worked {
            Worked::Well => ask_or_done(graph, machine),
            Worked::More => {
                let mut more = machine.clone();
                more.more_files = true;
                ask_or_done(graph, &more)
            }
            Worked::Refused => event(machine, EventKind::Refused),
            Worked::Failed { again } => event(machine, failure(again)),
            Worked::Unsure => event(machine, EventKind::Unsure),
        },
        Input::Answered(answer, attempt) if attempt == machine.attempt => answered(machine, answer),
        Input::LinkLost if needs_link(graph, machine) => event(machine, EventKind::Lost),
        Input::Cancel => cancel(graph, machine),
        // Late answers, the end of work that was given up, a link that nobody needs now.
        Input::Worked(..)
        | Input::Answered(..)
        | Input::LinkLost
        | Input::Asked(..)
        | Input::Trouble { .. } => nothing(machine),
    }
}

fn start(machine: &Machine, work: Work) -> Reaction {
    let mut reaction = nothing(machine);
    reaction.machine.doing = Doing::Work(work);
    reaction.outputs.push(Output::Start(work));
    reaction
}

fn event(machine: &Machine, event: EventKind) -> Reaction {
    Reaction {
        event: Some(event),
        ..nothing(machine)
    }
}

/// After the work: the state's question, or the end of the state where there is none.
fn ask_or_done(graph: &Graph, machine: &Machine) -> Reaction {
    let ask = graph.node(machine.state).and_then(|node| node.ask);
    let ended = machine.phase(graph) == Phase::End || machine.phase(graph) == Phase::Undecided;
    match ask {
        // A target that was never spoken to has nothing to drop.
        Some(AskKind::Drop) if !machine.touched => event(machine, EventKind::Done),
        Some(ask) => {
            let mut reaction = nothing(machine);
            reaction.machine.doing = Doing::Answer(ask);
            reaction.machine.touched = true;
            reaction.outputs.push(Output::Ask(ask));
            reaction
        }
        None if ended => nothing(machine),
        None => event(machine, EventKind::Done),
    }
}

fn answered(machine: &Machine, answer: AnswerKind) -> Reaction {
    let asked = match machine.doing {
        Doing::Answer(asked) => asked,
        // Nobody has asked: the target cannot take in what is being sent.
        Doing::Work(Work::CopyFiles | Work::FinalFiles) => {
            return match answer {
                AnswerKind::Failed { again } => event(machine, failure(again)),
                AnswerKind::Yes(_) | AnswerKind::No => nothing(machine),
            };
        }
        _ => return nothing(machine),
    };
    match answer {
        AnswerKind::Yes(kind) if kind == asked => event(machine, EventKind::Done),
        AnswerKind::No if asked == AskKind::Preflight => event(machine, EventKind::Refused),
        AnswerKind::Failed { again } => event(machine, failure(again)),
        AnswerKind::Yes(_) | AnswerKind::No => nothing(machine),
    }
}

/// Before the commit every state needs the target; after it only one that waits for an answer.
fn needs_link(graph: &Graph, machine: &Machine) -> bool {
    match machine.phase(graph) {
        Phase::Before | Phase::Frozen => machine.doing != Doing::Work(Work::Connect),
        _ => matches!(machine.doing, Doing::Answer(_)),
    }
}

fn cancel(graph: &Graph, machine: &Machine) -> Reaction {
    if machine.handles(graph, EventKind::Cancelled) {
        return event(machine, EventKind::Cancelled);
    }
    let mut reaction = nothing(machine);
    if matches!(machine.state, StateName::Thaw | StateName::Drop) {
        // What is being undone now is not begun again.
        reaction.machine.cancelled = true;
    }
    reaction
}
