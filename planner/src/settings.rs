//! Which keys a plan sets, and where: all others have their defaults.

use crate::source::Place;
use std::collections::BTreeMap;

/// The keys that were set, by their path such as `memory.converge.rounds` or `verify[0].exec`.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    found: BTreeMap<String, Setting>,
}

/// A key that was set.
#[derive(Debug, Clone)]
pub struct Setting {
    /// Where the key stands; for an item of a list, where the item stands.
    pub key: Place,
    /// Where its value stands.
    pub value: Place,
    /// The value as far as rules need it.
    pub shape: Shape,
}

/// What a value is, as far as rules need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// This text.
    Word(String),
    /// A list or a mapping with nothing in it.
    Empty,
    /// A list or a mapping with something in it.
    Filled,
    /// A number, a flag, or nothing.
    Other,
}

impl Settings {
    pub(crate) fn insert(&mut self, path: String, setting: Setting) {
        self.found.insert(path, setting);
    }

    /// Whether the key is set, by the plan or by an override.
    pub fn has(&self, path: &str) -> bool {
        self.found.contains_key(path)
    }

    /// How the key is set.
    pub fn get(&self, path: &str) -> Option<&Setting> {
        self.found.get(path)
    }

    /// All of them, sorted by path.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Setting)> {
        self.found
            .iter()
            .map(|(path, setting)| (path.as_str(), setting))
    }
}

impl Setting {
    /// What to underline: the value if it fits on a line, else the key.
    pub fn spot(&self) -> &Place {
        if self.value.has_lines() || self.value.text().is_empty() {
            &self.key
        } else {
            &self.value
        }
    }
}
