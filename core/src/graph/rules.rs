//! What a valid graph is. A graph that breaks a rule is refused, with every rule it breaks.
//!
//! 1. Each state is of this side, stands once, is reachable, and every edge joins two of them.
//! 2. An event leads to one place: one edge without a guard, or two with opposite guards.
//! 3. From every state that has not ended, an end can be reached; before the commit also the end
//!    of failure (`rolled-back`, `dropped`).
//! 4. Every state survives a restart of its process, and every state before the commit the loss
//!    of the peer; only `prepared` and what comes after may wait without deciding.
//! 5. `commit` (at the target: `prepared`) lies on every path from the start to `done`.
//! 6. No edge leads from after the commit to before it.
//! 7. From every state that makes a resource, a state that undoes it can be reached, and none but
//!    states that undo or clean lead to an end.

use super::{Condition, EventKind, Graph, Phase, Side, StateName, Work};
use petgraph::algo::dominators::simple_fast;
use petgraph::algo::has_path_connecting;
use std::collections::BTreeMap;

/// A rule that a graph breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the texts say what each field is")]
pub enum Broken {
    #[error("the graph has no states")]
    Empty,
    #[error("state `{state}` stands twice")]
    StateTwice { state: StateName },
    #[error("an edge joins `{from}` and `{to}`, and one of them is not in the graph")]
    EdgeToNowhere { from: StateName, to: StateName },
    #[error("state `{state}` does not belong to the {side}")]
    WrongSide { state: StateName, side: Side },
    #[error("state `{state}` cannot be reached")]
    Unreachable { state: StateName },
    #[error(
        "event `{event}` in state `{state}` leads to more than one place, or sometimes to none"
    )]
    Ambiguous { state: StateName, event: EventKind },
    #[error("state `{state}` has ended and is left all the same")]
    EndIsLeft { state: StateName },
    #[error("no end can be reached from state `{state}`")]
    NoEnd { state: StateName },
    #[error(
        "success or undoing is out of reach from state `{state}`, which stands before the commit"
    )]
    NoUndo { state: StateName },
    #[error("state `{state}` says nothing about `{event}`")]
    Unhandled { state: StateName, event: EventKind },
    #[error("`done` can be reached without passing `{gate}`")]
    CommitAvoided { gate: StateName },
    #[error("the edge from `{from}` to `{to}` leads from after the commit to before it")]
    BackOverCommit { from: StateName, to: StateName },
    #[error(
        "state `{state}` makes resources, and the edge from `{from}` ends the run without undoing them"
    )]
    NotCompensated { state: StateName, from: StateName },
}

/// Every rule that the graph breaks.
pub fn check(graph: &Graph) -> Vec<Broken> {
    let mut broken = Vec::new();
    places(graph, &mut broken);
    determinism(graph, &mut broken);
    ends(graph, &mut broken);
    restarts_and_losses(graph, &mut broken);
    commit(graph, &mut broken);
    compensation(graph, &mut broken);
    broken
}

fn reaches(graph: &Graph, from: StateName, to: impl Fn(StateName) -> bool) -> bool {
    graph.nodes().iter().any(|node| {
        to(node.state)
            && match (graph.index_of(from), graph.index_of(node.state)) {
                (Some(a), Some(b)) => has_path_connecting(graph.digraph(), a, b, None),
                _ => false,
            }
    })
}

fn places(graph: &Graph, broken: &mut Vec<Broken>) {
    for node in graph.nodes() {
        let state = node.state;
        if !state.belongs_to(graph.side()) {
            broken.push(Broken::WrongSide {
                state,
                side: graph.side(),
            });
        }
        if !reaches(graph, graph.start(), |other| other == state) {
            broken.push(Broken::Unreachable { state });
        }
        if node.phase == Phase::End && graph.leaving(state).next().is_some() {
            broken.push(Broken::EndIsLeft { state });
        }
    }
}

