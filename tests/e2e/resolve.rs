//! A prepared run whose source does not come back waits, and a person decides (I1, I2).

use phaul_tests::lab::Side;
use phaul_tests::rig::{Plan, Rig, Workload};

/// Kills `phaul run` before or after its commit; gives the run's id, once the target waits for its word.
fn lose_source(rig: &Rig, name: &str, workload: &Workload, when: &str) -> String {
    // Only once: whoever takes the run up passes the state again.
    let kill = format!("mkdir /shared/{name}.mark && kill -KILL $PHAUL_PID; true");
    let kill = ["sh", "-c", &kill];
    let plan = Plan::new(name, workload, rig.agent(Side::B)).hook("source", "commit", when, &kill);
    assert_eq!(rig.run(Side::A, &plan).code, 137);
    let runs = rig.phaul_json(Side::B, &["agent", "runs"]);
    let run = runs
        .as_array()
        .unwrap()
        .iter()
        .find(|run| run["plan"] == name)
        .unwrap();
    assert_eq!(run["state"], "prepared", "{run}");
    assert_eq!(run["outcome"], serde_json::Value::Null, "{run}");
    run["run"].as_str().unwrap().to_owned()
}

#[test]
fn a_person_drops_what_the_source_still_runs() {
    let rig = Rig::up("e2e-drop");
    let workload = rig.counter(Side::A, "drop");
    let before = rig.snapshot();
    let run = lose_source(&rig, "drop", &workload, "before");
    workload.advances(rig.host(Side::A)).unwrap();
    rig.phaul_ok(Side::B, &["agent", "resolve", &run, "--drop"]);
    rig.runs_only_on(Side::A, &workload).unwrap();
    // The source comes back after all, and finds it so.
    let rolled_back = rig.recover(Side::A, "rollback", &run);
    rolled_back.ended(4, "rolled-back").unwrap();
    rig.runs_only_on(Side::A, &workload).unwrap();
    rig.nothing_left(&before).unwrap();
}

#[test]
fn a_person_runs_what_the_source_has_ended() {
    let rig = Rig::up("e2e-resolve");
    let workload = rig.counter(Side::A, "resolve");
    let before = rig.snapshot();
    let run = lose_source(&rig, "resolve", &workload, "after");
    assert_eq!(workload.processes(rig.host(Side::A)), []);
    rig.phaul_ok(Side::B, &["agent", "resolve", &run, "--run"]);
    rig.runs_only_on(Side::B, &workload).unwrap();
    let resumed = rig.recover(Side::A, "resume", &run);
    resumed.ended(0, "migrated").unwrap();
    rig.runs_only_on(Side::B, &workload).unwrap();
    rig.nothing_left(&before).unwrap();
}

#[test]
fn an_agent_that_is_started_again_still_holds_the_run() {
    let rig = Rig::up("e2e-held");
    let workload = rig.counter(Side::A, "held");
    let before = rig.snapshot();
    let run = lose_source(&rig, "held", &workload, "after");
    let agent = rig.agent(Side::B);
    agent.kill();
    agent.start_again();
    let listed = rig.phaul_json(Side::B, &["agent", "runs"]);
    assert_eq!(
        (&listed[0]["run"], &listed[0]["state"]),
        (&(*run).into(), &"prepared".into())
    );
    let resumed = rig.recover(Side::A, "resume", &run);
    resumed.ended(0, "migrated").unwrap();
    rig.runs_only_on(Side::B, &workload).unwrap();
    rig.nothing_left(&before).unwrap();
}
