//! One look at a process tree: what the checks of the source and the manifest are made from.
//! The workload runs meanwhile; what vanishes while it is looked at is left out.

use crate::tasks::{Pending, Stat, command, pending, stat, threads, tree};
use nix::fcntl::{OFlag, open};
use nix::sys::stat::{FileStat, Mode, SFlag, stat as stat_file};
use nix::sys::statfs::fstatfs;
use phaul_core::failure::Failure;
use procfs::process::{MMPermissions, MMapPath, Process as ProcProcess};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The file system of POSIX message queues.
const MQUEUE: i64 = 0x1980_0202;
/// The namespaces that are compared.
const NAMESPACES: [&str; 8] = ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"];

/// A process tree.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// The processes, the root first.
    pub(super) processes: Vec<Process>,
}

/// A process of the tree.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) pid: i32,
    pub(super) command: String,
    pub(super) stat: Stat,
    pub(super) pending: Pending,
    pub(super) threads: Vec<i32>,
    /// All its user and group ids are root's.
    pub(super) is_root: bool,
    /// What its memory may take in images, in bytes.
    pub(super) memory_bytes: u64,
    pub(super) namespaces: BTreeMap<&'static str, PathBuf>,
    pub(super) descriptors: Vec<Descriptor>,
    /// Files mapped into it, and its program, working directory and root.
    pub(super) paths: BTreeSet<PathBuf>,
    /// Those of them that it may write to through the mapping.
    pub(super) written: BTreeSet<PathBuf>,
    /// The paths of its unix sockets.
    pub(super) sockets: BTreeSet<PathBuf>,
    /// The mounts that it sees.
    pub(super) mounts: BTreeSet<u64>,
}

/// An open descriptor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Descriptor {
    pub(super) number: i32,
    /// What it points to, as `/proc/PID/fd` says.
    pub(super) target: String,
    /// What kind of file it is.
    pub(super) kind: SFlag,
    /// The number of a device.
    pub(super) device: u64,
    /// Names that the file has; 0 once it is deleted.
    pub(super) links: u64,
    /// It was opened for writing.
    pub(super) writes: bool,
    /// The mount that it was opened through.
    pub(super) mount: u64,
    /// Locks held through it, as the kernel prints them.
    pub(super) locks: Vec<String>,
    /// It is a POSIX message queue.
    pub(super) is_queue: bool,
}

impl Descriptor {
    /// The path, if it is a file with a name.
    pub(super) fn path(&self) -> Option<&Path> {
        let named = is_named(&self.target) && self.links > 0 && !self.is_queue;
        named.then(|| Path::new(&self.target))
    }

    /// The inode of a socket.
    pub(super) fn socket(&self) -> Option<u64> {
        let rest = self.target.strip_prefix("socket:[")?;
        rest.strip_suffix(']')?.parse().ok()
    }
}

impl Look {
    /// Looks at the tree below this root.
    pub(super) fn at(root: i32) -> Result<Self, Failure> {
        let pids = tree(root).map_err(|error| {
            let cause = format!("the tree of process {root} cannot be read: {error}");
            Failure::new("inspect", cause)
        })?;
        Ok(Self {
            processes: pids.into_iter().filter_map(Process::look).collect(),
        })
    }

    /// The pids of the tree.
    pub(super) fn pids(&self) -> BTreeSet<i32> {
        self.processes.iter().map(|process| process.pid).collect()
    }

    /// Every process with each of its descriptors.
    pub(super) fn descriptors(&self) -> impl Iterator<Item = (&Process, &Descriptor)> {
        let processes = self.processes.iter();
        processes.flat_map(|process| process.descriptors.iter().map(move |open| (process, open)))
    }
}

impl Process {
    fn look(pid: i32) -> Option<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let descriptors = descriptors(pid);
        let sockets = sockets(pid, &descriptors);
        let (paths, written) = paths(pid);
        Some(Self {
            pid,
            command: command(pid),
            stat: stat(pid)?,
            pending: pending(pid)?,
            threads: threads(pid),
            is_root: ids_are_root(&status),
            memory_bytes: memory(&status),
            namespaces: namespaces(pid),
            descriptors,
            paths,
            written,
            sockets,
            mounts: mounts(pid),
        })
    }

    /// Who it is, for messages.
    pub(super) fn name(&self) -> String {
        format!("process {} ({})", self.pid, self.command)
    }
}

fn field<'a>(status: &'a str, key: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(key))
}

fn ids_are_root(status: &str) -> bool {
    ["Uid:", "Gid:"]
        .into_iter()
        .all(|key| field(status, key).is_some_and(|ids| ids.split_whitespace().all(|id| id == "0")))
}

/// Anonymous and shared memory, and what of it is swapped out, in bytes.
fn memory(status: &str) -> u64 {
    let kilobytes = ["RssAnon:", "RssShmem:", "VmSwap:"]
        .into_iter()
        .filter_map(|key| {
            let words = field(status, key)?.split_whitespace().next()?;
            words.parse::<u64>().ok()
        });
    kilobytes.sum::<u64>() * 1024
}

