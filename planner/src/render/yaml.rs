//! The effective plan as a plan: what is written is read as the same plan again.

use super::tree::{self, Shown};
use crate::yaml::reads_plain;
use phaul_core::plan::Plan;

/// A line of a plan, with its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) text: String,
    /// The key's path.
    pub(super) path: String,
    pub(super) does: Does,
}

/// What a line does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Does {
    /// It opens a section.
    Open,
    /// It sets the key.
    Set,
    /// Nothing: the key is left out.
    LeaveOut,
}

/// The plan with every key, in the order of the reference.
pub fn to_yaml(plan: &Plan) -> String {
    let mut out = String::new();
    for line in lines(plan)
        .iter()
        .filter(|line| line.does != Does::LeaveOut)
    {
        out.push_str(&line.text);
        out.push('\n');
    }
    out
}

/// The plan line by line.
pub(super) fn lines(plan: &Plan) -> Vec<Line> {
    let mut lines = Vec::new();
    if let Shown::Map(entries) = tree::plan(plan) {
        block(&entries, "", 0, &mut lines);
    }
    lines
}

fn block(entries: &[(String, Shown)], path: &str, depth: usize, lines: &mut Vec<Line>) {
    let indent = "  ".repeat(depth);
    for (key, value) in entries {
        let at = match path {
            "" => key.clone(),
            path => format!("{path}.{key}"),
        };
        let head = format!("{indent}{}:", scalar(key));
        match value {
            Shown::Map(entries) if !entries.is_empty() => {
                lines.push(line(head, &at, Does::Open));
                block(entries, &at, depth + 1, lines);
            }
            Shown::List(items) if items.iter().any(is_map) => {
                lines.push(line(head, &at, Does::Open));
                for (number, item) in items.iter().enumerate() {
                    let text = format!("{indent}  - {}", flow(item));
                    lines.push(line(text, &format!("{at}[{number}]"), Does::Set));
                }
            }
            Shown::Absent => lines.push(line(head, &at, Does::LeaveOut)),
            other => lines.push(line(format!("{head} {}", flow(other)), &at, Does::Set)),
        }
    }
}

fn line(text: String, path: &str, does: Does) -> Line {
    Line {
        text,
        path: path.to_owned(),
        does,
    }
}

fn is_map(shown: &Shown) -> bool {
    matches!(shown, Shown::Map(_))
}

/// A value on one line.
fn flow(shown: &Shown) -> String {
    match shown {
        Shown::Text(text) => scalar(text),
        Shown::Word(word) => word.clone(),
        Shown::Absent => "null".to_owned(),
        Shown::List(items) => {
            let items: Vec<String> = items.iter().map(flow).collect();
            format!("[{}]", items.join(", "))
        }
        Shown::Map(entries) if entries.is_empty() => "{}".to_owned(),
        Shown::Map(entries) => {
            let entries: Vec<String> = entries
                .iter()
                .filter(|(_, value)| *value != Shown::Absent)
                .map(|(key, value)| format!("{}: {}", scalar(key), flow(value)))
                .collect();
            format!("{{ {} }}", entries.join(", "))
        }
    }
}

/// Text that every YAML reader reads as this text.
fn scalar(text: &str) -> String {
    if reads_plain(text) {
        return text.to_owned();
    }
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            ' '..='~' => out.push(character),
            // Letters of any language stay readable; the rest is escaped.
            _ if character.is_alphanumeric() => out.push(character),
            _ => out.push_str(&escape(u32::from(character))),
        }
    }
    out.push('"');
    out
}

fn escape(code: u32) -> String {
    match code {
        0..=0xff => format!("\\x{code:02x}"),
        0x100..=0xffff => format!("\\u{code:04x}"),
        _ => format!("\\U{code:08x}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_quoted_where_a_reader_could_take_it_for_something_else() {
        for plain in ["web", "/srv/web-1/data_2", "a.b"] {
            assert_eq!(scalar(plain), plain);
        }
        for quoted in [
            "",
            "no",
            "On",
            "null",
            "~",
            "5",
            "1.5",
            "-",
            "- x",
            "a: b",
            "a #b",
            "*x",
            "0x1f",
            "10.0.0.1:80",
            "é",
            "a b",
        ] {
            assert_eq!(scalar(quoted), format!("\"{quoted}\""));
        }
        assert_eq!(scalar("\"\\\t\u{2028}"), r#""\"\\\x09\u2028""#);
    }
}
