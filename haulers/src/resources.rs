//! Undoing what runs make: directories, files, cgroups, mounts, containers.

use crate::cgroup;
use crate::kinds::container::{Runtime, delete};
use crate::network::{self, Netns};
use async_trait::async_trait;
use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, openat2};
use nix::mount::{MntFlags, umount2};
use nix::sys::stat::{SFlag, fstatat};
use nix::unistd::{UnlinkatFlags, unlinkat};
use phaul_core::executor::ports::{Resource, Undo};
use phaul_core::failure::Failure;
use std::ffi::{CString, OsStr};
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Directories within each other deeper than this are not removed: each level takes a descriptor.
const DEPTH_MAX: u32 = 256;

/// Undoes the resources of this host.
#[derive(Debug, Clone, Copy, Default)]
pub struct HostUndo;

#[async_trait]
impl Undo for HostUndo {
    async fn undo(&self, resource: &Resource) -> Result<(), Failure> {
        match resource {
            Resource::Directory { path } => take_time(path, |path| remove(path, true)).await,
            Resource::Contents { path } => take_time(path, |path| remove(path, false)).await,
            Resource::EmptyDirectory { path } => match fs::remove_dir(path) {
                Err(error) if !is_missing(&error) && !is_in_use(&error) => Err(stuck(path, &error)),
                _ => Ok(()),
            },
            Resource::Aside { path, aside } => {
                let aside = aside.clone();
                take_time(path, move |path| put_back(path, &aside)).await
            }
            Resource::Link { name } => {
                let name = name.parse().map_err(unnamed)?;
                network::remove_link(&Netns::own()?, &name).await
            }
            Resource::Address { ip, link, quiet } => {
                let ip = ip.parse().map_err(unnamed)?;
                let link = link.parse().map_err(unnamed)?;
                let host = Netns::own()?;
                network::drop_address(&host, &link, ip).await?;
                network::unhush(&host, quiet).await
            }
            Resource::Container { runtime, root, id } => {
                let known = Runtime::named(runtime).ok_or_else(|| {
                    let cause =
                        format!("`{runtime}` is not a runtime of which containers are known");
                    Failure::new("resource-stuck", cause)
                })?;
                delete(known, root.as_deref(), id).await
            }
            Resource::File { path } => match fs::remove_file(path) {
                Err(error) if !is_missing(&error) => Err(stuck(path, &error)),
                _ => Ok(()),
            },
            Resource::Cgroup { path } => cgroup::remove(path).await,
            Resource::Mount { path } => unmount(path).map_err(|error| stuck(path, &error.into())),
        }
    }
}

/// The name of a link or an address in the journal is none.
fn unnamed(why: impl std::fmt::Display) -> Failure {
    Failure::new("resource-stuck", format!("it cannot be removed: {why}"))
}

/// Does on a thread of its own what may take its time: a large tree does not go at once.
async fn take_time(
    path: &Path,
    work: impl FnOnce(&Path) -> io::Result<()> + Send + 'static,
) -> Result<(), Failure> {
    let path = path.to_owned();
    tokio::task::spawn_blocking(move || work(&path).map_err(|error| stuck(&path, &error)))
        .await
        .unwrap_or_else(|error| Err(Failure::new("resource-stuck", error.to_string())))
}

/// Whether a directory is not empty, or something is mounted on it: then it is not ours alone.
fn is_in_use(error: &io::Error) -> bool {
    use io::ErrorKind::{DirectoryNotEmpty, ResourceBusy};
    matches!(error.kind(), DirectoryNotEmpty | ResourceBusy)
}

/// Puts a directory back that was moved aside. If it is not there it was never moved, or is back.
fn put_back(path: &Path, aside: &Path) -> io::Result<()> {
    match fs::symlink_metadata(aside) {
        Err(error) if is_missing(&error) => return Ok(()),
        Err(error) => return Err(error),
        Ok(_) => {}
    }
    remove_either(path)?;
    fs::rename(aside, path)
}

