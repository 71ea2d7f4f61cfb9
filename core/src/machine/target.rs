//! What an input means at the target. It does what the source asks, when its state allows it,
//! and answers the same question the same way however often it comes.

use super::{Doing, Input, Machine, Output, Reaction, Worked, failure, nothing};
use crate::graph::{AskKind, EventKind, Graph, Phase, StateName, Work};

pub(super) fn react(graph: &Graph, machine: &Machine, input: Input) -> Reaction {
    match input {
        Input::Entered => entered(graph, machine),
        Input::Worked(work, worked) if machine.doing == Doing::Work(work) => {
            work_ended(machine, work, worked)
        }
        Input::Asked(ask, attempt) => asked(graph, machine, ask, attempt),
        // A link that is lost for long ends what is not prepared yet, and nothing else.
        Input::LinkLost if matches!(machine.phase(graph), Phase::Before | Phase::Frozen) => {
            event(machine, EventKind::Lost)
        }
        Input::Cancel if machine.handles(graph, EventKind::Cancelled) => {
            event(machine, EventKind::Cancelled)
        }
        Input::Trouble { again, attempt } if is_open_for_files(machine, attempt) => Reaction {
            event: Some(failure(again)),
            ..say(machine, Output::AnswerFailed)
        },
        Input::Worked(..)
        | Input::LinkLost
        | Input::Cancel
        | Input::Answered(..)
        | Input::Trouble { .. } => nothing(machine),
    }
}

fn event(machine: &Machine, event: EventKind) -> Reaction {
    Reaction {
        event: Some(event),
        ..nothing(machine)
    }
}

fn say(machine: &Machine, output: Output) -> Reaction {
    let mut reaction = nothing(machine);
    reaction.outputs.push(output);
    reaction
}

/// Whether files of the attempt may arrive, and nothing is being done about them yet.
fn is_open_for_files(machine: &Machine, attempt: u32) -> bool {
    let receives = machine.state == StateName::Receive && machine.doing == Doing::Word;
    receives && attempt == machine.attempt
}

fn entered(graph: &Graph, machine: &Machine) -> Reaction {
    let mut reaction = nothing(machine);
    reaction.machine.doing = Doing::Word;
    if machine.state == StateName::Prepared && machine.committed {
        // The source has spoken already.
        return event(machine, EventKind::Done);
    }
    match machine.state {
        StateName::Receive => reaction.outputs.push(Output::Answer(AskKind::Reserve)),
        StateName::Prepared => reaction.outputs.push(Output::Answer(AskKind::Restore)),
        StateName::Clean => reaction.outputs.push(Output::Answer(AskKind::Resume)),
        StateName::Dropped => reaction.outputs.push(Output::Answer(AskKind::Drop)),
        StateName::Undecided => reaction.outputs.push(Output::AnswerFailed),
        StateName::Done if machine.awaited => {
            reaction.outputs.push(Output::Answer(AskKind::Finish));
        }
        _ => {}
    }
    if let Some(work) = graph.node(machine.state).and_then(|node| node.work) {
        reaction.machine.doing = Doing::Work(work);
        reaction.outputs.push(Output::Start(work));
    }
    reaction
}

fn work_ended(machine: &Machine, work: Work, worked: Worked) -> Reaction {
    let mut reaction = nothing(machine);
    match (work, worked) {
        (Work::Accept | Work::Check, Worked::Well) => {
            reaction.machine.doing = Doing::Word;
            reaction.machine.passed = work == Work::Check;
            let answers = match work {
                Work::Check => AskKind::Preflight,
                _ => AskKind::Open,
            };
            reaction.outputs.push(Output::Answer(answers));
        }
        (Work::TakeFiles, Worked::Well) => {
            reaction.machine.doing = Doing::Word;
            reaction.outputs.push(Output::Answer(AskKind::Files));
        }
        (_, Worked::Well) => reaction.event = Some(EventKind::Done),
        (_, Worked::Failed { again }) => {
            // Before the source has committed it is told at once, and decides.
            if !machine.committed && work != Work::Undo {
                reaction.outputs.push(Output::AnswerFailed);
            }
            reaction.event = Some(failure(again));
        }
        _ => reaction.event = Some(EventKind::Failed),
    }
    reaction
}

fn asked(graph: &Graph, machine: &Machine, ask: AskKind, attempt: u32) -> Reaction {
    if attempt < machine.attempt {
        return nothing(machine);
    }
    if attempt > machine.attempt {
        // Only a new attempt may begin; what is being dropped is dropped first.
        let begins = ask == AskKind::Open && machine.handles(graph, EventKind::Reopened);
        let newer = Machine {
            attempt,
            ..machine.clone()
        };
        return match ask {
            AskKind::Open if begins => event(&newer, EventKind::Reopened),
            // The attempt to be dropped never got here; what is here is an earlier one's.
            AskKind::Drop => drop_asked(graph, &newer),
            _ => nothing(machine),
        };
    }
    match ask {
        AskKind::Open => nothing(machine),
        AskKind::Preflight => preflight_asked(machine),
        AskKind::Reserve => match machine.state {
            StateName::Accept if machine.passed => event(machine, EventKind::Done),
            StateName::Receive => say(machine, Output::Answer(ask)),
            _ => nothing(machine),
        },
        // Asked about a round that was taken, the work finds that it is, and it is said again.
        AskKind::Files if is_open_for_files(machine, attempt) => start(machine, Work::TakeFiles),
        AskKind::Files => nothing(machine),
        AskKind::Restore => match machine.state {
            StateName::Receive => event(machine, EventKind::Done),
            StateName::Prepared => say(machine, Output::Answer(ask)),
            _ => nothing(machine),
        },
        AskKind::Resume => resume_asked(machine),
        AskKind::Drop => drop_asked(graph, machine),
        AskKind::Finish => finish_asked(machine),
    }
}

fn preflight_asked(machine: &Machine) -> Reaction {
    if machine.state != StateName::Accept || machine.doing != Doing::Word {
        return nothing(machine);
    }
    start(machine, Work::Check)
}

fn start(machine: &Machine, work: Work) -> Reaction {
    let mut reaction = say(machine, Output::Start(work));
    reaction.machine.doing = Doing::Work(work);
    reaction
}

fn resume_asked(machine: &Machine) -> Reaction {
    match machine.state {
        StateName::Prepared => event(machine, EventKind::Done),
        StateName::Clean | StateName::Done => say(machine, Output::Answer(AskKind::Resume)),
        StateName::Undecided if machine.committed => event(machine, EventKind::Restarted),
        StateName::Resume => nothing(machine),
        // The source believes that it has committed to something that is not here.
        _ => say(machine, Output::AnswerFailed),
    }
}

fn drop_asked(graph: &Graph, machine: &Machine) -> Reaction {
    match machine.state {
        StateName::Dropped => say(machine, Output::Answer(AskKind::Drop)),
        StateName::Drop => nothing(machine),
        StateName::Undecided if !machine.committed => event(machine, EventKind::Restarted),
        _ if machine.handles(graph, EventKind::Cancelled) => event(machine, EventKind::Cancelled),
        // It runs here: too late.
        _ => say(machine, Output::AnswerFailed),
    }
}

fn finish_asked(machine: &Machine) -> Reaction {
    let mut reaction = nothing(machine);
    match machine.state {
        StateName::Done => reaction.outputs.push(Output::Answer(AskKind::Finish)),
        StateName::Clean => reaction.machine.awaited = true,
        _ => {}
    }
    reaction
}
