//! The effective plan for review: every key, the states, and what is made and undone.

use super::resources::{Made, made};
use super::text;
use super::yaml::{Does, Line, lines};
use crate::compile::Graphs;
use crate::keys::{self, Absent};
use crate::load::Loaded;
use crate::source::SourceKind;
use phaul_core::graph::{Graph, StateName};
use phaul_core::plan::Plan;
use serde::Serialize;
use std::fmt::Write;

/// The column at which marks stand, unless a line is longer.
const MARK_COLUMN: usize = 40;

/// The plan for people. Empty when there is no plan.
pub fn human(loaded: &Loaded) -> String {
    let (Some(plan), Some(graphs)) = (&loaded.plan, &loaded.graphs) else {
        return String::new();
    };
    let mut out = String::from("# The plan. What has no mark is set in its file.\n");
    for line in lines(plan) {
        let mark = mark(&line, loaded, graphs);
        out.push_str(&marked(&line, &mark));
    }
    for graph in [&graphs.source, &graphs.target] {
        // Writing into a string cannot fail.
        let _ = write!(out, "\n# What the {} does\n", graph.side());
        out.push_str(&states(graph));
    }
    out.push_str("\n# What is made on each host, and what undoes it\n");
    for made in resources(graphs) {
        out.push_str(&resource(&made));
    }
    out
}

/// What is said about a line: where its value comes from, if not from the plan's file.
fn mark(line: &Line, loaded: &Loaded, graphs: &Graphs) -> String {
    let rounds = [StateName::CopyMemory, StateName::CopyFiles]
        .iter()
        .any(|state| graphs.source.node(*state).is_some());
    match (line.does, loaded.settings.get(&line.path)) {
        (Does::Open, _) if line.path == "memory.converge" && !rounds => {
            "not looked at: no rounds are made".to_owned()
        }
        (Does::Open, _) => String::new(),
        (_, Some(setting)) if setting.value.source.kind() == SourceKind::Option => {
            setting.value.source.name().to_owned()
        }
        (_, Some(_)) => String::new(),
        (Does::LeaveOut, None) => meaning(&line.path).to_owned(),
        (Does::Set, None) => "default".to_owned(),
    }
}

/// A line of the plan with its mark. What is left out is itself a comment.
fn marked(line: &Line, mark: &str) -> String {
    match (line.does, mark) {
        (Does::LeaveOut, mark) => {
            let key = line.text.trim_start();
            let indent = &line.text[..line.text.len() - key.len()];
            format!("{indent}# {key} {mark}\n")
        }
        (_, "") => format!("{}\n", line.text),
        (_, mark) => format!("{:MARK_COLUMN$} # {mark}\n", line.text),
    }
}

/// What it means that the key is left out.
fn meaning(path: &str) -> &'static str {
    match keys::find(path).map(|key| key.absent) {
        Some(Absent::Means(words)) => words,
        _ => "not set",
    }
}

/// The states of the way to success, with their purpose and where else they lead.
fn states(graph: &Graph) -> String {
    let mut out = format!("  {}\n\n", text::way(graph));
    for state in graph.main_path() {
        if let Some(node) = graph.node(state) {
            out.push_str(&text::state(graph, node));
        }
    }
    out
}

fn resources(graphs: &Graphs) -> Vec<Made> {
    let mut all = made(&graphs.source);
    all.extend(made(&graphs.target));
    all
}

fn resource(made: &Made) -> String {
    format!(
        "  {:6}  {:12}  {}\n  {:6}  {:12}  - after a failure: {}; after success: {}\n",
        made.side.name(),
        made.state,
        made.what,
        "",
        "",
        made.undone_by.join(", "),
        made.removed_by.join(", "),
    )
}

#[derive(Serialize)]
struct Record<'l> {
    plan: &'l Plan,
    /// The paths of the keys that were set: all others have their defaults.
    set: Vec<&'l str>,
    states: States,
    resources: Vec<Made>,
}

#[derive(Serialize)]
struct States {
    source: Vec<&'static str>,
    target: Vec<&'static str>,
}

/// The plan for other programs. `null` when there is no plan.
pub fn json(loaded: &Loaded) -> String {
    let record = loaded.plan.as_ref().zip(loaded.graphs.as_ref());
    let record = record.map(|(plan, graphs)| Record {
        plan,
        set: loaded.settings.iter().map(|(path, _)| path).collect(),
        states: States {
            source: names(&graphs.source),
            target: names(&graphs.target),
        },
        resources: resources(graphs),
    });
    // Serialising plain data with string keys cannot fail.
    let mut out = serde_json::to_string_pretty(&record).unwrap_or_default();
    out.push('\n');
    out
}

fn names(graph: &Graph) -> Vec<&'static str> {
    graph.main_path().iter().map(|state| state.name()).collect()
}
