//! CRIU's images, read just as far as phaul needs them and never written.
//!
//! An image begins with two magic numbers; after them come entries, each a length and a
//! message. Everything here is bounded: images come from the other host as well.

use crate::criu::proto::{CoreEntry, FileEntry, PstreeEntry, RemapEntry};
use phaul_core::failure::Failure;
use phaul_core::protocol::ImageFile;
use prost::Message;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

/// First word of every image of CRIU.
const IMAGE: u32 = 0x5456_4319;
/// Second word of `pstree.img`.
const PSTREE: u32 = 0x5027_3030;
/// Second word of `core-PID.img`.
const CORE: u32 = 0x5505_3847;
/// Second word of `files.img`.
const FILES: u32 = 0x5630_3138;
/// Second word of `remap-fpath.img`.
const REMAPS: u32 = 0x5913_3954;
/// More open files than this are taken for a mistake.
const FILES_MAX: usize = 1_000_000;
/// No entry of the images read here is nearly as long, in bytes.
const ENTRY_MAX: u32 = 4 << 20;
/// Size of a page in bytes, in CRIU's images and in phaul's figures.
pub(crate) const PAGE: u64 = 4096;
/// CRIU's word for a task that was stopped when it was dumped.
const TASK_STOPPED: u32 = 3;

/// A process in the images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    /// Its pid where the images were made.
    pub pid: i32,
    /// Its thread ids.
    pub threads: Vec<i32>,
    /// Its process group.
    pub group: i32,
    /// Its session.
    pub session: i32,
}

fn broken(path: &Path, what: impl std::fmt::Display) -> Failure {
    Failure::new(
        "images-broken",
        format!("the image {} cannot be read: {what}", path.display()),
    )
}

/// The entries of an image.
fn entries(path: &Path, magic: u32, most: usize) -> Result<Vec<Vec<u8>>, Failure> {
    let failed = |error: io::Error| broken(path, error);
    let mut file = BufReader::new(File::open(path).map_err(failed)?);
    for expected in [IMAGE, magic] {
        if word(&mut file).map_err(failed)? != Some(expected) {
            return Err(broken(path, "it is not what its name says"));
        }
    }
    let mut found = Vec::new();
    while let Some(length) = word(&mut file).map_err(failed)? {
        if length > ENTRY_MAX || found.len() >= most {
            return Err(broken(path, "it holds more than it may"));
        }
        let mut entry = vec![0; usize::try_from(length).unwrap_or(0)];
        file.read_exact(&mut entry).map_err(failed)?;
        found.push(entry);
    }
    Ok(found)
}

/// The next word; none at the end of the file.
fn word(file: &mut impl Read) -> io::Result<Option<u32>> {
    let mut bytes = [0; 4];
    if file.read(&mut bytes[..1])? == 0 {
        return Ok(None);
    }
    file.read_exact(&mut bytes[1..])?;
    Ok(Some(u32::from_le_bytes(bytes)))
}

fn number(value: Option<u32>) -> Option<i32> {
    value.and_then(|value| i32::try_from(value).ok())
}

/// The processes of a set of images, the root first.
pub(crate) fn processes(images: &Path) -> Result<Vec<Process>, Failure> {
    let path = images.join("pstree.img");
    let mut found = Vec::new();
    for entry in entries(&path, PSTREE, crate::tasks::TASKS_MAX)? {
        let entry = PstreeEntry::decode(&*entry).map_err(|error| broken(&path, error))?;
        let threads = entry.threads.iter();
        let process = number(entry.pid)
            .zip(number(entry.pgid))
            .zip(number(entry.sid));
        let ((pid, group), session) =
            process.ok_or_else(|| broken(&path, "an entry lacks a number"))?;
        found.push(Process {
            pid,
            threads: threads.filter_map(|thread| number(Some(*thread))).collect(),
            group,
            session,
        });
    }
    if found.is_empty() {
        return Err(broken(&path, "it is empty"));
    }
    Ok(found)
}

/// The pids of the processes that were stopped by themselves when they were dumped.
pub(crate) fn stopped(images: &Path, processes: &[Process]) -> Result<BTreeSet<i32>, Failure> {
    let mut found = BTreeSet::new();
    for process in processes {
        let path = images.join(format!("core-{}.img", process.pid));
        let Some(entry) = entries(&path, CORE, 1)?.pop() else {
            return Err(broken(&path, "it is empty"));
        };
        let core = CoreEntry::decode(&*entry).map_err(|error| broken(&path, error))?;
        if core.tc.and_then(|task| task.task_state) == Some(TASK_STOPPED) {
            found.insert(process.pid);
        }
    }
    Ok(found)
}

/// The links that CRIU made in the dump, as the workload's paths: a file that is open and has lost
/// the name by which it was opened, but not its last, gets one beside that.
pub(crate) fn links(images: &Path) -> Result<Vec<PathBuf>, Failure> {
    let remaps = images.join("remap-fpath.img");
    if !remaps.exists() {
        return Ok(Vec::new());
    }
    let mut wanted = BTreeSet::new();
    for entry in entries(&remaps, REMAPS, FILES_MAX)? {
        let entry = RemapEntry::decode(&*entry).map_err(|error| broken(&remaps, error))?;
        if entry.remap_type.unwrap_or(0) == 0 {
            wanted.extend(entry.remap_id);
        }
    }
    let path = images.join("files.img");
    let mut found = Vec::new();
    for entry in entries(&path, FILES, FILES_MAX)? {
        let entry = FileEntry::decode(&*entry).map_err(|error| broken(&path, error))?;
        let name = entry.reg.and_then(|file| file.name);
        let is_wanted = entry.id.is_some_and(|id| wanted.contains(&id));
        if let Some(name) = name.filter(|name| is_wanted && is_link(name)) {
            found.push(PathBuf::from(name.trim_start_matches('/')));
        }
    }
    Ok(found)
}

