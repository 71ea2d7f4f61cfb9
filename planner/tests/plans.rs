//! Plans as documents: the Markdown files beside this one are read as they are for people, and
//! their plans must have exactly the findings that their comments name.
//!
//! `# error: [code] "text"` or `# warning: …` stands on the line of the finding; the text is part
//! of its message, label or help. A block marked `yaml whole` is read as it is; to all others the
//! keys that every plan needs are added at the end.

use phaul_planner::diagnostic::Diagnostic;
use phaul_planner::{load, read};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

const NEEDED: [&str; 3] = [
    "version: 1\n",
    "haul: { pid: { pid: 4242 } }\n",
    "to: { agent: 10.77.0.2:7420, identity: b }\n",
];

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Expected {
    line: usize,
    severity: String,
    code: String,
    text: String,
}

struct Block {
    line: usize,
    text: String,
    whole: bool,
}

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(here(folder))
        .expect("the folder is there")
        .map(|entry| entry.expect("its entries can be read").path())
        .filter(|path| path.extension().is_some_and(|found| found == ending))
        .collect();
    found.sort();
    found
}

fn blocks(document: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut open: Option<Block> = None;
    for (number, line) in document.lines().enumerate() {
        match (&mut open, line.trim_end()) {
            (None, "```yaml" | "```yaml whole") => {
                open = Some(Block {
                    line: number + 1,
                    text: String::new(),
                    whole: line.ends_with("whole"),
                });
            }
            (Some(_), "```") => found.extend(open.take()),
            (Some(block), _) => writeln!(block.text, "{line}").expect("it is a string"),
            (None, _) => {}
        }
    }
    assert!(open.is_none(), "a block is not closed");
    found
}

/// The block with the keys that it lacks.
fn completed(block: &Block) -> String {
    let mut text = block.text.clone();
    for needed in NEEDED.iter().filter(|_| !block.whole) {
        let key = needed.split(':').next().expect("it has a key");
        let has = text
            .lines()
            .any(|line| line.starts_with(&format!("{key}:")));
        if !has {
            text.push_str(needed);
        }
    }
    text
}

fn expectations(text: &str) -> Vec<Expected> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for severity in ["error", "warning"] {
            let start = format!("# {severity}: [");
            for part in line.split(start.as_str()).skip(1) {
                let (code, rest) = part.split_once(']').expect("a code in brackets");
                let text = rest.split('"').nth(1).expect("a text in quotes");
                found.push(Expected {
                    line: number + 1,
                    severity: severity.to_owned(),
                    code: code.to_owned(),
                    text: text.to_owned(),
                });
            }
        }
    }
    found
}

fn meets(found: &Diagnostic, expected: &Expected) -> bool {
    let texts = [
        Some(found.message.as_str()),
        found.label.as_deref(),
        found.help.as_deref(),
    ];
    found.position().map(|(line, _)| line) == Some(expected.line)
        && found.code() == expected.code
        && found.severity().name() == expected.severity
        && texts
            .into_iter()
            .flatten()
            .any(|text| text.contains(&expected.text))
}

#[test]
fn every_plan_in_the_documents_has_the_findings_it_names() {
    let mut wrong = String::new();
    let mut met = BTreeSet::new();
    for file in files("tests/plans", "md") {
        let document = fs::read_to_string(&file).expect("it can be read");
        for block in blocks(&document) {
            let text = completed(&block);
            let mut found = load("plan.yaml", text.as_bytes(), &[]).diagnostics;
            for expected in expectations(&text) {
                match found.iter().position(|found| meets(found, &expected)) {
                    Some(at) => {
                        met.insert(found.remove(at).code());
                    }
                    None => writeln!(
                        wrong,
                        "{}:{}: not found: {expected:?}",
                        file.display(),
                        block.line + expected.line,
                    )
                    .expect("it is a string"),
                }
            }
            for found in found {
                let line = found.position().map_or(0, |(line, _)| block.line + line);
                let help = found.help.as_deref().unwrap_or_default();
                let name = file.display();
                let code = found.code();
                writeln!(wrong, "{name}:{line}: not named: [{code}] {found} ({help})")
                    .expect("it is a string");
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    assert!(met.len() >= 20, "only these codes are shown: {met:?}");
}

#[test]
fn every_example_loads_without_a_finding() {
    let examples = files("../plans", "yaml");
    assert!(examples.len() >= 4);
    for file in examples {
        let text = read(&file).expect("it can be read");
        let loaded = load(&file.display().to_string(), &text, &[]);
        assert!(loaded.diagnostics.is_empty(), "{:#?}", loaded.diagnostics);
        assert!(loaded.plan.is_some() && loaded.graphs.is_some());
    }
}

#[test]
fn the_list_of_examples_names_each_of_them() {
    let list = fs::read_to_string(here("../plans/README.md")).expect("it can be read");
    for file in files("../plans", "yaml") {
        let name = file.file_name().expect("it is a file").to_string_lossy();
        assert!(list.contains(&format!("({name})")), "{name}");
    }
}

/// The plan of the design parses; all that is wrong with it is what this version cannot do yet.
#[test]
fn the_whole_format_is_read_and_what_is_not_available_is_named() {
    let text = fs::read(here("tests/plans/design.yaml")).expect("it can be read");
    let loaded = load("design.yaml", &text, &[]);
    let found: Vec<(&str, &str)> = loaded
        .diagnostics
        .iter()
        .map(|found| {
            (
                found.code(),
                found.message.split('`').nth(1).unwrap_or_default(),
            )
        })
        .collect();
    let expected = ["verify[0]"];
    let expected: Vec<(&str, &str)> = expected.map(|key| ("not-available", key)).to_vec();
    assert_eq!(found, expected);
    assert!(loaded.plan.is_none());
}
