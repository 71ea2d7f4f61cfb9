//! A line for a person who waits.

use std::fmt::Display;
use std::io::Write;

/// Writes one line to standard error. Nobody reading it is no reason to fail.
pub(crate) fn say(line: impl Display) {
    let _ = writeln!(std::io::stderr(), "lab: {line}");
}
