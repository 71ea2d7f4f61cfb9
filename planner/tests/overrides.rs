//! Single keys from the command line.

use phaul_core::plan::{FileSet, PidSource, Plan};
use phaul_planner::diagnostic::{Diagnostic, github, human, json, sarif};
use phaul_planner::{Loaded, Set, load};

const PLAN: &str = "\
version: 1
haul: { pid: { pid: 4242 } }
to: { agent: b:7420, identity: b }
memory: { strategy: stop-copy }
gate: ask
";

fn with(sets: &[&str]) -> Loaded {
    let sets: Vec<Set> = sets
        .iter()
        .map(|set| Set::parse(set).unwrap_or_else(|found| panic!("{found:#?}")))
        .collect();
    load("plan.yaml", PLAN.as_bytes(), &sets)
}

fn plan(sets: &[&str]) -> Plan {
    let loaded = with(sets);
    loaded
        .plan
        .unwrap_or_else(|| panic!("{:#?}", loaded.diagnostics))
}

fn refused(text: &str) -> Vec<Diagnostic> {
    Set::parse(text).expect_err("it is not an override")
}

#[test]
fn an_override_takes_the_place_of_a_key() {
    let plan = plan(&[
        "memory.converge.rounds=3",
        "memory.strategy=auto",
        "gate=none",
        "to.agent=\"[::1]:7420\"",
        "name=web",
        "haul={pid: {pidfile: /run/web.pid}}",
        "files=[none]",
        "retry.attempts=5",
        "retry.attempts=7",
    ]);
    assert_eq!(plan.memory.converge.rounds, 3);
    assert_eq!(plan.name, "web");
    assert_eq!(plan.retry.attempts, 7, "the last one counts");
    assert_eq!(plan.files, [FileSet::None]);
    let phaul_core::plan::Haul::Pid(pid) = plan.haul else {
        panic!("the hauler is another")
    };
    assert_eq!(pid.root, PidSource::Pidfile("/run/web.pid".into()));
}

#[test]
fn what_is_set_is_marked_as_set() {
    let loaded = with(&["retry.attempts=5"]);
    assert!(loaded.settings.has("retry.attempts") && loaded.settings.has("gate"));
    assert!(!loaded.settings.has("retry.backoff"));
    let shown = phaul_planner::render::plan_human(&loaded);
    let line = |key: &str| {
        shown
            .lines()
            .find(|line| line.contains(key))
            .expect("it is shown")
    };
    assert!(line("attempts:").ends_with("# --set"));
    assert!(line("backoff:").ends_with("# default"));
    assert_eq!(line("gate:"), "gate: ask");
}

#[test]
fn findings_name_the_option_in_place_of_a_line() {
    let loaded = with(&["memory.stratgy=auto", "retry.attempts=many"]);
    assert!(loaded.plan.is_none());
    let codes: Vec<&str> = loaded.diagnostics.iter().map(Diagnostic::code).collect();
    assert_eq!(codes, ["unknown-key", "wrong-type"]);
    for found in &loaded.diagnostics {
        assert_eq!((found.file(), found.position()), ("--set", None));
    }
    insta::assert_snapshot!(human(&loaded.diagnostics, false), @r"
    error[unknown-key]: `memory` has no key `stratgy`
     |
     | --set memory.stratgy=auto
     |              ^^^^^^^ unknown key
     |
     = help: did you mean `strategy`? the keys here are `strategy`, `tracker`, `restore`, `converge`

    error[wrong-type]: `retry.attempts` must be a whole number from 1 to 1000, not text
     |
     | --set retry.attempts=many
     |                      ^^^^ this is text
    ");
    let json: serde_json::Value = serde_json::from_str(&json(&loaded.diagnostics)).expect("JSON");
    assert_eq!(json[0]["file"], "--set");
    assert_eq!(json[0]["line"], serde_json::Value::Null);
    assert!(github(&loaded.diagnostics).starts_with("::error title=unknown-key::--set: `memory`"));
    assert!(sarif(&loaded.diagnostics).contains("logicalLocations"));
}

#[test]
fn an_override_and_the_plan_can_contradict_each_other() {
    let loaded = with(&["haul.pid.pidfile=/run/web.pid"]);
    assert_eq!(loaded.diagnostics.len(), 1);
    let shown = human(&loaded.diagnostics, false);
    assert!(
        shown.contains("--set haul.pid.pidfile=") && shown.contains("plan.yaml:2:"),
        "{shown}"
    );
}

#[test]
fn an_override_needs_a_way_to_its_key() {
    let loaded = with(&["gate.wait=5s"]);
    assert_eq!(loaded.diagnostics[0].code(), "bad-override");
    assert!(loaded.diagnostics[0].message.contains("`gate` has no keys"));
}

#[test]
fn what_is_no_override_is_refused() {
    for text in ["", "gate", "=x", "a..b=x", ".a=x", "a.=x"] {
        let found = refused(text);
        assert_eq!(found[0].code(), "bad-override", "{text:?}");
        assert_eq!(found[0].file(), "--set");
    }
    assert!(refused("gate=")[0].message.contains("has no value"));
    assert_eq!(refused("gate=[ask")[0].code(), "yaml-syntax");
    let unquoted = refused("to.agent=[::1]:7420");
    assert!(
        unquoted[0]
            .help
            .as_deref()
            .is_some_and(|help| help.contains("quotes"))
    );
    assert_eq!(refused("gate=!x ask")[0].code(), "yaml-tag");
}
