//! The section `retry`: how often a lost attempt is repeated.

use super::key::{Key, Kind};
use super::reader::{Fields, Reader, Value};
use super::{section, value};
use phaul_core::plan::Retry;

section! {
    pub(super) RETRY = "How often an attempt is repeated after a loss, and the pauses between.";
    ATTEMPTS = Key::or("attempts", Kind::Whole(1, 1_000), "3", "attempts in all"),
    BACKOFF = Key::or(
        "backoff",
        Kind::Backoff,
        "1s..30s",
        "the first pause and the longest; each further one is twice as long",
    ),
}

pub(super) fn read(reader: &mut Reader, value: &Value<'_>) -> Option<Retry> {
    let fields = Fields::open(reader, value)?;
    let attempts = fields.get(reader, &ATTEMPTS, value::whole);
    let backoff = fields.get(reader, &BACKOFF, value::backoff);
    let (backoff_first, backoff_longest) = backoff?;
    Some(Retry {
        attempts: attempts?,
        backoff_first,
        backoff_longest,
    })
}
