//! The lines of a text around what is underlined, cut and made safe for a terminal.

use super::visible;
use crate::source::{Source, SourceKind, Span};
use std::ops::Range;

/// The longest line that is shown, in characters.
const LINE_MAX: usize = 120;
/// How much is shown before the underlined text where a line is cut at its start.
const LEAD: usize = 30;
/// Marks that are further apart, in lines, get an excerpt of their own.
const GAP_MAX: usize = 6;

/// What is underlined.
#[derive(Debug, Clone)]
pub(super) struct Mark<'d> {
    pub(super) span: &'d Span,
    pub(super) label: Option<&'d str>,
    pub(super) primary: bool,
}

/// A few lines with what is underlined in them.
#[derive(Debug)]
pub(super) struct Excerpt<'d> {
    pub(super) text: String,
    pub(super) first_line: usize,
    /// Whether the underlined line is shown from its start, so that columns can be counted in it.
    pub(super) from_start: bool,
    pub(super) marks: Vec<(Range<usize>, Mark<'d>)>,
}

/// The excerpts that show all marks of one text, the first mark's first.
pub(super) fn excerpts<'d>(source: &Source, marks: Vec<Mark<'d>>) -> Vec<Excerpt<'d>> {
    let mut groups: Vec<Vec<Mark<'d>>> = Vec::new();
    for mark in marks {
        if source.text().get(mark.span.bytes.clone()).is_none() {
            continue;
        }
        let near =
            |group: &&mut Vec<Mark<'d>>| group[0].span.line.abs_diff(mark.span.line) <= GAP_MAX;
        match groups.iter_mut().find(near) {
            Some(group) => group.push(mark),
            None => groups.push(vec![mark]),
        }
    }
    groups
        .into_iter()
        .map(|group| excerpt(source, group))
        .collect()
}

fn excerpt<'d>(source: &Source, mut marks: Vec<Mark<'d>>) -> Excerpt<'d> {
    marks.sort_by_key(|mark| (mark.span.bytes.start, mark.span.bytes.end));
    let first_line = marks.first().map_or(1, |mark| mark.span.line);
    let mut shown = Excerpt {
        text: prefix(source),
        first_line,
        from_start: true,
        marks: Vec::new(),
    };
    let mut marks = marks.into_iter().peekable();
    let mut at = marks
        .peek()
        .map_or(0, |mark| line_start(source.text(), mark.span.bytes.start));
    while marks.peek().is_some() {
        let line = line_from(source.text(), at);
        let end = at + line.len();
        let mut here = Vec::new();
        while let Some(mark) = marks.next_if(|mark| mark.span.bytes.start <= end) {
            here.push(mark);
        }
        add_line(&mut shown, line, at, here);
        at = end + 1;
    }
    shown
}

/// Adds a line, cut around its first mark.
fn add_line<'d>(shown: &mut Excerpt<'d>, line: &str, at: usize, marks: Vec<Mark<'d>>) {
    let focus = marks.iter().find(|mark| mark.primary).or(marks.first());
    let wanted = focus.map_or(0, |mark| mark.span.bytes.start.saturating_sub(at));
    // Only the characters near the mark are looked at: there may be many marks in a huge line.
    let before = line.get(..wanted).unwrap_or_default();
    let skip = match before.chars().rev().nth(LINE_MAX - LEAD) {
        Some(_) => before.char_indices().rev().nth(LEAD - 1),
        None => None,
    };
    let skip = skip.map_or(0, |(byte, _)| byte);
    if skip > 0 {
        shown.text.push('…');
        shown.from_start = shown.from_start && focus.is_none_or(|mark| !mark.primary);
    }
    // Where each byte of the line stands in the excerpt: replaced characters change their length.
    let mut moved: Vec<(usize, usize)> = Vec::new();
    let mut window = line[skip..]
        .char_indices()
        .map(|(byte, next)| (skip + byte, next));
    for (byte, character) in window.by_ref().take(LINE_MAX) {
        moved.push((byte, shown.text.len()));
        match character {
            // The renderer widens tabs by itself.
            '\t' => shown.text.push('\t'),
            other => shown.text.push(visible(other)),
        }
    }
    let cut = window.next().map(|(byte, _)| byte);
    moved.push((cut.unwrap_or(line.len()), shown.text.len()));
    if cut.is_some() {
        shown.text.push('…');
    }
    let place = |byte: usize| {
        let known = moved.partition_point(|(from, _)| *from < byte);
        moved.get(known).or(moved.last()).map_or(0, |(_, to)| *to)
    };
    for mark in marks {
        let start = mark.span.bytes.start - at;
        let end =
            (mark.span.bytes.end.saturating_sub(at)).clamp(start, line.trim_end().len().max(start));
        shown.marks.push((place(start)..place(end), mark));
    }
    shown.text.push('\n');
}

/// An option is shown with its name, as it was typed.
fn prefix(source: &Source) -> String {
    match source.kind() {
        SourceKind::File => String::new(),
        SourceKind::Option => format!("{} ", source.name()),
    }
}

fn line_start(text: &str, byte: usize) -> usize {
    let before = text.get(..byte).unwrap_or_default();
    before.rfind('\n').map_or(0, |at| at + 1)
}

fn line_from(text: &str, at: usize) -> &str {
    let rest = text.get(at..).unwrap_or_default();
    rest.split('\n').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(text: &str, bytes: Range<usize>) -> (String, String, bool) {
        let source = Source::file("plan.yaml", text);
        let span = Span::count(text, bytes);
        let mark = Mark {
            span: &span,
            label: None,
            primary: true,
        };
        let excerpt = excerpts(&source, vec![mark]).remove(0);
        let underlined = excerpt.text[excerpt.marks[0].0.clone()].to_owned();
        (excerpt.text, underlined, excerpt.from_start)
    }

    #[test]
    fn long_lines_are_cut_around_what_is_underlined() {
        let text = format!("{}needle{}", "x".repeat(5_000), "y".repeat(5_000));
        let (excerpt, underlined, from_start) = show(&text, 5_000..5_006);
        assert_eq!(underlined, "needle");
        assert_eq!(excerpt.chars().count(), LINE_MAX + 3);
        assert!(!from_start);
    }

    #[test]
    fn what_is_longer_than_a_line_is_underlined_to_its_end() {
        let (excerpt, underlined, from_start) = show("a:\n  b: 1\n  c: 2\n", 5..16);
        assert_eq!(
            (excerpt.as_str(), underlined.as_str()),
            ("  b: 1\n", "b: 1")
        );
        assert!(from_start);
        let (_, underlined, _) = show(&"x".repeat(1 << 20), 0..1 << 20);
        assert_eq!(underlined.len(), LINE_MAX);
    }

    #[test]
    fn nothing_in_an_excerpt_acts_on_a_terminal() {
        let (excerpt, underlined, _) = show("\u{1b}[31m\u{9b}é: \u{202e}x", 7..9);
        assert_eq!(excerpt, "\u{241b}[31m\u{fffd}é: \u{fffd}x\n");
        assert_eq!(underlined, "é");
    }

    #[test]
    fn the_end_of_a_text_can_be_underlined() {
        for text in ["a: b\n", "a: b", ""] {
            let (_, underlined, _) = show(text, text.len()..text.len());
            assert_eq!(underlined, "");
        }
    }
}
