//! Walks a tree.

use super::SourceTree;
use super::entry::{Kind, PATH_BYTES_MAX, Place, Seen, Signature, Xattrs, join};
use super::fault;
use super::look::look;
use super::tree::{Spot, Tree, names};
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use phaul_core::failure::Failure;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::OFlags;
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What gives the extended attributes that an entry of this path and signature is known to
/// have.
pub(super) type Known<'a> = &'a dyn Fn(&[u8], &Signature) -> Option<Arc<Xattrs>>;

/// A tree that can be walked.
#[derive(Debug)]
pub(super) struct Walker {
    /// Where it is.
    pub root: PathBuf,
    /// Its handle.
    pub tree: Tree,
    exclude: GlobSet,
}

impl Walker {
    /// Opens the tree.
    pub(super) fn new(tree: &SourceTree) -> Result<Self, Failure> {
        if !tree.root.is_absolute() {
            return Err(fault::read(&tree.root, b"", "go by", Errno::INVAL));
        }
        Ok(Self {
            root: tree.root.clone(),
            tree: Tree::open(&tree.root)
                .map_err(|error| fault::read(&tree.root, b"", "open", error))?,
            exclude: globs(&tree.exclude)?,
        })
    }

    /// All entries, the root among them. What vanishes meanwhile is left out.
    pub(super) fn walk(&mut self, known: Known<'_>) -> Result<BTreeMap<Place, Seen>, Failure> {
        let failed = |error| fault::read(&self.root, b"", "look at", error);
        let spot = self.tree.spot(b"").map_err(failed)?;
        let root = look(spot, |signature| known(b"", signature)).map_err(failed)?;
        let single = self.tree.is_single();
        match root.seen.kind {
            Kind::Directory if !single => {}
            Kind::File if single => {}
            _ => return Err(fault::not_a_tree(&self.root)),
        }
        let mut walk = Walk {
            walker: self,
            known,
            mount: root.mount,
            entries: vec![(Place::from(b"".as_slice()), root.seen)],
            directories: if single { vec![] } else { vec![Vec::new()] },
        };
        while let Some(directory) = walk.directories.pop() {
            walk.enter(&directory)
                .map_err(|(path, error)| fault::read(&self.root, &path, "look at", error))?;
        }
        Ok(walk.entries.into_iter().collect())
    }

    fn excludes(&self, path: &[u8]) -> bool {
        let path = Path::new(OsStr::from_bytes(path));
        !self.exclude.is_empty() && self.exclude.is_match(path)
    }
}

struct Walk<'a> {
    walker: &'a Walker,
    known: Known<'a>,
    /// The mount that the tree is on.
    mount: u64,
    entries: Vec<(Place, Seen)>,
    /// Those that are still to be entered.
    directories: Vec<Vec<u8>>,
}

impl Walk<'_> {
    fn enter(&mut self, directory: &[u8]) -> Result<(), (Vec<u8>, Errno)> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let handle = match self.walker.tree.reach(directory, flags) {
            Ok(handle) => handle,
            // Gone, or something was mounted there since.
            Err(error) if has_vanished(error) || error == Errno::XDEV => return Ok(()),
            Err(error) => return Err((directory.to_vec(), error)),
        };
        let names = names(&handle).map_err(|error| (directory.to_vec(), error))?;
        for name in names {
            let path = join(directory, &name);
            if self.walker.excludes(&path) {
                continue;
            }
            match self.look_at(&handle, &name, &path) {
                Ok(()) => {}
                Err(error) if has_vanished(error) => {}
                Err(error) => return Err((path, error)),
            }
        }
        Ok(())
    }

    fn look_at(&mut self, handle: &OwnedFd, name: &[u8], path: &[u8]) -> Result<(), Errno> {
        if path.len() > PATH_BYTES_MAX {
            return Err(Errno::NAMETOOLONG);
        }
        let directory = handle.as_fd();
        let looked = look(Spot { directory, name }, |signature| {
            (self.known)(path, signature)
        })?;
        let mut seen = looked.seen;
        let is_directory = seen.kind == Kind::Directory;
        if looked.mount == self.mount {
            if is_directory {
                self.directories.push(path.to_vec());
            }
        } else if !is_directory {
            // What is mounted here is not of this tree, and what it hides is an empty file as
            // a rule.
            seen.kind = Kind::File;
            seen.signature.size_bytes = 0;
        }
        self.entries.push((path.into(), seen));
        Ok(())
    }
}

/// Whether an error says that an entry is not there any more, or is another by now.
pub(super) fn has_vanished(error: Errno) -> bool {
    matches!(error, Errno::NOENT | Errno::NOTDIR | Errno::LOOP)
}

fn globs(exclude: &[String]) -> Result<GlobSet, Failure> {
    let wrong = |error: globset::Error| {
        let cause = format!("what is to be excluded cannot be read: {error}");
        Failure::new("files-read", cause)
    };
    let mut globs = GlobSetBuilder::new();
    for glob in exclude {
        let glob = GlobBuilder::new(glob).literal_separator(true).build();
        globs.add(glob.map_err(wrong)?);
    }
    globs.build().map_err(wrong)
}
