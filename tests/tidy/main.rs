//! The house's rules as tests over the tree: who imports whom, how long files are, what pure
//! code may not touch, which invariants are cited.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::{Path, PathBuf};

/// The longest file, in lines.
const LINES_MAX: usize = 400;

/// Files that are longer, with the reason. Empty it, do not fill it.
const LONGER: &[(&str, &str)] = &[];

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn sources(beneath: &str) -> Vec<(String, String)> {
    fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join(beneath), &mut found);
    found.sort();
    assert!(!found.is_empty(), "there are no sources in {beneath}");
    found
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(root()).unwrap().display().to_string();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect()
}

fn everything() -> Vec<(String, String)> {
    ["core", "planner", "transports", "haulers", "src", "tests"]
        .iter()
        .flat_map(|dir| sources(dir))
        .collect()
}

#[test]
fn files_are_short_enough_to_read_at_once() {
    let long: Vec<String> = everything()
        .iter()
        .filter(|(name, text)| {
            text.lines().count() > LINES_MAX && !LONGER.iter().any(|(known, _)| known == name)
        })
        .map(|(name, text)| format!("{name}: {} lines", text.lines().count()))
        .collect();
    assert!(long.is_empty(), "too long:\n{}", long.join("\n"));
}

#[test]
fn imports_run_one_way() {
    let crates = ["planner", "transports", "haulers"];
    for one in ["core", "planner", "transports", "haulers"] {
        for other in crates.iter().filter(|other| **other != one) {
            let import = format!("phaul_{other}");
            for (name, text) in sources(&format!("{one}/src")) {
                assert!(!text.contains(&import), "{name} imports {import}");
            }
        }
    }
}

#[test]
fn pure_code_knows_no_world() {
    let forbidden = [
        "tokio",
        "std::fs",
        "std::net",
        "std::time",
        "std::env",
        "std::process",
        "jiff",
        "tracing",
        "async fn",
        "crate::executor",
        "crate::journal",
    ];
    for beneath in ["core/src/machine", "core/src/graph"] {
        for (name, text) in sources(beneath) {
            for word in forbidden {
                assert!(!text.contains(word), "{name} mentions {word}");
            }
        }
    }
}

#[test]
fn names_say_what_a_file_is_for() {
    let vague = ["utils.rs", "util.rs", "helpers.rs", "common.rs", "misc.rs"];
    for (name, _) in everything() {
        let file = name.rsplit('/').next().unwrap();
        assert!(!vague.contains(&file), "{name} says nothing");
    }
}

#[test]
fn unsafe_code_is_in_few_places_that_say_why() {
    for (name, text) in everything() {
        let code = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        let has_unsafe = code.clone().any(|line| line.contains("unsafe {"));
        if has_unsafe && !name.starts_with("tests/tidy") {
            assert!(
                text.contains("SAFETY:"),
                "{name} does not say why it is safe"
            );
            assert!(
                text.contains("unsafe_code"),
                "{name} does not expect unsafe code"
            );
        }
    }
}

#[test]
fn every_invariant_is_cited_by_the_tests() {
    let tests: String = sources("tests")
        .into_iter()
        .filter(|(name, _)| !name.starts_with("tests/tidy"))
        .map(|(_, text)| text)
        .collect();
    for invariant in ["I1", "I2", "I3", "I4", "I5"] {
        assert!(tests.contains(invariant), "no test cites {invariant}");
    }
}

#[test]
fn nothing_is_left_to_be_done_later() {
    for (name, text) in everything() {
        if name.starts_with("tests/tidy") {
            continue;
        }
        for word in ["TODO", "FIXME", "XXX", "todo!(", "unimplemented!("] {
            assert!(!text.contains(word), "{name} has a {word}");
        }
    }
}
