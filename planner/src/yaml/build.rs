//! The tree from the parser's events, within fixed limits.

use super::{Entry, Node, NodeKind, scalar};
use crate::diagnostic::codes::{
    DUPLICATE_KEY, ONE_DOCUMENT, UNKNOWN_KEY, WRONG_TYPE, YAML_LIMIT, YAML_SYNTAX, YAML_TAG,
};
use crate::diagnostic::{Diagnostic, Report, Rule, shown};
use crate::source::{Place, Source, Span};
use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, StrInput, options};
use std::collections::HashMap;
use std::sync::Arc;

/// The most values of a plan, those that aliases stand for included.
const NODES_MAX: usize = 10_000;
/// The deepest nesting.
const DEPTH_MAX: usize = 32;
/// The most aliases.
const ALIASES_MAX: usize = 64;
/// The most events of the parser: a value has one or two, the document a few.
const EVENTS_MAX: usize = 50_000;

/// What ended the reading: nothing behind it can be read.
struct Stop(Box<Diagnostic>);

type Scanned<'t> = (Event<'t>, Span);

struct Builder<'t, 'r> {
    source: Arc<Source>,
    events: Parser<'t, StrInput<'t>>,
    report: &'r mut Report,
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
    aliases: usize,
    seen: usize,
}

pub(super) fn document(source: &Arc<Source>, text: &str, report: &mut Report) -> Option<Node> {
    let limits = options! {
        emit_comments: false,
        flow_nesting_limit: DEPTH_MAX,
        block_nesting_limit: DEPTH_MAX,
    };
    let mut builder = Builder {
        source: Arc::clone(source),
        events: Parser::new_from_str_with_options(text, limits),
        report,
        anchors: HashMap::new(),
        nodes: 0,
        aliases: 0,
        seen: 0,
    };
    match builder.stream() {
        Ok(root) => root,
        Err(Stop(diagnostic)) => {
            report.push(*diagnostic);
            None
        }
    }
}

