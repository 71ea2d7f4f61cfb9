//! A second opinion: another YAML reader must read the same values.

use super::{Node, NodeKind, parse, reads_plain};
use crate::diagnostic::Report;
use crate::source::Source;
use serde_yaml::{Mapping, Number, Value};
use std::fs;
use std::path::Path;

/// The text as we read it; none when something is wrong with it.
fn ours(text: &str) -> Option<Node> {
    let mut report = Report::default();
    let node = parse(&Source::file("plan.yaml", text), &mut report);
    node.filter(|_| !report.has_errors())
}

fn value(node: &Node) -> Value {
    match &node.kind {
        NodeKind::Null => Value::Null,
        NodeKind::Flag(flag) => Value::Bool(*flag),
        NodeKind::Whole(number) => match (i64::try_from(*number), u64::try_from(*number)) {
            (Ok(number), _) => Value::Number(Number::from(number)),
            (_, Ok(number)) => Value::Number(Number::from(number)),
            _ => {
                let number: f64 = node.place.text().parse().expect("it is a number");
                Value::Number(Number::from(number))
            }
        },
        NodeKind::Float => {
            let text = node.place.text();
            let number = match text.trim_start_matches(['+', '-']) {
                ".inf" => f64::INFINITY,
                ".nan" => f64::NAN,
                _ => text.parse().expect("it is a number"),
            };
            let sign = if text.starts_with("-.") { -1.0 } else { 1.0 };
            Value::Number(Number::from(sign * number))
        }
        NodeKind::Text(text) => Value::String(text.clone()),
        NodeKind::List(items) => Value::Sequence(items.iter().map(value).collect()),
        NodeKind::Map(entries) => {
            let mut map = Mapping::new();
            for entry in entries {
                let key = match ours(&entry.key) {
                    Some(key) if !matches!(key.kind, NodeKind::Map(_)) => value(&key),
                    _ => Value::String(entry.key.clone()),
                };
                map.insert(key, value(&entry.value));
            }
            Value::Mapping(map)
        }
    }
}

fn agree(text: &str) {
    let Some(node) = ours(text) else {
        panic!("it is refused: {text}")
    };
    let theirs: Value = serde_yaml::from_str(text).expect("they read it too");
    assert_eq!(value(&node), theirs, "{text}");
}

fn texts(folder: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let files = fs::read_dir(folder).expect("the folder is there");
    let mut found = Vec::new();
    for file in files {
        let path = file.expect("its entries can be read").path();
        let text = fs::read_to_string(&path).expect("it can be read");
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("yaml") => found.push(text),
            Some("md") => found.extend(
                text.split("```yaml")
                    .skip(1)
                    .filter_map(|rest| rest.split("\n```").next())
                    .map(|block| block.trim_start_matches(" whole").to_owned()),
            ),
            _ => {}
        }
    }
    found
}

#[test]
fn every_plan_means_the_same_to_another_reader() {
    let mut compared = 0;
    for text in texts("../plans").into_iter().chain(texts("tests/plans")) {
        if ours(&text).is_some() {
            agree(&text);
            compared += 1;
        }
    }
    assert!(compared > 30, "only {compared} plans could be compared");
}

/// Scalars that YAML 1.1, YAML 1.2 and readers of either take for different things.
const AMBIGUOUS: &[&str] = &[
    "no",
    "yes",
    "on",
    "off",
    "y",
    "True",
    "FALSE",
    "tRue",
    "null",
    "Null",
    "~",
    "0755",
    "-007",
    "0x1F",
    "0o17",
    "1_000",
    "1e3",
    "1.5",
    ".5",
    "5.",
    "-.inf",
    "+1",
    "-5",
    "0",
    "-0",
    "1e",
    "e1",
    ".",
    "--",
    "1.2.3",
    "10%",
    "1s..30s",
    "300ms",
    "1:30",
    "=",
    "<<x",
    "0.0",
    "00",
    "0_0",
    "+",
    "++1",
    "1-1",
    "0x",
    "0o9",
    "inf",
    "nan",
    "'5'",
    "\"no\"",
    "2026-11-24",
    "18446744073709551615",
    "b:7420",
    "a#b",
    "é",
];

const SHAPES: &[&str] = &[
    "a: |\n  x\n  y\n",
    "a: >-\n  x\n  y\n\n  z\n",
    "a: one\n  two\n",
    "a: {b: [c, {d: e}], 'f': \"g\\n\\u00e9\"}\n",
    "a: &x [1]\nb: *x\n",
    "a:\n- b\n-\n",
    "? a\n: b\n",
    "a: \"x\\\n  y\"\n",
];

#[test]
fn scalars_that_readers_disagree_about_are_read_as_usual() {
    for scalar in AMBIGUOUS {
        agree(&format!("key: {scalar}\n"));
    }
    for text in SHAPES {
        agree(text);
    }
}

#[test]
fn text_without_quotes_is_text_to_both() {
    for text in ["web", "/srv/web", "a-b.c_d", "x0x1"] {
        assert!(reads_plain(text));
        agree(&format!("key: {text}\n"));
    }
}

#[test]
fn places_are_those_of_the_text() {
    let text = "a: é\nb:\n  - c: [d,\n      e]\n# comment\n";
    let node = ours(text).expect("it is YAML");
    let NodeKind::Map(entries) = &node.kind else {
        panic!("it is a mapping")
    };
    let list = &entries[1].value;
    assert_eq!(list.place.text(), "- c: [d,\n      e]");
    assert_eq!((list.place.span.line, list.place.span.column), (3, 3));
    assert_eq!(entries[1].place.text(), "b");
}
