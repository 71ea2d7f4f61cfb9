//! The model check: an exhaustive search over the *real* machines of both sides.
//!
//! The machines of `phaul-core` walk the real compiled graphs; only the world around them is a
//! model: a network that loses, repeats and delays every message at will, processes that crash
//! and start again at any point with their journals kept, work that fails. In every state that
//! can be reached the invariants of the design must hold.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod files;
mod invariants;
mod moves;
mod search;
mod table;
mod world;

use search::{Found, search};
use world::{Bounds, Rules, World};

/// What the everyday loop goes through.
const SMALL: Bounds = Bounds {
    attempts: 1,
    crashes: 1,
    cancels: 0,
    files: false,
};

/// The same for a plan with files, which has more states: only the whole suite crashes there.
const FILES: Bounds = Bounds {
    crashes: 0,
    files: true,
    ..SMALL
};

/// What the whole suite goes through besides.
#[cfg(feature = "lab")]
const LARGE: [(Bounds, usize); 2] = [
    (
        Bounds {
            attempts: 1,
            crashes: 1,
            cancels: 1,
            files: false,
        },
        817_846,
    ),
    (
        Bounds {
            crashes: 1,
            ..FILES
        },
        484_965,
    ),
];

/// Pinned: a change of the protocol changes it, and must be looked at.
const SMALL_STATES: usize = 227_424;
const FILES_STATES: usize = 51_073;

fn holds(bounds: Bounds, states: usize) {
    match search(&World::new(bounds), &Rules::default()) {
        Ok(reached) => {
            assert!(reached.migrated > 0, "no run ever migrates");
            assert!(reached.rolled_back > 0, "no run is ever rolled back");
            assert!(reached.refused > 0, "no run is ever refused");
            assert_eq!(
                reached.states, states,
                "the protocol has changed: look again"
            );
        }
        Err(found) => panic!("{found}"),
    }
}

/// I1, I2, I3 and I4.
#[test]
fn the_invariants_hold_in_every_reachable_state() {
    holds(SMALL, SMALL_STATES);
}

#[test]
fn the_invariants_hold_when_files_are_copied_in_rounds() {
    holds(FILES, FILES_STATES);
}

#[cfg(feature = "lab")]
#[test]
fn the_invariants_hold_with_a_person_who_cancels_and_when_files_meet_crashes() {
    for (bounds, states) in LARGE {
        holds(bounds, states);
    }
}

fn violation(rules: &Rules) -> Found {
    violation_within(SMALL, rules)
}

fn violation_within(bounds: Bounds, rules: &Rules) -> Found {
    *search(&World::new(bounds), rules).expect_err("the broken rule was not noticed")
}

#[test]
fn a_source_that_commits_before_the_target_is_prepared_is_caught() {
    let found = violation(&Rules {
        commits_unprepared: true,
        ..Rules::default()
    });
    assert_eq!(found.invariant, "I2", "{found}");
}

#[test]
fn a_target_that_decides_alone_is_caught() {
    let found = violation(&Rules {
        target_decides_alone: true,
        ..Rules::default()
    });
    assert_eq!(found.invariant, "I1", "{found}");
}

#[test]
fn a_restart_that_does_not_look_at_the_tasks_is_caught() {
    let found = violation(&Rules {
        restart_believes_alive: true,
        ..Rules::default()
    });
    assert_eq!(found.invariant, "I4", "{found}");
}

#[test]
fn a_crash_that_lets_the_tasks_run_after_the_verdict_is_caught() {
    let found = violation(&Rules {
        kill_ignores_the_hold: true,
        ..Rules::default()
    });
    assert_eq!(found.invariant, "rewound", "{found}");
}

#[test]
fn a_source_that_leaves_out_the_last_files_is_caught() {
    let rules = Rules {
        skips_the_last_files: true,
        ..Rules::default()
    };
    let found = violation_within(FILES, &rules);
    assert_eq!(found.invariant, "rewound", "{found}");
}