impl<'t> Builder<'t, '_> {
    fn stream(&mut self) -> Result<Option<Node>, Stop> {
        let mut root = None;
        let mut documents = 0;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(root),
                Event::DocumentStart(..) => {
                    documents += 1;
                    if documents > 1 {
                        let message = "a plan is one YAML document, and here a second one begins";
                        let found = Diagnostic::at(&ONE_DOCUMENT, &self.place(span), message)
                            .label("begins here")
                            .help(Some("put each plan into a file of its own".to_owned()));
                        return Err(Stop(Box::new(found)));
                    }
                }
                Event::StreamStart | Event::DocumentEnd => {}
                event => root = Some(self.node(event, span, 0)?),
            }
        }
    }

    /// The value that begins with this event.
    fn node(&mut self, event: Event<'t>, span: Span, depth: usize) -> Result<Node, Stop> {
        self.count(1, &span)?;
        if depth > DEPTH_MAX {
            return Err(self.too_deep(span));
        }
        let before = self.nodes;
        if event.tag().is_some() {
            self.refuse_tag(&span);
        }
        let (node, anchor) = match event {
            Event::Alias(anchor) => return self.alias(anchor, &span),
            Event::Scalar(text, style, anchor, _) => {
                let kind = match style {
                    ScalarStyle::Plain => scalar::resolve(&text),
                    _ => NodeKind::Text(text.into_owned()),
                };
                let place = self.place(span);
                (Node { kind, place }, anchor)
            }
            Event::SequenceStart(_, anchor, _) => {
                let (items, end) = self.list(depth)?;
                let last = items.last().map(|item| &item.place);
                let place = self.place(cover(&span, last, &end));
                let kind = NodeKind::List(items);
                (Node { kind, place }, anchor)
            }
            Event::MappingStart(_, anchor, _) => {
                let (entries, end) = self.map(depth)?;
                let last = entries.last().map(|entry| &entry.value.place);
                let place = self.place(cover(&span, last, &end));
                let kind = NodeKind::Map(entries);
                (Node { kind, place }, anchor)
            }
            _ => return Err(self.syntax(span, "a value is expected here")),
        };
        if anchor != 0 {
            let size = self.nodes - before + 1;
            self.anchors.insert(anchor, (node.clone(), size));
        }
        Ok(node)
    }

    fn list(&mut self, depth: usize) -> Result<(Vec<Node>, Span), Stop> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::SequenceEnd) {
                return Ok((items, span));
            }
            items.push(self.node(event, span, depth + 1)?);
        }
    }

    fn map(&mut self, depth: usize) -> Result<(Vec<Entry>, Span), Stop> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut first: HashMap<String, Place> = HashMap::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                return Ok((entries, span));
            }
            let key = self.key(event, span, depth)?;
            let (event, span) = self.next()?;
            let value = self.node(event, span, depth + 1)?;
            let Some((key, place)) = key else {
                continue;
            };
            match first.get(&key) {
                Some(earlier) => {
                    let message = format!("the key {} stands twice", shown(&key));
                    self.report.push(
                        Diagnostic::at(&DUPLICATE_KEY, &place, message)
                            .label("again here")
                            .help(Some("keep one of the two".to_owned()))
                            .related(earlier, "first here"),
                    );
                }
                None => {
                    first.insert(key.clone(), place.clone());
                    entries.push(Entry { key, place, value });
                }
            }
        }
    }

    /// The text of a key. None for one that is reported and left out with its value.
    fn key(
        &mut self,
        event: Event<'t>,
        span: Span,
        depth: usize,
    ) -> Result<Option<(String, Place)>, Stop> {
        let scalar = match &event {
            Event::Scalar(text, style, ..) => Some((text.to_string(), *style)),
            _ => None,
        };
        let place = self.place(span.clone());
        self.node(event, span, depth + 1)?;
        match scalar {
            Some((text, ScalarStyle::Plain)) if text == "<<" => {
                self.report.push(
                    Diagnostic::at(&UNKNOWN_KEY, &place, "a plan has no merge key `<<`")
                        .label("not part of YAML 1.2")
                        .help(Some("write the keys out where they apply".to_owned())),
                );
                Ok(None)
            }
            Some((text, _)) => Ok(Some((text, place))),
            None => {
                self.report.push(
                    Diagnostic::at(&WRONG_TYPE, &place, "a key must be text")
                        .label("expected text"),
                );
                Ok(None)
            }
        }
    }

    fn alias(&mut self, anchor: usize, span: &Span) -> Result<Node, Stop> {
        self.aliases += 1;
        if self.aliases > ALIASES_MAX {
            return Err(self.limit(
                span,
                format!("the plan has more than {ALIASES_MAX} aliases"),
            ));
        }
        let Some((_, size)) = self.anchors.get(&anchor) else {
            return Err(self.syntax(span.clone(), "an alias stands inside the value it repeats"));
        };
        self.count(*size, span)?;
        Ok(self.anchors[&anchor].0.clone())
    }

    fn next(&mut self) -> Result<Scanned<'t>, Stop> {
        self.seen += 1;
        match self.events.next_event() {
            Some(Ok((_, span))) if self.seen > EVENTS_MAX => {
                let span = convert(&span);
                Err(self.limit(&span, "the plan has too many parts".to_owned()))
            }
            Some(Ok((event, span))) => Ok((event, convert(&span))),
            Some(Err(error)) => Err(self.scan_error(&error)),
            // The parser ends with StreamEnd, where reading ends.
            None => Err(self.syntax(Span::count("", 0..0), "the text ends too early")),
        }
    }

    fn count(&mut self, nodes: usize, span: &Span) -> Result<(), Stop> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > NODES_MAX {
            let message = format!("the plan has more than {NODES_MAX} values");
            return Err(self.limit(span, message));
        }
        Ok(())
    }

    fn scan_error(&self, error: &ScanError) -> Stop {
        let marker = error.marker();
        let at = marker.byte_offset().unwrap_or(0);
        let text = self.source.text();
        let end = text
            .get(at..)
            .and_then(|rest| rest.chars().next())
            .filter(|next| *next != '\n')
            .map_or(at, |next| at + next.len_utf8());
        let span = Span {
            line: marker.line(),
            column: marker.col() + 1,
            bytes: at..end,
        };
        match error.kind() {
            ErrorKind::RecursionLimitExceeded => self.too_deep(span),
            kind => self.syntax(span, &plain_words(kind)),
        }
    }

    fn syntax(&self, span: Span, message: &str) -> Stop {
        let message = format!("this is not YAML: {message}");
        self.stop(&YAML_SYNTAX, span, message)
    }

    fn limit(&self, span: &Span, message: String) -> Stop {
        self.stop(&YAML_LIMIT, span.clone(), message)
    }

    fn stop(&self, rule: &'static Rule, span: Span, message: String) -> Stop {
        let found = Diagnostic::at(rule, &self.place(span), message);
        Stop(Box::new(found.label("reading stopped here")))
    }

    fn too_deep(&self, span: Span) -> Stop {
        let message = format!("the plan is nested more than {DEPTH_MAX} levels deep");
        self.limit(&span, message)
    }

    fn refuse_tag(&mut self, span: &Span) {
        let found = Diagnostic::at(
            &YAML_TAG,
            &self.place(span.clone()),
            "a plan has no YAML tags",
        )
        .label("this value has a tag")
        .help(Some("leave the tag out; write text in quotes".to_owned()));
        self.report.push(found);
    }

    fn place(&self, span: Span) -> Place {
        Place {
            source: Arc::clone(&self.source),
            span,
        }
    }
}

/// What is wrong, in words that need no knowledge of the parser where mistakes are usual.
fn plain_words(kind: &ErrorKind) -> String {
    let words = match kind {
        ErrorKind::ExpectedDocumentStart => "more text follows where the value has ended",
        ErrorKind::MappingValueNotAllowed => {
            "a `:` stands where there can be no key; text with a `: ` in it needs quotes"
        }
        ErrorKind::InvalidColonPlacement => "a `:` stands where a `,` or a bracket is expected",
        ErrorKind::UnknownAnchor => "an alias has no anchor before it",
        ErrorKind::UnexpectedCharacter { character } => {
            return format!(
                "text that begins with {} needs quotes",
                shown(&character.to_string())
            );
        }
        other => return other.to_string(),
    };
    words.to_owned()
}

fn convert(span: &granit_parser::Span) -> Span {
    Span {
        line: span.start.line(),
        column: span.start.col() + 1,
        bytes: span.byte_range().unwrap_or(0..0),
    }
}

/// From the start of a collection to its closing bracket; one without brackets ends with the last
/// value in it, not with the blank lines and comments behind.
fn cover(start: &Span, last: Option<&Place>, end: &Span) -> Span {
    let to = match last {
        Some(last) if end.bytes.is_empty() => last.span.bytes.end,
        _ => end.bytes.end,
    };
    Span {
        bytes: start.bytes.start..to.max(start.bytes.start),
        ..start.clone()
    }
}
