//! Each rule refuses a graph that breaks it, and only then.

use super::*;
use crate::plan::Millis;

const S: &[(StateName, Phase, Option<Work>)] = &[
    (StateName::Connect, Phase::Before, Some(Work::Connect)),
    (StateName::Reserve, Phase::Before, Some(Work::Reserve)),
    (StateName::Freeze, Phase::Frozen, Some(Work::Freeze)),
    (StateName::Commit, Phase::Commit, Some(Work::Kill)),
    (StateName::Clean, Phase::After, Some(Work::Clean)),
    (StateName::Done, Phase::End, None),
    (StateName::Drop, Phase::Undo, Some(Work::Undo)),
    (StateName::RolledBack, Phase::End, None),
];

fn edge(from: StateName, event: EventKind, to: StateName) -> Edge {
    Edge {
        from,
        to,
        event,
        guard: None,
        retry: None,
    }
}

/// A small valid graph of a source.
fn valid() -> Parts {
    use EventKind::{Cancelled, Done, Failed, Lost, Restarted};
    let nodes = S
        .iter()
        .map(|(state, phase, work)| Node {
            state: *state,
            phase: *phase,
            work: *work,
            ask: None,
            makes: *work == Some(Work::Reserve),
        })
        .collect();
    let mut edges = vec![
        edge(StateName::Connect, Done, StateName::Reserve),
        edge(StateName::Reserve, Done, StateName::Freeze),
        edge(StateName::Freeze, Done, StateName::Commit),
        edge(StateName::Commit, Done, StateName::Clean),
        edge(StateName::Commit, Failed, StateName::Drop),
        edge(StateName::Commit, Restarted, StateName::Commit),
        edge(StateName::Clean, Done, StateName::Done),
        edge(StateName::Clean, Restarted, StateName::Clean),
        edge(StateName::Drop, Done, StateName::RolledBack),
        edge(StateName::Drop, Restarted, StateName::Drop),
    ];
    for state in [StateName::Connect, StateName::Reserve, StateName::Freeze] {
        for event in [Failed, Lost, Cancelled, Restarted] {
            edges.push(edge(state, event, StateName::Drop));
        }
    }
    Parts {
        side: Side::Source,
        nodes,
        edges,
    }
}

/// Breaks the valid graph, and says what it is refused for.
fn broken(change: impl FnOnce(&mut Parts)) -> Vec<Broken> {
    let mut parts = valid();
    change(&mut parts);
    Graph::new(parts)
        .map(|_| Vec::new())
        .unwrap_or_else(|all| all)
}

fn without(parts: &mut Parts, from: StateName, event: EventKind) {
    parts
        .edges
        .retain(|edge| (edge.from, edge.event) != (from, event));
}

#[test]
fn the_valid_graph_is_accepted_and_keeps_its_order() {
    let graph = Graph::new(valid()).unwrap();
    assert_eq!(graph.start(), StateName::Connect);
    assert_eq!(graph.main_path().last(), Some(&StateName::Done));
    assert_eq!(graph.leaving(StateName::Commit).count(), 3);
    assert_eq!(graph.digest(), Graph::new(valid()).unwrap().digest());
}

#[test]
fn no_states_at_all() {
    assert_eq!(
        broken(|parts| (parts.nodes, parts.edges) = (Vec::new(), Vec::new())),
        [Broken::Empty]
    );
}

#[test]
fn a_state_twice_and_an_edge_to_nowhere() {
    let state = StateName::Done;
    assert_eq!(
        broken(|parts| parts.nodes.push(parts.nodes[5].clone())),
        [Broken::StateTwice { state }]
    );
    let (from, to) = (StateName::Done, StateName::Gate);
    assert_eq!(
        broken(|parts| parts.edges.push(edge(from, EventKind::Done, to))),
        [Broken::EdgeToNowhere { from, to }]
    );
}