/// Removes what was moved aside: a file, or a directory with all that is in it.
pub(crate) async fn remove_all(path: &Path) -> Result<(), Failure> {
    take_time(path, remove_either).await
}

fn remove_either(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if is_missing(&error) => Ok(()),
        Err(error) => Err(error),
        Ok(about) if about.is_dir() => remove(path, true),
        Ok(_) => fs::remove_file(path),
    }
}

fn stuck(path: &Path, error: &io::Error) -> Failure {
    Failure::lost(
        "resource-stuck",
        format!("{} cannot be removed: {error}", path.display()),
    )
}

/// Whether it is not there, or what it was in is not.
fn is_missing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

fn unmount(path: &Path) -> nix::Result<()> {
    match umount2(path, MntFlags::UMOUNT_NOFOLLOW) {
        // Not there, or not a mount.
        Ok(()) | Err(Errno::ENOENT | Errno::EINVAL | Errno::ENOTDIR) => Ok(()),
        Err(Errno::EBUSY) => umount2(path, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW),
        Err(error) => Err(error),
    }
}

/// Removes all that is in a directory, and the directory itself if `whole`. It follows no link
/// and enters no mount: one that somebody put there is an error, not a tree to be removed.
fn remove(path: &Path, whole: bool) -> io::Result<()> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::other("it has no parent"));
    };
    let parent = match fs::File::open(parent) {
        Ok(parent) => OwnedFd::from(parent),
        Err(error) if is_missing(&error) => return Ok(()),
        Err(error) => return Err(error),
    };
    let name = CString::new(name.as_bytes()).map_err(io::Error::other)?;
    let removed = if whole {
        remove_entry(&parent, &name, true, 0)
    } else {
        remove_contents(&parent, &name, 0)
    };
    match removed {
        Err(Errno::ENOENT) => Ok(()),
        other => other.map_err(io::Error::from),
    }
}

fn remove_entry(parent: &OwnedFd, name: &CString, directory: bool, depth: u32) -> nix::Result<()> {
    if !directory {
        return unlinkat(parent, name.as_c_str(), UnlinkatFlags::NoRemoveDir);
    }
    remove_contents(parent, name, depth)?;
    unlinkat(parent, name.as_c_str(), UnlinkatFlags::RemoveDir)
}

