//! Are the files that the workload uses on the target, and are they the same?

use super::look::{Descriptor, Look, Process};
use super::none_of;
use super::print::{Printer, open_regular};
use crate::kinds::container::{Mount, mapped};
use crate::manifest::{File, FileKind, Manifest, Print};
use nix::sys::stat::{SFlag, major};
use phaul_core::graph::Side;
use phaul_core::plan::Plan;
use phaul_core::report::Check;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::ops::RangeInclusive;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

const ID: &str = "files-present";
/// File systems that every host has of its own.
const OWN: [&str; 2] = ["/proc", "/sys"];

/// At the source: every open file lies in the mount namespace of its process.
pub(super) fn source(look: &Look, count: usize) -> Check {
    let outside: Vec<String> = look
        .descriptors()
        .filter(|(process, open)| is_outside(process, open))
        .map(|(process, open)| {
            let (name, number, target) = (process.name(), open.number, &open.target);
            format!("{name} has a file open from outside its mounts: descriptor {number}, {target}")
        })
        .collect();
    none_of(
        ID,
        Side::Source,
        &outside,
        &format!("{count} files are used, all from within"),
        "start the workload with standard descriptors of its own namespace (`/dev/null`)",
    )
}

/// Whether a file was opened through a mount that its process does not see; also one that has no
/// name any more. What lives in memory alone is in no mount.
fn is_outside(process: &Process, open: &Descriptor) -> bool {
    let in_memory = ["/memfd:", "/dev/zero", "/SYSV", "/[aio]", "/dev/shm"];
    let in_memory = in_memory.iter().any(|start| open.target.starts_with(start));
    let on_disk = open.kind == SFlag::S_IFREG && open.target.starts_with('/') && !in_memory;
    (open.path().is_some() || on_disk) && !process.mounts.contains(&open.mount)
}

/// Every file with a name that the tree uses.
pub(super) fn collect(look: &Look) -> Vec<File> {
    let mut found = BTreeMap::new();
    for process in &look.processes {
        collect_open(process, &mut found);
        for path in &process.paths {
            let writes = process.written.contains(path);
            add(&mut found, path, writes);
        }
        for directory in process.sockets.iter().filter_map(|path| path.parent()) {
            found.insert(directory.to_owned(), FileKind::Directory);
        }
    }
    let mut printer = Printer::new();
    let files = found
        .into_iter()
        .filter(|(path, _)| !OWN.iter().any(|own| path.starts_with(own)));
    files
        .map(|(path, kind)| File {
            kind: with_print(&path, kind, &mut printer),
            path,
        })
        .collect()
}

fn collect_open(process: &Process, found: &mut BTreeMap<PathBuf, FileKind>) {
    for open in &process.descriptors {
        // Terminals are CRIU's own business.
        let terminal =
            open.kind == SFlag::S_IFCHR && matches!(major(open.device), 4 | 5 | 128..=143);
        if let Some(path) = open.path().filter(|_| !terminal) {
            add(found, path, open.writes);
        }
    }
}

/// Adds what has this path now; a file that is written by anybody counts as written.
fn add(found: &mut BTreeMap<PathBuf, FileKind>, path: &Path, writes: bool) {
    let Ok(about) = path.symlink_metadata() else {
        return;
    };
    let kind = about.file_type();
    let size = about.size();
    let kind = if kind.is_file() && writes {
        FileKind::Written { size }
    } else if kind.is_file() {
        let print = Print::None;
        FileKind::Read { size, print }
    } else if kind.is_dir() {
        FileKind::Directory
    } else if kind.is_fifo() {
        FileKind::Fifo
    } else if kind.is_char_device() || kind.is_block_device() {
        FileKind::Device {
            character: kind.is_char_device(),
            number: about.rdev(),
        }
    } else {
        return;
    };
    let before = found.get(path);
    if !matches!(before, Some(FileKind::Written { .. })) {
        found.insert(path.to_owned(), kind);
    }
}

fn with_print(path: &Path, kind: FileKind, printer: &mut Printer) -> FileKind {
    let FileKind::Read { size, .. } = kind else {
        return kind;
    };
    let taken = open_regular(path).and_then(|(mut file, now)| printer.print(&mut file, now));
    let print = taken.unwrap_or(Print::None);
    FileKind::Read { size, print }
}

/// The files in a container's root file system that it uses, as the host sees them. What is
/// mounted over it is somewhere else.
pub(super) fn collect_below(look: &Look, rootfs: &Path, mounts: &[Mount]) -> Vec<File> {
    let mounted = |path: &Path| {
        let mut mounts = mounts.iter();
        mounts.any(|mount| path.starts_with(&mount.destination))
    };
    let mut found = BTreeMap::new();
    for process in &look.processes {
        let open = process.descriptors.iter();
        let open = open.filter_map(|open| Some((open.path()?, open.writes)));
        let mapped = process.paths.iter();
        let mapped = mapped.map(|path| (path.as_path(), process.written.contains(path)));
        for (path, writes) in open.chain(mapped).filter(|(path, _)| !mounted(path)) {
            let inside = path.strip_prefix("/").unwrap_or(path);
            add(&mut found, &rootfs.join(inside), writes);
        }
    }
    let mut printer = Printer::new();
    found
        .into_iter()
        .map(|(path, kind)| File {
            kind: with_print(&path, kind, &mut printer),
            path,
        })
        .collect()
}

