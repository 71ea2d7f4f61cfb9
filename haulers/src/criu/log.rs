//! CRIU's log: what of it explains a failure, and what it means.
//!
//! Decisions are made from CRIU's answers alone. The log is only for people: its last errors
//! go along with a failure, and the commonest ones are put into words.

use super::meanings::meaning;
use phaul_core::failure::{Failure, FailureKind};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// Lines of a log that go along with a failure.
const LINES_MAX: usize = 12;
/// The longest such line, in bytes.
const LINE_MAX: usize = 400;
/// How much of the end of a log is read for them, in bytes.
const SEARCHED: u64 = 1 << 20;
/// How much of the end of a log goes into a run's record, in bytes.
const KEPT: u64 = 256 << 10;

/// The last errors in the text of a log, oldest first.
fn errors(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text
        .lines()
        .rev()
        .filter(|line| line.contains("Error (") && !line.contains("RLIMIT_NOFILE"))
        .take(LINES_MAX)
        .map(|line| shortened(line).to_owned())
        .collect();
    lines.reverse();
    lines
}

fn shortened(line: &str) -> &str {
    let mut end = line.len().min(LINE_MAX);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    &line[..end]
}

/// The end of a file as text, whole lines only; empty if it cannot be read.
fn tail(path: &Path, most: u64) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let skipped = length.saturating_sub(most);
    file.seek(SeekFrom::Start(skipped))?;
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    match (skipped > 0).then(|| text.find('\n')).flatten() {
        Some(cut) => Ok(text[cut + 1..].to_owned()),
        None => Ok(text.into_owned()),
    }
}

/// What CRIU says besides its log.
pub(crate) const OUTPUT: &str = "criu.out";

/// What a runtime said in its log, of which each line is a JSON object with a `msg`, and on its
/// standard error: the last lines.
pub(crate) fn said(log: &Path, output: &Path) -> String {
    let text = tail(log, SEARCHED).unwrap_or_default();
    let logged = text.lines().map(|line| {
        let entry: Option<serde_json::Value> = serde_json::from_str(line).ok();
        let message = entry.and_then(|entry| Some(entry.get("msg")?.as_str()?.to_owned()));
        message.unwrap_or_else(|| line.to_owned())
    });
    let text = tail(output, SEARCHED).unwrap_or_default();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).chain(logged).collect();
    let cut = lines.len().saturating_sub(LINES_MAX);
    lines.drain(..cut);
    let shortened: Vec<&str> = lines.iter().map(|line| shortened(line)).collect();
    shortened.join("\n")
}

/// The ends of what CRIU left in a directory, for a run's record: its log of that name and
/// whatever it, or the runtime that drives it, said besides.
pub(crate) fn excerpts(directory: &Path, log: &str) -> Vec<(String, String)> {
    let paths = [log, OUTPUT, super::call::LOG].map(|name| directory.join(name));
    paths.iter().filter_map(|path| excerpt(path)).collect()
}

/// The end of a log, under its name; none if there is no such log.
fn excerpt(path: &Path) -> Option<(String, String)> {
    let name = path.file_name()?.to_str()?.to_owned();
    let text = tail(path, KEPT).ok().filter(|text| !text.is_empty())?;
    Some((name, text))
}

/// A failure of CRIU's work, explained by its log: `did` completes "CRIU could not …".
pub(crate) fn failure(code: &str, did: &str, log: &Path, answer: &str) -> Failure {
    let mut lines = tail(log, SEARCHED).map_or_else(|_| Vec::new(), |text| errors(&text));
    if lines.is_empty() {
        lines.extend(
            answer
                .lines()
                .take(LINES_MAX)
                .map(|line| shortened(line).to_owned()),
        );
    }
    let failure = Failure {
        code: code.to_owned(),
        cause: format!("CRIU could not {did}"),
        hint: None,
        log: Vec::new(),
        kind: FailureKind::Final,
    };
    // A process that ended just then: the next attempt does not meet it.
    let passing = lines
        .iter()
        .any(|line| line.contains("Unseizable non-zombie"));
    let failure = Failure {
        kind: if passing {
            FailureKind::Lost
        } else {
            failure.kind
        },
        ..failure
    };
    match meaning(&lines) {
        Some(meaning) => Failure {
            cause: format!("{}: {}", failure.cause, meaning.cause),
            hint: Some(meaning.hint.to_owned()),
            log: lines,
            ..failure
        },
        None => failure
            .hint("the lines of CRIU's log say more; the whole log is in the run's record")
            .log(lines),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_last_errors_go_along_and_noise_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("dump.log");
        let mut text =
            "(00.000) rlimit: Error (criu/x.c:1): rlimit: RLIMIT_NOFILE: Operation not permitted\n"
                .to_owned();
        for number in 0..40 {
            text += &format!("(00.1) fine\n(00.2) Error (criu/y.c:{number}): no {number}\n");
        }
        text += &format!("(00.3) Error (criu/z.c:1): {}\n", "ü".repeat(LINE_MAX));
        fs::write(&log, text).unwrap();
        let failure = failure("criu-dump", "dump the workload", &log, "");
        assert_eq!(failure.log.len(), LINES_MAX);
        assert!(failure.log[LINES_MAX - 1].len() <= LINE_MAX);
        assert!(failure.log[0].contains("no 29"), "{:?}", failure.log);
        assert!(failure.hint.is_some());
    }

    #[test]
    fn without_a_log_the_answer_speaks() {
        let gone = Path::new("/nonexistent/dump.log");
        let line = "Error (criu/cr-dump.c:388): Can't get rlimit 0: Operation not permitted";
        let failure = failure("criu-dump", "dump the workload", gone, line);
        assert!(failure.cause.contains("limits") && failure.log == [line]);
        assert_eq!(excerpt(gone), None);
    }

    #[test]
    fn an_excerpt_is_bounded_and_begins_with_a_whole_line() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("restore.log");
        fs::write(&log, "0123456789abcde\n".repeat(40_000)).unwrap();
        let (name, text) = excerpt(&log).unwrap();
        assert_eq!(name, "restore.log");
        assert!(text.len() as u64 <= KEPT && text.starts_with("0123"));
    }
}