/// The namespaces of a process, as links that are equal for equal ones.
pub(super) fn namespaces(pid: i32) -> BTreeMap<&'static str, PathBuf> {
    let link = |name: &&'static str| {
        let link = fs::read_link(format!("/proc/{pid}/ns/{name}")).ok()?;
        Some((*name, link))
    };
    NAMESPACES.iter().filter_map(link).collect()
}

fn descriptors(pid: i32) -> Vec<Descriptor> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else {
        return Vec::new();
    };
    let numbers = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut found: Vec<Descriptor> = numbers
        .filter_map(|number| descriptor(pid, number))
        .collect();
    found.sort_by_key(|descriptor| descriptor.number);
    found
}

fn descriptor(pid: i32, number: i32) -> Option<Descriptor> {
    let path = format!("/proc/{pid}/fd/{number}");
    let target = fs::read_link(&path).ok()?.to_string_lossy().into_owned();
    let about: FileStat = stat_file(path.as_str()).ok()?;
    let info = fs::read_to_string(format!("/proc/{pid}/fdinfo/{number}")).ok()?;
    let flags =
        field(&info, "flags:").and_then(|flags| i32::from_str_radix(flags.trim(), 8).ok())?;
    let access = OFlag::from_bits_truncate(flags) & OFlag::O_ACCMODE;
    let is_queue = target.starts_with('/') && is_queue(&path);
    Some(Descriptor {
        number,
        target,
        kind: SFlag::from_bits_truncate(about.st_mode) & SFlag::S_IFMT,
        device: about.st_rdev,
        links: about.st_nlink,
        writes: access != OFlag::O_RDONLY,
        mount: field(&info, "mnt_id:")
            .and_then(|id| id.trim().parse().ok())
            .unwrap_or(0),
        locks: info
            .lines()
            .filter_map(|line| line.strip_prefix("lock:"))
            .map(|lock| lock.trim().to_owned())
            .collect(),
        is_queue,
    })
}

/// Whether a file lies on the file system of message queues; opens nothing for use.
fn is_queue(path: &str) -> bool {
    let opened = open(path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty());
    opened
        .is_ok_and(|opened| fstatfs(&opened).is_ok_and(|about| about.filesystem_type().0 == MQUEUE))
}

/// Whether a link of `/proc` is the path of a file that has it still.
fn is_named(target: &str) -> bool {
    let odd = target.ends_with(" (deleted)") || target.starts_with("/memfd:");
    target.starts_with('/') && !odd
}

/// The files that a process uses without a descriptor, and those of them that it may write to.
fn paths(pid: i32) -> (BTreeSet<PathBuf>, BTreeSet<PathBuf>) {
    let links = ["exe", "cwd", "root"].into_iter();
    let links = links.filter_map(|name| fs::read_link(format!("/proc/{pid}/{name}")).ok());
    let mut paths: BTreeSet<PathBuf> = links.collect();
    let mut written = BTreeSet::new();
    let maps = ProcProcess::new(pid).and_then(|process| process.maps());
    for map in maps.into_iter().flatten().filter(|map| map.inode != 0) {
        if let MMapPath::Path(path) = map.pathname {
            if map
                .perms
                .contains(MMPermissions::SHARED | MMPermissions::WRITE)
            {
                written.insert(path.clone());
            }
            paths.insert(path);
        }
    }
    paths.retain(|path| is_named(&path.to_string_lossy()));
    (paths, written)
}

fn sockets(pid: i32, descriptors: &[Descriptor]) -> BTreeSet<PathBuf> {
    let own: BTreeSet<u64> = descriptors.iter().filter_map(Descriptor::socket).collect();
    if own.is_empty() {
        return BTreeSet::new();
    }
    let all = ProcProcess::new(pid).and_then(|process| process.unix());
    all.into_iter()
        .flatten()
        .filter(|socket| own.contains(&socket.inode))
        .filter_map(|socket| socket.path.filter(|path| path.is_absolute()))
        .collect()
}

fn mounts(pid: i32) -> BTreeSet<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap_or_default();
    let ids = text
        .lines()
        .filter_map(|line| line.split(' ').next()?.parse().ok());
    ids.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;

    #[test]
    fn the_own_descriptors_are_seen() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let own = i32::try_from(std::process::id()).unwrap();
        let process = Process::look(own).unwrap();
        let number = file.as_file().as_raw_fd();
        let found = process
            .descriptors
            .iter()
            .find(|open| open.number == number);
        let found = found.unwrap();
        assert_eq!(found.path(), Some(file.path()));
        assert!(found.writes && found.kind == SFlag::S_IFREG && !found.is_queue);
        assert!(process.mounts.contains(&found.mount));
        assert!(process.paths.contains(&std::env::current_exe().unwrap()));
        assert!(process.namespaces.contains_key("pid") && process.memory_bytes > 0);
    }

    #[test]
    fn ids_and_memory_of_a_status() {
        let status = "Uid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nRssAnon:\t  8 kB\nRssFile:\t 9 kB\nVmSwap:\t 2 kB\n";
        assert!(ids_are_root(status));
        assert_eq!(memory(status), 10 * 1024);
        assert!(!ids_are_root("Uid:\t0\t5\t0\t0\nGid:\t0\t0\t0\t0\n"));
        assert!(!ids_are_root(""));
    }
}
