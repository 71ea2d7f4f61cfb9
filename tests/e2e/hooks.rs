//! Hooks: what they are told, and that their failure is their state's failure as long as the run can turn back (I4).

use phaul_tests::lab::Side;
use phaul_tests::rig::{Plan, Rig};

/// Writes down what a hook finds in its environment.
const TELL: &str = r#"
program=$(readlink "/proc/$PHAUL_PID/exe")
echo "$PHAUL_RUN $PHAUL_STATE $PHAUL_SIDE $PHAUL_WORKLOAD $program" >> /shared/told
"#;

#[test]
fn hooks_know_what_they_are_called_for() {
    let rig = Rig::up("e2e-environment");
    rig.host(Side::A).write("/shared/tell", TELL).unwrap();
    let workload = rig.counter(Side::A, "environment");
    let tell = r#"[[sh, "/shared/tell"]]"#;
    let around = format!("{{ before: {tell}, after: {tell} }}");
    let plan = Plan::new("environment", &workload, rig.agent(Side::B)).with(&format!(
        "hooks: {{ source: {{ reserve: {around}, commit: {around} }}, target: {{ restore: {around} }} }}"
    ));
    let run = rig.run(Side::A, &plan);
    run.ended(0, "migrated").unwrap();
    let (id, pid) = (run.id(), workload.pid);
    let line = |state, side| format!("{id} {state} {side} {pid} /opt/phaul/phaul");
    let (reserve, restore, commit) = (
        line("reserve", "source"),
        line("restore", "target"),
        line("commit", "source"),
    );
    let told = rig.host(Side::A).read("/shared/told").unwrap();
    let told: Vec<&str> = told.lines().collect();
    assert_eq!(
        told,
        [&reserve, &reserve, &restore, &restore, &commit, &commit]
    );
}

/// Where a failing hook still turns the run back.
const TURNS_BACK: [(&str, &str, &[&str]); 12] = [
    ("source", "connect", &["before", "after"]),
    ("source", "preflight", &["before", "after"]),
    ("source", "reserve", &["before", "after"]),
    ("source", "freeze", &["before", "after"]),
    ("source", "final-memory", &["before", "after"]),
    ("source", "restore", &["before", "after"]),
    ("source", "commit", &["before"]),
    ("target", "accept", &["before", "after"]),
    ("target", "reserve", &["before", "after"]),
    ("target", "receive", &["before", "after"]),
    ("target", "restore", &["before", "after"]),
    ("target", "prepared", &["before"]),
];

/// Where it is too late, or not the target's to decide.
const GOES_ON: [(&str, &str, &[&str]); 6] = [
    ("source", "commit", &["after"]),
    ("source", "resume", &["before", "after"]),
    ("source", "clean", &["before", "after"]),
    ("target", "prepared", &["after"]),
    ("target", "resume", &["before", "after"]),
    ("target", "clean", &["before", "after"]),
];

#[test]
fn a_failing_hook_turns_the_run_back() {
    let rig = Rig::up("e2e-turn-back");
    let workload = rig.counter(Side::A, "turn-back");
    let before = rig.snapshot();
    for (side, state, whens) in TURNS_BACK {
        for when in whens {
            let name = format!("{side}-{state}-{when}");
            let plan = Plan::new(&name, &workload, rig.agent(Side::B));
            let plan = plan.hook(side, state, when, &["sh", "-c", "echo no room >&2; exit 3"]);
            let run = rig.run(Side::A, &plan);
            let check = || {
                run.ended(4, "rolled-back")?;
                rig.runs_only_on(Side::A, &workload)
            };
            check().unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
            let error = &run.report()["error"];
            assert_eq!(
                (run.error(), &error["side"]),
                ("hook", &side.into()),
                "{name}: {error}"
            );
            assert!(
                error["log"].to_string().contains("no room"),
                "{name}: {error}"
            );
        }
    }
    rig.nothing_left(&before).unwrap();
}

#[test]
fn after_the_commit_a_failing_hook_is_passed_over() {
    let rig = Rig::up("e2e-go-on");
    for (side, state, whens) in GOES_ON {
        for when in whens {
            let name = format!("{side}-{state}-{when}");
            let workload = rig.counter(Side::A, &name);
            let plan = Plan::new(&name, &workload, rig.agent(Side::B));
            let run = rig.run(Side::A, &plan.hook(side, state, when, &["false"]));
            let check = || {
                run.ended(0, "migrated")?;
                rig.runs_only_on(Side::B, &workload)
            };
            check().unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
            workload.end(rig.host(Side::B));
        }
    }
}
