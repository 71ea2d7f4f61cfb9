//! The hold: what CRIU calls at each stage (`phaul hold DIRECTORY`), and how it waits.
//!
//! CRIU waits for its action script, and its tasks wait with it. At the source that is the
//! stage `post-dump`, at the target `post-restore`; the hold connects to the executor and does
//! what it is told. When the executor is gone (end of file on the socket), the hold itself
//! decides for the harmless way: `thaw` at the source, `discard` at the target. Decisions are
//! made in [`super::verdict`], so that nobody can decide twice.
//!
//! It runs while the workload stands still: no runtime, nothing that is not needed.

use super::verdict::{Verdict, decide};
use crate::cgroup;
use crate::tasks::Task;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The socket's name in the directory of the attempt.
pub(crate) const SOCKET: &str = "hold.sock";
/// Made (by the action script) when every task is ready to run and only CRIU's detaching is left.
pub(crate) const RESUMING: &str = "resuming";
/// Made (by the action script) when every task runs.
pub(crate) const RESUMED: &str = "resumed";
/// CRIU's stage at which the namespaces of what it restores are there, and nothing is in them.
pub(crate) const NAMESPACES: &str = "setup-namespaces";
/// Names the cgroup of the workload, where it is frozen for the hold.
pub(crate) const FREEZER: &str = "freezer";
/// The longest line that either side accepts, in bytes.
pub(crate) const LINE_MAX: usize = 16 << 20;

/// A task that is held at the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Held {
    /// Who.
    #[serde(flatten)]
    pub task: Task,
    /// It was stopped by itself before the freeze and stays so.
    pub was_stopped: bool,
}

/// What the hold says; one JSON object a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "kebab-case")]
pub(crate) enum Say {
    /// CRIU has come to a stage at which it waits for a verdict.
    Held {
        /// CRIU's name of the stage.
        stage: String,
        /// CRIU's pid.
        criu: i32,
        /// The pid of the tree's root, as CRIU knows it.
        root: Option<i32>,
    },
    /// The tasks are known.
    Ready,
    /// CRIU has ended; the tasks stay stopped until the verdict.
    CriuLost,
    /// This was decided and done.
    Done {
        /// What was decided.
        verdict: Verdict,
    },
}

/// What the executor says to the hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "kebab-case")]
pub(crate) enum Order {
    /// These are the tasks, the root first.
    Tasks {
        /// The tasks.
        tasks: Vec<Held>,
    },
    /// The stage is passed; nothing is decided.
    Proceed,
    /// Decide so.
    Verdict {
        /// What to decide.
        verdict: Verdict,
    },
}

/// Sends the signal that makes held tasks run on, to those that were not stopped before.
pub(crate) fn thaw_all(tasks: &[Held]) {
    for held in tasks.iter().filter(|held| !held.was_stopped) {
        held.task.signal(Signal::CONT);
    }
}

