//! Graphs as lists for reading.

use crate::compile::Graphs;
use phaul_core::graph::{Edge, Graph, Node, Phase};
use std::fmt::Write;

/// Names of states are padded to this width.
const NAME_WIDTH: usize = 12;

/// Both sides: the way to success in one line, then every state with where it leads.
pub(super) fn both(graphs: &Graphs) -> String {
    let sides = [&graphs.source, &graphs.target].map(side);
    sides.join("\n")
}

fn side(graph: &Graph) -> String {
    let mut out = format!("{}   {}\n\n", graph.side(), way(graph));
    for node in graph.nodes() {
        out.push_str(&state(graph, node));
    }
    out
}

/// The states of the way to success, with arrows.
pub(super) fn way(graph: &Graph) -> String {
    let names: Vec<&str> = graph.main_path().iter().map(|state| state.name()).collect();
    names.join(" > ")
}

/// A state with its purpose, and where it leads besides the way to success.
pub(super) fn state(graph: &Graph, node: &Node) -> String {
    let name = node.state;
    let mut out = String::new();
    // Writing into a string cannot fail.
    let _ = writeln!(
        out,
        "  {name:NAME_WIDTH$}  {}{}",
        name.purpose(),
        ended(node)
    );
    for (events, edge) in ways_out(graph, node) {
        let _ = writeln!(out, "  {:NAME_WIDTH$}  - {}", "", sentence(&events, edge));
    }
    out
}

fn ended(node: &Node) -> &'static str {
    match node.phase {
        Phase::End => " (the run ends here)",
        _ => "",
    }
}

/// The edges that leave a state, those that differ only in their event together. The plain step
/// forward is left out: the way shows it.
fn ways_out<'g>(graph: &'g Graph, node: &Node) -> Vec<(Vec<&'static str>, &'g Edge)> {
    let mut ways: Vec<(Vec<&'static str>, &Edge)> = Vec::new();
    for edge in graph.leaving(node.state) {
        if edge.is_forward() && edge.guard.is_none() {
            continue;
        }
        let same = |other: &&mut (Vec<&'static str>, &Edge)| {
            let other = other.1;
            other.to == edge.to && other.guard == edge.guard && other.retry == edge.retry
        };
        match ways.iter_mut().find(same) {
            Some((events, _)) => events.push(edge.event.name()),
            None => ways.push((vec![edge.event.name()], edge)),
        }
    }
    ways
}

fn sentence(events: &[&str], edge: &Edge) -> String {
    // What a condition means may be followed by what it consists of.
    let when = match edge
        .guard
        .map(|guard| (guard.holds, guard.condition.meaning()))
    {
        Some((true, meaning)) => match meaning.split_once(": ") {
            Some((meaning, parts)) => format!(", if {meaning} ({parts})"),
            None => format!(", if {meaning}"),
        },
        Some((false, meaning)) => {
            let meaning = meaning.split(": ").next().unwrap_or(meaning);
            format!(", unless {meaning}")
        }
        None => String::new(),
    };
    let to = if edge.from == edge.to {
        "once more".to_owned()
    } else {
        format!("to {}", edge.to)
    };
    let how_often = match edge.retry {
        Some(retry) => format!(
            "; {} tries in all, pauses from {} to {}",
            retry.tries, retry.first, retry.longest
        ),
        None => String::new(),
    };
    format!("{}{when}: {to}{how_often}", events.join(", "))
}
