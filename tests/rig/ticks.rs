//! Ledgers where they lie: on a host, perhaps within a container, perhaps moved with it.

use std::collections::BTreeMap;

use crate::lab::Host;
use crate::ledger;

use super::{MOMENT, poll};

/// The last number of each part in a ledger, after seeing that there is no gap and no repeat.
///
/// # Errors
/// What is wrong with the ledger.
pub fn ticks(host: &Host, path: &str) -> Result<BTreeMap<String, u64>, String> {
    // The workload makes it, once it has come so far.
    judge(&host.read(path).unwrap_or_default())
}

/// The same of the text of a ledger.
///
/// # Errors
/// What is wrong with it.
pub fn judge(text: &str) -> Result<BTreeMap<String, u64>, String> {
    ledger::check_parts(whole_lines(text)).map_err(|wrong| format!("ledger: {wrong}"))
}

/// Sees that every part that has ticked goes on, without a gap or a repeat (I1, I2, I5).
///
/// # Errors
/// What is wrong with the ledger, or that it does not grow.
pub fn advance(host: &Host, path: &str) -> Result<(), String> {
    let first = ticks(host, path)?;
    let on = |now: &BTreeMap<String, u64>| {
        !now.is_empty() && first.iter().all(|(part, last)| now.get(part) > Some(last))
    };
    let moved = poll(MOMENT, || match ticks(host, path) {
        Ok(now) => on(&now).then_some(Ok(())),
        Err(wrong) => Some(Err(wrong)),
    });
    moved.unwrap_or_else(|| Err(format!("{path} does not go on")))
}

/// Sees that a ledger that was moved begins with all that is in the one left behind, and goes on
/// from there; the one left behind does not (I1, I2).
///
/// # Errors
/// What is wrong with either.
pub fn carried_on(from: (&Host, &str), to: (&Host, &str)) -> Result<(), String> {
    let read = |(host, path): (&Host, &str)| {
        let text = host.read(path);
        text.map_err(|error| format!("{path} on {}: {}", host.side(), error.chain()))
    };
    let left = read(from)?;
    let there = read(to)?;
    if left.is_empty() || !there.starts_with(&left) {
        let lines = left.lines().zip(there.lines());
        let differ = lines.enumerate().find(|(_, (left, there))| left != there);
        return Err(format!(
            "{} is no beginning of {}: {differ:?}",
            from.1, to.1
        ));
    }
    advance(to.0, to.1)?;
    if read(from)? == left {
        return Ok(());
    }
    Err(format!("{} still grows on {}", from.1, from.0.side()))
}

/// A line that is being written is none yet.
fn whole_lines(text: &str) -> &str {
    text.rfind('\n').map_or("", |end| &text[..=end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_being_written_is_not_judged() {
        assert_eq!(judge("1\n2\n3").unwrap()[""], 2);
        assert_eq!(judge("1").unwrap(), BTreeMap::new());
        assert!(judge("1\n3\n4").is_err());
    }
}