/// Lets the cgroup run on that is frozen for the hold of this attempt, if one is.
pub(crate) fn unfreeze(directory: &Path) -> io::Result<()> {
    match std::fs::read(directory.join(FREEZER)) {
        Ok(path) => cgroup::freeze(Path::new(std::ffi::OsStr::from_bytes(&path)), false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Kills the tasks, the root first: it is the witness by which a recovery tells what happened.
pub(crate) fn kill_all(tasks: &[Held]) {
    for held in tasks {
        held.task.signal(Signal::KILL);
    }
}

/// The hidden subcommand `phaul hold`: does what the stage asks for. `directory` is that of
/// the attempt. Synchronous and small: the workload stands still meanwhile.
pub(crate) fn hold_main(directory: &Path) -> ExitCode {
    let stage = std::env::var("CRTOOLS_SCRIPT_ACTION").unwrap_or_default();
    match stage.as_str() {
        "post-dump" => Hold::new(directory, Verdict::Thaw).run(&stage),
        "post-restore" | NAMESPACES => Hold::new(directory, Verdict::Discard).run(&stage),
        _ => ExitCode::SUCCESS,
    }
}

/// Says on CRIU's log what went wrong, in the form of CRIU's own errors.
fn complain(text: &str) -> ExitCode {
    let _ = writeln!(io::stderr(), "Error (phaul hold): {text}");
    ExitCode::FAILURE
}

/// A hold on the way to its verdict.
struct Hold {
    directory: PathBuf,
    /// What is decided when there is nobody to ask.
    harmless: Verdict,
    tasks: Vec<Held>,
}

/// What woke the hold up.
enum Woken {
    Order(Order),
    CriuEnded,
    ExecutorGone,
}

impl Hold {
    fn new(directory: &Path, harmless: Verdict) -> Self {
        Self {
            directory: directory.to_owned(),
            harmless,
            tasks: Vec::new(),
        }
    }

    fn run(mut self, stage: &str) -> ExitCode {
        match self.ask(stage) {
            Ok((Some(verdict), line)) => self.carry_out(verdict, Some(line)),
            Ok((None, _)) => ExitCode::SUCCESS,
            Err(error) => {
                complain(&format!("nobody to ask: {error}"));
                self.carry_out(self.harmless, None)
            }
        }
    }

    /// Asks the executor and waits for its word; none is the word to proceed.
    fn ask(&mut self, stage: &str) -> io::Result<(Option<Verdict>, UnixStream)> {
        let mut line = connect(&self.directory)?;
        let criu = nix::unistd::getppid().as_raw();
        let root = std::env::var("CRTOOLS_INIT_PID").ok();
        say(
            &mut line,
            &Say::Held {
                stage: stage.to_owned(),
                criu,
                root: root.and_then(|pid| pid.parse().ok()),
            },
        )?;
        let criu = Task::find(criu).and_then(|criu| criu.pidfd());
        let mut watched = criu.as_ref().map(AsFd::as_fd);
        let mut buffer = Vec::new();
        loop {
            match wait(&mut line, watched, &mut buffer)? {
                Woken::Order(Order::Tasks { tasks }) => {
                    self.tasks = tasks;
                    say(&mut line, &Say::Ready)?;
                }
                Woken::Order(Order::Proceed) => return Ok((None, line)),
                Woken::Order(Order::Verdict { verdict }) => return Ok((Some(verdict), line)),
                Woken::CriuEnded => {
                    watched = None;
                    say(&mut line, &Say::CriuLost)?;
                }
                Woken::ExecutorGone => return Ok((Some(self.harmless), line)),
            }
        }
    }

    /// Decides, or follows what was decided before, and does it.
    fn carry_out(&self, wanted: Verdict, line: Option<UnixStream>) -> ExitCode {
        let verdict = decide(&self.directory, wanted).unwrap_or_else(|error| {
            // Nobody else can have decided in a directory in which nothing can be made.
            complain(&format!("cannot decide: {error}"));
            self.harmless
        });
        match verdict {
            Verdict::Thaw => {
                thaw_all(&self.tasks);
                if let Err(error) = unfreeze(&self.directory) {
                    complain(&format!("the workload stays frozen: {error}"));
                }
            }
            Verdict::Kill => kill_all(&self.tasks),
            Verdict::Release | Verdict::Discard => {}
        }
        if let Some(mut line) = line {
            // The executor may be gone; what was decided is done all the same.
            let _ = say(&mut line, &Say::Done { verdict });
        }
        match verdict {
            Verdict::Kill | Verdict::Release => ExitCode::SUCCESS,
            Verdict::Thaw | Verdict::Discard => ExitCode::FAILURE,
        }
    }
}

/// Connects to the socket in a directory. The path of a socket may have 107 bytes only and
/// the directory's may be longer: it is reached through a descriptor.
fn connect(directory: &Path) -> io::Result<UnixStream> {
    let opened = File::open(directory)?;
    UnixStream::connect(short_path(&opened))
}

/// A short path to the socket in an open directory, valid in this process.
pub(crate) fn short_path(directory: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}/{SOCKET}", directory.as_raw_fd()))
}

fn say(line: &mut UnixStream, what: &Say) -> io::Result<()> {
    let mut text = serde_json::to_vec(what)?;
    text.push(b'\n');
    line.write_all(&text)
}

/// Waits for an order, the executor's end, or CRIU's.
fn wait(
    line: &mut UnixStream,
    criu: Option<std::os::fd::BorrowedFd<'_>>,
    buffer: &mut Vec<u8>,
) -> io::Result<Woken> {
    loop {
        if let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
            let order = serde_json::from_slice(&buffer[..end])?;
            buffer.drain(..=end);
            return Ok(Woken::Order(order));
        }
        if buffer.len() > LINE_MAX {
            return Err(io::Error::other("the executor's line is too long"));
        }
        let mut polled = vec![PollFd::new(line.as_fd(), PollFlags::POLLIN)];
        polled.extend(criu.map(|criu| PollFd::new(criu, PollFlags::POLLIN)));
        match poll(&mut polled, PollTimeout::NONE) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let ready = |at: usize| polled.get(at).is_some_and(|fd| fd.any().unwrap_or(false));
        let (spoken, ended) = (ready(0), ready(1));
        if spoken {
            let mut piece = [0; 8192];
            match line.read(&mut piece) {
                Ok(0) => return Ok(Woken::ExecutorGone),
                Ok(count) => buffer.extend_from_slice(&piece[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Ok(Woken::ExecutorGone),
            }
        } else if ended {
            return Ok(Woken::CriuEnded);
        }
    }
}
