//! A host's own cgroup: `.../phaul-lab-NAME-SIDE`, the root that the host sees, with every process
//! in its `init` leaf.
//!
//! The root must hold no process: a container runtime in the host enables controllers there, which
//! the kernel refuses for a cgroup with processes in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::command::wait_until;
use super::error::{Error, Result};

/// How long killed processes may take to leave their cgroup.
const EMPTY_WITHIN: Duration = Duration::from_secs(30);

/// One host's cgroup, as the machine sees it.
#[derive(Debug, Clone)]
pub(crate) struct Cgroup {
    root: PathBuf,
}

impl Cgroup {
    /// The cgroup called `name` beneath the machine's cgroup2 mount. It need not exist yet.
    pub(crate) fn named(name: &str) -> Result<Self> {
        let mounts = fs::read_to_string("/proc/self/mountinfo")
            .map_err(Error::file("read", "/proc/self/mountinfo"))?;
        let mount = cgroup2_mount(&mounts).ok_or_else(|| {
            Error::Unfit("no cgroup2 file system is mounted: the lab's hosts need one".into())
        })?;
        Ok(Self {
            root: mount.join(name),
        })
    }

    /// What the host sees as `/sys/fs/cgroup`.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where every process of the host starts.
    pub(crate) fn leaf(&self) -> PathBuf {
        self.root.join("init")
    }

    /// Makes both, with every controller that the machine can give.
    ///
    /// The machine goes on giving them: who else uses them by the time the host is gone, nobody
    /// knows.
    pub(crate) fn create(&self) -> Result<()> {
        let leaf = self.leaf();
        let mount = self.root.parent().unwrap_or(Path::new("/"));
        let file = mount.join("cgroup.controllers");
        let offered = fs::read_to_string(&file).map_err(Error::file("read", file))?;
        let given = mount.join("cgroup.subtree_control");
        for controller in offered.split_whitespace() {
            // One that cannot be had (`cpu` with real-time tasks about) the host has to do without.
            let _ = fs::write(&given, format!("+{controller}"));
        }
        fs::create_dir_all(&leaf).map_err(Error::file("create", leaf))
    }

    /// Moves the calling process into `directory`.
    pub(crate) fn enter(directory: &Path) -> Result<()> {
        let file = directory.join("cgroup.procs");
        fs::write(&file, "0").map_err(Error::file("write", file))
    }

    /// Kills what is left in it and removes it with all beneath.
    pub(crate) fn remove(&self) -> Result<()> {
        if !self.root.exists() {
            return Ok(());
        }
        // Kernels before 5.14 lack the file; there the end of the pid namespace has to do.
        let kill = self.root.join("cgroup.kill");
        if kill.exists() {
            fs::write(&kill, "1").map_err(Error::file("write", kill))?;
        }
        let events = self.root.join("cgroup.events");
        wait_until(
            &format!("an empty cgroup {}", self.root.display()),
            EMPTY_WITHIN,
            || fs::read_to_string(&events).is_ok_and(|text| text.contains("populated 0")),
        )?;
        remove_tree(&self.root).map_err(Error::file("remove", &self.root))
    }
}

/// A cgroup is removed by `rmdir`, deepest first; the files in it go with it.
fn remove_tree(directory: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    fs::remove_dir(directory)
}

/// Where the cgroup2 file system is mounted: `/sys/fs/cgroup`, or `/sys/fs/cgroup/unified` beside
/// v1 hierarchies.
fn cgroup2_mount(mountinfo: &str) -> Option<PathBuf> {
    mountinfo.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        (after.split(' ').next()? == "cgroup2")
            .then(|| before.split(' ').nth(4).map(PathBuf::from))?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cgroup2_mount_is_found_on_pure_and_hybrid_machines() {
        let pure =
            "30 25 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";
        let hybrid = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
                      32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
                      41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        assert_eq!(cgroup2_mount(pure), Some("/sys/fs/cgroup".into()));
        assert_eq!(cgroup2_mount(hybrid), Some("/sys/fs/cgroup/unified".into()));
        assert_eq!(cgroup2_mount("1 0 8:1 / / rw - ext4 /dev/root rw\n"), None);
    }
}