fn remove_contents(parent: &OwnedFd, name: &CString, depth: u32) -> nix::Result<()> {
    if depth > DEPTH_MAX {
        return Err(Errno::ELOOP);
    }
    let how = OpenHow::new()
        .flags(OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_NO_XDEV | ResolveFlag::RESOLVE_NO_SYMLINKS);
    let opened = openat2(parent, name.as_c_str(), how)?;
    let listed = opened.try_clone().map_err(|_| Errno::EMFILE)?;
    let mut entries = Vec::new();
    for entry in Dir::from_fd(listed)?.iter() {
        let entry = entry?;
        let name = entry.file_name().to_owned();
        if ![&b"."[..], b".."].contains(&name.to_bytes()) {
            entries.push((name, entry.file_type()));
        }
    }
    for (name, kind) in entries {
        let directory = match kind {
            Some(kind) => kind == Type::Directory,
            None => is_directory(&opened, OsStr::from_bytes(name.to_bytes()))?,
        };
        match remove_entry(&opened, &name, directory, depth + 1) {
            Ok(()) | Err(Errno::ENOENT) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn is_directory(parent: &OwnedFd, name: &OsStr) -> nix::Result<bool> {
    let about = fstatat(parent.as_fd(), name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
    let kind = SFlag::from_bits_truncate(about.st_mode) & SFlag::S_IFMT;
    Ok(kind == SFlag::S_IFDIR)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;
    use std::path::PathBuf;

    async fn undo(resource: Resource) -> Result<(), Failure> {
        HostUndo.undo(&resource).await
    }

    fn directory(path: &Path) -> Resource {
        Resource::Directory {
            path: path.to_owned(),
        }
    }

    #[tokio::test]
    async fn a_tree_goes_and_what_links_point_to_stays() {
        let dir = tempfile::tempdir().unwrap();
        let kept = dir.path().join("kept");
        fs::create_dir(&kept).unwrap();
        fs::write(kept.join("file"), "x").unwrap();
        let tree = dir.path().join("tree");
        fs::create_dir_all(tree.join("a/b/c")).unwrap();
        fs::write(tree.join("a/b/file"), "x").unwrap();
        symlink(&kept, tree.join("a/link")).unwrap();
        let _socket = UnixListener::bind(tree.join("s")).unwrap();
        undo(directory(&tree)).await.unwrap();
        assert!(!tree.exists() && kept.join("file").exists());
        undo(directory(&tree)).await.unwrap();
        undo(directory(&tree.join("deeper/still"))).await.unwrap();
    }

    #[tokio::test]
    async fn a_link_in_the_place_of_the_directory_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let kept = dir.path().join("kept");
        fs::create_dir(&kept).unwrap();
        fs::write(kept.join("file"), "x").unwrap();
        let link = dir.path().join("tree");
        symlink(&kept, &link).unwrap();
        assert!(undo(directory(&link)).await.is_err());
        assert!(kept.join("file").exists());
    }

    #[tokio::test]
    async fn a_directory_that_was_there_is_emptied_and_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("there");
        fs::create_dir_all(path.join("a/b")).unwrap();
        fs::write(path.join("a/file"), "x").unwrap();
        for _ in 0..2 {
            undo(Resource::Contents { path: path.clone() })
                .await
                .unwrap();
            assert_eq!(fs::read_dir(&path).unwrap().count(), 0);
        }
        fs::remove_dir(&path).unwrap();
        undo(Resource::Contents { path }).await.unwrap();
    }

    #[tokio::test]
    async fn a_directory_with_something_in_it_is_somebody_elses() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("parent");
        fs::create_dir_all(path.join("other")).unwrap();
        let resource = Resource::EmptyDirectory { path: path.clone() };
        undo(resource.clone()).await.unwrap();
        assert!(path.join("other").exists());
        fs::remove_dir(path.join("other")).unwrap();
        for _ in 0..2 {
            undo(resource.clone()).await.unwrap();
            assert!(!path.exists());
        }
    }

    #[tokio::test]
    async fn what_was_moved_aside_goes_back_once() {
        let dir = tempfile::tempdir().unwrap();
        let (path, aside) = (dir.path().join("rootfs"), dir.path().join(".rootfs.aside"));
        fs::create_dir(&path).unwrap();
        fs::write(path.join("old"), "x").unwrap();
        let resource = Resource::Aside {
            path: path.clone(),
            aside: aside.clone(),
        };
        // It was never moved: what stands there is what stood there.
        undo(resource.clone()).await.unwrap();
        assert!(path.join("old").exists());
        fs::rename(&path, &aside).unwrap();
        fs::create_dir_all(path.join("new/deeper")).unwrap();
        for _ in 0..2 {
            undo(resource.clone()).await.unwrap();
            assert!(path.join("old").exists() && !path.join("new").exists());
            assert!(!aside.exists());
        }
    }

    #[tokio::test]
    async fn missing_files_and_what_is_no_mount_count_as_undone() {
        let dir = tempfile::tempdir().unwrap();
        let path: PathBuf = dir.path().join("x");
        fs::write(&path, "x").unwrap();
        for _ in 0..2 {
            undo(Resource::File { path: path.clone() }).await.unwrap();
        }
        undo(Resource::Mount { path }).await.unwrap();
        undo(Resource::Cgroup {
            path: dir.path().join("none"),
        })
        .await
        .unwrap();
    }
}
