//! A plan or a command line that is wrong: exit code 2, every mistake with its place, nothing done.

use phaul_tests::lab::Side;
use phaul_tests::rig::{Plan, Rig};
use serde_json::Value;

const MISTAKES: [(&str, &str, &str); 5] = [
    ("unknown-key", "memory: {", "memry: {"),
    ("wrong-type", "attempts: 2", "attempts: two"),
    ("wrong-value", "strategy: stop-copy", "strategy: teleport"),
    ("no-target", "to: {", "# to: {"),
    ("no-yaml", "version: 1", "version: [1"),
];

#[test]
fn a_plan_with_a_mistake_is_not_begun() {
    let rig = Rig::up("e2e-usage");
    let workload = rig.counter(Side::A, "usage");
    let before = rig.snapshot();
    for (name, right, wrong) in MISTAKES {
        let plan = Plan::new(name, &workload, rig.agent(Side::B)).but(right, wrong);
        let run = rig.run(Side::A, &plan);
        assert_eq!(run.code, 2, "{name}: {run:?}");
        assert_eq!((run.events.len(), &run.report), (0, &None), "{name}");
        assert!(
            run.stderr.contains(&format!("/shared/{name}.yaml:")),
            "{name}: {}",
            run.stderr
        );
        let path = format!("/shared/{name}.yaml");
        let checked = rig.phaul(Side::A, &["check", &path, "--format", "json"]);
        assert_eq!(checked.code(), 2, "{name}: {checked:?}");
        let found: Value = serde_json::from_str(&checked.stdout).unwrap();
        assert!(!found.as_array().unwrap().is_empty(), "{name}");
        for key in ["code", "severity", "file", "line", "column", "message"] {
            assert!(!found[0][key].is_null(), "{name}: no {key} in {found}");
        }
    }
    let plan = Plan::new("set", &workload, rig.agent(Side::B));
    for wrong in ["memory.strategy=teleport", "no.such=key", "nonsense"] {
        let run = rig.run_with(Side::A, &plan, &["--set", wrong]);
        assert_eq!(run.code, 2, "--set {wrong}: {run:?}");
    }
    for arguments in [
        &["run", "/shared/there-is-none.yaml"][..],
        &["run"],
        &["haul"],
        &["show", "no-such-run"],
    ] {
        let output = rig.phaul(Side::A, arguments);
        assert_eq!(output.code(), 2, "{arguments:?}: {output:?}");
        assert!(!output.stderr.is_empty());
    }
    assert_eq!(rig.phaul_json(Side::A, &["runs"]), Value::Array(Vec::new()));
    rig.nothing_left(&before).unwrap();
    rig.runs_only_on(Side::A, &workload).unwrap();
}
