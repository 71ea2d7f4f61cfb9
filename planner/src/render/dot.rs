//! Graphs for Graphviz: a cluster for each side, the ways of failure in red.

use super::arrows;
use crate::compile::Graphs;
use phaul_core::graph::{Graph, Node, Phase, StateName};
use std::fmt::Write;

const FORWARD: &str = "#1f6f43";
const FAILURE: &str = "#b3261e";

pub(super) fn both(graphs: &Graphs) -> String {
    let mut out = String::from(
        "digraph phaul {\n  rankdir=TB;\n  node [shape=box, style=rounded, fontname=\"sans-serif\"];\n  \
         edge [fontname=\"sans-serif\", fontsize=9];\n",
    );
    for graph in [&graphs.source, &graphs.target] {
        cluster(graph, &mut out);
    }
    out.push_str("}\n");
    out
}

fn cluster(graph: &Graph, out: &mut String) {
    let side = graph.side();
    let id = |state: StateName| quoted(&format!("{side}/{state}"));
    // Writing into a string cannot fail.
    let _ = writeln!(out, "  subgraph {} {{", quoted(&format!("cluster_{side}")));
    let _ = writeln!(out, "    label={};", quoted(side.name()));
    for node in graph.nodes() {
        let label = quoted(node.state.name());
        let tooltip = quoted(node.state.purpose());
        let shape = shape(node);
        let _ = writeln!(
            out,
            "    {} [label={label}, tooltip={tooltip}{shape}];",
            id(node.state)
        );
    }
    for arrow in arrows(graph) {
        let (color, weight) = if arrow.forward {
            (FORWARD, 10)
        } else {
            (FAILURE, 1)
        };
        let label = quoted(&arrow.labels.join("\\n"));
        let _ = writeln!(
            out,
            "    {} -> {} [label={label}, color=\"{color}\", fontcolor=\"{color}\", weight={weight}];",
            id(arrow.from),
            id(arrow.to),
        );
    }
    out.push_str("  }\n");
}

fn shape(node: &Node) -> &'static str {
    match node.phase {
        Phase::End => ", peripheries=2",
        Phase::Commit => ", penwidth=2",
        Phase::Undecided => ", style=\"rounded,dashed\"",
        _ => "",
    }
}

/// A string of the language; the texts have no backslashes but those of line ends.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\\\""))
}
