//! Texts that mean harm, or no plan at all: always an answer, within a second, never a panic.

use phaul_planner::diagnostic::{github, human, json, sarif};
use phaul_planner::{Loaded, Set, TEXT_MAX, load, read};
use proptest::prelude::*;
use std::time::{Duration, Instant};

/// Loads it and renders every finding. Generous: the machine may be busy.
fn answer(text: &[u8]) -> Loaded {
    let start = Instant::now();
    let loaded = load("hostile.yaml", text, &[]);
    let shown = human(&loaded.diagnostics, false);
    for rendered in [
        shown.as_str(),
        &json(&loaded.diagnostics),
        &github(&loaded.diagnostics),
        &sarif(&loaded.diagnostics),
    ] {
        let acts = |character: char| character.is_control() && character != '\n';
        assert!(
            !rendered.contains(acts),
            "{:?}",
            &rendered[..rendered.len().min(400)]
        );
    }
    assert!(shown.lines().all(|line| line.chars().count() < 2_000));
    let spent = start.elapsed();
    assert!(spent < Duration::from_secs(5), "it took {spent:?}");
    assert_eq!(loaded.plan.is_none(), loaded.has_errors());
    loaded
}

/// The code of the only finding.
fn only(text: &[u8]) -> &'static str {
    let loaded = answer(text);
    assert_eq!(loaded.diagnostics.len(), 1, "{:#?}", loaded.diagnostics);
    loaded.diagnostics[0].code()
}

fn bomb(levels: usize) -> String {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..=levels {
        let before = format!("*a{},", level - 1).repeat(10);
        text.push_str(&format!("a{level}: &a{level} [{before}]\n"));
    }
    text
}

#[test]
fn texts_that_grow_are_stopped() {
    let cases = [
        bomb(9),
        "[".repeat(100_000),
        "{a: ".repeat(100_000),
        "- ".repeat(100_000),
        "? ".repeat(100_000),
        format!("{}{}", "[".repeat(33), "]".repeat(33)),
        format!("x: &x y\nz: [{}]\n", "*x,".repeat(65)),
        format!("x: [{}]\n", "a,".repeat(10_001)),
        "- x\n".repeat(200_000),
        "a: [&a [*a]]".to_owned(),
    ];
    for text in cases {
        let found = only(text.as_bytes());
        let what: String = text.chars().take(20).collect();
        assert!(
            ["yaml-limit", "yaml-syntax"].contains(&found),
            "{what}: {found}"
        );
    }
}

#[test]
fn large_values_and_many_findings_are_shown() {
    let scalar = "x".repeat(TEXT_MAX - 100);
    for text in [
        format!("name: {scalar}"),
        format!("name: \"{scalar}\""),
        format!("gate: {scalar}"),
        format!("retry: {{ attempts: {} }}", "9".repeat(1 << 19)),
        format!(
            "memory: {{ converge: {{ within: {}s }} }}",
            "9".repeat(1 << 19)
        ),
        format!("{scalar}: x"),
        format!("x: |\n{}", " line\n".repeat(100_000)),
        (0..400).map(|number| format!("key{number}: x\n")).collect(),
        "gate: none\n".repeat(400),
        format!("{{{}}}", "gate: none, ".repeat(400)),
    ] {
        assert!(!answer(text.as_bytes()).diagnostics.is_empty());
    }
}

#[test]
fn what_is_no_text_is_refused_as_such() {
    let utf16: Vec<u8> = "version: 1\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    assert_eq!(
        only(&[&[0xff, 0xfe], utf16.as_slice()].concat()),
        "plan-not-text"
    );
    assert_eq!(only(&utf16), "plan-not-text");
    assert_eq!(only(b"version: 1\xff\n"), "plan-not-text");
    assert_eq!(only(b"version: 1\0\n"), "plan-not-text");
    assert_eq!(only(b"name: \x1b[31mred\n"), "plan-not-text");
    assert_eq!(only(b"\x7fELF\x02\x01\x01\0\0\0"), "plan-not-text");
    assert_eq!(only("name: \u{9b}31m\n".as_bytes()), "plan-not-text");
    assert_eq!(only(&vec![b'x'; TEXT_MAX + 1]), "plan-too-large");
    for empty in ["", "\n\n", "# only a comment\n", "---\n", "~", "\u{feff}"] {
        assert_eq!(only(empty.as_bytes()), "plan-empty", "{empty:?}");
    }
}

