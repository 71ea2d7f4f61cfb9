//! The section `verify`: what must hold on the target.

use super::key::{Key, Kind, Word};
use super::reader::{Choice, Fields, Reader, Value};
use super::{section, value};
use phaul_core::plan::Verify;

section! {
    VERIFIERS = "What must hold on the target before the run counts as done.";
    EXEC = Key::required("exec", Kind::Section(&COMMAND), "a command that must succeed"),
}

section! {
    COMMAND = "A command that must succeed on the target.";
    ARGV = Key::required("argv", Kind::Argv, "the program and its arguments"),
    WITHIN = Key::or("within", Kind::Duration(1), "30s", "how long it may take"),
}

const PAGES: &[Word] = &[Word::new(
    "pages",
    "every page is compared before the commit",
)];

/// An entry of the list.
pub(super) static CHECK: Kind = Kind::OneOf(&VERIFIERS, PAGES);

pub(super) fn read(reader: &mut Reader, value: &Value<'_>) -> Option<Vec<Verify>> {
    value::list(reader, value, |reader, value| {
        reader.one_of(value, |reader, choice| match choice {
            Choice::Key(_, value) => exec(reader, &value),
            Choice::Word => Some(Verify::Pages),
        })
    })
}

fn exec(reader: &mut Reader, value: &Value<'_>) -> Option<Verify> {
    let fields = Fields::open(reader, value)?;
    let argv = fields.get(reader, &ARGV, value::argv);
    let within = fields.get(reader, &WITHIN, value::duration);
    Some(Verify::Exec {
        argv: argv?,
        within: within?,
    })
}
