//! The graph of one side: what the machine walks, what people review, what is stored with a run.
//!
//! The planner compiles a plan into two of these. [`Graph::new`] accepts only a graph that keeps
//! every rule of [`rules`].

mod node;
pub mod rules;
mod state;
#[cfg(test)]
mod tests;

pub use node::{AskKind, Condition, Edge, EventKind, Guard, Node, Phase, RetryPolicy, Work};
pub use rules::Broken;
pub use state::{Side, StateName, UnknownState};

use petgraph::graph::{DiGraph, NodeIndex};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The parts of a graph, in the order they are shown; this is what is stored and sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parts {
    /// Which side it is for.
    pub side: Side,
    /// The states; the first is where a run starts.
    pub nodes: Vec<Node>,
    /// The transitions.
    pub edges: Vec<Edge>,
}

/// A valid graph.
#[derive(Debug, Clone)]
pub struct Graph {
    parts: Parts,
    digraph: DiGraph<StateName, usize>,
    index: BTreeMap<StateName, NodeIndex>,
}

impl Graph {
    /// Builds the graph, or says every rule that the parts break.
    pub fn new(parts: Parts) -> Result<Self, Vec<Broken>> {
        let graph = Self::unchecked(parts)?;
        let broken = rules::check(&graph);
        if broken.is_empty() {
            Ok(graph)
        } else {
            Err(broken)
        }
    }

    fn unchecked(parts: Parts) -> Result<Self, Vec<Broken>> {
        let mut digraph = DiGraph::new();
        let mut index = BTreeMap::new();
        let mut broken = Vec::new();
        for node in &parts.nodes {
            let at = digraph.add_node(node.state);
            if index.insert(node.state, at).is_some() {
                broken.push(Broken::StateTwice { state: node.state });
            }
        }
        for (number, edge) in parts.edges.iter().enumerate() {
            match (index.get(&edge.from), index.get(&edge.to)) {
                (Some(from), Some(to)) => {
                    digraph.add_edge(*from, *to, number);
                }
                _ => broken.push(Broken::EdgeToNowhere {
                    from: edge.from,
                    to: edge.to,
                }),
            }
        }
        if parts.nodes.is_empty() {
            broken.push(Broken::Empty);
        }
        if broken.is_empty() {
            Ok(Self {
                parts,
                digraph,
                index,
            })
        } else {
            Err(broken)
        }
    }

    /// Which side it is for.
    pub fn side(&self) -> Side {
        self.parts.side
    }

    /// The state in which a run starts.
    pub fn start(&self) -> StateName {
        self.parts.nodes[0].state // `unchecked` refuses a graph without nodes
    }

    /// The states, in the order in which they are shown.
    pub fn nodes(&self) -> &[Node] {
        &self.parts.nodes
    }

    /// The transitions.
    pub fn edges(&self) -> &[Edge] {
        &self.parts.edges
    }

    /// The parts, for storing and sending.
    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    /// The node of a state, if this graph has it.
    pub fn node(&self, state: StateName) -> Option<&Node> {
        self.parts.nodes.iter().find(|node| node.state == state)
    }

    /// The transitions that leave a state, in the order of the parts.
    pub fn leaving(&self, state: StateName) -> impl Iterator<Item = &Edge> {
        let mut numbers: Vec<usize> = self
            .index
            .get(&state)
            .into_iter()
            .flat_map(|at| self.digraph.edges(*at).map(|edge| *edge.weight()))
            .collect();
        numbers.sort_unstable();
        numbers.into_iter().map(|number| &self.parts.edges[number])
    }

    /// The states of the way to success, in order.
    pub fn main_path(&self) -> Vec<StateName> {
        let mut path = vec![self.start()];
        // A round that is made once more leads to the state itself.
        while let Some(edge) = self
            .leaving(path[path.len() - 1])
            .find(|edge| edge.event == EventKind::Done && edge.to != edge.from)
        {
            if path.contains(&edge.to) {
                break;
            }
            path.push(edge.to);
        }
        path
    }

    /// The underlying graph: nodes are states, edge weights are numbers into [`Self::edges`].
    pub fn digraph(&self) -> &DiGraph<StateName, usize> {
        &self.digraph
    }

    pub(crate) fn index_of(&self, state: StateName) -> Option<NodeIndex> {
        self.index.get(&state).copied()
    }

    /// A digest of everything in the graph: equal digests mean equal graphs. 64 hex digits.
    pub fn digest(&self) -> String {
        // Serialising plain data with string keys cannot fail.
        let bytes = serde_json::to_vec(&self.parts).unwrap_or_default();
        blake3::hash(&bytes).to_hex().to_string()
    }
}
