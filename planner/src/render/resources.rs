//! What a run makes on each host, and what undoes it.

use phaul_core::graph::{Graph, Side, Work};
use serde::Serialize;

/// Something that a state makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Made {
    /// The host.
    pub(super) side: Side,
    /// The state.
    pub(super) state: &'static str,
    /// What it makes.
    pub(super) what: &'static str,
    /// The states that undo it after a failure.
    pub(super) undone_by: Vec<&'static str>,
    /// The states that remove it, or what is left of it, after success.
    pub(super) removed_by: Vec<&'static str>,
}

/// What the states of a graph make, in their order.
pub(super) fn made(graph: &Graph) -> Vec<Made> {
    let states_that = |works: &[Work]| -> Vec<&'static str> {
        let nodes = graph.nodes().iter();
        let nodes = nodes.filter(|node| node.work.is_some_and(|work| works.contains(&work)));
        nodes.map(|node| node.state.name()).collect()
    };
    let makers = graph.nodes().iter().filter(|node| node.makes);
    makers
        .map(|node| Made {
            side: graph.side(),
            state: node.state.name(),
            what: what(graph.side(), node.work),
            undone_by: match node.work {
                Some(Work::Freeze) => states_that(&[Work::Thaw, Work::Undo]),
                _ => states_that(&[Work::Undo]),
            },
            removed_by: states_that(&[Work::Clean]),
        })
        .collect()
}

fn what(side: Side, work: Option<Work>) -> &'static str {
    match (side, work) {
        (Side::Source, Some(Work::Reserve)) => {
            "a lock on the workload; the run's directory with CRIU's configuration and the socket of the hold"
        }
        (Side::Target, Some(Work::Reserve)) => {
            "a lock on the workload; the run's directory for the images"
        }
        (_, Some(Work::Freeze)) => "the workload's images; its tasks are stopped and held",
        (_, Some(Work::Restore)) => "the workload's tasks, held",
        _ => "what the state's work needs",
    }
}