#[test]
fn a_state_of_the_other_side_that_is_never_reached() {
    let found = broken(|parts| {
        parts.nodes.push(Node {
            state: StateName::Prepared,
            ..parts.nodes[0].clone()
        });
    });
    let (state, side) = (StateName::Prepared, Side::Source);
    assert!(
        found.contains(&Broken::WrongSide { state, side }),
        "{found:?}"
    );
    assert!(found.contains(&Broken::Unreachable { state }), "{found:?}");
    assert!(found.contains(&Broken::NoEnd { state }), "{found:?}");
}

#[test]
fn an_event_that_leads_to_two_places_or_only_sometimes_to_one() {
    let state = StateName::Connect;
    let event = EventKind::Lost;
    let found = broken(|parts| parts.edges.push(edge(state, event, StateName::Connect)));
    assert_eq!(found, [Broken::Ambiguous { state, event }]);
    let found = broken(|parts| {
        for edge in &mut parts.edges {
            if (edge.from, edge.event) == (state, event) {
                edge.guard = Some(Guard {
                    condition: Condition::Again,
                    holds: true,
                });
            }
        }
    });
    assert_eq!(found, [Broken::Ambiguous { state, event }]);
}

#[test]
fn an_end_that_is_left() {
    let state = StateName::RolledBack;
    let found = broken(|parts| {
        parts
            .edges
            .push(edge(state, EventKind::Lost, StateName::Drop))
    });
    assert!(found.contains(&Broken::EndIsLeft { state }), "{found:?}");
}

#[test]
fn no_way_back_before_the_commit() {
    let found = broken(|parts| {
        without(parts, StateName::Drop, EventKind::Done);
        parts
            .nodes
            .retain(|node| node.state != StateName::RolledBack);
    });
    let state = StateName::Freeze;
    assert!(found.contains(&Broken::NoUndo { state }), "{found:?}");
    let state = StateName::Drop;
    assert!(found.contains(&Broken::NoEnd { state }), "{found:?}");
}

#[test]
fn a_loss_a_cancel_and_a_restart_must_be_provided_for() {
    for event in [EventKind::Lost, EventKind::Cancelled, EventKind::Restarted] {
        let state = StateName::Freeze;
        let found = broken(|parts| without(parts, state, event));
        assert_eq!(found, [Broken::Unhandled { state, event }]);
    }
    let (state, event) = (StateName::Clean, EventKind::Restarted);
    let found = broken(|parts| without(parts, state, event));
    assert_eq!(found, [Broken::Unhandled { state, event }]);
}

#[test]
fn success_without_the_commit() {
    let (from, event) = (StateName::Freeze, EventKind::Unsure);
    let found = broken(|parts| parts.edges.push(edge(from, event, StateName::Clean)));
    let gate = StateName::Commit;
    assert_eq!(found, [Broken::CommitAvoided { gate }]);
}

#[test]
fn a_way_from_after_the_commit_to_before_it() {
    let (from, to) = (StateName::Clean, StateName::Drop);
    let found = broken(|parts| parts.edges.push(edge(from, EventKind::Failed, to)));
    assert_eq!(found, [Broken::BackOverCommit { from, to }]);
}

#[test]
fn resources_that_nobody_undoes() {
    let from = StateName::Freeze;
    let found = broken(|parts| {
        without(parts, from, EventKind::Failed);
        parts
            .edges
            .push(edge(from, EventKind::Failed, StateName::RolledBack));
    });
    let state = StateName::Reserve;
    assert_eq!(found, [Broken::NotCompensated { state, from }]);
}

#[test]
fn pauses_grow_up_to_the_longest() {
    let policy = RetryPolicy {
        tries: 9,
        first: Millis(100),
        longest: Millis(500),
    };
    let pauses: Vec<u64> = (1..=4).map(|n| policy.pause(n).0).collect();
    assert_eq!(pauses, [100, 200, 400, 500]);
}