#[test]
fn a_byte_that_is_not_text_is_found() {
    let loaded = answer(b"version: 1\nname: \xc3\xa9\xff\n");
    assert_eq!(loaded.diagnostics[0].position(), Some((2, 8)));
    let loaded = answer("version: 1\nname: é\u{8}\n".as_bytes());
    assert_eq!(loaded.diagnostics[0].position(), Some((2, 8)));
}

#[test]
fn escapes_in_quotes_reach_no_terminal_and_no_command() {
    let text = b"version: 1
name: \"a\\e[31m\"
haul: { pid: { pidfile: \"/run/\\0\" } }
to: { agent: b:7420, identity: \"b\\nc\" }
hooks: { source: { freeze: { before: [[\"drain\\0\"]] }, \"\\e[31m\": { \"\\e[32m\": [] } } }
\"\\u202ekey\": x
";
    let loaded = answer(text);
    let codes: Vec<&str> = loaded
        .diagnostics
        .iter()
        .map(|found| found.code())
        .collect();
    assert_eq!(
        codes,
        [
            "bad-value",
            "bad-value",
            "bad-value",
            "bad-value",
            "unknown-state",
            "unknown-key",
            "unknown-key"
        ]
    );
}

#[test]
fn a_byte_order_mark_and_carriage_returns_are_no_harm() {
    let plan = "\u{feff}version: 1\r\nhaul: { pid: { pid: 4242 } }\r\nto: { agent: b:7420, identity: b }\r\n";
    let loaded = answer(plan.as_bytes());
    assert!(loaded.plan.is_some(), "{:#?}", loaded.diagnostics);
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let folder = tempfile::tempdir().expect("there is room");
    let missing = folder.path().join("no.yaml");
    let found = read(&missing).expect_err("it is not there");
    assert_eq!(found.code(), "plan-unreadable");
    assert_eq!(found.file(), missing.display().to_string());
    assert!(found.message.contains("no such file"));
    let found = read(folder.path()).expect_err("it is a directory");
    assert!(found.message.contains("directory"));
    // A device without end is read no further than a plan may be.
    let endless = read("/dev/zero").expect("it can be read");
    assert_eq!(only(&endless), "plan-too-large");
}

#[test]
fn the_name_of_a_file_becomes_the_name_of_a_plan() {
    let plan = b"version: 1\nhaul: { pid: { pid: 4242 } }\nto: { agent: b:7420, identity: b }\n";
    for (file, name) in [
        ("/etc/phaul/web-to-b.yaml", "web-to-b"),
        ("my plan.yaml", "my-plan"),
        ("-", "plan"),
        ("", "plan"),
        ("..", "plan"),
        ("\u{1b}[31m.yaml", "--31m"),
    ] {
        let loaded = load(file, plan, &[]);
        assert_eq!(loaded.plan.expect("it is a plan").name, name, "{file:?}");
    }
}

/// Pieces of plans, so that chance comes further than the first byte.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("version: 1\n".to_owned()),
        Just("haul: { pid: { pid: 4242 } }\n".to_owned()),
        Just("to: { agent: b:7420, identity: b }\n".to_owned()),
        Just("memory:\n  converge: { rounds: ".to_owned()),
        Just("hooks: { source: { freeze: { before: ".to_owned()),
        Just("files:\n  - ".to_owned()),
        Just("checks: { waive: [".to_owned()),
        Just("&a ".to_owned()),
        Just("*a ".to_owned()),
        Just("!t ".to_owned()),
        Just("---\n".to_owned()),
        "[\\[\\]{},:\\n \\-'\"|>#&*!?%@~]{1,6}",
        "[a-z0-9_.]{1,8}",
        "\\PC{1,4}",
    ];
    prop::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn random_bytes_have_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        answer(&bytes);
    }

    #[test]
    fn random_text_has_an_answer(text in "\\PC{0,200}") {
        answer(text.as_bytes());
    }

    #[test]
    fn pieces_of_plans_have_an_answer(text in pieces()) {
        answer(text.as_bytes());
    }

    #[test]
    fn random_overrides_have_an_answer(text in "[a-z.]{0,20}(=\\PC{0,20})?") {
        let plan = b"version: 1\nhaul: { pid: { pid: 4242 } }\nto: { agent: b:7420, identity: b }\n";
        match Set::parse(&text) {
            Ok(set) => {
                let loaded = load("plan.yaml", plan, &[set]);
                human(&loaded.diagnostics, true);
                prop_assert_eq!(loaded.plan.is_none(), loaded.has_errors());
            }
            Err(found) => {
                human(&found, true);
                prop_assert!(!found.is_empty());
            }
        }
    }
}
