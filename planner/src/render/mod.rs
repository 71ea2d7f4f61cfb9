//! Plans and graphs for people and for other programs.

mod dot;
mod graph_json;
mod mermaid;
mod plan;
mod resources;
#[cfg(test)]
mod tests;
mod text;
mod tree;
mod yaml;

pub use plan::{human as plan_human, json as plan_json};
pub use yaml::to_yaml;

use crate::compile::Graphs;
use phaul_core::graph::{Edge, Graph, StateName};
use std::fmt;
use std::str::FromStr;

/// How graphs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A list for reading.
    Text,
    /// Graphviz.
    Dot,
    /// Mermaid's flowchart.
    Mermaid,
    /// The parts with their digests.
    Json,
}

impl Format {
    /// Every one of them.
    pub const ALL: &'static [Self] = &[Self::Text, Self::Dot, Self::Mermaid, Self::Json];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Dot => "dot",
            Self::Mermaid => "mermaid",
            Self::Json => "json",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A word that is not the name of a format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a format of graphs: text, dot, mermaid or json is expected")]
pub struct UnknownFormat(pub String);

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.iter().find(|format| format.name() == text);
        known.copied().ok_or_else(|| UnknownFormat(text.to_owned()))
    }
}

/// The graphs of both sides.
pub fn render(graphs: &Graphs, format: Format) -> String {
    match format {
        Format::Text => text::both(graphs),
        Format::Dot => dot::both(graphs),
        Format::Mermaid => mermaid::both(graphs),
        Format::Json => graph_json::both(graphs),
    }
}

/// Transitions that lead from one state to another in the same way, drawn as one arrow.
#[derive(Debug, PartialEq, Eq)]
struct Arrow {
    from: StateName,
    to: StateName,
    /// Part of the way to success.
    forward: bool,
    /// Events with their guards.
    labels: Vec<String>,
}

/// The arrows of a graph, in the order of its transitions.
fn arrows(graph: &Graph) -> Vec<Arrow> {
    let on_the_way = |edge: &Edge| {
        let path = graph.main_path();
        let step = |pair: &[StateName]| pair == [edge.from, edge.to].as_slice();
        edge.is_forward() && (edge.from == edge.to || path.windows(2).any(step))
    };
    let mut arrows: Vec<Arrow> = Vec::new();
    for edge in graph.edges() {
        let forward = on_the_way(edge);
        let same = |arrow: &&mut Arrow| {
            arrow.from == edge.from && arrow.to == edge.to && arrow.forward == forward
        };
        match arrows.iter_mut().find(same) {
            Some(arrow) => arrow.labels.push(edge.label()),
            None => arrows.push(Arrow {
                from: edge.from,
                to: edge.to,
                forward,
                labels: vec![edge.label()],
            }),
        }
    }
    arrows
}
