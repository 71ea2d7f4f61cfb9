//! Mending connections that a CRIU that died left in repair: such a socket sends nothing, and
//! its task is told of an error once it runs on.

use super::locks::unlock_leftovers;
use super::netns::Netns;
use crate::tasks::{Task, is_gone};
use nix::errno::Errno;
use nix::sys::socket::{getsockopt, setsockopt, sockopt};
use phaul_core::failure::Failure;
use rustix::process::{PidfdGetfdFlags, pidfd_getfd};
use std::collections::BTreeSet;
use std::fs;
use std::os::fd::OwnedFd;

/// `TCP_REPAIR_OFF`: the socket also asks its peer where they are, which wakes both.
const OFF: u32 = 0;

/// What was mended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Mended {
    /// Sockets that were in repair.
    pub(crate) sockets: usize,
    /// Tables of CRIU's locks that were deleted.
    pub(crate) locks: Vec<String>,
}

/// Deletes the locks that a dead CRIU left in a namespace, but for those of others, and takes
/// the sockets of these tasks out of repair. The tasks must not run: they are frozen. Only for
/// when that CRIU is dead; done twice it finds nothing more.
///
/// # Errors
///
/// `network-nftables` if a lock cannot be deleted; `network-repair` if a socket cannot be
/// reached or stays in repair.
pub(super) fn mend(tasks: &[i32], netns: &Netns, others: &[String]) -> Result<Mended, Failure> {
    // The lock first: what the sockets then send must get through.
    let locks = unlock_leftovers(netns, others)?;
    let mut seen = BTreeSet::new();
    let mut sockets = 0;
    for pid in tasks {
        sockets += of_task(*pid, &mut seen)?;
    }
    Ok(Mended { sockets, locks })
}

fn failed(pid: i32, why: impl std::fmt::Display) -> Failure {
    let cause = format!("the connections of process {pid} cannot be taken out of repair: {why}");
    Failure::new("network-repair", cause).hint("leave the process frozen and try again as root")
}

/// How many sockets of a task were in repair; `seen` has the inodes of those looked at.
fn of_task(pid: i32, seen: &mut BTreeSet<String>) -> Result<usize, Failure> {
    // One that has gone, or is going, has no connection to mend.
    let Some(pidfd) = Task::find(pid).and_then(|task| task.pidfd()) else {
        return Ok(0);
    };
    let entries = match fs::read_dir(format!("/proc/{pid}/fd")) {
        Ok(entries) => entries,
        Err(error) if is_gone(&error) => return Ok(0),
        Err(error) => return Err(failed(pid, error)),
    };
    let mut mended = 0;
    for entry in entries.flatten() {
        let Ok(target) = fs::read_link(entry.path()) else {
            continue;
        };
        let target = target.to_string_lossy().into_owned();
        let number = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        let Some(number) = number.filter(|_| target.starts_with("socket:")) else {
            continue;
        };
        if !seen.insert(target) {
            continue;
        }
        match pidfd_getfd(&pidfd, number, PidfdGetfdFlags::empty()) {
            Ok(socket) => mended += usize::from(of_socket(&socket).map_err(|e| failed(pid, e))?),
            Err(rustix::io::Errno::BADF | rustix::io::Errno::SRCH) => {}
            Err(error) => return Err(failed(pid, error)),
        }
    }
    Ok(mended)
}

/// Whether a socket was in repair.
fn of_socket(socket: &OwnedFd) -> nix::Result<bool> {
    // Any that is not of TCP does not know the option.
    if getsockopt(socket, sockopt::TcpRepair).unwrap_or(OFF) == OFF {
        return Ok(false);
    }
    match setsockopt(socket, sockopt::TcpRepair, &OFF) {
        // Repair leaves the socket unwilling to share its port, which a server that is started
        // anew beside an old connection relies on. What it was is not known; this harms none.
        Ok(()) => setsockopt(socket, sockopt::ReuseAddr, &true).map(|()| true),
        // A listening socket, which repair never touched.
        Err(Errno::EPERM) => Ok(false),
        Err(error) => Err(error),
    }
}
