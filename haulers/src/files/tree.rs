//! A handle of a tree: everything in it is reached beneath this, and through no symlink.

use super::entry::{Identity, split};
use super::look::signature_of;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags, RawDir, ResolveFlags, open, openat, openat2};
use rustix::io::{Errno, Result};
use std::fs::File;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Room for the names of a directory that one call gives, in bytes.
const NAMES_BYTES: usize = 32 << 10;

/// A tree whose root is a directory, or a single file.
#[derive(Debug)]
pub(super) struct Tree {
    /// The root, or the directory that a single file is in.
    base: OwnedFd,
    /// The single file's name.
    single: Option<Vec<u8>>,
    /// The directory that was reached last, for the next entry is most often in it too.
    last: Option<(Vec<u8>, OwnedFd)>,
}

/// Where an entry is: an open directory, and a name in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spot<'a> {
    /// The directory.
    pub directory: BorrowedFd<'a>,
    /// The name; never followed if it is a symlink's.
    pub name: &'a [u8],
}

impl Tree {
    /// Opens the tree: a directory if one is there, else a file that may be there or not.
    pub(super) fn open(root: &Path) -> Result<Self> {
        let directory = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let (base, single) = match open(root, directory | OFlags::NOFOLLOW, Mode::empty()) {
            Ok(base) => (base, None),
            Err(Errno::NOTDIR | Errno::NOENT) => {
                let (Some(parent), Some(name)) = (root.parent(), root.file_name()) else {
                    return Err(Errno::NOENT);
                };
                let base = open(parent, directory, Mode::empty())?;
                (base, Some(name.as_bytes().to_vec()))
            }
            Err(error) => return Err(error),
        };
        Ok(Self {
            base,
            single,
            last: None,
        })
    }

    /// Whether it is a single file.
    pub(super) fn is_single(&self) -> bool {
        self.single.is_some()
    }

    /// Where the entry of this path is.
    pub(super) fn spot<'a>(&'a mut self, path: &'a [u8]) -> Result<Spot<'a>> {
        let Some((parent, name)) = split(path) else {
            return Ok(Spot {
                directory: self.base.as_fd(),
                name: self.single.as_deref().unwrap_or(b"."),
            });
        };
        if self.is_single() {
            return Err(Errno::NOTDIR);
        }
        if parent.is_empty() {
            let directory = self.base.as_fd();
            return Ok(Spot { directory, name });
        }
        if self.last.as_ref().is_none_or(|(path, _)| path != parent) {
            let directory = self.reach(parent, OFlags::PATH | OFlags::DIRECTORY)?;
            self.last = Some((parent.to_vec(), directory));
        }
        let (_, directory) = self.last.as_ref().ok_or(Errno::NOENT)?;
        let directory = directory.as_fd();
        Ok(Spot { directory, name })
    }

    /// Opens an entry, whatever stands there now.
    pub(super) fn reach(&self, path: &[u8], flags: OFlags) -> Result<OwnedFd> {
        let beneath =
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        if self.is_single() && (!path.is_empty() || flags.contains(OFlags::DIRECTORY)) {
            return Err(Errno::ISDIR);
        }
        let (path, resolve) = match (&self.single, path) {
            // A single file may well be a mount point itself.
            (Some(name), b"") => (name.as_slice(), beneath),
            (None, b"") => (b".".as_slice(), beneath | ResolveFlags::NO_XDEV),
            (_, path) => (path, beneath | ResolveFlags::NO_XDEV),
        };
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        openat2(&self.base, path, flags, Mode::empty(), resolve)
    }

    /// A handle of an entry that is good for nothing but setting what can be set on it.
    pub(super) fn handle(&mut self, path: &[u8]) -> Result<OwnedFd> {
        let spot = self.spot(path)?;
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        openat(spot.directory, spot.name, flags, Mode::empty())
    }

    /// Opens a regular file; none if it is another than this one by now. Nothing else is ever
    /// opened by this, for it might block or have an effect.
    pub(super) fn open_file(
        &self,
        path: &[u8],
        flags: OFlags,
        identity: Identity,
    ) -> Result<Option<File>> {
        let handle = self.reach(path, OFlags::PATH)?;
        if signature_of(handle.as_fd())?.identity != identity {
            return Ok(None);
        }
        let file = open(own_path(&handle), flags | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Some(file.into()))
    }

    /// Forgets the directory that was reached last: another may have its path now.
    pub(super) fn forget_last(&mut self) {
        self.last = None;
    }
}

/// A path that leads to exactly what a handle is of.
pub(super) fn own_path(handle: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", handle.as_raw_fd())
}

/// The names in a directory that is open for reading.
pub(super) fn names(directory: &OwnedFd) -> Result<Vec<Vec<u8>>> {
    let mut room = Vec::with_capacity(NAMES_BYTES);
    let room: &mut [MaybeUninit<u8>] = room.spare_capacity_mut();
    let mut entries = RawDir::new(directory, room);
    let mut names = Vec::new();
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(name.to_vec());
        }
    }
    Ok(names)
}
