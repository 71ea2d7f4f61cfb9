//! Graphs for Mermaid, which draws them in READMEs and reviews.

use super::arrows;
use crate::compile::Graphs;
use phaul_core::graph::{Graph, Phase, StateName};
use std::fmt::Write;

const FAILURE: &str = "stroke:#b3261e,color:#b3261e";

pub(super) fn both(graphs: &Graphs) -> String {
    let mut out = String::from("flowchart TB\n");
    let mut number = 0;
    for graph in [&graphs.source, &graphs.target] {
        side(graph, &mut out, &mut number);
    }
    out
}

/// One side as a subgraph. Links are styled by their number, counted over both sides.
fn side(graph: &Graph, out: &mut String, number: &mut usize) {
    // Names have dashes, and words such as `end` mean something to Mermaid: ids have neither.
    let id = |state: StateName| format!("{}_{}", graph.side(), state.name().replace('-', "_"));
    // Writing into a string cannot fail.
    let _ = writeln!(out, "  subgraph {}", graph.side());
    for node in graph.nodes() {
        let name = node.state;
        let shape = match node.phase {
            Phase::End => format!("([\"{name}\"])"),
            Phase::Commit => format!("{{{{\"{name}\"}}}}"),
            _ => format!("[\"{name}\"]"),
        };
        let _ = writeln!(out, "    {}{shape}", id(name));
    }
    let mut failures = Vec::new();
    for arrow in arrows(graph) {
        let label = arrow.labels.join("<br>");
        let _ = writeln!(
            out,
            "    {} -->|\"{label}\"| {}",
            id(arrow.from),
            id(arrow.to)
        );
        if !arrow.forward {
            failures.push(number.to_string());
        }
        *number += 1;
    }
    out.push_str("  end\n");
    if !failures.is_empty() {
        let _ = writeln!(out, "  linkStyle {} {FAILURE}", failures.join(","));
    }
}
