//! The section `criu`: how CRIU is set up.

use super::key::{Key, Kind, Word};
use super::reader::{Fields, Reader, Value};
use super::{section, value};
use phaul_core::plan::Criu;

section! {
    pub(super) CRIU = "How CRIU is set up.";
    CGROUPS = Key::or("cgroups", Kind::Words(MODES), "auto", "what CRIU does about cgroups"),
    OPTIONS = Key::or(
        "options",
        Kind::List(&Kind::Text),
        "[]",
        "further lines for CRIU's configuration",
    ),
}

const MODES: &[Word] = &[
    Word::new("auto", "phaul chooses"),
    Word::new("full", "made and set as they were"),
    Word::new("soft", "properties are set only where CRIU made the cgroup"),
    Word::new("strict", "they must exist"),
    Word::new("ignore", "left alone"),
];

pub(super) fn read(reader: &mut Reader, value: &Value<'_>) -> Option<Criu> {
    let fields = Fields::open(reader, value)?;
    let cgroups = fields.get(reader, &CGROUPS, value::chosen);
    let options = fields.get(reader, &OPTIONS, |reader, value| {
        value::list(reader, value, value::text)
    });
    Some(Criu {
        cgroups: cgroups?,
        options: options?,
    })
}
