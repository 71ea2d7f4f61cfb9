//! Tasks: who they are, what state they are in, and signals that cannot hit another.
//!
//! A pid alone names nobody: it may be given to another task at any time. A task is known by
//! its pid together with its start time, within one boot of the host.

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;

/// More tasks than this in one tree are taken for a mistake.
pub(crate) const TASKS_MAX: usize = 100_000;

/// A task of this boot: a process, or CRIU, or the hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Task {
    /// Its pid as phaul sees it.
    pub pid: i32,
    /// When it started, in clock ticks after boot.
    pub start_ticks: u64,
}

/// One look at `/proc/PID/stat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    /// `R`, `S`, `t` (stopped by its tracer), `T` (stopped), `Z` and so on.
    pub state: char,
    /// Its parent.
    pub parent: i32,
    /// Its process group.
    pub group: i32,
    /// Its session.
    pub session: i32,
    /// The kernel's flags of the task.
    pub flags: u64,
    /// Its start in clock ticks after boot.
    pub start_ticks: u64,
}

/// `PF_KTHREAD` of the kernel: a task without memory of its own.
const KERNEL_THREAD: u64 = 0x0020_0000;

/// One look at the lines of `/proc/PID/status` that matter to a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Pending {
    /// Who traces it; 0 for nobody.
    pub tracer: i32,
    /// Bits of the signals that wait for the thread or its process.
    pub signals: u64,
}

impl Stat {
    /// Whether it has come to its end, reaped or not.
    pub(crate) fn ended(&self) -> bool {
        matches!(self.state, 'Z' | 'X' | 'x')
    }

    /// Whether it is one of the kernel's own.
    pub(crate) fn is_kernel_thread(&self) -> bool {
        self.flags & KERNEL_THREAD != 0
    }

    /// Reads the text of `/proc/PID/stat`; a command name may hold anything, also `)`.
    fn parse(text: &str) -> Option<Self> {
        let rest = &text[text.rfind(')')? + 1..];
        let fields: Vec<&str> = rest.split_whitespace().collect();
        Some(Self {
            state: fields.first()?.chars().next()?,
            parent: fields.get(1)?.parse().ok()?,
            group: fields.get(2)?.parse().ok()?,
            session: fields.get(3)?.parse().ok()?,
            flags: fields.get(6)?.parse().ok()?,
            start_ticks: fields.get(19)?.parse().ok()?,
        })
    }
}

impl Pending {
    /// Whether this signal waits.
    pub(crate) fn has(&self, signal: Signal) -> bool {
        let bit = u32::try_from(signal.as_raw() - 1).unwrap_or(63);
        self.signals & 1u64.checked_shl(bit).unwrap_or(0) != 0
    }

    fn parse(text: &str) -> Self {
        let mut found = Self::default();
        for line in text.lines() {
            let Some((key, value)) = line.split_once(':') else {
                continue;
            };
            let value = value.trim();
            match key {
                "TracerPid" => found.tracer = value.parse().unwrap_or(0),
                "SigPnd" | "ShdPnd" => {
                    found.signals |= u64::from_str_radix(value, 16).unwrap_or(0);
                }
                _ => {}
            }
        }
        found
    }
}

/// The state of the task with this pid, if there is one.
pub(crate) fn stat(pid: i32) -> Option<Stat> {
    Stat::parse(&read_lossy(&format!("/proc/{pid}/stat"))?)
}

/// The tracer and the waiting signals of the task with this pid, if there is one.
pub(crate) fn pending(pid: i32) -> Option<Pending> {
    read_lossy(&format!("/proc/{pid}/status")).map(|text| Pending::parse(&text))
}

