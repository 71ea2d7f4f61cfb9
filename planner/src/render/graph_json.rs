//! Graphs for other programs: the parts as they are stored, with their digests.

use crate::compile::Graphs;
use phaul_core::graph::{Graph, Parts};
use serde::Serialize;

#[derive(Serialize)]
struct Both<'g> {
    source: One<'g>,
    target: One<'g>,
}

#[derive(Serialize)]
struct One<'g> {
    digest: String,
    main_path: Vec<&'static str>,
    #[serde(flatten)]
    parts: &'g Parts,
}

pub(super) fn both(graphs: &Graphs) -> String {
    let both = Both {
        source: one(&graphs.source),
        target: one(&graphs.target),
    };
    // Serialising plain data with string keys cannot fail.
    let mut out = serde_json::to_string_pretty(&both).unwrap_or_default();
    out.push('\n');
    out
}

fn one(graph: &Graph) -> One<'_> {
    One {
        digest: graph.digest(),
        main_path: graph.main_path().iter().map(|state| state.name()).collect(),
        parts: graph.parts(),
    }
}
