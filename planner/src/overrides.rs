//! Overrides of single keys from the command line: `--set memory.converge.rounds=3`.

use crate::diagnostic::codes::BAD_OVERRIDE;
use crate::diagnostic::{Diagnostic, Report, shown};
use crate::source::{Place, Source, Span};
use crate::yaml::{self, Entry, Node, NodeKind};
use std::ops::Range;
use std::sync::Arc;

/// The option's name, in the place of a file's in diagnostics.
const OPTION: &str = "--set";

/// One key with the value that takes the place of the plan's.
#[derive(Debug, Clone)]
pub struct Set {
    source: Arc<Source>,
    path: Vec<Range<usize>>,
    value: Node,
}

impl Set {
    /// Reads `KEY=VALUE`: the key a path with dots, the value YAML as it stands behind a key.
    pub fn parse(text: &str) -> Result<Self, Vec<Diagnostic>> {
        let source = Source::option(OPTION, text);
        let refuse = |message: &str, help: &str| {
            let found = Diagnostic::whole(&BAD_OVERRIDE, &source, message);
            vec![found.help(Some(help.to_owned()))]
        };
        let Some((key, _)) = text.split_once('=') else {
            let message = format!("{} is not KEY=VALUE", shown(text));
            return Err(refuse(&message, "write `--set memory.strategy=stop-copy`"));
        };
        let mut path = Vec::new();
        let mut at = 0;
        for name in key.split('.') {
            if name.is_empty() {
                let message = format!("{} is not the path of a key", shown(key));
                return Err(refuse(&message, "write names with dots between them"));
            }
            path.push(at..at + name.len());
            at += name.len() + 1;
        }
        let mut report = Report::default();
        let value = yaml::parse_rest(&source, key.len() + 1, &mut report);
        match value {
            Some(value) if !report.has_errors() => Ok(Self {
                source,
                path,
                value,
            }),
            None if !report.has_errors() => Err(refuse(
                &format!("{} has no value", shown(key)),
                "write an empty list as `[]`, an empty text as `\"\"`",
            )),
            _ => {
                let help = "put text with brackets or a `: ` into quotes: `--set 'KEY=\"VALUE\"'`";
                let found = report.finish().into_iter();
                Err(found
                    .map(|found| match found.help {
                        None => found.help(Some(help.to_owned())),
                        Some(_) => found,
                    })
                    .collect())
            }
        }
    }

    /// Puts the value into the plan.
    pub(crate) fn apply(&self, plan: &mut Node, report: &mut Report) {
        let Some((last, way)) = self.path.split_last() else {
            return;
        };
        let mut at = plan;
        for name in way {
            let empty = Node {
                kind: NodeKind::Map(Vec::new()),
                place: self.place(name),
            };
            match self.entry(at, name, empty) {
                Some(entry) => at = &mut entry.value,
                None => return self.no_way(name, report),
            }
        }
        match self.entry(at, last, self.value.clone()) {
            Some(entry) => {
                entry.value = self.value.clone();
                entry.place = self.place(last);
            }
            None => self.no_way(last, report),
        }
    }

    /// The entry of this name in a mapping, made with `value` if there is none. None where there
    /// is no mapping.
    fn entry<'n>(
        &self,
        at: &'n mut Node,
        name: &Range<usize>,
        value: Node,
    ) -> Option<&'n mut Entry> {
        let NodeKind::Map(entries) = &mut at.kind else {
            return None;
        };
        let key = self.name(name);
        let number = entries
            .iter()
            .position(|entry| entry.key == key)
            .unwrap_or(entries.len());
        if number == entries.len() {
            entries.push(Entry {
                key: key.to_owned(),
                place: self.place(name),
                value,
            });
        }
        Some(&mut entries[number])
    }

    fn no_way(&self, name: &Range<usize>, report: &mut Report) {
        let before = self.source.text().get(..name.start).unwrap_or_default();
        let before = before.trim_end_matches('.');
        let message = match before {
            "" => "the plan is not a mapping, so no key can be set in it".to_owned(),
            before => format!("the plan's {} has no keys to set", shown(before)),
        };
        let whole = format!("set it as a whole: `--set {before}=VALUE`");
        let found = Diagnostic::at(&BAD_OVERRIDE, &self.place(name), message)
            .label("no such key")
            .help(Some(whole).filter(|_| !before.is_empty()));
        report.push(found);
    }

    fn name(&self, range: &Range<usize>) -> &str {
        // The ranges were taken from this text.
        self.source.text().get(range.clone()).unwrap_or_default()
    }

    fn place(&self, range: &Range<usize>) -> Place {
        Place {
            source: Arc::clone(&self.source),
            span: Span::count(self.source.text(), range.clone()),
        }
    }
}
