//! A person steers a run: the gate, cancelling, and one run a workload.

use std::thread;

use phaul_tests::lab::Side;
use phaul_tests::rig::{Plan, Rig, Run};

/// A hook that takes far longer than any of these tests.
const LONG: [&str; 2] = ["sleep", "300"];

/// Carries a plan out, and does something once the run is in that state; gives how the run ended.
fn meanwhile(rig: &Rig, plan: &Plan, state: &str, act: impl FnOnce(&str)) -> Run {
    thread::scope(|scope| {
        let run = scope.spawn(|| rig.run(Side::A, plan));
        act(&rig.wait_for_state(Side::A, &plan.name, state));
        run.join().unwrap()
    })
}

#[test]
fn the_gate_waits_for_a_person_and_keeps_other_runs_away() {
    let rig = Rig::up("e2e-gate");
    let workload = rig.counter(Side::A, "gate");
    let before = rig.snapshot();
    let plan = Plan::new("gate", &workload, rig.agent(Side::B)).with("gate: ask");
    let second = Plan::new("second", &workload, rig.agent(Side::B));
    let run = meanwhile(&rig, &plan, "gate", |id| {
        let busy = rig.run(Side::A, &second);
        assert_eq!(busy.code, 6, "{busy:?}");
        assert_eq!(busy.report, None);
        for verb in ["resume", "rollback"] {
            assert_eq!(rig.recover(Side::A, verb, id).code, 6, "{verb}");
        }
        workload.advances(rig.host(Side::A)).unwrap();
        let held = workload.processes(rig.host(Side::B));
        assert!(held.is_empty(), "{held:?}");
        rig.phaul_ok(Side::A, &["continue", id]);
    });
    run.ended(0, "migrated").unwrap();
    assert!(run.states("source").contains(&"gate".to_owned()));
    rig.runs_only_on(Side::B, &workload).unwrap();
    rig.nothing_left(&before).unwrap();
}

#[test]
fn a_run_can_be_cancelled_as_long_as_it_has_not_committed() {
    let rig = Rig::up("e2e-cancel");
    let workload = rig.counter(Side::A, "cancel");
    let before = rig.snapshot();
    for state in ["connect", "reserve", "freeze", "restore"] {
        for when in ["before", "after"] {
            let name = format!("cancel-{state}-{when}");
            let plan = Plan::new(&name, &workload, rig.agent(Side::B));
            let plan = plan.hook("source", state, when, &LONG);
            let run = meanwhile(&rig, &plan, state, |id| {
                rig.phaul_ok(Side::A, &["cancel", id]);
            });
            run.ended(4, "rolled-back")
                .unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
            assert_eq!(run.error(), "cancelled", "{name}");
            rig.runs_only_on(Side::A, &workload)
                .unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
        }
    }
    assert_eq!(workload.processes(rig.host(Side::B)), []);
    let hooks = |side| {
        rig.host(side)
            .ps()
            .unwrap()
            .into_iter()
            .filter(|process| process.cmdline == LONG.join(" "))
    };
    assert_eq!(
        hooks(Side::A).count(),
        0,
        "the hooks have ended with their runs"
    );
    rig.nothing_left(&before).unwrap();
}

#[test]
fn after_the_commit_cancelling_is_refused() {
    let rig = Rig::up("e2e-late");
    let workload = rig.counter(Side::A, "late");
    let plan = Plan::new("late", &workload, rig.agent(Side::B)).hook(
        "source",
        "resume",
        "before",
        &["sleep", "2"],
    );
    let run = meanwhile(&rig, &plan, "resume", |id| {
        let refused = rig.phaul(Side::A, &["cancel", id]);
        assert_eq!(refused.code(), 1, "{refused:?}");
        assert!(refused.stderr.contains("committed"), "{refused:?}");
    });
    run.ended(0, "migrated").unwrap();
    rig.runs_only_on(Side::B, &workload).unwrap();
}

#[test]
fn interrupting_the_command_cancels_the_run() {
    let rig = Rig::up("e2e-signal");
    let workload = rig.counter(Side::A, "signal");
    let plan = Plan::new("signal", &workload, rig.agent(Side::B)).with("gate: ask");
    let host = rig.host(Side::A);
    let run = meanwhile(&rig, &plan, "gate", |_| {
        let all = host.ps().unwrap();
        let process = all
            .iter()
            .find(|process| process.cmdline.starts_with("/opt/phaul/phaul run"));
        host.kill(process.unwrap().pid, "INT").unwrap();
    });
    run.ended(4, "rolled-back").unwrap();
    rig.runs_only_on(Side::A, &workload).unwrap();
}
