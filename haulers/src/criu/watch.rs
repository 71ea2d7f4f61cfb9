//! The watch over a cgroup that is frozen for a dump (`phaul watch DIRECTORY`).
//!
//! CRIU leaves a cgroup that was frozen before it came as it found it: when it gives a dump up,
//! the workload stays frozen. The executor thaws it then. The watch is there for when there is
//! none: it is started before the freeze, waits for CRIU's end, and thaws unless the executor
//! lives, or has had the workload killed.

use super::call::criu_in;
use super::hold::{FREEZER, unfreeze};
use super::verdict::{Verdict, decide, decided};
use crate::cgroup;
use crate::tasks::Task;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::ExitCode;

/// Names the executor: pid, and start in clock ticks after boot.
const EXECUTOR: &str = "executor.task";
/// How often is looked whether the executor has done what it does, in milliseconds.
const LOOK_MS: u16 = 50;

/// Notes down that this process is the executor of an attempt.
pub(super) fn note_executor(directory: &Path) -> io::Result<()> {
    let own = i32::try_from(std::process::id()).ok().and_then(Task::find);
    let own = own.ok_or_else(|| io::Error::other("this process cannot be found in /proc"))?;
    let text = format!("{} {}\n", own.pid, own.start_ticks);
    fs::write(directory.join(EXECUTOR), text)
}

fn executor(directory: &Path) -> Option<Task> {
    let text = fs::read_to_string(directory.join(EXECUTOR)).ok()?;
    let (pid, ticks) = text.trim().split_once(' ')?;
    let task = Task {
        pid: pid.parse().ok()?,
        start_ticks: ticks.parse().ok()?,
    };
    task.is_alive().then_some(task)
}

/// Waits until a task has ended, for so long at most.
fn wait(task: Option<Task>, timeout: PollTimeout) {
    if let Some(pidfd) = task.and_then(|task| task.pidfd()) {
        let mut polled = [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)];
        // Whatever wakes it up, the caller looks again.
        let _ = poll(&mut polled, timeout);
    }
}

/// The hidden subcommand `phaul watch`.
pub(crate) fn watch_main(directory: &Path) -> ExitCode {
    let Ok(path) = fs::read(directory.join(FREEZER)) else {
        return ExitCode::SUCCESS;
    };
    let cgroup = Path::new(std::ffi::OsStr::from_bytes(&path)).to_owned();
    while let Some(criu) = criu_in(directory).filter(Task::is_alive) {
        wait(Some(criu), PollTimeout::NONE);
    }
    while cgroup::is_frozen(&cgroup) && !matches!(decided(directory), Ok(Some(Verdict::Kill))) {
        match executor(directory) {
            Some(executor) => wait(Some(executor), PollTimeout::from(LOOK_MS)),
            None => return thaw(directory),
        }
    }
    ExitCode::SUCCESS
}

fn thaw(directory: &Path) -> ExitCode {
    match decide(directory, Verdict::Thaw) {
        Ok(Verdict::Thaw) if unfreeze(directory).is_ok() => ExitCode::SUCCESS,
        Ok(Verdict::Kill) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory of an attempt, and one that plays the frozen cgroup.
    fn scene() -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let cgroup = dir.path().join("cgroup");
        fs::create_dir(&cgroup).unwrap();
        fs::write(cgroup.join("cgroup.freeze"), "1").unwrap();
        let path = cgroup.as_os_str().as_bytes();
        fs::write(dir.path().join(FREEZER), path).unwrap();
        (dir, cgroup)
    }

    #[test]
    fn without_an_executor_the_workload_is_thawed() {
        let (dir, cgroup) = scene();
        assert_eq!(watch_main(dir.path()), ExitCode::SUCCESS);
        assert!(!cgroup::is_frozen(&cgroup));
        assert_eq!(decided(dir.path()).unwrap(), Some(Verdict::Thaw));
    }

    #[test]
    fn a_killed_workload_stays_frozen() {
        let (dir, cgroup) = scene();
        decide(dir.path(), Verdict::Kill).unwrap();
        assert_eq!(watch_main(dir.path()), ExitCode::SUCCESS);
        assert!(cgroup::is_frozen(&cgroup));
    }

    #[test]
    fn a_living_executor_is_left_to_do_it() {
        let (dir, cgroup) = scene();
        note_executor(dir.path()).unwrap();
        let directory = dir.path().to_owned();
        let watch = std::thread::spawn(move || watch_main(&directory));
        std::thread::sleep(std::time::Duration::from_millis(200));
        assert!(cgroup::is_frozen(&cgroup) && !watch.is_finished());
        assert_eq!(decided(dir.path()).unwrap(), None);
        fs::write(cgroup.join("cgroup.freeze"), "0").unwrap();
        assert_eq!(watch.join().unwrap(), ExitCode::SUCCESS);
    }
}
