//! What a plan can say: each key's type, default and explanation, once.
//!
//! The readers take their names, limits and defaults from here; a schema and a reference page
//! can be made from it.

/// A key of a plan.
#[derive(Debug)]
pub struct Key {
    /// How it is written.
    pub name: &'static str,
    /// What its value is.
    pub kind: Kind,
    /// What holds when it is left out.
    pub absent: Absent,
    /// What it is for, in one phrase.
    pub doc: &'static str,
}

/// What holds when a key is left out.
#[derive(Debug, Clone, Copy)]
pub enum Absent {
    /// It may not be left out.
    Required,
    /// As if this had been written.
    Default(&'static str),
    /// What no value could say, in words.
    Means(&'static str),
}

/// A mapping with fixed keys.
#[derive(Debug)]
pub struct Section {
    /// What it is about, in one phrase.
    pub doc: &'static str,
    /// Its keys, in the order in which they are shown.
    pub keys: &'static [Key],
}

/// A word that can be chosen.
#[derive(Debug)]
pub struct Word {
    /// How it is written.
    pub name: &'static str,
    /// What it means, in one phrase.
    pub doc: &'static str,
}

/// What a value is.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// A whole number between two limits, both included.
    Whole(u32, u32),
    /// `true` or `false`.
    Flag,
    /// A line of text that is not empty.
    Text,
    /// 1 to 64 of A-Z, a-z, 0-9, `.`, `_` and `-`.
    Name,
    /// A path that is not empty.
    Path,
    /// A path that begins with `/`.
    AbsolutePath,
    /// `host:port`.
    Agent,
    /// An address with the length of its prefix.
    AddressAndPrefix,
    /// The name of a network interface.
    Interface,
    /// A span of time, at least so many milliseconds long.
    Duration(u64),
    /// A number of bytes.
    Bytes,
    /// A data rate above zero.
    Rate,
    /// A share, at most so many percent.
    Percent(u32),
    /// A shortest and a longest pause.
    Backoff,
    /// One of these words.
    Words(&'static [Word]),
    /// A mapping with these keys.
    Section(&'static Section),
    /// A mapping with exactly one of these keys, or one of these words.
    OneOf(&'static Section, &'static [Word]),
    /// A mapping with these keys, or only the value of the first.
    Brief(&'static Section),
    /// A list.
    List(&'static Kind),
    /// A list, or one of these words for the empty one.
    ListOr(&'static Kind, &'static [Word]),
    /// A program with its arguments.
    Argv,
    /// A mapping of absolute paths to absolute paths.
    Paths,
    /// A mapping of the names of states to this.
    States(&'static Section),
}

impl Kind {
    /// The type with its article, for messages.
    pub fn noun(&self) -> String {
        match self {
            Self::Whole(least, most) if least == most => format!("the number {least}"),
            Self::Whole(least, most) => format!("a whole number from {least} to {most}"),
            Self::Flag => "`true` or `false`".to_owned(),
            Self::Text => "text".to_owned(),
            Self::Name => "a name".to_owned(),
            Self::Path => "a path".to_owned(),
            Self::AbsolutePath => "an absolute path".to_owned(),
            Self::Agent => "an address `host:port`".to_owned(),
            Self::AddressAndPrefix => {
                "an address with its prefix, such as `10.0.0.5/24`".to_owned()
            }
            Self::Interface => "the name of a network interface".to_owned(),
            Self::Duration(_) => "a duration such as `300ms` or `1m30s`".to_owned(),
            Self::Bytes => "a size such as `256KiB` or `64MiB`".to_owned(),
            Self::Rate => "a rate such as `900Mbit/s` or `100MiB/s`".to_owned(),
            Self::Percent(_) => "a share such as `10%`".to_owned(),
            Self::Backoff => "a range of durations such as `1s..30s`".to_owned(),
            Self::Words(words) => match words {
                [only] => format!("`{}`", only.name),
                _ => "one of its words".to_owned(),
            },
            Self::Section(_) => "a mapping with keys of its own".to_owned(),
            Self::OneOf(_, []) => "a mapping with one key".to_owned(),
            Self::OneOf(_, [word, ..]) => format!("a mapping with one key, or `{}`", word.name),
            Self::Brief(_) => "text or a mapping".to_owned(),
            Self::List(_) => "a list".to_owned(),
            Self::ListOr(_, [word, ..]) => format!("a list, or `{}`", word.name),
            Self::ListOr(_, []) => "a list".to_owned(),
            Self::Argv => "a list of a program and its arguments".to_owned(),
            Self::Paths => "a mapping of paths".to_owned(),
            Self::States(_) => "a mapping of states".to_owned(),
        }
    }

    /// The words that can be chosen.
    pub fn words(&self) -> &'static [Word] {
        match self {
            Self::Words(words) | Self::OneOf(_, words) | Self::ListOr(_, words) => words,
            Self::List(item) => item.words(),
            _ => &[],
        }
    }

    /// The keys of the value's own.
    pub fn keys(&self) -> &'static [Key] {
        match self {
            Self::Section(section)
            | Self::OneOf(section, _)
            | Self::Brief(section)
            | Self::States(section) => section.keys,
            Self::List(item) | Self::ListOr(item, _) => item.keys(),
            _ => &[],
        }
    }
}

impl Key {
    /// A key that must be given.
    pub const fn required(name: &'static str, kind: Kind, doc: &'static str) -> Self {
        Self {
            name,
            kind,
            absent: Absent::Required,
            doc,
        }
    }

    /// A key with a default, written as in a plan.
    pub const fn or(
        name: &'static str,
        kind: Kind,
        default: &'static str,
        doc: &'static str,
    ) -> Self {
        Self {
            name,
            kind,
            absent: Absent::Default(default),
            doc,
        }
    }

    /// A key without which something holds that no value could say.
    pub const fn optional(
        name: &'static str,
        kind: Kind,
        means: &'static str,
        doc: &'static str,
    ) -> Self {
        Self {
            name,
            kind,
            absent: Absent::Means(means),
            doc,
        }
    }
}

impl Word {
    /// A word and what it means.
    pub const fn new(name: &'static str, doc: &'static str) -> Self {
        Self { name, doc }
    }
}

impl Section {
    /// The names of its keys.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.keys.iter().map(|key| key.name)
    }

    /// The key of this name.
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}
