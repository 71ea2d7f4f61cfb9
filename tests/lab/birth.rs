//! How a host comes into being, first part: a process enters the host's cgroup, leaves the
//! machine's namespaces and starts the host's first process in the new ones.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{env, fs};

use nix::sched::{CloneFlags, unshare};

use super::Side;
use super::cgroup::Cgroup;
use super::command::wait;
use super::error::{Error, Result};
use super::identity::Identity;
use super::init::READY;
use super::layout::Layout;

/// How long a host may take until its first process is ready.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// Starts a host and returns once its first process is ready.
///
/// `program` is the lab's own binary; it is a path that stays what it is while the lab is up.
pub(crate) fn start(
    layout: &Layout,
    side: Side,
    rootfs: &Path,
    program: &Path,
) -> Result<Identity> {
    let log_path = layout.init_log(side);
    let log = fs::File::create(&log_path).map_err(Error::file("create", &log_path))?;
    let mut command = Command::new(program);
    command
        .args(["host", "--name", &layout.name, side.name()])
        .arg(rootfs)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log);
    let mut child = command.spawn().map_err(|source| Error::Start {
        command: program.display().to_string(),
        source,
    })?;
    let ready = says_ready(&mut child);
    let ended = wait(&mut child, READY_WITHIN);
    let init = Identity::load(&layout.init_note(side));
    match (ready, ended, init) {
        (true, Ok(Some(status)), Some(init)) if status.success() => Ok(init),
        _ => Err(Error::HostFailed {
            side,
            log: fs::read_to_string(&log_path).unwrap_or_default(),
        }),
    }
}

/// Whether the word comes before the pipe ends. The pipe ends with the host's first process at the
/// latest, so this cannot wait for longer than that one takes to set up its system.
fn says_ready(child: &mut Child) -> bool {
    let mut word = [0; READY.len()];
    child
        .stdout
        .take()
        .is_some_and(|mut pipe| pipe.read_exact(&mut word).is_ok() && word == READY.as_bytes())
}

/// The hidden command `host`: what `start` runs.
pub fn be_born(name: &str, side: Side, rootfs: &Path) -> Result<()> {
    let layout = Layout::existing(name)?;
    let cgroup = Cgroup::named(&layout.cgroup_name(side))?;
    // The root of a cgroup namespace is the cgroup that its maker is in.
    Cgroup::enter(cgroup.root())?;
    unshare(CloneFlags::CLONE_NEWCGROUP).map_err(Error::call("make a cgroup namespace"))?;
    Cgroup::enter(&cgroup.leaf())?;
    // Mounts come later: that the first process changes its root must not change this one's.
    unshare(
        CloneFlags::CLONE_NEWPID
            | CloneFlags::CLONE_NEWNET
            | CloneFlags::CLONE_NEWIPC
            | CloneFlags::CLONE_NEWUTS,
    )
    .map_err(Error::call("make the host's namespaces"))?;
    let program = env::current_exe().map_err(Error::file("read", "/proc/self/exe"))?;
    let init = Command::new(&program)
        .args(["init", "--name", name, side.name()])
        .arg(rootfs)
        .spawn()
        .map_err(|source| Error::Start {
            command: program.display().to_string(),
            source,
        })?;
    let identity = Identity::of(init.id().cast_signed())
        .ok_or_else(|| Error::Unfit("the host's first process ended at once".into()))?;
    identity.save(&layout.init_note(side))
}
