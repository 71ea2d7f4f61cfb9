//! Reading keys by their tables: what is unknown, missing or of another type is reported here.

use super::key::{Absent, Key, Kind, Section};
use crate::diagnostic::codes::{BAD_VALUE, EXACTLY_ONE, MISSING_KEY, UNKNOWN_KEY, WRONG_TYPE};
use crate::diagnostic::{Diagnostic, Report, Rule, alternatives, nearest, shown};
use crate::settings::{Setting, Settings, Shape};
use crate::source::{Place, Source};
use crate::yaml::{self, Entry, Node, NodeKind};

/// What is gathered while a plan is read.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    pub(crate) report: Report,
    pub(crate) settings: Settings,
}

/// A value with its key.
#[derive(Debug, Clone)]
pub(crate) struct Value<'n> {
    pub(crate) path: String,
    pub(crate) kind: &'static Kind,
    pub(crate) node: &'n Node,
    key: &'n Place,
}

/// The values of a mapping with fixed keys.
pub(crate) struct Fields<'n> {
    path: String,
    section: &'static Section,
    entries: &'n [Entry],
    key: &'n Place,
}

/// What was chosen of several words and keys.
pub(crate) enum Choice<'n> {
    Word,
    Key(&'static str, Value<'n>),
}

impl<'n> Value<'n> {
    /// The whole plan.
    pub(crate) fn root(kind: &'static Kind, node: &'n Node) -> Self {
        Self {
            path: String::new(),
            kind,
            node,
            key: &node.place,
        }
    }

    /// The value of a key in this mapping.
    pub(crate) fn entry(&self, kind: &'static Kind, entry: &'n Entry) -> Self {
        Self {
            path: join(&self.path, &entry.key),
            kind,
            node: &entry.value,
            key: &entry.place,
        }
    }

    /// An item of this list.
    pub(crate) fn item(&self, kind: &'static Kind, number: usize, node: &'n Node) -> Self {
        Self {
            path: format!("{}[{number}]", self.path),
            kind,
            node,
            key: &node.place,
        }
    }

    /// The path in backticks.
    pub(crate) fn name(&self) -> String {
        match self.path.as_str() {
            "" => "the plan".to_owned(),
            path => shown(path),
        }
    }

    /// A diagnostic about the value.
    pub(crate) fn wrong(&self, rule: &'static Rule, message: impl Into<String>) -> Diagnostic {
        Diagnostic::at(rule, &self.spot(), message)
    }

    /// What to underline: the value, or its key where the value is long or not there.
    pub(crate) fn spot(&self) -> Place {
        self.setting().spot().clone()
    }

    fn setting(&self) -> Setting {
        let shape = match &self.node.kind {
            NodeKind::Text(text) => Shape::Word(text.clone()),
            NodeKind::List(items) if items.is_empty() => Shape::Empty,
            NodeKind::Map(entries) if entries.is_empty() => Shape::Empty,
            NodeKind::List(_) | NodeKind::Map(_) => Shape::Filled,
            _ => Shape::Other,
        };
        Setting {
            key: self.key.clone(),
            value: self.node.place.clone(),
            shape,
        }
    }
}

impl Reader {
    /// Reports that the value is of another type than wanted.
    pub(crate) fn wrong_type(&mut self, value: &Value<'_>, help: impl Into<Option<String>>) {
        let noun = value.kind.noun();
        let found = match value.node.kind {
            NodeKind::Null => {
                let message = format!("{} has no value", value.name());
                value
                    .wrong(&WRONG_TYPE, message)
                    .label(format!("expected {noun}"))
                    .help(Some("leave the key out for its default".to_owned()))
            }
            _ => {
                let what = value.node.what();
                let message = format!("{} must be {noun}, not {what}", value.name());
                value
                    .wrong(&WRONG_TYPE, message)
                    .label(format!("this is {what}"))
            }
        };
        self.report.push(found.help(help));
    }

    /// Notes that the key is set.
    pub(crate) fn note(&mut self, value: &Value<'_>) {
        self.settings.insert(value.path.clone(), value.setting());
    }

