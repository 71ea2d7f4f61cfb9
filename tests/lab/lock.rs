//! A directory as a lock between processes of the lab.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::fcntl::{Flock, FlockArg};

use super::error::{Error, Result};
use super::progress::say;

/// Held until it is dropped, or its process ends.
#[derive(Debug)]
pub(crate) struct Lock {
    _directory: Flock<fs::File>,
}

impl Lock {
    /// Waits until no other process holds `directory`, which is made if it is missing.
    pub(crate) fn take(directory: &Path) -> Result<Self> {
        let open = || fs::File::open(directory).map_err(Error::file("open", directory));
        loop {
            fs::create_dir_all(directory).map_err(Error::file("create", directory))?;
            let lock = match Flock::lock(open()?, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => lock,
                Err(_) => {
                    say(format_args!(
                        "waiting for another command that uses {}",
                        directory.display()
                    ));
                    Flock::lock(open()?, FlockArg::LockExclusive).map_err(|(_, errno)| {
                        Error::call(format!("lock {}", directory.display()))(errno)
                    })?
                }
            };
            // Whoever held it may have removed the directory, and then this is a lock on nothing.
            let locked = lock.metadata().map_err(Error::file("look at", directory))?;
            if fs::metadata(directory)
                .is_ok_and(|now| (now.dev(), now.ino()) == (locked.dev(), locked.ino()))
            {
                return Ok(Self { _directory: lock });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_excludes_until_it_is_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("locked");
        let first = Lock::take(&path).unwrap();
        let second = std::thread::spawn({
            let path = path.clone();
            move || Lock::take(&path).map(drop)
        });
        std::thread::sleep(std::time::Duration::from_millis(50));
        assert!(!second.is_finished());
        // Its maker removes what it locked, as taking a lab down does.
        fs::remove_dir(&path).unwrap();
        drop(first);
        second.join().unwrap().unwrap();
        assert!(path.exists());
    }
}
