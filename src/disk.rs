//! The executor's file system: images of a run, and the logs that are kept with it.

use bytes::Bytes;
use phaul_core::executor::ports::Disk;
use phaul_core::failure::Failure;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

/// The disk as one run sees it.
#[derive(Debug, Clone)]
pub(crate) struct RunDisk {
    /// The run's own directory.
    pub(crate) dir: PathBuf,
}

impl Disk for RunDisk {
    fn read(&self, dir: &Path, name: &str, offset: u64, len: usize) -> Result<Bytes, Failure> {
        let path = beneath(dir, name)?;
        let read = || {
            let mut data = vec![0; len];
            File::open(&path)?.read_exact_at(&mut data, offset)?;
            Ok(Bytes::from(data))
        };
        read().map_err(|error: io::Error| broken(&path, "read", &error))
    }

    fn write(&self, dir: &Path, name: &str, offset: u64, data: &[u8]) -> Result<(), Failure> {
        let path = beneath(dir, name)?;
        let write = || {
            let file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .custom_flags(nix::fcntl::OFlag::O_NOFOLLOW.bits())
                .open(&path)?;
            file.write_all_at(data, offset)
        };
        write().map_err(|error| broken(&path, "written", &error))
    }

    fn keep_log(&self, name: &str, text: &str) -> Result<(), Failure> {
        let logs = self.dir.join("logs");
        let path = beneath(&logs, name)?;
        let keep = || {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&logs)?;
            std::fs::write(&path, text)
        };
        keep().map_err(|error| broken(&path, "written", &error))
    }
}

/// The file of that name in the directory; a name that is more than a name is refused.
fn beneath(dir: &Path, name: &str) -> Result<PathBuf, Failure> {
    let mut components = Path::new(name).components();
    match (components.next(), components.next()) {
        (Some(Component::Normal(one)), None) if one == name => Ok(dir.join(one)),
        _ => Err(Failure::new(
            "bad-name",
            format!("`{}` is not a file's name", name.escape_debug()),
        )),
    }
}

fn broken(path: &Path, verb: &str, error: &io::Error) -> Failure {
    Failure::new(
        "disk",
        format!("{} cannot be {verb}: {error}", path.display()),
    )
    .hint("is there room in the state directory?")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let disk = RunDisk {
            dir: dir.path().into(),
        };
        for bad in ["", ".", "..", "a/b", "/etc/passwd", "../a", "a/", "./a"] {
            assert!(disk.write(dir.path(), bad, 0, b"x").is_err(), "{bad}");
            assert!(disk.read(dir.path(), bad, 0, 1).is_err(), "{bad}");
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_link_in_the_place_of_an_image_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let outside = dir.path().join("outside");
        std::fs::write(&outside, "kept").unwrap();
        let images = dir.path().join("images");
        std::fs::create_dir(&images).unwrap();
        std::os::unix::fs::symlink(&outside, images.join("pages-1.img")).unwrap();
        let disk = RunDisk {
            dir: dir.path().into(),
        };
        assert!(disk.write(&images, "pages-1.img", 0, b"lost").is_err());
        assert_eq!(std::fs::read_to_string(&outside).unwrap(), "kept");
    }

    #[test]
    fn pieces_come_back_whole() {
        let dir = tempfile::tempdir().unwrap();
        let disk = RunDisk {
            dir: dir.path().into(),
        };
        disk.write(dir.path(), "a.img", 4, b"5678").unwrap();
        disk.write(dir.path(), "a.img", 0, b"1234").unwrap();
        assert_eq!(&disk.read(dir.path(), "a.img", 2, 4).unwrap()[..], b"3456");
        assert!(disk.read(dir.path(), "a.img", 6, 4).is_err());
    }
}
