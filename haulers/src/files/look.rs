//! Looks at one entry.

use super::entry::{
    Attributes, Kind, Seen, Signature, Stamp, XATTR_BYTES_MAX, XATTRS_BYTES_MAX, Xattrs,
};
use super::tree::Spot;
use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::fs::{AtFlags, FileType, Statx, StatxFlags, StatxTimestamp};
use rustix::fs::{lgetxattr, llistxattr, makedev, readlinkat, statx};
use rustix::io::{Errno, Result};
use std::ffi::OsStr;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

/// What a look found.
#[derive(Debug)]
pub(super) struct Looked {
    /// The entry.
    pub seen: Seen,
    /// The number of the mount that it is on.
    pub mount: u64,
}

/// Looks at an entry. `known` may give the extended attributes that one of this signature is
/// known to have, which saves reading them.
pub(super) fn look(
    spot: Spot<'_>,
    known: impl FnOnce(&Signature) -> Option<Arc<Xattrs>>,
) -> Result<Looked> {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
    let wanted = StatxFlags::BASIC_STATS | StatxFlags::MNT_ID;
    let stat = statx(spot.directory, spot.name, flags, wanted)?;
    let (major, minor) = (stat.stx_rdev_major, stat.stx_rdev_minor);
    let kind = match FileType::from_raw_mode(stat.stx_mode.into()) {
        FileType::Directory => Kind::Directory,
        FileType::RegularFile => Kind::File,
        FileType::Symlink => {
            let target = readlinkat(spot.directory, spot.name, Vec::new())?;
            Kind::Symlink(target.into_bytes().into())
        }
        FileType::CharacterDevice => Kind::Character { major, minor },
        FileType::BlockDevice => Kind::Block { major, minor },
        FileType::Fifo => Kind::Fifo,
        FileType::Socket => Kind::Socket,
        FileType::Unknown => return Err(Errno::OPNOTSUPP),
    };
    let signature = signature(&stat);
    let xattrs = match known(&signature) {
        Some(xattrs) => xattrs,
        None => Arc::new(xattrs(spot)?),
    };
    let attributes = Attributes {
        mode: u32::from(stat.stx_mode) & 0o7777,
        uid: stat.stx_uid,
        gid: stat.stx_gid,
        mtime: signature.mtime,
        xattrs,
    };
    Ok(Looked {
        seen: Seen {
            kind,
            attributes,
            signature,
            names: stat.stx_nlink,
            allocated_bytes: stat.stx_blocks.saturating_mul(512),
        },
        mount: stat.stx_mnt_id,
    })
}

/// What tells a change of what is open here.
pub(super) fn signature_of(handle: BorrowedFd<'_>) -> Result<Signature> {
    statx(handle, "", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS).map(|stat| signature(&stat))
}

fn signature(stat: &Statx) -> Signature {
    let device = makedev(stat.stx_dev_major, stat.stx_dev_minor);
    Signature {
        identity: (device, stat.stx_ino),
        size_bytes: stat.stx_size,
        mtime: stamp(stat.stx_mtime),
        ctime: stamp(stat.stx_ctime),
    }
}

fn stamp(time: StatxTimestamp) -> Stamp {
    Stamp {
        seconds: time.tv_sec,
        nanoseconds: time.tv_nsec,
    }
}

/// Only files and directories can be opened without harm, so that the way to the entry leads
/// through its directory's handle, whatever it is.
fn xattrs(spot: Spot<'_>) -> Result<Xattrs> {
    let mut path = format!("/proc/self/fd/{}/", spot.directory.as_raw_fd()).into_bytes();
    path.extend_from_slice(spot.name);
    let path = Path::new(OsStr::from_bytes(&path));
    // The kernel has no longer list and no longer value than this.
    let mut list_room = [MaybeUninit::<u8>::uninit(); XATTR_BYTES_MAX];
    let mut room = [MaybeUninit::<u8>::uninit(); XATTR_BYTES_MAX];
    let list = match llistxattr(path, &mut list_room) {
        Ok((list, _)) => &*list,
        Err(Errno::OPNOTSUPP) => &[],
        Err(error) => return Err(error),
    };
    let mut total_bytes = 0;
    let mut xattrs = Xattrs::new();
    for name in names(list) {
        match lgetxattr(path, name, &mut room) {
            Ok((value, _)) => {
                total_bytes += name.len() + value.len();
                xattrs.insert(name.to_vec(), value.to_vec());
            }
            Err(Errno::NODATA) => {} // Gone since.
            Err(error) => return Err(error),
        }
    }
    if total_bytes > XATTRS_BYTES_MAX {
        return Err(Errno::TOOBIG);
    }
    Ok(xattrs)
}

/// The names in a list as the kernel gives it.
pub(super) fn names(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
}
