//! Diagnostics for people: the lines of the plan with what is wrong underlined.

use super::excerpt::{Excerpt, Mark, excerpts};
use super::{Diagnostic, Severity, visible};
use crate::source::{Source, SourceKind};
use annotate_snippets::{AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet};

/// All diagnostics in the style of rustc, with a blank line between them.
pub fn human(diagnostics: &[Diagnostic], color: bool) -> String {
    let renderer = if color {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let mut out = String::new();
    for diagnostic in diagnostics {
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(renderer.render(&[group(diagnostic)]).trim_end());
        out.push('\n');
    }
    out
}

fn group(diagnostic: &Diagnostic) -> Group<'_> {
    let level = match diagnostic.severity() {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level
        .primary_title(safe(&diagnostic.message))
        .id(diagnostic.code());
    let group = Group::with_title(title).elements(shown(diagnostic));
    match &diagnostic.help {
        Some(help) => group.element(Level::HELP.message(safe(help))),
        None => group,
    }
}

/// The excerpts of the texts that the diagnostic is about.
fn shown(diagnostic: &Diagnostic) -> Vec<Element<'_>> {
    let mut elements = Vec::new();
    let mut own: Vec<Mark<'_>> = Vec::new();
    own.extend(diagnostic.span.as_ref().map(|span| Mark {
        span,
        label: diagnostic.label.as_deref(),
        primary: true,
    }));
    let (here, elsewhere): (Vec<_>, Vec<_>) = diagnostic
        .related
        .iter()
        .partition(|related| related.place.source == diagnostic.origin);
    own.extend(here.into_iter().map(|related| Mark {
        span: &related.place.span,
        label: Some(&related.label),
        primary: false,
    }));
    let excerpts_here = excerpts(&diagnostic.origin, own);
    if excerpts_here.is_empty() {
        elements.push(origin(diagnostic).into());
    }
    for excerpt in excerpts_here {
        if !excerpt.from_start {
            elements.push(origin(diagnostic).into());
        }
        elements.push(snippet(&diagnostic.origin, excerpt).into());
    }
    for related in elsewhere {
        let mark = Mark {
            span: &related.place.span,
            label: Some(&related.label),
            primary: false,
        };
        for excerpt in excerpts(&related.place.source, vec![mark]) {
            elements.push(snippet(&related.place.source, excerpt).into());
        }
    }
    elements
}

fn origin(diagnostic: &Diagnostic) -> Origin<'_> {
    let origin = Origin::path(safe(diagnostic.file()));
    match diagnostic.position() {
        Some((line, column)) => origin.line(line).char_column(column),
        None => origin,
    }
}

fn snippet<'d>(
    source: &Source,
    excerpt: Excerpt<'d>,
) -> Snippet<'d, annotate_snippets::Annotation<'d>> {
    let is_file = source.kind() == SourceKind::File;
    let path = (is_file && excerpt.from_start).then(|| safe(source.name()));
    Snippet::source(excerpt.text)
        .path(path)
        .line_start(excerpt.first_line)
        .line_numbering(is_file)
        .annotations(excerpt.marks.into_iter().map(|(bytes, mark)| {
            let kind = if mark.primary {
                AnnotationKind::Primary
            } else {
                AnnotationKind::Context
            };
            kind.span(bytes).label(mark.label.map(safe))
        }))
}

/// The text without anything that would act on a terminal.
fn safe(text: &str) -> String {
    text.chars().map(visible).collect()
}
