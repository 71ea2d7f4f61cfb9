//! Texts that were read, and places in them.

use std::ops::Range;
use std::sync::Arc;

/// A text with the name under which it is shown: a plan's file, or an option of the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    name: String,
    text: String,
    kind: SourceKind,
}

/// Where a text comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceKind {
    /// A file: its lines have numbers.
    File,
    /// The value of an option such as `--set`: it has no lines.
    Option,
}

impl Source {
    /// The text of a file.
    pub fn file(name: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        Arc::new(Self {
            name: name.into(),
            text: text.into(),
            kind: SourceKind::File,
        })
    }

    /// The value of an option, under the option's name.
    pub fn option(name: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        Arc::new(Self {
            name: name.into(),
            text: text.into(),
            kind: SourceKind::Option,
        })
    }

    /// The name of the file or of the option.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where it comes from.
    pub fn kind(&self) -> SourceKind {
        self.kind
    }
}

/// A stretch of a text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Span {
    /// The line in which it begins; the first is 1.
    pub line: usize,
    /// The character of that line at which it begins; the first is 1.
    pub column: usize,
    /// The bytes of the text.
    pub bytes: Range<usize>,
}

impl Span {
    /// The span of these bytes, lines and characters counted from the start of the text.
    pub fn count(text: &str, bytes: Range<usize>) -> Self {
        let before = text.get(..bytes.start).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            bytes,
        }
    }
}

/// A stretch of one of the texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The text.
    pub source: Arc<Source>,
    /// The stretch.
    pub span: Span,
}

impl Place {
    /// What is written there.
    pub fn text(&self) -> &str {
        self.source
            .text()
            .get(self.span.bytes.clone())
            .unwrap_or_default()
    }

    /// Whether it goes over more than one line.
    pub fn has_lines(&self) -> bool {
        self.text().trim_end().contains('\n')
    }
}
