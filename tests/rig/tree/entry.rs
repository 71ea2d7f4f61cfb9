//! One thing in a tree.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::libc::{S_IFBLK, S_IFCHR, S_IFMT};

use super::{name, xattrs};

/// So much more than the original a copy may take on the disk: file systems differ in how they
/// round.
const ALLOCATION_SLACK: u64 = 128 * 1024;

/// What a block of `st_blocks` holds.
const BLOCK_BYTES: u64 = 512;

/// A file, directory, link or whatever there is, with all that a copy must have, too.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// Type, permissions and the bits beside them.
    mode: u32,
    uid: u32,
    gid: u32,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
    /// Of a device: which it is.
    device: Option<u64>,
    /// Of a symbolic link: what it says.
    target: Option<PathBuf>,
    /// Of a file: its bytes.
    content: Option<Content>,
    xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// What tells it from all others in its tree.
    pub(super) inode: (u64, u64),
    /// Its first name in the tree, if it has several.
    pub(super) linked_to: Option<PathBuf>,
}

/// The bytes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Content {
    bytes: u64,
    sum: u32,
    /// What it takes on the disk.
    allocated: u64,
}

impl Entry {
    pub(super) fn read(path: &Path, metadata: &Metadata) -> io::Result<Self> {
        let kind = metadata.mode() & S_IFMT;
        let target = metadata.is_symlink().then(|| fs::read_link(path));
        let content = metadata.is_file().then(|| Content::read(path, metadata));
        Ok(Self {
            mode: metadata.mode(),
            uid: metadata.uid(),
            gid: metadata.gid(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            device: [S_IFBLK, S_IFCHR].contains(&kind).then(|| metadata.rdev()),
            target: target.transpose()?,
            content: content.transpose()?,
            xattrs: xattrs::read(path)?,
            inode: super::inode(metadata),
            linked_to: None,
        })
    }

    /// In what a copy differs.
    pub(super) fn differences(&self, copy: &Self) -> Vec<String> {
        let mut found = Vec::new();
        let mut differs = |what: &str, here: String, there: String| {
            if here != there {
                found.push(format!("{what} {here} became {there}"));
            }
        };
        let octal = |entry: &Self| format!("{:o}", entry.mode);
        differs("mode", octal(self), octal(copy));
        let owner = |entry: &Self| format!("{}:{}", entry.uid, entry.gid);
        differs("owner", owner(self), owner(copy));
        let modified = |entry: &Self| format!("{}.{:09}", entry.modified.0, entry.modified.1);
        differs("time", modified(self), modified(copy));
        differs(
            "device",
            format!("{:?}", self.device),
            format!("{:?}", copy.device),
        );
        differs(
            "target",
            format!("{:?}", self.target),
            format!("{:?}", copy.target),
        );
        let first = |entry: &Self| entry.linked_to.as_deref().map(name);
        differs(
            "first name",
            format!("{:?}", first(self)),
            format!("{:?}", first(copy)),
        );
        if let (Some(content), Some(copied)) = (self.content, copy.content) {
            differs("size", content.bytes.to_string(), copied.bytes.to_string());
            if content.bytes == copied.bytes && content.sum != copied.sum {
                found.push("other content".to_owned());
            }
            if copied.allocated > content.allocated + content.allocated / 8 + ALLOCATION_SLACK {
                let (here, there) = (content.allocated, copied.allocated);
                found.push(format!("{here} bytes on the disk became {there}"));
            }
        }
        found.extend(xattrs::differences(&self.xattrs, &copy.xattrs));
        found
    }
}

impl Content {
    fn read(path: &Path, metadata: &Metadata) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let mut piece = vec![0; 1 << 20];
        let (mut sum, mut bytes) = (0, 0);
        loop {
            let read = file.read(&mut piece)?;
            if read == 0 {
                break;
            }
            sum = crc32c::crc32c_append(sum, &piece[..read]);
            bytes += read as u64;
        }
        Ok(Self {
            bytes,
            sum,
            allocated: metadata.blocks() * BLOCK_BYTES,
        })
    }
}
