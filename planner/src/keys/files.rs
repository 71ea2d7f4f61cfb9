//! The section `files`: what is moved with the workload.

use super::key::{Key, Kind, Word};
use super::reader::{Choice, Fields, Reader, Value};
use super::{named, section, value};
use crate::diagnostic::Diagnostic;
use crate::diagnostic::codes::BAD_VALUE;
use crate::yaml::{Node, NodeKind};
use phaul_core::plan::FileSet;

section! {
    ENTRIES = "Files that are moved with the workload, or are already there.";
    TREE = Key::required("tree", Kind::Section(&TREE_KEYS), "a tree that is copied in rounds"),
    SHARED = Key::required("shared", Kind::Section(&SHARED_KEYS), "a tree that both hosts mount"),
}

section! {
    TREE_KEYS = "A tree that is copied in rounds.";
    TREE_PATH = Key::required("path", Kind::Path, "its root; relative to the bundle of a container"),
    EXCLUDE = Key::or("exclude", Kind::List(&Kind::Text), "[]", "patterns of what is left out"),
}

section! {
    SHARED_KEYS = "A tree that both hosts mount.";
    SHARED_PATH = Key::required("path", Kind::AbsolutePath, "its root"),
}

/// The word for no files.
pub(super) const NONE: &[Word] = &[Word::new("none", "nothing is moved with it")];

/// An entry of the list.
pub(super) static ENTRY: Kind = Kind::OneOf(&ENTRIES, NONE);

pub(super) fn read(reader: &mut Reader, value: &Value<'_>) -> Option<Vec<FileSet>> {
    match &value.node.kind {
        NodeKind::Text(text) => return reader.word(value, text).map(|_| vec![FileSet::None]),
        NodeKind::List(items) if items.len() > 1 => {
            let none = |item: &&Node| item.text() == Some(NONE[0].name);
            if let Some(none) = items.iter().find(none) {
                let message = "`files` has `none` beside other entries";
                let found = Diagnostic::at(&BAD_VALUE, &none.place, message)
                    .label("either none or some")
                    .help(Some("keep `none` alone, or leave it out".to_owned()));
                reader.report.push(found);
            }
        }
        _ => {}
    }
    value::list(reader, value, entry)
}

fn entry(reader: &mut Reader, value: &Value<'_>) -> Option<FileSet> {
    reader.one_of(value, |reader, choice| match choice {
        Choice::Key("tree", value) => tree(reader, &value),
        Choice::Key(_, value) => {
            let fields = Fields::open(reader, &value)?;
            let path = fields.get(reader, &SHARED_PATH, named::absolute_path)?;
            Some(FileSet::Shared { path })
        }
        Choice::Word => Some(FileSet::None),
    })
}

fn tree(reader: &mut Reader, value: &Value<'_>) -> Option<FileSet> {
    let fields = Fields::open(reader, value)?;
    let path = fields.get(reader, &TREE_PATH, named::path);
    let exclude = fields.get(reader, &EXCLUDE, |reader, value| {
        value::list(reader, value, value::text)
    });
    Some(FileSet::Tree {
        path: path?,
        exclude: exclude?,
    })
}
