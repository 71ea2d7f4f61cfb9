//! A process that is still the same one: its pid together with its start time.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::command::wait_until;
use super::error::{Error, Result};

/// How long the kernel may take to tear down a killed pid namespace.
const GONE_WITHIN: Duration = Duration::from_secs(30);

/// A process of the machine, safe against its pid being given to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) pid: i32,
    start_ticks: u64,
}

impl Identity {
    /// The process that has `pid` now.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        let (_, start_ticks) = state_and_start(pid)?;
        Some(Self { pid, start_ticks })
    }

    /// Whether it still exists and has not ended.
    pub(crate) fn is_alive(self) -> bool {
        // A zombie counts as gone: the first process of a pid namespace becomes one only after all
        // others ended, and whoever has to reap it is not ours.
        state_and_start(self.pid)
            .is_some_and(|(state, start)| start == self.start_ticks && !"ZX".contains(state))
    }

    /// Kills it and waits until it is gone; that it is gone already is fine.
    pub(crate) fn kill(self) -> Result<()> {
        if self.is_alive() {
            let _ = kill(Pid::from_raw(self.pid), Signal::SIGKILL);
        }
        wait_until(
            &format!("the end of process {}", self.pid),
            GONE_WITHIN,
            || !self.is_alive(),
        )
    }

    /// Its directory beneath `/proc`.
    pub(crate) fn proc(self) -> PathBuf {
        PathBuf::from(format!("/proc/{}", self.pid))
    }

    /// Remembers it in a file, which is there as a whole or not at all.
    pub(crate) fn save(self, path: &Path) -> Result<()> {
        let partial = path.with_extension("partial");
        fs::write(&partial, format!("{} {}\n", self.pid, self.start_ticks))
            .map_err(Error::file("write", &partial))?;
        fs::rename(&partial, path).map_err(Error::file("rename to", path))
    }

    /// What [`Identity::save`] wrote.
    pub(crate) fn load(path: &Path) -> Option<Self> {
        let text = fs::read_to_string(path).ok()?;
        let (pid, start) = text.trim().split_once(' ')?;
        Some(Self {
            pid: pid.parse().ok()?,
            start_ticks: start.parse().ok()?,
        })
    }
}

/// Fields 3 and 22 of `/proc/PID/stat`.
fn state_and_start(pid: i32) -> Option<(char, u64)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in field 2 may hold blanks and brackets: everything after the last one is plain.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.chars().next()?;
    let start = fields.nth(18)?.parse().ok()?;
    Some((state, start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_pid_and_start_time() {
        let me = Identity::of(std::process::id().cast_signed()).unwrap();
        assert!(me.is_alive());
        assert!(
            !Identity {
                start_ticks: me.start_ticks + 1,
                ..me
            }
            .is_alive()
        );
    }

    #[test]
    fn it_survives_being_saved() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.pid");
        let me = Identity::of(std::process::id().cast_signed()).unwrap();
        me.save(&path).unwrap();
        assert_eq!(Identity::load(&path), Some(me));
        assert_eq!(Identity::load(&directory.path().join("none")), None);
    }
}
