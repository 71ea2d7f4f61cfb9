//! What an entry of a tree is, apart from its content.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// The longest path, in bytes: what a kernel call takes.
pub(super) const PATH_BYTES_MAX: usize = 4095;
/// The longest name, in bytes.
pub(super) const NAME_BYTES_MAX: usize = 255;
/// The longest value of an extended attribute, in bytes.
pub(super) const XATTR_BYTES_MAX: usize = 64 << 10;
/// The most that an entry's extended attributes may have together, names and values, in bytes.
pub(super) const XATTRS_BYTES_MAX: usize = 1 << 20;
/// Timestamps are this coarse: a change this long before a look may bear the look's time.
const COARSE_NANOSECONDS: i128 = 100_000_000;

/// A path relative to a tree's root, in raw bytes; the root itself is empty.
pub(super) type Place = Arc<[u8]>;
/// Device and inode.
pub(super) type Identity = (u64, u64);
/// Extended attributes, ACLs and capabilities among them.
pub(super) type Xattrs = BTreeMap<Vec<u8>, Vec<u8>>;

/// What kind of entry it is, with all that cannot be changed without making it anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// A symlink, and where it leads.
    Symlink(Box<[u8]>),
    /// A character device.
    Character {
        /// Its major number.
        major: u32,
        /// Its minor number.
        minor: u32,
    },
    /// A block device.
    Block {
        /// Its major number.
        major: u32,
        /// Its minor number.
        minor: u32,
    },
    /// A fifo.
    Fifo,
    /// A socket.
    Socket,
}

/// A point in time, since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Stamp {
    /// Whole seconds.
    pub seconds: i64,
    /// Nanoseconds beyond them.
    pub nanoseconds: u32,
}

impl Stamp {
    /// Now.
    pub(super) fn now() -> Self {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
            nanoseconds: since.subsec_nanos(),
        }
    }

    fn nanoseconds(self) -> i128 {
        i128::from(self.seconds) * 1_000_000_000 + i128::from(self.nanoseconds)
    }
}

/// What can be set on an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attributes {
    /// Permissions, with setuid, setgid and sticky.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// When the content was changed last.
    pub mtime: Stamp,
    /// The extended attributes.
    pub xattrs: Arc<Xattrs>,
}

/// What differs, as a rule, once an entry was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signature {
    /// Which it is.
    pub identity: Identity,
    /// Bytes.
    pub size_bytes: u64,
    /// When its content was changed.
    pub mtime: Stamp,
    /// When anything about it was changed.
    pub ctime: Stamp,
}

/// An entry as a look found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    /// What it is.
    pub kind: Kind,
    /// What can be set on it.
    pub attributes: Attributes,
    /// What tells a change.
    pub signature: Signature,
    /// How many names it has.
    pub names: u32,
    /// What it takes on the disk.
    pub allocated_bytes: u64,
}

impl Seen {
    /// Roughly how much there is to read.
    pub(super) fn content_bytes(&self) -> u64 {
        self.signature.size_bytes.min(self.allocated_bytes)
    }
}

/// When an entry was looked at, and what it was like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sighting {
    /// What it was like.
    pub signature: Signature,
    /// When, at the latest.
    pub at: Stamp,
}

impl Sighting {
    /// Whether an entry that looks like this now is sure not to have changed since.
    pub(super) fn still(&self, now: &Signature) -> bool {
        let sure_before = self.at.nanoseconds() - COARSE_NANOSECONDS;
        self.signature == *now
            && now.mtime.nanoseconds() < sure_before
            && now.ctime.nanoseconds() < sure_before
    }
}

/// The directory that an entry is in, and its name there. The root is in none.
pub(super) fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    if path.is_empty() {
        return None;
    }
    Some(match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (&[], path),
    })
}

/// The path of an entry of a directory.
pub(super) fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    if directory.is_empty() {
        return name.to_vec();
    }
    [directory, name].join(&b'/')
}

/// Whether a path stays beneath the root in its very form.
pub(super) fn is_plain(path: &[u8]) -> bool {
    let plain =
        |name: &[u8]| (1..=NAME_BYTES_MAX).contains(&name.len()) && name != b"." && name != b"..";
    path.is_empty()
        || (path.len() <= PATH_BYTES_MAX
            && !path.contains(&0)
            && path.split(|byte| *byte == b'/').all(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_paths_pass() {
        let long = vec![b'a'; 255];
        let longer = vec![b'a'; 256];
        let longest = [b"a".as_slice(); 2048].join(&b'/');
        for path in [
            b"".as_slice(),
            b"a",
            b"a/b",
            b"...",
            b"\xff\n",
            &long,
            &longest,
        ] {
            assert!(is_plain(path), "{path:?}");
        }
        let beyond = join(&longest, b"a");
        for path in [
            b"/".as_slice(),
            b"/a",
            b"a/",
            b"a//b",
            b".",
            b"..",
            b"a/../b",
            b"./a",
            b"a\0b",
            &longer,
            &beyond,
        ] {
            assert!(!is_plain(path), "{path:?}");
        }
    }

    #[test]
    fn a_path_is_split_and_joined() {
        assert_eq!(split(b""), None);
        assert_eq!(split(b"a"), Some((b"".as_slice(), b"a".as_slice())));
        assert_eq!(split(b"a/b/c"), Some((b"a/b".as_slice(), b"c".as_slice())));
        assert_eq!(join(b"", b"a"), b"a");
        assert_eq!(join(b"a/b", b"c"), b"a/b/c");
    }

    #[test]
    fn a_change_just_before_the_look_may_hide_another() {
        let stamp = |seconds, nanoseconds| Stamp {
            seconds,
            nanoseconds,
        };
        let signature = |mtime, ctime| Signature {
            identity: (1, 2),
            size_bytes: 3,
            mtime,
            ctime,
        };
        let at = stamp(10, 0);
        for (mtime, ctime, still) in [
            (stamp(9, 0), stamp(9, 800_000_000), true),
            (stamp(9, 0), stamp(9, 950_000_000), false),
            (stamp(9, 900_000_000), stamp(9, 0), false),
            (stamp(99, 0), stamp(9, 0), false),
        ] {
            let signature = signature(mtime, ctime);
            let sighting = Sighting {
                signature: signature.clone(),
                at,
            };
            assert_eq!(sighting.still(&signature), still);
        }
    }
}
