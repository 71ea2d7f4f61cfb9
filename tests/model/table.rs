//! Every state against everything that can happen in it, for both sides: reviewed as a table.

use crate::world::graphs;
use phaul_core::graph::{AskKind, EventKind, Graph, StateName};
use phaul_core::machine::{Doing, Input, Machine, Output, Worked, advance, react};
use phaul_core::protocol::AnswerKind;
use std::collections::BTreeSet;
use std::fmt::Write;

/// The machines in which a state is looked at: they differ in what guards look at.
fn variants(graph: &Graph, state: StateName) -> Vec<Machine> {
    let fresh = Machine {
        state,
        ..Machine::new(graph)
    };
    let change = |change: fn(&mut Machine)| {
        let mut machine = fresh.clone();
        change(&mut machine);
        machine
    };
    vec![
        fresh.clone(),
        change(|m| (m.losses, m.tries) = (1000, 1000)),
        change(|m| m.lost = true),
        change(|m| m.cancelled = true),
        change(|m| m.refused = true),
        change(|m| m.committed = true),
        change(|m| m.passed = true),
        change(|m| m.more_files = true),
    ]
}

fn events(graph: &Graph) -> String {
    let mut table = String::new();
    for node in graph.nodes() {
        for event in EventKind::ALL {
            let outcomes: BTreeSet<String> = variants(graph, node.state)
                .iter()
                .map(|machine| match advance(graph, machine, *event) {
                    Ok(step) if step.pause.is_some() => {
                        format!("{} after a pause", step.machine.state)
                    }
                    Ok(step) => step.machine.state.to_string(),
                    Err(illegal) => {
                        assert_eq!((illegal.state, illegal.event), (node.state, *event));
                        "-".into()
                    }
                })
                .collect();
            let outcomes: Vec<String> = outcomes.into_iter().collect();
            writeln!(
                table,
                "{:12} {:10} {}",
                node.state,
                event,
                outcomes.join(" | ")
            )
            .unwrap();
        }
    }
    table
}

#[test]
fn every_event_in_every_state() {
    let graphs = graphs(3, true);
    insta::assert_snapshot!("source_events", events(&graphs.source));
    insta::assert_snapshot!("target_events", events(&graphs.target));
}

fn shown(graph: &Graph, machine: &Machine, input: Input) -> String {
    let reaction = react(graph, machine, input);
    let outputs = reaction.outputs.iter().map(|output| match output {
        Output::Start(work) => format!("start {work}"),
        Output::Ask(ask) => format!("ask {ask}"),
        Output::Answer(ask) => format!("answer {ask}"),
        Output::AnswerFailed => "answer failed".into(),
    });
    let event = reaction.event.map(|event| format!("=> {event}"));
    let all: Vec<String> = outputs.chain(event).collect();
    if all.is_empty() {
        "-".into()
    } else {
        all.join(", ")
    }
}

#[test]
fn every_input_in_every_state_of_the_source() {
    let graph = graphs(3, true).source;
    let mut table = String::new();
    for node in graph.nodes() {
        let mut machine = Machine {
            state: node.state,
            touched: true,
            ..Machine::new(&graph)
        };
        let mut row = |machine: &Machine, name: &str, input| {
            let text = shown(&graph, machine, input);
            writeln!(table, "{:12} {name:24} {text}", node.state).unwrap();
        };
        row(&machine, "entered", Input::Entered);
        row(&machine, "cancel", Input::Cancel);
        if let Some(work) = node.work {
            machine.doing = Doing::Work(work);
            row(&machine, "link lost at work", Input::LinkLost);
            for (name, again) in [("told of failure", false), ("told of loss", true)] {
                let told = AnswerKind::Failed { again };
                row(&machine, name, Input::Answered(told, 1));
            }
            for (name, worked) in [
                ("worked well", Worked::Well),
                ("worked, and more", Worked::More),
                ("work refused", Worked::Refused),
                ("work failed", Worked::Failed { again: false }),
                ("work lost", Worked::Failed { again: true }),
                ("work unsure", Worked::Unsure),
            ] {
                row(&machine, name, Input::Worked(work, worked));
            }
        }
        if let Some(ask) = node.ask {
            machine.doing = Doing::Answer(ask);
            row(&machine, "link lost, waiting", Input::LinkLost);
            for (name, answer) in [
                ("answered yes", AnswerKind::Yes(ask)),
                ("answered no", AnswerKind::No),
                ("answered failed", AnswerKind::Failed { again: false }),
                ("answered lost", AnswerKind::Failed { again: true }),
            ] {
                row(&machine, name, Input::Answered(answer, 1));
                let late = shown(&graph, &machine, Input::Answered(answer, 0));
                assert_eq!(late, "-", "an answer to another attempt means nothing");
            }
        }
    }
    insta::assert_snapshot!("source_inputs", table);
}

#[test]
fn every_ask_in_every_state_of_the_target() {
    let graph = graphs(3, true).target;
    let mut table = String::new();
    for node in graph.nodes() {
        let machine = Machine {
            state: node.state,
            attempt: 2,
            passed: true,
            doing: node.work.map_or(Doing::Word, Doing::Work),
            ..Machine::new(&graph)
        };
        let waiting = Machine {
            doing: Doing::Word,
            ..machine.clone()
        };
        let mut row = |name: &str, machine: &Machine, input| {
            let text = shown(&graph, machine, input);
            writeln!(table, "{:12} {name:24} {text}", node.state).unwrap();
        };
        row("entered", &machine, Input::Entered);
        row("link lost", &machine, Input::LinkLost);
        row("cancel", &machine, Input::Cancel);
        for (name, again) in [("trouble, in attempt", false), ("loss, in attempt", true)] {
            for attempt in [1, 2] {
                let name = format!("{name}: {attempt}");
                row(&name, &waiting, Input::Trouble { again, attempt });
            }
        }
        for ask in AskKind::ALL {
            row(
                &format!("{ask}, of attempt 1"),
                &waiting,
                Input::Asked(*ask, 1),
            );
            row(
                &format!("{ask}, of attempt 2"),
                &waiting,
                Input::Asked(*ask, 2),
            );
            row(
                &format!("{ask}, of attempt 3"),
                &waiting,
                Input::Asked(*ask, 3),
            );
        }
    }
    insta::assert_snapshot!("target_inputs", table);
}
