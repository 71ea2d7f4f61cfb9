//! A tree that has everything.

use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, XattrFlags};
use rustix::fs::{lsetxattr, makedev, mknodat, utimensat};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt, chown, lchown, symlink};
use std::path::Path;

/// `cap_net_bind_service`, effective and permitted.
const CAPABILITY: [u8; 20] = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// Makes it in an empty directory.
pub(super) fn make(root: &Path) {
    let at = |name: &[u8]| root.join(OsStr::from_bytes(name));
    fs::create_dir_all(root.join("a/deep/path")).unwrap();
    fs::create_dir(root.join("empty")).unwrap();
    fs::create_dir(root.join("a-b")).unwrap();
    for name in [
        b"\xff\xfe".as_slice(),
        b"new\nline",
        b" ",
        &[b'x'; 255],
        b"a/\xc3(",
    ] {
        fs::write(at(name), name).unwrap();
    }
    let mut deep = root.to_path_buf();
    for _ in 0..15 {
        deep.push("d".repeat(200));
    }
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("bottom"), "bottom").unwrap();
    files(root);
    nodes(root);
    attributes(root);
    // Last, for it must not matter that nothing can be made in them.
    mode(&root.join("read-only"), 0o555);
    mode(&root.join("closed"), 0);
    time(&root.join("read-only"), -7, 5);
    time(root, 1_000_000_000, 123_456_789);
}

fn files(root: &Path) {
    let pattern: Vec<u8> = (0..700_001_u32).map(|at| ((at * 31) >> 3) as u8).collect();
    fs::write(root.join("a/big"), pattern).unwrap();
    fs::write(root.join("empty-file"), "").unwrap();
    fs::hard_link(root.join("a/big"), root.join("a-b/same")).unwrap();
    fs::hard_link(root.join("a/big"), root.join("zz-same")).unwrap();
    let sparse = File::create(root.join("sparse")).unwrap();
    sparse.set_len(1 << 30).unwrap();
    for (offset, data) in [(5, "one"), (300 << 20, "two"), ((1 << 30) - 3, "end")] {
        sparse.write_all_at(data.as_bytes(), offset).unwrap();
    }
    File::create(root.join("all-hole"))
        .unwrap()
        .set_len(1 << 20)
        .unwrap();
    fs::write(root.join("setuid"), "s").unwrap();
    chown(root.join("setuid"), Some(12345), Some(54321)).unwrap();
    mode(&root.join("setuid"), 0o6755);
    fs::create_dir(root.join("sticky")).unwrap();
    mode(&root.join("sticky"), 0o3777);
    for name in ["read-only", "closed"] {
        fs::create_dir(root.join(name)).unwrap();
        fs::write(root.join(name).join("inside"), name).unwrap();
    }
    mode(&root.join("a/deep"), 0o700);
    fs::write(root.join("future"), "f").unwrap();
    time(&root.join("future"), 4_000_000_000, 999_999_999);
}

fn nodes(root: &Path) {
    symlink("/etc/passwd", root.join("absolute")).unwrap();
    symlink("nowhere", root.join("dangling")).unwrap();
    symlink("../a/big", root.join("a/relative")).unwrap();
    symlink("a", root.join("to-directory")).unwrap();
    lchown(root.join("dangling"), Some(12345), Some(7)).unwrap();
    time(&root.join("dangling"), 77, 77);
    fs::hard_link(root.join("absolute"), root.join("absolute-too")).unwrap();
    let node = |name, kind, device| {
        let made = mknodat(CWD, root.join(name), kind, Mode::RUSR | Mode::WGRP, device);
        made.unwrap();
    };
    node("fifo", FileType::Fifo, 0);
    node("socket", FileType::Socket, 0);
    node("character", FileType::CharacterDevice, makedev(1, 3));
    node("block", FileType::BlockDevice, makedev(7, 200));
    chown(root.join("fifo"), Some(1), Some(2)).unwrap();
    time(&root.join("character"), 1, 1);
}

fn attributes(root: &Path) {
    xattr(&root.join("a/big"), "user.plain", b"value");
    xattr(&root.join("a/big"), "user.empty", b"");
    xattr(&root.join("a"), "user.of-directory", &[0, 255]);
    xattr(root, "trusted.of-root", b"r");
    xattr(&root.join("dangling"), "trusted.of-symlink", b"s");
    xattr(&root.join("fifo"), "trusted.of-fifo", b"f");
    xattr(&root.join("setuid"), "security.capability", &CAPABILITY);
    xattr(
        &root.join("empty-file"),
        "system.posix_acl_access",
        &acl(0o4),
    );
    xattr(&root.join("empty"), "system.posix_acl_default", &acl(0o7));
}

/// An ACL that gives one more user these permissions.
pub(super) fn acl(permissions: u8) -> Vec<u8> {
    let none = u32::MAX;
    let mut acl = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in [
        (1_u8, 6, none),
        (2, permissions, 12345),
        (4, 4, none),
        (16, 7, none),
        (32, 0, none),
    ] {
        acl.extend([tag, 0, permissions, 0]);
        acl.extend(id.to_le_bytes());
    }
    acl
}

pub(super) fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

pub(super) fn xattr(path: &Path, name: &str, value: &[u8]) {
    lsetxattr(path, name, value, XattrFlags::empty()).unwrap();
}

pub(super) fn time(path: &Path, seconds: i64, nanoseconds: i64) {
    let time = Timespec {
        tv_sec: seconds,
        tv_nsec: nanoseconds,
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}
