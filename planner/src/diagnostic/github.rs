//! Diagnostics as workflow commands of GitHub Actions, which shows them in the diff.

use super::{Diagnostic, visible};
use std::fmt::Write;

/// One line for each diagnostic.
pub fn github(diagnostics: &[Diagnostic]) -> String {
    let mut out = String::new();
    for diagnostic in diagnostics {
        // Writing into a string cannot fail.
        let _ = writeln!(out, "{}", line(diagnostic));
    }
    out
}

fn line(diagnostic: &Diagnostic) -> String {
    let mut properties = Vec::new();
    if let Some((line, column)) = diagnostic.position() {
        properties.push(format!("file={}", property(diagnostic.file())));
        properties.push(format!("line={line}"));
        properties.push(format!("col={column}"));
    }
    properties.push(format!("title={}", diagnostic.code()));
    let mut text = match diagnostic.position() {
        Some(_) => diagnostic.message.clone(),
        None => format!("{}: {}", diagnostic.file(), diagnostic.message),
    };
    if let Some(help) = &diagnostic.help {
        text = format!("{text}\n{help}");
    }
    let properties = properties.join(",");
    format!("::{} {properties}::{}", diagnostic.severity(), data(&text))
}

/// The message: percent signs and line ends are escaped, or it would end early.
fn data(text: &str) -> String {
    let lines: Vec<String> = text
        .split('\n')
        .map(|line| line.chars().map(visible).collect::<String>())
        .map(|line| line.replace('%', "%25"))
        .collect();
    lines.join("%0A")
}

/// A property's value: what separates properties is escaped too.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