/// Whether a name is one that CRIU gives such a link.
fn is_link(name: &str) -> bool {
    let last = name.rsplit('/').next().unwrap_or_default();
    let number = last.strip_prefix("link_remap.");
    let plain = !name.split('/').any(|part| part == "..");
    plain && number.is_some_and(|number| number.parse::<u32>().is_ok())
}

/// The files of a set of images, by name, and the pages in them.
pub(crate) fn list(images: &Path) -> Result<(Vec<ImageFile>, u64), Failure> {
    let failed = |error: io::Error| broken(images, error);
    let mut files = Vec::new();
    let mut page_bytes = 0;
    for entry in fs::read_dir(images).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let about = entry.metadata().map_err(failed)?;
        if !about.is_file() {
            continue;
        }
        let name = entry.file_name().into_string();
        let name = name.map_err(|name| broken(images, format!("{} in it", name.display())))?;
        if name.starts_with("pages-") {
            page_bytes += about.len();
        }
        files.push(ImageFile {
            name,
            size: about.len(),
        });
    }
    files.sort_by(|one, other| one.name.cmp(&other.name));
    Ok((files, page_bytes / PAGE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::criu::proto::TaskCoreEntry;

    fn image(magic: u32, entries: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = [IMAGE.to_le_bytes(), magic.to_le_bytes()].concat();
        for entry in entries {
            bytes.extend(u32::try_from(entry.len()).unwrap().to_le_bytes());
            bytes.extend(entry);
        }
        bytes
    }

    fn process(pid: u32) -> Vec<u8> {
        PstreeEntry {
            pid: Some(pid),
            ppid: Some(0),
            pgid: Some(pid),
            sid: Some(7),
            threads: vec![pid, pid + 1],
        }
        .encode_to_vec()
    }

    #[test]
    fn the_tree_and_who_was_stopped() {
        let dir = tempfile::tempdir().unwrap();
        let pstree = image(PSTREE, &[process(7), process(9)]);
        fs::write(dir.path().join("pstree.img"), pstree).unwrap();
        for (pid, state) in [(7, 1), (9, TASK_STOPPED)] {
            let core = CoreEntry {
                tc: Some(TaskCoreEntry {
                    task_state: Some(state),
                }),
            };
            let bytes = image(CORE, &[core.encode_to_vec()]);
            fs::write(dir.path().join(format!("core-{pid}.img")), bytes).unwrap();
        }
        fs::write(dir.path().join("pages-1.img"), vec![0; 8192]).unwrap();
        let found = processes(dir.path()).unwrap();
        assert_eq!(found[1].threads, [9, 10]);
        assert_eq!((found[0].pid, found[0].session), (7, 7));
        assert_eq!(stopped(dir.path(), &found).unwrap(), BTreeSet::from([9]));
        let (files, pages) = list(dir.path()).unwrap();
        assert_eq!((files.len(), pages), (4, 2));
    }

    #[test]
    fn links_are_told_from_other_files() {
        use crate::criu::proto::RegularFile;
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(links(dir.path()).unwrap(), Vec::<PathBuf>::new());
        let file = |id, name: &str| FileEntry {
            id: Some(id),
            reg: Some(RegularFile {
                name: Some(name.to_owned()),
            }),
        };
        let files = [
            file(1, "/data/a"),
            file(2, "/data/link_remap.2"),
            file(3, "/data/link_remap.3"),
            file(4, "/../link_remap.4"),
        ];
        let files: Vec<Vec<u8>> = files.iter().map(Message::encode_to_vec).collect();
        fs::write(dir.path().join("files.img"), image(FILES, &files)).unwrap();
        let remap = |id, kind| RemapEntry {
            remap_id: Some(id),
            remap_type: Some(kind),
        };
        let remaps = [remap(2, 0), remap(3, 1), remap(4, 0)];
        let remaps: Vec<Vec<u8>> = remaps.iter().map(Message::encode_to_vec).collect();
        fs::write(dir.path().join("remap-fpath.img"), image(REMAPS, &remaps)).unwrap();
        assert_eq!(links(dir.path()).unwrap(), [Path::new("data/link_remap.2")]);
    }

    #[test]
    fn broken_images_are_errors() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pstree.img");
        let whole = image(PSTREE, &[process(7)]);
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            assert!(processes(dir.path()).is_err(), "cut at {length}");
        }
        let mut long = image(PSTREE, &[]);
        long.extend(u32::MAX.to_le_bytes());
        fs::write(&path, long).unwrap();
        assert!(processes(dir.path()).is_err());
        fs::write(&path, image(CORE, &[process(7)])).unwrap();
        assert!(processes(dir.path()).is_err());
        fs::write(&path, image(PSTREE, &[Vec::new()])).unwrap();
        assert!(processes(dir.path()).is_err(), "no numbers in it");
    }
}
