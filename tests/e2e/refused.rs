//! Preflight says no: exit code 3, the check named, nothing touched, the workload unharmed (I3, I5).

use phaul_tests::lab::Side;
use phaul_tests::rig::{MOMENT, Plan, Program, Rig, Run, Workload, poll};
use serde_json::Value;

/// Carries out a plan that must be refused because of that check.
fn refuse(rig: &Rig, plan: &Plan, check: &str, side: &str) -> Run {
    let before = rig.snapshot();
    let run = rig.run(Side::A, plan);
    run.ended(3, "refused").unwrap();
    let failed = failed_checks(&run);
    assert!(
        failed.contains(&(check.to_owned(), side.to_owned())),
        "{failed:?}"
    );
    assert_eq!(run.error(), "refused");
    assert_eq!(run.report()["downtime_ms"], Value::Null);
    assert!(!run.states("source").contains(&"freeze".to_owned()));
    rig.nothing_left(&before).unwrap();
    run
}

fn failed_checks(run: &Run) -> Vec<(String, String)> {
    let checks = run.report()["checks"].as_array().unwrap();
    let failed = checks.iter().filter(|check| check["result"] == "failed");
    let word = |check: &Value, key: &str| check[key].as_str().unwrap().to_owned();
    failed
        .map(|check| (word(check, "id"), word(check, "side")))
        .collect()
}

/// A script that holds a file open and sleeps.
fn holder(path: &str) -> Program {
    let script = format!("import time; held = open('{path}'); time.sleep(100000)");
    Program::plain(&["python3", "-c", &script])
}

fn start_holder(rig: &Rig, path: &str) -> Workload {
    let workload = rig.start(Side::A, holder(path));
    let look = format!("readlink /proc/{}/fd/3", workload.pid);
    let holds = || {
        rig.host(Side::A)
            .exec(&["sh", "-c", &look])
            .unwrap()
            .stdout
            .trim()
            == path
    };
    poll(MOMENT, || holds().then_some(())).expect("the file is open");
    workload
}

#[test]
fn what_is_in_the_way_on_the_target_is_found_before() {
    let rig = Rig::up("e2e-taken");
    let workload = rig.counter(Side::A, "taken");
    let other = rig.start_in_place_of(&workload, Side::B, Program::plain(&["sleep", "100000"]));
    refuse(
        &rig,
        &Plan::new("taken", &workload, rig.agent(Side::B)),
        "pid-free",
        "target",
    );
    rig.runs_only_on(Side::A, &workload).unwrap();
    assert_eq!(other.processes(rig.host(Side::B)).len(), 1);
}

#[test]
fn files_that_are_missing_or_differ_are_found_before_and_can_be_waived() {
    let rig = Rig::up("e2e-files");
    rig.host(Side::A).write("/srv/data", "one thing").unwrap();
    let workload = start_holder(&rig, "/srv/data");
    let plan = |name| Plan::new(name, &workload, rig.agent(Side::B));
    refuse(&rig, &plan("missing"), "files-present", "target");
    rig.host(Side::B)
        .write("/srv/data", "something longer")
        .unwrap();
    refuse(&rig, &plan("longer"), "files-present", "target");
    rig.host(Side::B).write("/srv/data", "1nd thing").unwrap();
    refuse(&rig, &plan("other"), "files-present", "target");
    rig.runs_only_on(Side::A, &workload).unwrap();

    let waived = plan("waived").with("checks: { waive: [files-present] }");
    let run = rig.run(Side::A, &waived);
    run.ended(0, "migrated").unwrap();
    rig.runs_only_on(Side::B, &workload).unwrap();
    let checks = run.report()["checks"].as_array().unwrap();
    let recorded = checks
        .iter()
        .find(|check| check["result"] == "failed")
        .unwrap();
    assert_eq!(recorded["id"], "files-present");
    assert_eq!(recorded["waived"], true);
}

#[test]
fn what_criu_cannot_carry_is_found_before() {
    let rig = Rig::up("e2e-iouring");
    let workload = rig.start(Side::A, Program::plain(&["/opt/phaul/wl-iouring"]));
    refuse(
        &rig,
        &Plan::new("iouring", &workload, rig.agent(Side::B)),
        "criu-refuses",
        "source",
    );
    rig.runs_only_on(Side::A, &workload).unwrap();
}

#[test]
fn a_workload_that_is_none_is_found_before() {
    let rig = Rig::up("e2e-none");
    let workload = rig.counter(Side::A, "none");
    let plan = |name| Plan::new(name, &workload, rig.agent(Side::B));
    let pid = format!("pid: {}", workload.pid);
    refuse(
        &rig,
        &plan("no-such-pid").but(&pid, "pid: 3999999"),
        "workload",
        "source",
    );
    // Not in a session of its own.
    let child = rig.host(Side::A).spawn(&["sleep", "100000"]).unwrap();
    let inside = format!("pid: {}", child.pid().unwrap());
    refuse(
        &rig,
        &plan("in-a-session").but(&pid, &inside),
        "session",
        "source",
    );
    assert!(rig.host(Side::A).process(child.pid().unwrap()).is_some());
    rig.runs_only_on(Side::A, &workload).unwrap();
}
