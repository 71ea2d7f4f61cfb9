//! What people and programs see of findings, plans and graphs.

use phaul_planner::diagnostic::{Diagnostic, codes, github, human, json, sarif};
use phaul_planner::render::{Format, plan_human, plan_json, render};
use phaul_planner::{Loaded, load};
use serde_json::Value;
use std::collections::BTreeSet;

const NEEDED: &str = "\
version: 1
haul: { pid: { pid: 4242 } }
to: { agent: 10.77.0.2:7420, identity: b }
";

/// A plan with these lines in place of those that every plan needs.
fn plan(lines: &str) -> Loaded {
    let has = |key: &str| lines.lines().any(|line| line.starts_with(key));
    let needed: Vec<&str> = NEEDED
        .lines()
        .filter(|line| !has(line.split(' ').next().unwrap_or_default()))
        .collect();
    let text = format!("{lines}\n{}\n", needed.join("\n"));
    load("plan.yaml", text.as_bytes(), &[])
}

fn shown(lines: &str) -> String {
    human(&plan(lines).diagnostics, false)
}

#[test]
fn a_misspelt_key() {
    insta::assert_snapshot!(shown("memory:\n  stratgy: auto"));
}

#[test]
fn a_key_that_stands_twice() {
    insta::assert_snapshot!(shown("gate: none\nretry: { attempts: 5 }\ngate: ask"));
}

#[test]
fn a_quantity_without_a_unit() {
    insta::assert_snapshot!(shown("memory: { converge: { downtime: 300 } }"));
}

#[test]
fn a_value_over_several_lines() {
    insta::assert_snapshot!(shown(
        "haul:\n  pid:\n    shell_job: true\n  runc:\n    id: web"
    ));
}

#[test]
fn a_missing_key_of_the_whole_plan() {
    let found = load(
        "plan.yaml",
        b"version: 1\nto: { agent: b:7420, identity: b }\n",
        &[],
    );
    insta::assert_snapshot!(human(&found.diagnostics, false));
}

#[test]
fn a_long_line_with_colour() {
    let line = format!(
        "name: web # {}\nkeep: {} # x",
        "é".repeat(300),
        "y".repeat(300)
    );
    let found = plan(&line).diagnostics;
    insta::assert_snapshot!(human(&found, false));
    assert!(human(&found, true).contains("\u{1b}["));
}

#[test]
fn a_warning() {
    insta::assert_snapshot!(shown("checks: { waive: [kernal] }"));
}

#[test]
fn findings_for_scripts_have_the_keys_of_the_contract() {
    let found = plan("memory: { stratgy: auto }\nchecks: { waive: [kernal] }").diagnostics;
    let list: Vec<Value> = serde_json::from_str(&json(&found)).expect("it is JSON");
    for record in &list {
        let keys: BTreeSet<&str> = record
            .as_object()
            .expect("it is an object")
            .keys()
            .map(String::as_str)
            .collect();
        let expected = [
            "code", "severity", "file", "line", "column", "message", "help",
        ];
        assert_eq!(keys, BTreeSet::from(expected));
    }
    assert_eq!(list[0]["code"], "unknown-key");
    assert_eq!(list[0]["severity"], "error");
    assert_eq!(list[0]["file"], "plan.yaml");
    assert_eq!(
        (&list[0]["line"], &list[0]["column"]),
        (&1.into(), &11.into())
    );
    assert_eq!(list[1]["severity"], "warning");
    assert_eq!(json(&[]), "[]\n");
}

#[test]
fn findings_for_github_stay_on_one_line() {
    let found = load("a,b:c.yaml", b"name: \"100%\"\n", &[]).diagnostics;
    let lines = github(&found);
    assert_eq!(lines.lines().count(), found.len());
    let first = lines.lines().next().expect("there is one");
    assert!(first.starts_with("::error file=a%2Cb%3Ac.yaml,line=1,col=1,title=missing-key::"));
    assert!(lines.contains("cannot be `100%25`"));
}

#[test]
fn findings_for_collectors_are_sarif() {
    let found = plan("memory: { stratgy: auto, trackr: auto }").diagnostics;
    let log: Value = serde_json::from_str(&sarif(&found)).expect("it is JSON");
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    assert_eq!(run["tool"]["driver"]["name"], "phaul");
    assert_eq!(
        run["tool"]["driver"]["rules"].as_array().map(Vec::len),
        Some(1)
    );
    assert_eq!(run["results"].as_array().map(Vec::len), Some(2));
    let result = &run["results"][0];
    assert_eq!(result["ruleId"], "unknown-key");
    assert_eq!(result["level"], "error");
    let location = &result["locations"][0]["physicalLocation"];
    assert_eq!(location["artifactLocation"]["uri"], "plan.yaml");
    assert_eq!(location["region"]["startColumn"], 11);
}

#[test]
fn every_code_is_explained_and_its_example_has_it() {
    let mut seen = BTreeSet::new();
    for rule in codes::all() {
        let kebab = |word: &str| {
            word.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'-')
        };
        assert!(kebab(rule.code) && seen.insert(rule.code), "{}", rule.code);
        assert!(
            rule.means.ends_with('.') && rule.why.ends_with('.'),
            "{}",
            rule.code
        );
        if !rule.example.is_empty() {
            let found = plan(rule.example).diagnostics;
            let codes: Vec<&str> = found.iter().map(Diagnostic::code).collect();
            assert!(codes.contains(&rule.code), "{}: {codes:?}", rule.code);
        }
    }
}

#[test]
fn the_effective_plan() {
    let loaded = plan("name: web\ngate: ask\nretry: { attempts: 5 }");
    insta::assert_snapshot!(plan_human(&loaded));
    let json: Value = serde_json::from_str(&plan_json(&loaded)).expect("it is JSON");
    assert_eq!(json["plan"]["retry"]["attempts"], 5);
    assert_eq!(json["states"]["target"][4], "prepared");
    let set: Vec<&str> = json["set"]
        .as_array()
        .expect("it is a list")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert!(set.contains(&"retry.attempts") && !set.contains(&"retry.backoff"));
    for made in json["resources"].as_array().expect("it is a list") {
        assert!(
            made["undone_by"]
                .as_array()
                .is_some_and(|by| !by.is_empty()),
            "{made}"
        );
    }
}

#[test]
fn no_plan_is_no_text() {
    let loaded = plan("gate: asks");
    assert_eq!(plan_human(&loaded), "");
    assert_eq!(plan_json(&loaded), "null\n");
}

#[test]
fn graphs_have_every_state_in_every_format() {
    let loaded = plan("gate: ask");
    let graphs = loaded.graphs.expect("it compiles");
    for format in Format::ALL {
        let text = render(&graphs, *format);
        for node in graphs.source.nodes().iter().chain(graphs.target.nodes()) {
            assert!(text.contains(node.state.name()), "{format}: {}", node.state);
        }
        assert_eq!(format.name().parse(), Ok(*format));
    }
    assert!("png".parse::<Format>().is_err());
    insta::assert_snapshot!("graphs_as_text", render(&graphs, Format::Text));
    insta::assert_snapshot!("graphs_as_dot", render(&graphs, Format::Dot));
    insta::assert_snapshot!("graphs_as_mermaid", render(&graphs, Format::Mermaid));
    let json: Value = serde_json::from_str(&render(&graphs, Format::Json)).expect("it is JSON");
    for side in ["source", "target"] {
        assert_eq!(json[side]["side"], side);
        assert_eq!(json[side]["digest"].as_str().map(str::len), Some(64));
        assert_eq!(json[side]["nodes"][0]["phase"], "before");
    }
}
