//! Cgroups of version 2: one of its own for what a run restores, so that all of it can be
//! killed at once whatever has died.

use nix::errno::Errno;
use nix::sys::stat::Mode;
use phaul_core::failure::Failure;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// How long killed tasks may take to end: the kernel takes their memory apart meanwhile.
const END: Duration = Duration::from_secs(60);
/// How often is looked.
const LOOK: Duration = Duration::from_millis(2);
/// Moving the tasks out is given up after so many rounds: somebody moves them back.
const ROUNDS_MAX: u32 = 10_000;

/// The directory of this process's own cgroup, in the cgroup 2 file system that is mounted.
pub(crate) fn own() -> Result<PathBuf, Failure> {
    let missing = |cause: &str| {
        Failure::new("cgroup-missing", cause).hint(
            "mount a cgroup 2 file system, writable: phaul keeps what it restores in a cgroup",
        )
    };
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let cgroups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let directory = own_in(&mounts, &cgroups)
        .ok_or_else(|| missing("this process has no cgroup of version 2 that is mounted here"))?;
    if directory.join("cgroup.procs").is_file() {
        Ok(directory)
    } else {
        Err(missing(
            "this process's cgroup of version 2 cannot be found where it is mounted",
        ))
    }
}

/// The directory, from the texts of `/proc/self/mountinfo` and `/proc/self/cgroup`.
fn own_in(mounts: &str, cgroups: &str) -> Option<PathBuf> {
    let path = cgroups.lines().find_map(|line| line.strip_prefix("0::"))?;
    mounts.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        if after.split(' ').next() != Some("cgroup2") {
            return None;
        }
        let mut fields = before.split(' ').skip(3);
        let root = fields.next()?;
        let mount = unescaped(fields.next()?);
        let below = Path::new(path).strip_prefix(root).ok()?;
        Some(PathBuf::from(mount).join(below))
    })
}

/// A field of `mountinfo`, in which blanks and the like are written `\040`.
fn unescaped(field: &str) -> String {
    let mut pieces = field.split('\\');
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let code = piece
            .get(..3)
            .and_then(|code| u8::from_str_radix(code, 8).ok());
        match code {
            Some(code) => {
                text.push(char::from(code));
                text.push_str(&piece[3..]);
            }
            None => {
                text.push('\\');
                text.push_str(piece);
            }
        }
    }
    text
}

/// Makes a cgroup; one that is there already will do.
pub(crate) fn make(path: &Path) -> Result<(), Failure> {
    match nix::unistd::mkdir(path, Mode::from_bits_truncate(0o755)) {
        Ok(()) | Err(Errno::EEXIST) => Ok(()),
        Err(error) => Err(Failure::new(
            "cgroup-missing",
            format!("cannot make the cgroup {}: {error}", path.display()),
        )
        .hint("phaul keeps what it restores in a cgroup of version 2, so that file system must be writable")),
    }
}

/// Freezes the tasks of a cgroup, or lets them run on; one that is gone has none.
pub(crate) fn freeze(path: &Path, frozen: bool) -> io::Result<()> {
    match fs::write(path.join("cgroup.freeze"), if frozen { "1" } else { "0" }) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && !path.exists() => Ok(()),
        other => other,
    }
}

/// Whether a cgroup is to be frozen, as it says itself.
pub(crate) fn is_frozen(path: &Path) -> bool {
    fs::read_to_string(path.join("cgroup.freeze")).is_ok_and(|text| text.trim() == "1")
}

/// Where the cgroup 2 file system is mounted.
pub(crate) fn mounted() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    own_in(&mounts, "0::/\n")
}

/// Every process in a cgroup and those below it.
pub(crate) fn all_members(path: &Path) -> Vec<i32> {
    let mut found = members(path).unwrap_or_default();
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(all_members(&entry.path()));
        }
    }
    found
}

/// The directory of the cgroup (version 2) of a process, where it is mounted here.
pub(crate) fn of(pid: i32) -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let cgroups = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    own_in(&mounts, &cgroups).filter(|path| path.join("cgroup.procs").is_file())
}

/// Puts a process into a cgroup.
pub(crate) fn enter(path: &Path, pid: i32) -> io::Result<()> {
    fs::write(path.join("cgroup.procs"), pid.to_string())
}

/// The pids in a cgroup.
pub(crate) fn members(path: &Path) -> io::Result<Vec<i32>> {
    let text = fs::read_to_string(path.join("cgroup.procs"))?;
    Ok(text.lines().filter_map(|line| line.parse().ok()).collect())
}

/// Moves every task into another cgroup. Forks may race with it: it looks until none is left.
pub(crate) fn empty_into(path: &Path, other: &Path) -> io::Result<()> {
    for _ in 0..ROUNDS_MAX {
        let pids = match members(path) {
            Ok(pids) => pids,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        if pids.is_empty() {
            return Ok(());
        }
        for pid in pids {
            match enter(other, pid) {
                // It ended meanwhile.
                Err(error) if error.raw_os_error() == Some(Errno::ESRCH as i32) => {}
                other => other?,
            }
        }
    }
    Err(io::Error::other("new tasks keep coming"))
}

/// Kills every task in a cgroup and below it and waits until none is left.
pub(crate) async fn kill(path: &Path) -> Result<(), Failure> {
    let stuck = |why: String| {
        let cause = format!(
            "the tasks in the cgroup {} cannot be ended: {why}",
            path.display()
        );
        Failure::lost("resource-stuck", cause)
    };
    match fs::write(path.join("cgroup.kill"), "1") {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound && !path.exists() => return Ok(()),
        Err(error) => return Err(stuck(error.to_string())),
    }
    let ended = async {
        while is_populated(path) {
            sleep(LOOK).await;
        }
    };
    timeout(END, ended)
        .await
        .map_err(|_| stuck("they were killed and are still there".to_owned()))
}

fn is_populated(path: &Path) -> bool {
    fs::read_to_string(path.join("cgroup.events"))
        .is_ok_and(|text| text.lines().any(|line| line == "populated 1"))
}

/// Removes a cgroup, with those below it, after killing every task in it.
pub(crate) async fn remove(path: &Path) -> Result<(), Failure> {
    if !path.exists() {
        return Ok(());
    }
    kill(path).await?;
    remove_tree(path).map_err(|error| {
        let cause = format!("the cgroup {} cannot be removed: {error}", path.display());
        Failure::lost("resource-stuck", cause)
    })
}

fn remove_tree(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    match fs::remove_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_cgroup_is_found_under_its_mount() {
        let v2 = "30 25 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n";
        let v1 = "31 25 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n";
        let cgroups = "1:cpu:/x\n0::/system.slice/phaul.service\n";
        let expected = Path::new("/sys/fs/cgroup/system.slice/phaul.service");
        assert_eq!(
            own_in(&format!("{v1}{v2}"), cgroups).as_deref(),
            Some(expected)
        );
        assert_eq!(own_in(v1, cgroups), None);
        assert_eq!(own_in(v2, "1:cpu:/x\n"), None);
        let below = "30 25 0:26 /system.slice /mnt/c\\040g rw shared:9 - cgroup2 none rw\n";
        let expected = Path::new("/mnt/c g/phaul.service");
        assert_eq!(own_in(below, cgroups).as_deref(), Some(expected));
        assert_eq!(own_in(below, "0::/other\n"), None);
    }

    #[tokio::test]
    async fn a_cgroup_that_is_not_there_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        assert!(remove(&dir.path().join("none")).await.is_ok());
        assert!(empty_into(&dir.path().join("none"), dir.path()).is_ok());
    }
}
