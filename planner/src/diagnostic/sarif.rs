//! Diagnostics as SARIF 2.1.0, for tools that collect findings.

use super::{Diagnostic, Rule, Severity};
use crate::source::SourceKind;
use serde_json::{Value, json};

/// A SARIF log with one run.
pub fn sarif(diagnostics: &[Diagnostic]) -> String {
    let mut rules: Vec<&'static Rule> = diagnostics.iter().map(|found| found.rule).collect();
    rules.sort_by_key(|rule| rule.code);
    rules.dedup_by_key(|rule| rule.code);
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {
                "driver": {
                    "name": "phaul",
                    "version": env!("CARGO_PKG_VERSION"),
                    "rules": rules.iter().map(|rule| describe(rule)).collect::<Vec<_>>(),
                },
            },
            "columnKind": "unicodeCodePoints",
            "results": diagnostics.iter().map(|found| result(found, &rules)).collect::<Vec<_>>(),
        }],
    });
    format!("{log:#}\n")
}

fn describe(rule: &Rule) -> Value {
    json!({
        "id": rule.code,
        "shortDescription": { "text": rule.means },
        "fullDescription": { "text": rule.why },
        "defaultConfiguration": { "level": level(rule.severity) },
    })
}

fn result(diagnostic: &Diagnostic, rules: &[&Rule]) -> Value {
    let text = match &diagnostic.help {
        Some(help) => format!("{}\n{help}", diagnostic.message),
        None => diagnostic.message.clone(),
    };
    let index = rules.iter().position(|rule| rule.code == diagnostic.code());
    json!({
        "ruleId": diagnostic.code(),
        "ruleIndex": index,
        "level": level(diagnostic.severity()),
        "message": { "text": text },
        "locations": locations(diagnostic),
    })
}

/// An option of the command line is no artifact, so it has a name in place of a location.
fn locations(diagnostic: &Diagnostic) -> Value {
    if diagnostic.origin.kind() == SourceKind::Option {
        return json!([{
            "logicalLocations": [{ "name": diagnostic.file(), "kind": "parameter" }],
        }]);
    }
    let mut region = json!({});
    if let Some((line, column)) = diagnostic.position() {
        region = json!({ "startLine": line, "startColumn": column });
    }
    json!([{
        "physicalLocation": {
            "artifactLocation": { "uri": uri(diagnostic.file()) },
            "region": region,
        },
    }])
}

/// A path as the path of a URI.
fn uri(path: &str) -> String {
    let mut out = String::new();
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}
