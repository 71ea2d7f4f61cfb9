//! YAML with places: the only module that knows which library reads it.
//!
//! serde stops at the first error and knows no places of mappings, so the plan is read from the
//! parser's events into a tree of our own, in which every key and value knows where it stands.

mod build;
mod scalar;

#[cfg(test)]
mod tests;

use crate::diagnostic::Report;
use crate::source::{Place, Source};
use std::sync::Arc;

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) kind: NodeKind,
    pub(crate) place: Place,
}

/// What a value is.
#[derive(Debug, Clone)]
pub(crate) enum NodeKind {
    Null,
    Flag(bool),
    Whole(i128),
    Float,
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key with its value. A key stands once in a mapping; its text is what is written.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) place: Place,
    pub(crate) value: Node,
}

impl Node {
    /// What it is, for messages.
    pub(crate) fn what(&self) -> &'static str {
        match self.kind {
            NodeKind::Null => "nothing",
            NodeKind::Flag(_) => "true or false",
            NodeKind::Whole(_) => "a whole number",
            NodeKind::Float => "a number with a fraction",
            NodeKind::Text(_) => "text",
            NodeKind::List(_) => "a list",
            NodeKind::Map(_) => "a mapping",
        }
    }

    /// The text, if it is text.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.kind {
            NodeKind::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// Reads the one document of a text. None when there is nothing in it, or when it cannot be read
/// and the report says why.
pub(crate) fn parse(source: &Arc<Source>, report: &mut Report) -> Option<Node> {
    build::document(source, source.text(), report)
}

/// Reads a value that stands in a text from byte `from` on; what is before it is passed over.
pub(crate) fn parse_rest(source: &Arc<Source>, from: usize, report: &mut Report) -> Option<Node> {
    let rest = source.text().get(from..)?;
    let padded = format!("{}{rest}", " ".repeat(from));
    build::document(source, &padded, report)
}

/// Whether the text, written without quotes, is read as this text again by every YAML reader.
pub(crate) fn reads_plain(text: &str) -> bool {
    scalar::is_safe_plain(text)
}