/// At the target: each of the files is there and is what it has to be.
pub(super) fn target(plan: &Plan, manifest: &Manifest) -> Check {
    let copied = |path: &Path| {
        manifest
            .trees
            .iter()
            .any(|tree| path.starts_with(&tree.path))
    };
    let files = manifest.files.iter();
    let (later, now): (Vec<&File>, Vec<&File>) = files.partition(|file| copied(&file.path));
    let mut printer = Printer::new();
    let wrong: Vec<String> = now
        .iter()
        .filter_map(|file| {
            let here = File {
                path: mapped(&plan.to.paths, &file.path),
                kind: file.kind.clone(),
            };
            let why = differs(&here, &mut printer)?;
            Some(format!("{}: {why}", here.path.display()))
        })
        .collect();
    let good = format!(
        "{} files are here and the same, {} are copied",
        now.len(),
        later.len()
    );
    none_of(
        ID,
        Side::Target,
        &wrong,
        &good,
        "install the same packages here, bring the files over, or list their tree in `files`",
    )
}

/// Why a file is not what it has to be, if it is not.
fn differs(file: &File, printer: &mut Printer) -> Option<String> {
    match &file.kind {
        FileKind::Read { size, print } => {
            differs_in_content(&file.path, *size..=*size, print, printer)
        }
        FileKind::Written { size } => {
            differs_in_content(&file.path, *size..=u64::MAX, &Print::None, printer)
        }
        other => differs_in_kind(&file.path, other),
    }
}

fn differs_in_content(
    path: &Path,
    sizes: RangeInclusive<u64>,
    print: &Print,
    printer: &mut Printer,
) -> Option<String> {
    let (mut opened, here) = match open_regular(path) {
        Ok(opened) => opened,
        Err(error) => return Some(reason(&error)),
    };
    if !sizes.contains(&here) {
        let there = sizes.start();
        return Some(format!("it has {here} bytes here, {there} at the source"));
    }
    match printer.matches(&mut opened, here, print) {
        Ok(true) => None,
        Ok(false) => Some("its content is another one here".to_owned()),
        Err(error) => Some(reason(&error)),
    }
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "it is missing".to_owned(),
        _ => error.to_string(),
    }
}

fn differs_in_kind(path: &Path, kind: &FileKind) -> Option<String> {
    let about = match fs::metadata(path) {
        Ok(about) => about,
        Err(error) => return Some(reason(&error)),
    };
    let here = about.file_type();
    let (alike, word) = match kind {
        FileKind::Directory => (here.is_dir(), "a directory"),
        FileKind::Fifo => (here.is_fifo(), "a fifo"),
        FileKind::Device { character, number } => {
            let alike = if *character {
                here.is_char_device()
            } else {
                here.is_block_device()
            };
            (alike && about.rdev() == *number, "the same device")
        }
        FileKind::Read { .. } | FileKind::Written { .. } => (here.is_file(), "a file"),
    };
    (!alike).then(|| format!("it is not {word} here"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::stat::makedev;

    fn file(path: &Path, kind: FileKind) -> File {
        File {
            path: path.to_owned(),
            kind,
        }
    }

    fn why(file: &File) -> String {
        differs(file, &mut Printer::new()).unwrap_or_default()
    }

    #[test]
    fn a_file_must_be_there_and_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        fs::write(&path, "content").unwrap();
        let kind = with_print(
            &path,
            FileKind::Read {
                size: 7,
                print: Print::None,
            },
            &mut Printer::new(),
        );
        let read = file(&path, kind);
        assert_eq!(why(&read), "");
        fs::write(&path, "another").unwrap();
        assert!(why(&read).contains("another one"));
        fs::write(&path, "longer than that").unwrap();
        assert!(why(&read).contains("16 bytes here, 7"));
        let written = file(&path, FileKind::Written { size: 7 });
        assert_eq!(why(&written), "", "it has grown");
        fs::write(&path, "x").unwrap();
        assert!(why(&written).contains("1 bytes here"));
        fs::remove_file(&path).unwrap();
        assert!(why(&read).contains("missing") && why(&written).contains("missing"));
        fs::create_dir(&path).unwrap();
        assert!(why(&read).contains("not a regular file"));
    }

    #[test]
    fn kinds_are_compared() {
        let null = Path::new("/dev/null");
        let device = |number| FileKind::Device {
            character: true,
            number,
        };
        assert_eq!(why(&file(null, device(makedev(1, 3)))), "");
        assert!(why(&file(null, device(makedev(1, 5)))).contains("device"));
        assert!(why(&file(null, FileKind::Fifo)).contains("fifo"));
        assert_eq!(why(&file(Path::new("/"), FileKind::Directory)), "");
        assert!(why(&file(Path::new("/none"), FileKind::Directory)).contains("missing"));
    }

    #[test]
    fn the_own_files_are_collected_and_are_here() {
        let own = i32::try_from(std::process::id()).unwrap();
        let look = Look::at(own).unwrap();
        let files = collect(&look);
        let exe = std::env::current_exe().unwrap();
        let found = files.iter().find(|file| file.path == exe).unwrap();
        assert!(matches!(
            &found.kind,
            FileKind::Read {
                print: Print::BuildId(_),
                ..
            }
        ));
        assert_eq!(why(found), "");
    }
}