fn determinism(graph: &Graph, broken: &mut Vec<Broken>) {
    for node in graph.nodes() {
        let mut guards: BTreeMap<EventKind, Vec<Option<(Condition, bool)>>> = BTreeMap::new();
        for edge in graph.leaving(node.state) {
            let guard = edge.guard.map(|guard| (guard.condition, guard.holds));
            guards.entry(edge.event).or_default().push(guard);
        }
        for (event, guards) in guards {
            let clear = match guards.as_slice() {
                [None] => true,
                [Some((one, yes)), Some((other, no))] => one == other && yes != no,
                _ => false,
            };
            if !clear {
                broken.push(Broken::Ambiguous {
                    state: node.state,
                    event,
                });
            }
        }
    }
}

fn ends(graph: &Graph, broken: &mut Vec<Broken>) {
    let phase_of = |state| graph.node(state).map(|node| node.phase);
    let is_undone = |state| matches!(state, StateName::RolledBack | StateName::Dropped);
    for node in graph.nodes() {
        let state = node.state;
        if !reaches(graph, state, |to| phase_of(to) == Some(Phase::End)) {
            broken.push(Broken::NoEnd { state });
        }
        let before = matches!(node.phase, Phase::Before | Phase::Frozen | Phase::Commit);
        if before
            && !(reaches(graph, state, is_undone)
                && reaches(graph, state, |to| to == StateName::Done))
        {
            broken.push(Broken::NoUndo { state });
        }
    }
}

fn restarts_and_losses(graph: &Graph, broken: &mut Vec<Broken>) {
    for node in graph.nodes() {
        let state = node.state;
        let mut must = |event| {
            if !graph.leaving(state).any(|edge| edge.event == event) {
                broken.push(Broken::Unhandled { state, event });
            }
        };
        if node.phase != Phase::End {
            must(EventKind::Restarted);
        }
        let decided_alone = state != StateName::Prepared;
        if matches!(node.phase, Phase::Before | Phase::Frozen) && decided_alone {
            must(EventKind::Lost);
            must(EventKind::Cancelled);
        }
    }
}

fn commit(graph: &Graph, broken: &mut Vec<Broken>) {
    let gate = match graph.side() {
        Side::Source => StateName::Commit,
        Side::Target => StateName::Prepared,
    };
    if let (Some(start), Some(done), at) = (
        graph.index_of(graph.start()),
        graph.index_of(StateName::Done),
        graph.index_of(gate),
    ) {
        let passed = simple_fast(graph.digraph(), start)
            .dominators(done)
            .is_some_and(|mut all| all.any(|node| Some(node) == at));
        if !passed {
            broken.push(Broken::CommitAvoided { gate });
        }
    }
    for edge in graph.edges() {
        let phase = |state| graph.node(state).map(|node| node.phase);
        let returns = matches!(
            phase(edge.to),
            Some(Phase::Before | Phase::Frozen | Phase::Commit | Phase::Undo)
        );
        if phase(edge.from) == Some(Phase::After) && returns {
            broken.push(Broken::BackOverCommit {
                from: edge.from,
                to: edge.to,
            });
        }
    }
}

fn compensation(graph: &Graph, broken: &mut Vec<Broken>) {
    let undoes = |state| {
        graph
            .node(state)
            .is_some_and(|node| matches!(node.work, Some(Work::Undo | Work::Clean)))
    };
    let is_end = |state| {
        graph
            .node(state)
            .is_some_and(|node| node.phase == Phase::End)
    };
    for node in graph.nodes().iter().filter(|node| node.makes) {
        for edge in graph.edges() {
            if is_end(edge.to)
                && !undoes(edge.from)
                && (edge.from == node.state || reaches(graph, node.state, |to| to == edge.from))
            {
                broken.push(Broken::NotCompensated {
                    state: node.state,
                    from: edge.from,
                });
            }
        }
    }
}
