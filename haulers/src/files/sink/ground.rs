//! Where a tree is put: what is done beneath its root's handle, and what went wrong there.

use super::super::entry::{Attributes, Identity, Kind, Seen, Xattrs, split};
use super::super::fault;
use super::super::look::{look, signature_of};
use super::super::tree::{Spot, Tree};
use super::super::walk::has_vanished;
use super::remove;
use super::set::{Unset, set};
use phaul_core::failure::Failure;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::fs::{linkat, makedev, mkdirat, mknodat, openat, symlinkat};
use rustix::io::Errno;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What only root may do with an entry until its own mode is set.
const MODE: Mode = Mode::RUSR.union(Mode::WUSR);

/// A root that may have been opened.
#[derive(Debug)]
pub(super) struct Ground {
    root: PathBuf,
    tree: Option<Tree>,
}

impl Ground {
    pub(super) fn new(root: PathBuf) -> Result<Self, Failure> {
        if !root.is_absolute() {
            return Err(fault::write(&root, b"", "go by", Errno::INVAL));
        }
        Ok(Self { root, tree: None })
    }

    /// The root's path.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Opens the root anew when it is needed next.
    pub(super) fn close(&mut self) {
        self.tree = None;
    }

    fn parts(&mut self) -> Result<(&Path, &mut Tree), Failure> {
        let root = self.root.as_path();
        let tree = match &mut self.tree {
            Some(tree) => tree,
            none => {
                let tree = Tree::open(root);
                none.insert(tree.map_err(|error| fault::write(root, b"", "open", error))?)
            }
        };
        Ok((root, tree))
    }

    /// Whether the root is a single file.
    pub(super) fn is_single(&mut self) -> Result<bool, Failure> {
        Ok(self.parts()?.1.is_single())
    }

    /// Makes an entry in the place of whatever is there. A file stays open for writing.
    pub(super) fn make(&mut self, path: &[u8], kind: &Kind) -> Result<Option<File>, Failure> {
        self.put(path, |spot| create(spot, kind))
    }

    /// Makes another name for an entry, in the place of whatever is there.
    pub(super) fn link(&mut self, path: &[u8], to: &[u8]) -> Result<(), Failure> {
        let (root, tree) = self.parts()?;
        let (directory, name) = split(to).unwrap_or((b"", b"."));
        let from = tree
            .reach(directory, OFlags::PATH | OFlags::DIRECTORY)
            .map_err(|error| fault::write(root, to, "link", error))?;
        self.put(path, |spot| {
            linkat(&from, name, spot.directory, spot.name, AtFlags::empty())
        })
    }

    fn put<T>(
        &mut self,
        path: &[u8],
        put: impl Fn(Spot<'_>) -> Result<T, Errno>,
    ) -> Result<T, Failure> {
        let (root, tree) = self.parts()?;
        let mut made = tree.spot(path).and_then(&put);
        if made.as_ref().is_err_and(|error| *error == Errno::EXIST) {
            made = remove::remove(tree, path).and_then(|()| tree.spot(path).and_then(&put));
        }
        made.map_err(|error| fault::write(root, path, "make", error))
    }

    /// Removes an entry with all beneath it.
    pub(super) fn remove(&mut self, path: &[u8]) -> Result<(), Failure> {
        let (root, tree) = self.parts()?;
        remove::remove(tree, path).map_err(|error| fault::write(root, path, "remove", error))
    }

    /// Removes what is not to be there.
    pub(super) fn sweep(&mut self, stays: remove::Stays<'_>) -> Result<(), Failure> {
        let (root, tree) = self.parts()?;
        remove::sweep(tree, stays)
            .map_err(|error| fault::write(root, b"", "remove what does not belong in", error))
    }

    /// Looks at an entry; none if there is none. `xattrs`: those that it has, if that is known.
    pub(super) fn look(
        &mut self,
        path: &[u8],
        xattrs: Option<Arc<Xattrs>>,
    ) -> Result<Option<Seen>, Failure> {
        let (root, tree) = self.parts()?;
        match tree.spot(path).and_then(|spot| look(spot, |_| xattrs)) {
            Ok(looked) => Ok(Some(looked.seen)),
            Err(error) if has_vanished(error) => Ok(None),
            Err(error) => Err(fault::write(root, path, "look at", error)),
        }
    }

    /// Opens a file that was made here for writing.
    pub(super) fn open(&mut self, path: &[u8], identity: Identity) -> Result<File, Failure> {
        let (root, tree) = self.parts()?;
        tree.open_file(path, OFlags::WRONLY, identity)
            .map_err(|error| fault::write(root, path, "open", error))?
            .ok_or_else(|| fault::replaced(root, path))
    }

    /// Sets what can be set on an entry that was made here.
    pub(super) fn set(
        &mut self,
        path: &[u8],
        kind: &Kind,
        identity: Identity,
        attributes: &Attributes,
    ) -> Result<(), Failure> {
        let (root, tree) = self.parts()?;
        let failed = |error| fault::write(root, path, "open", error);
        let handle = tree.handle(path).map_err(failed)?;
        if signature_of(handle.as_fd()).map_err(failed)?.identity != identity {
            return Err(fault::replaced(root, path));
        }
        set(&handle, kind, attributes).map_err(|unset| match unset {
            Unset::Plain(doing, error) => fault::write(root, path, doing, error),
            Unset::Xattr(name, error) => fault::attribute(root, path, &name, error),
        })
    }
}

fn create(spot: Spot<'_>, kind: &Kind) -> Result<Option<File>, Errno> {
    let Spot { directory, name } = spot;
    let node = |r#type, device| mknodat(directory, name, r#type, MODE, device);
    match kind {
        Kind::Directory => mkdirat(directory, name, Mode::RWXU)?,
        Kind::File => {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            let file: OwnedFd = openat(directory, name, flags | OFlags::NOFOLLOW, MODE)?;
            return Ok(Some(file.into()));
        }
        Kind::Symlink(target) => symlinkat(&**target, directory, name)?,
        Kind::Character { major, minor } => {
            node(FileType::CharacterDevice, makedev(*major, *minor))?;
        }
        Kind::Block { major, minor } => node(FileType::BlockDevice, makedev(*major, *minor))?,
        Kind::Fifo => node(FileType::Fifo, 0)?,
        Kind::Socket => node(FileType::Socket, 0)?,
    }
    Ok(None)
}
