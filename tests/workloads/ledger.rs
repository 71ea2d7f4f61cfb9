//! The file in which a workload writes down every tick, and how to judge it.
//!
//! A line is a number, or the name of a part of the workload and a number. The numbers of a part
//! count from 1 without gap or repeat. A workload that finds its own state changed writes `corrupt`
//! and what, and ends.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

/// How a workload ends that found its state changed.
pub const CORRUPT_EXIT: i32 = 99;

/// How a workload ends that cannot write its ledger.
const UNWRITABLE_EXIT: i32 = 98;

/// The first word of the line that ends a ledger in disgrace.
const CORRUPT: &str = "corrupt";

/// A workload's hold on its ledger: opened once and kept open.
#[derive(Debug)]
pub struct Ledger {
    file: File,
}

impl Ledger {
    /// Opens the ledger to append to it, or ends the process.
    pub fn open_or_exit(path: &Path) -> Self {
        match OpenOptions::new().create(true).append(true).open(path) {
            Ok(file) => Self { file },
            Err(error) => {
                let _ = writeln!(std::io::stderr(), "cannot open {}: {error}", path.display());
                std::process::exit(UNWRITABLE_EXIT)
            }
        }
    }

    /// Writes down a tick of the only part.
    pub fn tick(&self, number: u64) {
        self.write(&format!("{number}\n"));
    }

    /// Writes down a tick of one part of many.
    pub fn tick_of(&self, part: &str, number: u64) {
        self.write(&format!("{part} {number}\n"));
    }

    /// Writes down that `what` is not what the workload left there, and ends the process.
    pub fn corrupt(&self, what: &str) -> ! {
        self.write(&format!("{CORRUPT} {what}\n"));
        std::process::exit(CORRUPT_EXIT)
    }

    /// One call for the whole line: appended as one piece, whoever else appends.
    fn write(&self, line: &str) {
        if (&self.file).write_all(line.as_bytes()).is_err() {
            std::process::exit(UNWRITABLE_EXIT)
        }
    }
}

/// Judges the ledger of a workload with one part; gives its last number, 0 if it never ticked.
///
/// # Errors
/// Names the first line that is a gap, a repeat, or no tick at all.
pub fn check(text: &str) -> Result<u64, String> {
    let mut parts = check_parts(text)?;
    let last = parts.remove("").unwrap_or(0);
    match parts.into_keys().next() {
        Some(part) => Err(format!("`{part}` ticks in a ledger for a single part")),
        None => Ok(last),
    }
}

/// Judges the ledger of a workload with many parts; gives the last number of each.
///
/// # Errors
/// Names the first line that is a gap or a repeat in its part, or no tick at all.
pub fn check_parts(text: &str) -> Result<BTreeMap<String, u64>, String> {
    let mut last = BTreeMap::new();
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let wrong = |what: String| format!("line {}: {what}", index + 1);
        let Some(line) = line.strip_suffix('\n') else {
            return Err(wrong(format!("`{line}` is torn off")));
        };
        let (part, number) = line.rsplit_once(' ').unwrap_or(("", line));
        if line.starts_with(CORRUPT) {
            return Err(wrong(format!("the workload found `{line}`")));
        }
        let number: u64 = number
            .parse()
            .map_err(|_| wrong(format!("`{line}` is no tick")))?;
        let before = last.entry(part.to_owned()).or_insert(0);
        let name = if part.is_empty() {
            String::new()
        } else {
            format!("{part} ")
        };
        if number <= *before {
            return Err(wrong(format!(
                "{name}{number} is repeated, {before} was the last"
            )));
        }
        if number != *before + 1 {
            return Err(wrong(format!("{name}{number} follows {before}: a gap")));
        }
        *before = number;
    }
    Ok(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_ledger_gives_its_last_number() {
        assert_eq!(check(""), Ok(0));
        assert_eq!(check("1\n2\n3\n"), Ok(3));
    }

    #[test]
    fn a_gap_or_a_repeat_is_named_with_its_line() {
        assert_eq!(
            check("1\n2\n4\n").unwrap_err(),
            "line 3: 4 follows 2: a gap"
        );
        assert_eq!(check("2\n").unwrap_err(), "line 1: 2 follows 0: a gap");
        assert_eq!(
            check("1\n2\n2\n").unwrap_err(),
            "line 3: 2 is repeated, 2 was the last"
        );
        assert_eq!(
            check("1\n2\n1\n").unwrap_err(),
            "line 3: 1 is repeated, 2 was the last"
        );
    }

    #[test]
    fn what_is_no_tick_is_named_with_its_line() {
        assert_eq!(check("1\n2").unwrap_err(), "line 2: `2` is torn off");
        assert_eq!(check("1\n\0\0\n").unwrap_err(), "line 2: `\0\0` is no tick");
        assert_eq!(
            check("1\ncorrupt counter\n").unwrap_err(),
            "line 2: the workload found `corrupt counter`"
        );
        assert_eq!(
            check("1\nmemory 1\n").unwrap_err(),
            "`memory` ticks in a ledger for a single part"
        );
    }

    #[test]
    fn parts_count_each_for_itself() {
        let parts = check_parts("memory 1\npipe 1\nmemory 2\n").unwrap();
        assert_eq!(
            parts,
            BTreeMap::from([("memory".into(), 2), ("pipe".into(), 1)])
        );
        assert_eq!(
            check_parts("memory 1\npipe 1\npipe 3\n").unwrap_err(),
            "line 3: pipe 3 follows 1: a gap"
        );
    }

    #[test]
    fn what_is_written_is_what_is_judged() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ledger");
        Ledger::open_or_exit(&path).tick_of("memory", 1);
        Ledger::open_or_exit(&path).tick(1);
        let parts = check_parts(&std::fs::read_to_string(path).unwrap()).unwrap();
        assert_eq!(
            parts,
            BTreeMap::from([(String::new(), 1), ("memory".into(), 1)])
        );
    }
}
