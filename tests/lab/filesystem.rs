//! What a host sees as its file system: an overlay over the rootfs, and everything a kernel file
//! system offers.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{chdir, pivot_root};

use super::Side;
use super::error::{Error, Result};
use super::layout::Layout;

/// Bound from the machine's `/dev` where it has them.
const DEVICES: &[&str] = &[
    "null", "zero", "full", "random", "urandom", "tty", "fuse", "net/tun",
];

const DEVICE_LINKS: &[(&str, &str)] = &[
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];

/// Container engines put overlays of their own here, which an overlay cannot carry: they get the
/// real file system.
const PLAIN: &[&str] = &["containers", "docker", "containerd", "lxc"];

/// Builds it in a mount namespace of the calling process's own and makes it the root.
pub(crate) fn build(layout: &Layout, side: Side, rootfs: &Path) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNS).map_err(Error::call("make a mount namespace"))?;
    // Whatever is done here must not reach the machine.
    attach(
        None,
        Path::new("/"),
        None,
        MsFlags::MS_REC | MsFlags::MS_PRIVATE,
        None,
    )?;
    let root = layout.host(side).join("root");
    overlay(&layout.host(side), rootfs, &root)?;
    devices(&root)?;
    kernel_file_systems(&root)?;
    bind(&layout.shared(), &root.join("shared"))?;
    let programs = root.join("opt/phaul");
    bind(&layout.programs(), &programs)?;
    attach(
        None,
        &programs,
        None,
        MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY,
        None,
    )?;
    for name in PLAIN {
        let plain = layout.host(side).join("var-lib").join(name);
        make_directory(&plain)?;
        bind(&plain, &root.join("var/lib").join(name))?;
    }
    enter(&root)
}

fn overlay(host: &Path, rootfs: &Path, root: &Path) -> Result<()> {
    let (upper, work) = (host.join("upper"), host.join("work"));
    for directory in [&upper, &work, &root.to_path_buf()] {
        make_directory(directory)?;
    }
    let options = format!(
        "lowerdir={},upperdir={},workdir={}",
        rootfs.display(),
        upper.display(),
        work.display()
    );
    attach(
        Some("overlay"),
        root,
        Some("overlay"),
        MsFlags::empty(),
        Some(&options),
    )
}

fn devices(root: &Path) -> Result<()> {
    let dev = root.join("dev");
    fresh("tmpfs", &dev, MsFlags::MS_NOSUID, Some("mode=755"))?;
    for name in DEVICES {
        let device = Path::new("/dev").join(name);
        if !device.exists() {
            continue;
        }
        let node = dev.join(name);
        if let Some(parent) = node.parent() {
            make_directory(parent)?;
        }
        fs::File::create(&node).map_err(Error::file("create", &node))?;
        attach(device.to_str(), &node, None, MsFlags::MS_BIND, None)?;
    }
    for (name, target) in DEVICE_LINKS {
        let link = dev.join(name);
        symlink(target, &link).map_err(Error::file("link", link))?;
    }
    fresh(
        "devpts",
        &dev.join("pts"),
        MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC,
        Some("newinstance,ptmxmode=0666,mode=620,gid=5"),
    )?;
    fresh(
        "tmpfs",
        &dev.join("shm"),
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
        Some("mode=1777"),
    )?;
    fresh(
        "mqueue",
        &dev.join("mqueue"),
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
        None,
    )
}

fn kernel_file_systems(root: &Path) -> Result<()> {
    let closed = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    fresh("proc", &root.join("proc"), closed, None)?;
    fresh("sysfs", &root.join("sys"), closed, None)?;
    attach(
        Some("cgroup2"),
        &root.join("sys/fs/cgroup"),
        Some("cgroup2"),
        closed,
        None,
    )?;
    fresh(
        "tmpfs",
        &root.join("run"),
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
        Some("mode=755"),
    )?;
    fresh(
        "tmpfs",
        &root.join("tmp"),
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
        Some("mode=1777"),
    )
}

/// Makes `root` the root. CRIU finds no mount for `/` after a mere `chroot`.
fn enter(root: &Path) -> Result<()> {
    chdir(root).map_err(Error::call(format!("change to {}", root.display())))?;
    // The old root ends up on top of the new one and is taken away at once.
    pivot_root(".", ".").map_err(Error::call("change the root"))?;
    umount2(".", MntFlags::MNT_DETACH).map_err(Error::call("leave the old root"))?;
    chdir("/").map_err(Error::call("change to the new root"))
}

fn bind(from: &Path, to: &Path) -> Result<()> {
    make_directory(to)?;
    attach(from.to_str(), to, None, MsFlags::MS_BIND, None)
}

/// A file system of the kernel's on a directory that is made if it is missing.
fn fresh(kind: &str, to: &Path, flags: MsFlags, options: Option<&str>) -> Result<()> {
    make_directory(to)?;
    attach(Some(kind), to, Some(kind), flags, options)
}

fn make_directory(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(Error::file("create", path))
}

fn attach(
    from: Option<&str>,
    to: &Path,
    kind: Option<&str>,
    flags: MsFlags,
    options: Option<&str>,
) -> Result<()> {
    mount(from, to, kind, flags, options).map_err(Error::call(format!(
        "mount {} on {}",
        from.or(kind).unwrap_or("nothing"),
        to.display()
    )))
}
