//! What is wrong with a plan, as data: a code, a place, a message, a suggestion.

pub mod codes;
mod excerpt;
mod github;
mod human;
mod json;
mod rule;
mod sarif;
mod word;

pub use github::github;
pub use human::human;
pub use json::json;
pub(crate) use rule::rule;
pub use rule::{Rule, Severity};
pub use sarif::sarif;
pub(crate) use word::{alternatives, nearest, shown, visible};

use crate::source::{Place, Source, SourceKind, Span};
use std::cmp::Ordering;
use std::sync::Arc;

/// One thing that is wrong, or worth a look.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Diagnostic {
    /// The rule that is broken: code, severity, explanation.
    pub rule: &'static Rule,
    /// The text it is about.
    pub origin: Arc<Source>,
    /// The stretch of that text; none when it is about the whole of it.
    pub span: Option<Span>,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// A few words under the underlined text.
    pub label: Option<String>,
    /// What to do about it.
    pub help: Option<String>,
    /// Other places that matter.
    pub related: Vec<Related>,
}

/// Another place that matters to a diagnostic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Related {
    /// Where.
    pub place: Place,
    /// What is there, in a few words.
    pub label: String,
}

impl Diagnostic {
    /// A diagnostic about a place.
    pub fn at(rule: &'static Rule, place: &Place, message: impl Into<String>) -> Self {
        Self {
            span: Some(place.span.clone()),
            ..Self::whole(rule, &place.source, message)
        }
    }

    /// A diagnostic about a whole text.
    pub fn whole(rule: &'static Rule, source: &Arc<Source>, message: impl Into<String>) -> Self {
        Self {
            rule,
            origin: Arc::clone(source),
            span: None,
            message: message.into(),
            label: None,
            help: None,
            related: Vec::new(),
        }
    }

    /// The same with words under the underlined text.
    #[must_use]
    pub fn label(self, label: impl Into<String>) -> Self {
        Self {
            label: Some(label.into()),
            ..self
        }
    }

    /// The same with a suggestion, if there is one.
    #[must_use]
    pub fn help(self, help: impl Into<Option<String>>) -> Self {
        Self {
            help: help.into().or(self.help),
            ..self
        }
    }

    /// The same with another place.
    #[must_use]
    pub fn related(mut self, place: &Place, label: impl Into<String>) -> Self {
        self.related.push(Related {
            place: place.clone(),
            label: label.into(),
        });
        self
    }

    /// The stable word for this kind of diagnostic.
    pub fn code(&self) -> &'static str {
        self.rule.code
    }

    /// How bad it is.
    pub fn severity(&self) -> Severity {
        self.rule.severity
    }

    /// The name of the file, or of the option that it is about.
    pub fn file(&self) -> &str {
        self.origin.name()
    }

    /// Line and column, both from 1. What is about a whole file is shown at its start; options
    /// have no lines.
    pub fn position(&self) -> Option<(usize, usize)> {
        match (self.origin.kind(), &self.span) {
            (SourceKind::Option, _) => None,
            (SourceKind::File, Some(span)) => Some((span.line, span.column)),
            (SourceKind::File, None) => Some((1, 1)),
        }
    }

    fn order(&self, other: &Self) -> Ordering {
        // Options come last, in the order in which they were found.
        let key = |it: &Self| match (it.origin.kind(), &it.span) {
            (SourceKind::Option, _) => (true, None),
            (SourceKind::File, span) => {
                let bytes = span.as_ref().map(|span| (span.bytes.start, span.bytes.end));
                (false, bytes)
            }
        };
        key(self)
            .cmp(&key(other))
            .then_with(|| self.message.cmp(&other.message))
    }
}

/// The diagnostics of one plan while it is read.
#[derive(Debug, Default)]
pub(crate) struct Report {
    found: Vec<Diagnostic>,
}

impl Report {
    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        self.found.push(diagnostic);
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.found
            .iter()
            .any(|found| found.severity() == Severity::Error)
    }

    /// All of them, sorted by position. What is read twice through an alias is reported once.
    pub(crate) fn finish(mut self) -> Vec<Diagnostic> {
        self.found.sort_by(Diagnostic::order);
        self.found.dedup();
        self.found
    }
}
