//! How a host comes into being, second part: its first process builds the file system, then does
//! what a first process is for, reaping orphans, until it is killed and the whole pid namespace
//! with it.

use std::fs;
use std::io::Write;
use std::path::Path;

use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::stat::{Mode, umask};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{dup2_stderr, dup2_stdin, dup2_stdout, sethostname, setsid};

use super::Side;
use super::error::{Error, Result};
use super::filesystem;
use super::layout::Layout;
use super::network;

/// What the first process says when its host can be entered.
pub(crate) const READY: &str = "ready\n";

/// The hidden command `init`: the first process of a host. Returns only when it cannot build the
/// host.
pub fn be_init(name: &str, side: Side, rootfs: &Path) -> Result<()> {
    // Not the terminal's: a Ctrl-C meant for the command that made the lab is not meant for the
    // lab.
    setsid().map_err(Error::call("start a session"))?;
    let mut children = SigSet::empty();
    children.add(Signal::SIGCHLD);
    children
        .thread_block()
        .map_err(Error::call("block SIGCHLD"))?;

    // Directories and files must not depend on the mask of whoever brings the lab up.
    umask(Mode::from_bits_truncate(0o022));
    filesystem::build(&Layout::existing(name)?, side, rootfs)?;
    name_host(side)?;
    part_pids(side)?;
    let mut stdout = std::io::stdout();
    stdout
        .write_all(READY.as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(Error::file("write", "standard output"))?;
    close_standard_descriptors()?;
    reap_forever(&children)
}

/// Gives the host its name, and both names to its resolver.
fn name_host(side: Side) -> Result<()> {
    sethostname(side.name()).map_err(Error::call("set the host's name"))?;
    let hosts = format!(
        "127.0.0.1 localhost\n::1 localhost\n{} a\n{} b\n",
        network::address(Side::A),
        network::address(Side::B)
    );
    for (path, text) in [
        ("/etc/hostname", format!("{side}\n")),
        ("/etc/hosts", hosts),
    ] {
        fs::write(path, text).map_err(Error::file("write", path))?;
    }
    Ok(())
}

/// Starts the pids of the two hosts in ranges of their own.
///
/// A restored process gets the pid it had. Two hosts that both count from 1 collide at once; hosts
/// that have been up for a while rarely do, and that is what the lab is to resemble.
fn part_pids(side: Side) -> Result<()> {
    let last = match side {
        Side::A => "999",
        Side::B => "19999",
    };
    let path = "/proc/sys/kernel/ns_last_pid";
    fs::write(path, last).map_err(Error::file("write", path))
}

/// They lead to the machine: the pipe to whoever waits for [`READY`], and the log.
fn close_standard_descriptors() -> Result<()> {
    let null = fs::File::options()
        .read(true)
        .write(true)
        .open("/dev/null")
        .map_err(Error::file("open", "/dev/null"))?;
    dup2_stdin(&null)
        .and_then(|()| dup2_stdout(&null))
        .and_then(|()| dup2_stderr(&null))
        .map_err(Error::call("replace the standard descriptors"))
}

fn reap_forever(children: &SigSet) -> Result<()> {
    loop {
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => break,
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(Error::call("wait for children")(errno)),
            }
        }
        children.wait().map_err(Error::call("wait for SIGCHLD"))?;
    }
}
