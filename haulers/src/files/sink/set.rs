//! Sets what can be set on an entry.

use super::super::entry::{Attributes, Kind, XATTR_BYTES_MAX};
use super::super::look::names;
use super::super::tree::own_path;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, CWD, Gid, Mode, Timespec, Timestamps, UTIME_OMIT, Uid, XattrFlags};
use rustix::fs::{chmodat, chownat, listxattr, removexattr, setxattr, utimensat};
use rustix::io::Errno;
use std::mem::MaybeUninit;

/// What could not be set.
#[derive(Debug)]
pub(super) enum Unset {
    /// Owner, mode or time.
    Plain(&'static str, Errno),
    /// The extended attribute of this name.
    Xattr(Vec<u8>, Errno),
}

/// Sets all of it on what the handle is of, which may be open for nothing. The order matters: a
/// new owner takes the setuid bit and the capabilities away, an ACL changes the mode.
pub(super) fn set(handle: &OwnedFd, kind: &Kind, attributes: &Attributes) -> Result<(), Unset> {
    let (uid, gid) = (attributes.uid, attributes.gid);
    let owner = (Uid::from_raw(uid), Gid::from_raw(gid));
    chownat(
        handle,
        "",
        Some(owner.0),
        Some(owner.1),
        AtFlags::EMPTY_PATH,
    )
    .map_err(|error| Unset::Plain("set the owner of", error))?;
    let path = own_path(handle);
    set_xattrs(&path, attributes)?;
    // A symlink has no mode of its own.
    if !matches!(kind, Kind::Symlink(_)) {
        let mode = Mode::from_raw_mode(attributes.mode);
        chmodat(CWD, &path, mode, AtFlags::empty())
            .map_err(|error| Unset::Plain("set the mode of", error))?;
    }
    let times = Timestamps {
        last_access: Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        },
        last_modification: Timespec {
            tv_sec: attributes.mtime.seconds,
            tv_nsec: attributes.mtime.nanoseconds.into(),
        },
    };
    utimensat(handle, "", &times, AtFlags::EMPTY_PATH)
        .map_err(|error| Unset::Plain("set the time of", error))
}

fn set_xattrs(path: &str, attributes: &Attributes) -> Result<(), Unset> {
    let mut room = [MaybeUninit::<u8>::uninit(); XATTR_BYTES_MAX];
    let there = match listxattr(path, &mut room) {
        Ok((there, _)) => &*there,
        Err(Errno::OPNOTSUPP) => &[],
        Err(error) => return Err(Unset::Plain("list the attributes of", error)),
    };
    for name in names(there) {
        if !attributes.xattrs.contains_key(name) {
            removexattr(path, name).map_err(|error| Unset::Xattr(name.to_vec(), error))?;
        }
    }
    for (name, value) in attributes.xattrs.iter() {
        setxattr(path, name, value, XattrFlags::empty())
            .map_err(|error| Unset::Xattr(name.clone(), error))?;
    }
    Ok(())
}
