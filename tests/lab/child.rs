//! A program that runs in a host in the background.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::unistd::Pid;

use super::command;
use super::error::{Error, Result};
use super::processes::has_outgrown;

/// How long a program may take from being started to being seen.
const SEEN_WITHIN: Duration = Duration::from_secs(5);

/// A program in a host, started by [`super::Host::spawn`]; dropping it kills the program.
#[derive(Debug)]
pub struct Child {
    child: std::process::Child,
    pid: Option<i32>,
    log: PathBuf,
}

impl Child {
    pub(crate) fn start(mut command: Command, logs: &Path) -> Result<Self> {
        let line = command::command_line(&command);
        fs::create_dir_all(logs).map_err(Error::file("create", logs))?;
        let (file, log) = tempfile::Builder::new()
            .prefix("spawned-")
            .suffix(".log")
            .tempfile_in(logs)
            .and_then(|file| Ok(file.keep()?))
            .map_err(Error::file("create a log in", logs))?;
        let start = |source| Error::Start {
            command: line.clone(),
            source,
        };
        command
            .stdin(Stdio::null())
            .stdout(file.try_clone().map_err(start)?)
            .stderr(file)
            .process_group(0);
        let child = command.spawn().map_err(start)?;
        let mut started = Self {
            child,
            pid: None,
            log,
        };
        started.find_pid()?;
        Ok(started)
    }

    /// Its pid in the host; `None` when it had ended before it was seen.
    pub fn pid(&self) -> Option<i32> {
        self.pid
    }

    /// What it has written so far, standard output and standard error as they came.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for its end; `None` when it still runs after `limit`.
    pub fn wait_within(&mut self, limit: Duration) -> Result<Option<ExitStatus>> {
        command::wait(&mut self.child, limit)
            .map_err(Error::file("wait for the program that logs to", &self.log))
    }

    /// Kills it, and what it started as long as that has not left its process group.
    pub fn kill(&mut self) {
        command::kill_group(&mut self.child);
    }

    /// Waits until `nsenter` has started the program proper, and takes its pid.
    fn find_pid(&mut self) -> Result<()> {
        let entered = Pid::from_raw(self.child.id().cast_signed());
        let mut pid = None;
        let child = &mut self.child;
        command::wait_until("the start of a program in a host", SEEN_WITHIN, || {
            pid = program_of(entered);
            pid.is_some() || !matches!(child.try_wait(), Ok(None))
        })?;
        self.pid = pid;
        Ok(())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The pid, in its host, of what `nsenter` with the pid `entered` runs.
fn program_of(entered: Pid) -> Option<i32> {
    let child = *command::children_of(entered).first()?;
    if !has_outgrown(child.as_raw(), "nsenter") {
        return None;
    }
    let status = fs::read_to_string(format!("/proc/{child}/status")).ok()?;
    let pids = status
        .lines()
        .find_map(|line| line.strip_prefix("NSpid:"))?;
    pids.split_whitespace().nth(1)?.parse().ok()
}