/// The pid that a process has in its own pid namespace.
pub(crate) fn inner_pid(pid: i32) -> Option<i32> {
    let text = read_lossy(&format!("/proc/{pid}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
    line.split_whitespace().last()?.parse().ok()
}

/// A task's own choice of name, for messages.
pub(crate) fn command(pid: i32) -> String {
    read_lossy(&format!("/proc/{pid}/comm"))
        .map_or_else(|| "?".to_owned(), |name| name.trim_end().to_owned())
}

fn read_lossy(path: &str) -> Option<String> {
    fs::read(path)
        .ok()
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// The id of this boot of the host.
pub(crate) fn boot_id() -> String {
    read_lossy("/proc/sys/kernel/random/boot_id")
        .map_or_else(String::new, |id| id.trim().to_owned())
}

impl Task {
    /// The task that has this pid now; none if there is none, or it has ended.
    pub(crate) fn find(pid: i32) -> Option<Self> {
        let stat = stat(pid).filter(|stat| !stat.ended())?;
        Some(Self {
            pid,
            start_ticks: stat.start_ticks,
        })
    }

    /// Its state, while it exists (also as a zombie).
    pub(crate) fn stat(&self) -> Option<Stat> {
        stat(self.pid).filter(|stat| stat.start_ticks == self.start_ticks)
    }

    /// Whether it exists and has not ended.
    pub(crate) fn is_alive(&self) -> bool {
        self.stat().is_some_and(|stat| !stat.ended())
    }

    /// Whether it exists and could still run: it has not ended and no SIGKILL waits for it.
    /// Once SIGKILL waits, the kernel never lets it run user code again.
    pub(crate) fn can_run(&self) -> bool {
        self.is_alive() && !pending(self.pid).is_some_and(|pending| pending.has(Signal::KILL))
    }

    /// Its tracer and waiting signals, while it exists.
    pub(crate) fn pending(&self) -> Option<Pending> {
        let found = pending(self.pid)?;
        self.stat().map(|_| found)
    }

    /// A descriptor that means this task and no later one with its pid.
    pub(crate) fn pidfd(&self) -> Option<OwnedFd> {
        let pid = Pid::from_raw(self.pid)?;
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).ok()?;
        // Looked at after opening: whoever has the pid now is whom the descriptor means.
        self.stat().map(|_| pidfd)
    }

    /// Sends it a signal; false if it is not there any more.
    pub(crate) fn signal(&self, signal: Signal) -> bool {
        self.pidfd()
            .is_some_and(|pidfd| pidfd_send_signal(&pidfd, signal).is_ok())
    }

    /// Its threads, itself among them.
    pub(crate) fn threads(&self) -> Vec<i32> {
        threads(self.pid)
    }
}

/// The thread ids of a process, in ascending order.
pub(crate) fn threads(pid: i32) -> Vec<i32> {
    numbers_in(&format!("/proc/{pid}/task"))
}

fn numbers_in(directory: &str) -> Vec<i32> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    let names = entries.flatten().map(|entry| entry.file_name());
    let numbers: BTreeSet<i32> = names
        .filter_map(|name| name.to_str()?.parse().ok())
        .collect();
    numbers.into_iter().collect()
}

/// The pids of a process and all its descendants, parents before children. Only while the
/// tree stands still is this the whole tree.
pub(crate) fn tree(root: i32) -> io::Result<Vec<i32>> {
    let mut found = vec![root];
    let mut next = 0;
    while let Some(&pid) = found.get(next) {
        next += 1;
        for thread in threads(pid) {
            let path = format!("/proc/{pid}/task/{thread}/children");
            let children = match fs::read_to_string(&path) {
                Ok(text) => text,
                Err(error) if is_gone(&error) => continue,
                Err(error) => return Err(error),
            };
            found.extend(
                children
                    .split_whitespace()
                    .filter_map(|pid| pid.parse::<i32>().ok()),
            );
        }
        if found.len() > TASKS_MAX {
            return Err(io::Error::other(format!("more than {TASKS_MAX} processes")));
        }
    }
    Ok(found)
}

/// Whether a look into `/proc` failed because the task has gone.
pub(crate) fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
        || error.raw_os_error() == Some(nix::errno::Errno::ESRCH as i32)
}

/// Whether a process is this one or one of its ancestors.
pub(crate) fn is_self_or_ancestor(pid: i32) -> bool {
    let mut current = i32::try_from(std::process::id()).unwrap_or(0);
    while current > 0 {
        if current == pid {
            return true;
        }
        current = stat(current).map_or(0, |stat| stat.parent);
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    fn sleeper() -> std::process::Child {
        Command::new("sleep")
            .arg("60")
            .stdin(Stdio::null())
            .spawn()
            .expect("sleep runs")
    }

    #[test]
    fn a_command_name_cannot_confuse_the_fields() {
        let text = "7 (a) S 1 2) R 4 5 6 0 -1 4194560 1 0 0 0 1 2 3 4 20 0 1 0 987 0 0";
        let stat = Stat::parse(text).unwrap();
        assert_eq!((stat.state, stat.parent, stat.start_ticks), ('R', 4, 987));
        assert_eq!(Stat::parse("7 (x"), None);
    }

    #[test]
    fn waiting_signals_of_thread_and_process_count() {
        let text =
            "Name:\tx\nTracerPid:\t12\nSigPnd:\t0000000000000100\nShdPnd:\t0000000000040000\n";
        let pending = Pending::parse(text);
        assert_eq!(pending.tracer, 12);
        assert!(pending.has(Signal::KILL) && pending.has(Signal::STOP));
        assert!(!pending.has(Signal::TERM));
    }

    #[test]
    fn a_task_is_more_than_its_pid() {
        let mut child = sleeper();
        let pid = i32::try_from(child.id()).unwrap();
        let task = Task::find(pid).unwrap();
        let other = Task {
            start_ticks: task.start_ticks + 1,
            ..task
        };
        assert!(task.is_alive() && task.can_run());
        assert!(!other.is_alive() && !other.signal(Signal::KILL));
        assert!(task.signal(Signal::KILL));
        assert!(!task.can_run(), "SIGKILL waits or it has ended");
        child.wait().unwrap();
        assert!(!task.is_alive() && !task.signal(Signal::KILL));
    }

    #[test]
    fn the_tree_has_children_of_every_thread() {
        let mut child = std::thread::spawn(sleeper).join().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let own = i32::try_from(std::process::id()).unwrap();
        let deadline = Instant::now() + Duration::from_secs(5);
        while !tree(own).unwrap().contains(&pid) {
            assert!(Instant::now() < deadline, "child not found");
        }
        assert_eq!(tree(own).unwrap()[0], own);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn init_is_everybodys_ancestor() {
        assert!(is_self_or_ancestor(1));
        let mut child = sleeper();
        assert!(!is_self_or_ancestor(i32::try_from(child.id()).unwrap()));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
