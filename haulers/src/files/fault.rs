//! What goes wrong with files, in the form in which an operator reads it.

use phaul_core::failure::Failure;
use rustix::io::Errno;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// An entry's path as it is shown: whatever is odd in a name is escaped.
pub(super) fn shown(root: &Path, path: &[u8]) -> String {
    if path.is_empty() {
        format!("{root:?}")
    } else {
        format!("{:?}", root.join(OsStr::from_bytes(path)))
    }
}

/// Something at the source cannot be read.
pub(super) fn read(root: &Path, path: &[u8], doing: &str, error: Errno) -> Failure {
    let path = shown(root, path);
    Failure::new("files-read", format!("cannot {doing} {path}: {error}"))
}

/// Something at the target cannot be written.
pub(super) fn write(root: &Path, path: &[u8], doing: &str, error: Errno) -> Failure {
    let path = shown(root, path);
    match error {
        Errno::NOSPC | Errno::DQUOT => Failure::new(
            "files-space",
            format!("no space is left here to {doing} {path}: {error}"),
        )
        .hint("make room on the target's file system or raise the quota"),
        _ => Failure::new("files-write", format!("cannot {doing} {path}: {error}")),
    }
}

/// Somebody else put something in the place of what was made here.
pub(super) fn replaced(root: &Path, path: &[u8]) -> Failure {
    let path = shown(root, path);
    Failure::new(
        "files-write",
        format!("{path} is not what was made there: something else writes in this tree"),
    )
}

/// A root at the target is a directory and the source's is a file, or the other way round.
pub(super) fn not_the_same(root: &Path) -> Failure {
    Failure::new(
        "files-write",
        format!("of {root:?} at the source and here, one is a directory and the other is not"),
    )
}

/// The peer's stream says what no source says.
pub(super) fn garbled(what: impl std::fmt::Display) -> Failure {
    Failure::new(
        "files-garbled",
        format!("the stream of files from the source is wrong: {what}"),
    )
    .hint("use the same version of phaul on both hosts")
}

/// A device where none may be.
pub(super) fn device(root: &Path, path: &[u8]) -> Failure {
    let path = shown(root, path);
    Failure::new(
        "files-device",
        format!("{path} is a device at the source, and none may be made in this tree"),
    )
    .hint("exclude it")
}

/// An extended attribute that cannot be had here.
pub(super) fn attribute(root: &Path, path: &[u8], name: &[u8], error: Errno) -> Failure {
    if matches!(error, Errno::NOSPC | Errno::DQUOT) {
        return write(root, path, "set an attribute of", error);
    }
    let path = shown(root, path);
    let name = name.escape_ascii();
    Failure::new(
        "files-attribute",
        format!("cannot give {path} the attribute `{name}` that it has at the source: {error}"),
    )
    .hint("use a file system at the target that knows it, or remove it at the source")
}

/// The root of a tree at the source is, or became, what cannot be one.
pub(super) fn not_a_tree(root: &Path) -> Failure {
    Failure::new(
        "files-read",
        format!("{root:?} is not the directory or regular file that it has to be"),
    )
}

/// An entry at the source changed while nothing should change.
pub(super) fn changed(root: &Path, path: &[u8]) -> Failure {
    let path = shown(root, path);
    Failure::new(
        "files-read",
        format!("{path} was changed while the workload stood still"),
    )
    .hint("something outside of the workload writes in this tree: stop it, or exclude the file")
}
