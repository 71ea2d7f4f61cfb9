//! Diagnostics for scripts. The keys are a contract.

use super::Diagnostic;
use serde::Serialize;

#[derive(Serialize)]
struct Record<'d> {
    code: &'static str,
    severity: &'static str,
    file: &'d str,
    line: Option<usize>,
    column: Option<usize>,
    message: &'d str,
    help: Option<&'d str>,
}

/// A JSON list with one object for each diagnostic.
pub fn json(diagnostics: &[Diagnostic]) -> String {
    let records: Vec<Record<'_>> = diagnostics.iter().map(record).collect();
    // Serialising plain data with string keys cannot fail.
    let mut out = serde_json::to_string_pretty(&records).unwrap_or_default();
    out.push('\n');
    out
}

fn record(diagnostic: &Diagnostic) -> Record<'_> {
    let position = diagnostic.position();
    Record {
        code: diagnostic.code(),
        severity: diagnostic.severity().name(),
        file: diagnostic.file(),
        line: position.map(|(line, _)| line),
        column: position.map(|(_, column)| column),
        message: &diagnostic.message,
        help: diagnostic.help.as_deref(),
    }
}