    /// Reports a key that the section does not have.
    pub(crate) fn unknown_key(&mut self, path: &str, section: &'static Section, entry: &Entry) {
        let message = match path {
            "" => format!("a plan has no key {}", shown(&entry.key)),
            path => format!("{} has no key {}", shown(path), shown(&entry.key)),
        };
        let meant = nearest(&entry.key, section.names());
        let known = format!("the keys here are {}", alternatives(section.names()));
        let home = || match super::homes(&entry.key).as_slice() {
            [home] => Some(home.clone()),
            _ => None,
        };
        let help = match meant.map(str::to_owned).or_else(home) {
            Some(meant) => format!("did you mean `{meant}`? {known}"),
            None => known,
        };
        let found = Diagnostic::at(&UNKNOWN_KEY, &entry.place, message)
            .label("unknown key")
            .help(Some(help));
        self.report.push(found);
    }

    /// The word of the value, if it is one of those that its kind knows.
    pub(crate) fn word(&mut self, value: &Value<'_>, text: &str) -> Option<&'static str> {
        let words = value.kind.words();
        if let Some(word) = words.iter().find(|word| word.name == text) {
            return Some(word.name);
        }
        let names = || words.iter().map(|word| word.name);
        let message = format!("{} cannot be {}", value.name(), shown(text));
        let possible = format!("possible here: {}", alternatives(names()));
        let help = match nearest(text, names()) {
            Some(meant) => format!("did you mean `{meant}`? {possible}"),
            None => possible,
        };
        let found = value.wrong(&BAD_VALUE, message).label("not known here");
        self.report.push(found.help(Some(help)));
        None
    }

    /// The one key of a mapping, or the word in its place. All that is there is read, so that
    /// everything that is wrong in it is reported.
    pub(crate) fn one_of<T>(
        &mut self,
        value: &Value<'_>,
        mut read: impl FnMut(&mut Self, Choice<'_>) -> Option<T>,
    ) -> Option<T> {
        let Kind::OneOf(section, words) = value.kind else {
            unreachable!("only a key of this kind is read as one of several")
        };
        let entries = match &value.node.kind {
            NodeKind::Map(entries) => entries,
            NodeKind::Text(text) if !words.is_empty() => {
                self.word(value, text)?;
                return read(self, Choice::Word);
            }
            _ => {
                let keys = alternatives(section.names());
                self.wrong_type(value, Some(format!("the key is one of {keys}")));
                return None;
            }
        };
        let mut known = Vec::new();
        for entry in entries {
            match section.key(&entry.key) {
                Some(key) => known.push((key, entry)),
                None => self.unknown_key(&value.path, section, entry),
            }
        }
        if known.len() > 1 || entries.is_empty() {
            self.not_one(value, section, &known);
        }
        let alone = known.len() == 1 && entries.len() == 1;
        let mut read_all = known.into_iter().map(|(key, entry)| {
            let inner = value.entry(&key.kind, entry);
            self.note(&inner);
            read(self, Choice::Key(key.name, inner))
        });
        let first = read_all.next().flatten();
        read_all.for_each(drop);
        first.filter(|_| alone)
    }

    fn not_one(
        &mut self,
        value: &Value<'_>,
        section: &'static Section,
        known: &[(&'static Key, &Entry)],
    ) {
        let names = alternatives(section.names());
        let name = value.name();
        let found = match known {
            [(_, first), (_, second), ..] => {
                let message = format!(
                    "{name} has {} keys, and only one of them can hold",
                    known.len()
                );
                Diagnostic::at(&EXACTLY_ONE, &second.place, message)
                    .label("one too many")
                    .related(&first.place, "first here")
                    .help(Some("keep one of them".to_owned()))
            }
            _ => value
                .wrong(&EXACTLY_ONE, format!("{name} is empty"))
                .label("one key is needed here")
                .help(Some(format!("give one of {names}"))),
        };
        self.report.push(found);
    }
}

impl<'n> Fields<'n> {
    /// The fields of a mapping; reports every key that does not belong there.
    pub(crate) fn open(reader: &mut Reader, value: &Value<'n>) -> Option<Self> {
        let (Kind::Section(section) | Kind::Brief(section) | Kind::States(section)) = value.kind
        else {
            unreachable!("only a key of this kind is read as a mapping with fixed keys")
        };
        let NodeKind::Map(entries) = &value.node.kind else {
            let keys = alternatives(section.names());
            reader.wrong_type(value, Some(format!("the keys here are {keys}")));
            return None;
        };
        for entry in entries {
            if section.key(&entry.key).is_none() {
                reader.unknown_key(&value.path, section, entry);
            }
        }
        Some(Self {
            path: value.path.clone(),
            section,
            entries,
            key: value.key,
        })
    }

    /// The value of a key: as written, else its default. None after a report, or when leaving
    /// the key out means something of its own.
    pub(crate) fn get<T>(
        &self,
        reader: &mut Reader,
        key: &'static Key,
        read: impl Fn(&mut Reader, &Value<'_>) -> Option<T>,
    ) -> Option<T> {
        debug_assert!(
            self.section.key(key.name).is_some(),
            "{} is not in its table",
            key.name
        );
        if let Some(value) = self.value(key) {
            reader.note(&value);
            if let Some(read) = read(reader, &value) {
                return Some(read);
            }
            // It is reported; the default takes its place, so that the other rules can be checked.
        }
        match key.absent {
            Absent::Default(text) => default(key, text, read),
            Absent::Means(_) => None,
            Absent::Required => {
                if self.value(key).is_none() {
                    self.missing(reader, key);
                }
                None
            }
        }
    }

    /// The value of a key if it is written.
    pub(crate) fn value(&self, key: &'static Key) -> Option<Value<'n>> {
        let entry = self.entries.iter().find(|entry| entry.key == key.name)?;
        Some(Value {
            path: join(&self.path, key.name),
            kind: &key.kind,
            node: &entry.value,
            key: &entry.place,
        })
    }

    /// A diagnostic about what the mapping has not.
    pub(crate) fn lacks(&self, rule: &'static Rule, message: String) -> Diagnostic {
        match self.path.as_str() {
            "" => Diagnostic::whole(rule, &self.key.source, message),
            _ => Diagnostic::at(rule, self.key, message),
        }
    }

    fn missing(&self, reader: &mut Reader, key: &'static Key) {
        // A key that is there under a slightly other name is reported as unknown already.
        let misspelt = self.entries.iter().any(|entry| {
            self.section.key(&entry.key).is_none() && nearest(&entry.key, [key.name]).is_some()
        });
        if misspelt {
            return;
        }
        let message = match self.path.as_str() {
            "" => format!("the plan has no `{}`: {}", key.name, key.doc),
            path => format!("{} has no `{}`: {}", shown(path), key.name, key.doc),
        };
        let found = self
            .lacks(&MISSING_KEY, message)
            .label(format!("`{}` is missing here", key.name))
            .help(Some(how_to_add(key)));
        reader.report.push(found);
    }
}

fn how_to_add(key: &Key) -> String {
    let name = key.name;
    match key.kind {
        Kind::OneOf(section, _) => {
            format!("add `{name}` with one of {}", alternatives(section.names()))
        }
        Kind::Section(section) => {
            let needed = section
                .keys
                .iter()
                .filter(|key| matches!(key.absent, Absent::Required));
            format!(
                "add `{name}` with {}",
                alternatives(needed.map(|key| key.name))
            )
        }
        kind => format!("add `{name}`: {}", kind.noun()),
    }
}

/// Reads a default as if it had been written; what it says is not noted as set.
fn default<T>(
    key: &'static Key,
    text: &str,
    read: impl Fn(&mut Reader, &Value<'_>) -> Option<T>,
) -> Option<T> {
    let mut apart = Reader::default();
    let node = yaml::parse(&Source::option(key.name, text), &mut apart.report)?;
    let value = Value::root(&key.kind, &node);
    let read = read(&mut apart, &value);
    debug_assert!(
        read.is_some(),
        "the default of {} is not a value of its kind",
        key.name
    );
    read
}

fn join(path: &str, key: &str) -> String {
    match path {
        "" => key.to_owned(),
        path => format!("{path}.{key}"),
    }
}
