//! Programs of the machine: run one, wait for it within a limit, keep what it said.

use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Seek};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

use super::error::{Error, Result};

/// How often a wait looks again.
pub(crate) const POLL: Duration = Duration::from_millis(4);

/// How long the short programs of the lab (`ip`, `tc`, ...) may take.
const TOOL_LIMIT: Duration = Duration::from_secs(60);

/// How long `nsenter` may take to notice that what it started is dead.
const REAPED_WITHIN: Duration = Duration::from_secs(2);

/// How a program ended and what it said.
#[derive(Debug, Clone)]
pub struct Output {
    /// Exit code or signal.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Output {
    /// The exit code as a shell would report it: 128 + signal for a killed program.
    pub fn code(&self) -> i32 {
        shell_code(self.status)
    }
}

/// The exit code that a shell reports for `status`.
pub fn shell_code(status: ExitStatus) -> i32 {
    status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .unwrap_or(1)
}

/// The command as one would type it, for messages.
pub(crate) fn command_line(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Runs `command` to its end, whatever its exit code, and kills its process group after `limit`.
///
/// Its output goes to unlinked files and not through pipes: a daemon that it leaves behind would
/// hold a pipe open and with it the caller.
pub(crate) fn output(command: &mut Command, limit: Duration) -> Result<Output> {
    let line = command_line(command);
    let start = |source| Error::Start {
        command: line.clone(),
        source,
    };
    let mut stdout = tempfile::tempfile().map_err(start)?;
    let mut stderr = tempfile::tempfile().map_err(start)?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(stdout.try_clone().map_err(start)?)
        .stderr(stderr.try_clone().map_err(start)?)
        .process_group(0)
        .spawn()
        .map_err(start)?;
    let ended = wait(&mut child, limit).map_err(start)?;
    if ended.is_none() {
        kill_group(&mut child);
    }
    let text = |file: &mut fs::File| -> Result<String> {
        let mut bytes = Vec::new();
        file.rewind()
            .and_then(|()| file.read_to_end(&mut bytes))
            .map_err(start)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let (stdout, stderr) = (text(&mut stdout)?, text(&mut stderr)?);
    match ended {
        Some(status) => Ok(Output {
            status,
            stdout,
            stderr,
        }),
        None => Err(Error::TooLong {
            command: line,
            limit,
            stderr,
        }),
    }
}

/// Runs a program that must succeed and gives its standard output.
pub(crate) fn run<S: AsRef<OsStr>>(argv: &[S]) -> Result<String> {
    let (program, arguments) = argv
        .split_first()
        .ok_or_else(|| Error::Unfit("an empty command".into()))?;
    let mut command = Command::new(program);
    command.args(arguments);
    let output = output(&mut command, TOOL_LIMIT)?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(Error::Failed {
        command: command_line(&command),
        status: output.status.to_string(),
        stderr: output.stderr,
    })
}

/// Waits until `child` ends; `None` when it still runs after `limit`.
pub(crate) fn wait(child: &mut Child, limit: Duration) -> std::io::Result<Option<ExitStatus>> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        std::thread::sleep(POLL);
    }
}

/// Kills the process group that `child` leads, and reaps it.
///
/// What `nsenter` has started in a host dies first, so that `nsenter` reaps it. With `nsenter` dead
/// it would stay a zombie in the host, for some process outside to reap, and the host could not
/// end.
pub(crate) fn kill_group(child: &mut Child) {
    // A child that was waited for has no group any more, and its number may be another's.
    if !matches!(child.try_wait(), Ok(None)) {
        return;
    }
    let leader = Pid::from_raw(child.id().cast_signed());
    let started = children_of(leader);
    for pid in &started {
        let _ = kill(*pid, Signal::SIGKILL);
    }
    // Not reaped yet, the leader keeps the group's number from being given to another.
    let ended = || {
        let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT | WaitPidFlag::WNOHANG;
        waitid(Id::Pid(leader), look).is_ok_and(|status| status != WaitStatus::StillAlive)
    };
    if !started.is_empty() {
        let _ = wait_until("the end of nsenter", REAPED_WITHIN, ended);
    }
    let _ = killpg(leader, Signal::SIGKILL);
    let _ = child.wait();
}

/// The children of the only thread of `parent`.
pub(crate) fn children_of(parent: Pid) -> Vec<Pid> {
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
    children
        .unwrap_or_default()
        .split_whitespace()
        .filter_map(|pid| Some(Pid::from_raw(pid.parse().ok()?)))
        .collect()
}

/// Waits until `done` says so.
pub(crate) fn wait_until(
    what: &str,
    limit: Duration,
    mut done: impl FnMut() -> bool,
) -> Result<()> {
    let deadline = Instant::now() + limit;
    while !done() {
        if Instant::now() >= deadline {
            return Err(Error::Waited {
                what: what.to_owned(),
                limit,
            });
        }
        std::thread::sleep(POLL);
    }
    Ok(())
}
