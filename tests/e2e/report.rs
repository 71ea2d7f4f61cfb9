//! What phaul tells of a run is what happened (I4): the report, the events, the lists.

use phaul_tests::lab::Side;
use phaul_tests::rig::{Plan, Rig, Run, SOURCE, TARGET};
use serde_json::Value;

#[test]
fn a_run_tells_the_truth() {
    let rig = Rig::up("e2e-report");
    let workload = rig.counter(Side::A, "report");
    let run = rig.run(Side::A, &Plan::new("report", &workload, rig.agent(Side::B)));
    run.ended(0, "migrated").unwrap();
    rig.runs_only_on(Side::B, &workload).unwrap();
    states_are_those_of_the_contract(&run);
    figures_fit_together(run.report());
    checks_of_both_hosts_are_listed(run.report());
    events_are_whole(&run);
    lists_agree(&rig, &run);
}

fn states_are_those_of_the_contract(run: &Run) {
    assert_eq!(run.states("source"), SOURCE);
    // The last word of the target may come when the source has ended already.
    let target = run.states("target");
    assert!(target.len() >= TARGET.len() - 1, "{target:?}");
    assert_eq!(target, TARGET[..target.len()]);
    for state in run.report()["states"].as_array().unwrap() {
        let moment = |key: &str| state[key].as_str().map(comparable);
        let (entered, left) = (moment("entered"), moment("left"));
        assert!(entered.is_some(), "{state}");
        assert!(left.is_none() || entered <= left, "{state}");
    }
}

/// A time as text that sorts: the fraction of a second is written as short as can be.
fn comparable(time: &str) -> String {
    let time = time.trim_end_matches('Z');
    let (second, fraction) = time.split_once('.').unwrap_or((time, ""));
    format!("{second}.{fraction:0<9}")
}

fn figures_fit_together(report: &Value) {
    let number = |value: &Value| {
        value
            .as_u64()
            .unwrap_or_else(|| panic!("{value} in {report}"))
    };
    let downtime = number(&report["downtime_ms"]);
    let parts = [
        "freeze", "dump", "memory", "files", "restore", "commit", "resume",
    ];
    let sum: u64 = parts
        .iter()
        .map(|part| number(&report["downtime"][part]))
        .sum();
    assert!(
        downtime > 0 && downtime <= number(&report["total_ms"]),
        "{report}"
    );
    // What lies between the parts is not counted into any, and each is rounded.
    assert!(
        sum <= downtime + 20 && sum * 2 >= downtime,
        "{sum} of {downtime}: {report}"
    );
    assert_eq!(number(&report["attempts"]), 1);
    assert_eq!(report["error"], Value::Null);
    let (pages, rounds) = (&report["pages"], report["rounds"].as_array().unwrap());
    assert!(
        number(&pages["total"]) > 0 && number(&pages["sent"]) > 0,
        "{pages}"
    );
    let sent: u64 = rounds.iter().map(|round| number(&round["bytes"])).sum();
    assert!(
        sent > 0 && number(&report["bytes_sent"]) == sent,
        "{report}"
    );
    for round in rounds {
        let (kind, why) = (round["kind"].as_str(), round["why"].as_str());
        assert!(
            kind.is_some() && why.is_some() && number(&round["number"]) > 0,
            "{round}"
        );
    }
}

fn checks_of_both_hosts_are_listed(report: &Value) {
    let checks = report["checks"].as_array().unwrap();
    for side in ["source", "target"] {
        assert!(
            checks.iter().any(|check| check["side"] == side),
            "none of the {side}"
        );
    }
    for check in checks {
        let result = check["result"].as_str().unwrap();
        assert!(["passed", "warned"].contains(&result), "{check}");
        assert!(
            check["id"].is_string() && check["waived"] == false,
            "{check}"
        );
    }
}

fn events_are_whole(run: &Run) {
    let kinds = ["state", "round", "progress", "check", "log", "end"];
    for event in &run.events {
        for key in ["time", "run", "side", "kind"] {
            assert!(event[key].is_string(), "no {key} in {event}");
        }
        assert_eq!(event["run"], *run.id());
        assert!(kinds.contains(&event["kind"].as_str().unwrap()), "{event}");
    }
    let entered = |side: &str| -> Vec<&str> {
        let states = run.events.iter().filter(|event| event["kind"] == "state");
        let here = states.filter(|event| event["side"] == side);
        here.map(|event| event["state"].as_str().unwrap()).collect()
    };
    assert_eq!(entered("source"), SOURCE);
    assert_eq!(entered("target"), run.states("target"));
    let (last, report) = (run.events.last().unwrap(), run.report());
    assert_eq!(last["kind"], "end");
    assert_eq!(last["outcome"], "migrated");
    assert_eq!(last["downtime_ms"], report["downtime_ms"]);
    let checks = run.events.iter().filter(|event| event["kind"] == "check");
    assert_eq!(checks.count(), report["checks"].as_array().unwrap().len());
}

fn lists_agree(rig: &Rig, run: &Run) {
    let shown = rig.phaul_json(Side::A, &["show", &run.id()]);
    assert_eq!(&shown, run.report());
    let runs = rig.phaul_json(Side::A, &["runs"]);
    assert_eq!(runs.as_array().unwrap().len(), 1);
    let (listed, report) = (&runs[0], run.report());
    assert_eq!(listed["run"], report["run"]);
    assert_eq!(listed["plan"], report["plan"]);
    assert_eq!(listed["started"], report["started"]);
    assert_eq!(
        (&listed["state"], &listed["outcome"]),
        (&"done".into(), &"migrated".into())
    );
    let at_target = rig.phaul_json(Side::B, &["agent", "runs"]);
    assert_eq!(at_target[0]["run"], report["run"]);
    assert_eq!(rig.phaul_json(Side::B, &["runs"]), Value::Array(Vec::new()));
    let told = rig.phaul_ok(Side::A, &["show", &run.id()]);
    for word in ["final-memory", "downtime", &run.id()] {
        assert!(told.contains(word), "no {word} in:\n{told}");
    }
}
