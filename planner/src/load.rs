//! From the text of a plan to the plan: read, checked, compiled.

use crate::check;
use crate::compile::{Graphs, compile};
use crate::diagnostic::codes::{PLAN_EMPTY, PLAN_NOT_TEXT, PLAN_TOO_LARGE, PLAN_UNREADABLE};
use crate::diagnostic::{Diagnostic, Report, Rule, Severity};
use crate::keys::{self, Reader};
use crate::overrides::Set;
use crate::settings::Settings;
use crate::source::{Place, Source, Span};
use crate::yaml::{self, NodeKind};
use phaul_core::plan::Plan;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::sync::Arc;

/// The largest plan that is read, in bytes.
pub const TEXT_MAX: usize = 1 << 20;

/// What became of a plan's text.
#[derive(Debug)]
pub struct Loaded {
    /// The plan, with every default filled in; none when there are errors.
    pub plan: Option<Plan>,
    /// The graphs of both sides; none when there is no plan.
    pub graphs: Option<Graphs>,
    /// All that is wrong or worth a look, sorted by position.
    pub diagnostics: Vec<Diagnostic>,
    /// Which keys were set, and where.
    pub settings: Settings,
}

impl Loaded {
    /// Whether the plan cannot be carried out.
    pub fn has_errors(&self) -> bool {
        self.diagnostics
            .iter()
            .any(|found| found.severity() == Severity::Error)
    }
}

/// Reads the bytes of a plan; never more than [`TEXT_MAX`] and a few.
pub fn read(path: impl AsRef<Path>) -> Result<Vec<u8>, Box<Diagnostic>> {
    let path = path.as_ref();
    let unreadable = |error: std::io::Error| {
        let source = Source::file(path.display().to_string(), "");
        let (why, help) = match error.kind() {
            ErrorKind::NotFound => ("there is no such file".to_owned(), Some("check the path")),
            ErrorKind::PermissionDenied => ("it may not be read".to_owned(), None),
            ErrorKind::IsADirectory => (
                "it is a directory".to_owned(),
                Some("name the plan's file in it"),
            ),
            _ => (error.to_string(), None),
        };
        let message = format!("the plan cannot be read: {why}");
        let found = Diagnostic::whole(&PLAN_UNREADABLE, &source, message);
        Box::new(found.help(help.map(str::to_owned)))
    };
    let file = File::open(path).map_err(unreadable)?;
    let mut text = Vec::new();
    // One byte more than allowed shows that the text is too large; `load` says so.
    file.take(TEXT_MAX as u64 + 1)
        .read_to_end(&mut text)
        .map_err(unreadable)?;
    Ok(text)
}

/// Reads a plan from its text, with overrides from the command line. `name` is how the text is
/// called in diagnostics: the path of its file.
pub fn load(name: &str, text: &[u8], sets: &[Set]) -> Loaded {
    let mut reader = Reader::default();
    let plan =
        decode(name, text, &mut reader.report).and_then(|source| plan(&source, sets, &mut reader));
    let mut graphs = None;
    if let Some(plan) = &plan {
        match compile(plan) {
            Ok(compiled) => {
                check::compiled(plan, &compiled, &mut reader);
                graphs = Some(compiled);
            }
            Err(broken) => check::refused_by_the_compiler(name, &broken, &mut reader),
        }
    }
    let plan = plan.filter(|_| !reader.report.has_errors());
    Loaded {
        graphs: graphs.filter(|_| plan.is_some()),
        plan,
        diagnostics: reader.report.finish(),
        settings: reader.settings,
    }
}

/// The plan, if nothing in it is wrong that can be seen without its graphs.
fn plan(source: &Arc<Source>, sets: &[Set], reader: &mut Reader) -> Option<Plan> {
    let draft = draft(source, sets, reader)?;
    check::read(&draft, reader);
    let plan = draft.plan(&stem(source.name()));
    plan.filter(|_| !reader.report.has_errors())
}

fn draft(source: &Arc<Source>, sets: &[Set], reader: &mut Reader) -> Option<keys::Draft> {
    let root = yaml::parse(source, &mut reader.report);
    let mut root = match root {
        Some(root) if !matches!(root.kind, NodeKind::Null) => root,
        _ => {
            if !reader.report.has_errors() {
                reader.report.push(empty(source));
            }
            return None;
        }
    };
    for set in sets {
        set.apply(&mut root, &mut reader.report);
    }
    keys::draft(reader, &root)
}

/// What a plan is called that does not name itself: its file's name without the ending.
fn stem(file: &str) -> String {
    let stem = Path::new(file)
        .file_stem()
        .map(|stem| stem.to_string_lossy().into_owned())
        .unwrap_or_default();
    let clean: String = stem
        .chars()
        .take(64)
        .map(|character| {
            if keys::fits_name(character) {
                character
            } else {
                '-'
            }
        })
        .collect();
    match clean.trim_matches(['-', '.']) {
        "" => "plan".to_owned(),
        _ => clean,
    }
}

fn empty(source: &Arc<Source>) -> Diagnostic {
    Diagnostic::whole(&PLAN_EMPTY, source, "there is nothing in the plan").help(Some(
        "a plan has at least `version`, `haul` and `to`".to_owned(),
    ))
}

/// The text, if it is text that people can review.
fn decode(name: &str, bytes: &[u8], report: &mut Report) -> Option<Arc<Source>> {
    let mut refuse = |rule: &'static Rule, message: &str, help: &str| {
        let found = Diagnostic::whole(rule, &Source::file(name, ""), message);
        report.push(found.help(Some(help.to_owned())));
    };
    if bytes.len() > TEXT_MAX {
        let message = "the plan is larger than 1 MiB";
        refuse(&PLAN_TOO_LARGE, message, "is this the file that was meant?");
        return None;
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        let help = "save it as UTF-8, or convert it: `iconv -f UTF-16 -t UTF-8`";
        refuse(&PLAN_NOT_TEXT, "the plan is UTF-16 text", help);
        return None;
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let at = error.valid_up_to();
            let before = String::from_utf8_lossy(&bytes[..at]);
            let place = Place {
                span: Span::count(&before, at..at),
                source: Source::file(name, ""),
            };
            let message = "the plan is not UTF-8 text";
            let found = Diagnostic::at(&PLAN_NOT_TEXT, &place, message);
            report.push(found.help(Some("save it as UTF-8".to_owned())));
            return None;
        }
    };
    let source = Source::file(name, text);
    if let Some((at, found)) = text.char_indices().find(|(_, next)| is_unprintable(*next)) {
        let place = Place {
            span: Span::count(text, at..at + found.len_utf8()),
            source,
        };
        let code = u32::from(found);
        let message = format!("the plan has the control character U+{code:04X}");
        let found = Diagnostic::at(&PLAN_NOT_TEXT, &place, message)
            .label("here")
            .help(Some(
                "remove it; in quotes it can be written with an escape".to_owned(),
            ));
        report.push(found);
        return None;
    }
    Some(source)
}

/// What YAML does not allow in a text: it would also act on the terminal that shows it.
fn is_unprintable(character: char) -> bool {
    matches!(
        character,
        '\u{0}'..='\u{8}' | '\u{b}'..='\u{c}' | '\u{e}'..='\u{1f}' | '\u{7f}'..='\u{84}'
            | '\u{86}'..='\u{9f}' | '\u{fffe}'..='\u{ffff}'
    )
}
