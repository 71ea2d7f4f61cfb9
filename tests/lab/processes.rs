//! A host's process table, read from its own proc file system.

use std::fs;
use std::path::Path;

use super::error::{Error, Result};

/// A process of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its pid in the host.
    pub pid: i32,
    /// Its parent's pid in the host; 0 when the parent is not of this host.
    pub ppid: i32,
    /// The letter that `ps` shows: `R`, `S`, `T`, `Z`, ...
    pub state: char,
    /// Its arguments, with blanks between; its name in brackets where it has none.
    pub cmdline: String,
}

/// All processes that `proc` shows, by pid.
pub(crate) fn list(proc: &Path) -> Result<Vec<Process>> {
    let entries = fs::read_dir(proc).map_err(Error::file("read", proc))?;
    let pids = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    // A process that ends meanwhile is none.
    let mut list: Vec<_> = pids.filter_map(|pid| read(proc, pid)).collect();
    list.sort_by_key(|process| process.pid);
    Ok(list)
}

/// The process that `proc` shows under `pid`.
pub(crate) fn read(proc: &Path, pid: i32) -> Option<Process> {
    let directory = proc.join(pid.to_string());
    let (name, state, ppid) = parse_stat(&fs::read_to_string(directory.join("stat")).ok()?)?;
    let arguments = fs::read(directory.join("cmdline")).ok()?;
    let cmdline = match arguments.strip_suffix(&[0]).unwrap_or(&arguments) {
        [] => format!("[{name}]"),
        arguments => String::from_utf8_lossy(arguments).replace('\0', " "),
    };
    Some(Process {
        pid,
        ppid,
        state,
        cmdline,
    })
}

/// Whether the process `pid` of this process's own pid namespace, started to become something else,
/// runs another program than `starter` by now.
pub(crate) fn has_outgrown(pid: i32, starter: &str) -> bool {
    let directory = Path::new("/proc").join(pid.to_string());
    // While a program is being replaced its arguments are missing for a moment.
    fs::read_link(directory.join("exe")).is_ok_and(|program| !program.ends_with(starter))
        && fs::read(directory.join("cmdline")).is_ok_and(|arguments| !arguments.is_empty())
}

/// Name, state and parent from a line of `/proc/PID/stat`. The name may hold blanks and brackets.
fn parse_stat(stat: &str) -> Option<(String, char, i32)> {
    let (before, after) = stat.rsplit_once(')')?;
    let name = before.split_once('(')?.1.to_owned();
    let mut fields = after.split_whitespace();
    Some((
        name,
        fields.next()?.chars().next()?,
        fields.next()?.parse().ok()?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_blanks_is_read_right() {
        assert_eq!(
            parse_stat("7 (a) b (c) S 1 7 7 0"),
            Some(("a) b (c".into(), 'S', 1))
        );
        assert_eq!(parse_stat("nonsense"), None);
    }

    #[test]
    fn this_process_is_listed() {
        let me = std::process::id().cast_signed();
        let found = list(Path::new("/proc"))
            .unwrap()
            .into_iter()
            .find(|process| process.pid == me)
            .unwrap();
        assert_eq!(
            Some(found.cmdline),
            read(Path::new("/proc"), me).map(|process| process.cmdline)
        );
    }
}
