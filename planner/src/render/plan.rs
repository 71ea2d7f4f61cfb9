//! The effective plan for review: every key, the states, and what is made and undone.

use super::resources::{Made, made};
use super::text;
use super::yaml::{Line, lines};
use crate::compile::Graphs;
use crate::keys::{self, Absent};
use crate::load::Loaded;
use crate::source::SourceKind;
use phaul_core::graph::Graph;
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
        out.push_str(&marked(&line, loaded));
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

/// A line of the plan with its mark.
fn marked(line: &Line, loaded: &Loaded) -> String {
    let mark = match &line.sets {
        None => String::new(),
        Some(path) => match loaded.settings.get(path) {
            Some(setting) if setting.value.source.kind() == SourceKind::Option => {
                setting.value.source.name().to_owned()
            }
            Some(_) => String::new(),
            None if line.absent => meaning(path).to_owned(),
            None => "default".to_owned(),
        },
    };
    match (line.absent, mark.as_str()) {
        (false, "") => format!("{}\n", line.text),
        (false, mark) => format!("{:MARK_COLUMN$} # {mark}\n", line.text),
        (true, mark) => {
            let indent = line.text.len() - line.text.trim_start().len();
            format!(
                "{}# {} {mark}\n",
                &line.text[..indent],
                line.text.trim_start()
            )
        }
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
