//! Files that are read whole and replaced whole, by one writer at a time.

use super::{KeysError, OTHERS_CHANGE};
use nix::fcntl::{Flock, FlockArg};
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// More than any of these files can need.
const FILE_MAX: u64 = 16 << 20;

/// A directory of such files.
#[derive(Debug, Clone)]
pub(super) struct Directory {
    path: PathBuf,
}

/// The right to write in the directory, while it is held.
pub(super) struct Lock<'a> {
    directory: &'a Directory,
    _file: Flock<File>,
}

impl Directory {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// What the file holds, or none if there is no such file. A mode with any of the bits in
    /// `forbidden` is an error.
    pub(super) fn read(&self, name: &str, forbidden: u32) -> Result<Option<Vec<u8>>, KeysError> {
        let path = self.path(name);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed("open", &path)(error)),
        };
        // Who can change the directory can put another file in its place.
        closed_to_others(&self.path, fs::metadata(&self.path), OTHERS_CHANGE)?;
        // Of the open file, so that what is checked is what is read.
        closed_to_others(&path, file.metadata(), forbidden)?;
        let mut bytes = Vec::new();
        file.take(FILE_MAX)
            .read_to_end(&mut bytes)
            .map_err(failed("read", &path))?;
        Ok(Some(bytes))
    }

    /// Makes the directory if it is missing, and waits for the right to write in it.
    pub(super) fn lock(&self) -> Result<Lock<'_>, KeysError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.path)
            .map_err(failed("make", &self.path))?;
        let path = self.path("lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(failed("open", &path))?;
        let file = Flock::lock(file, FlockArg::LockExclusive)
            .map_err(|(_, errno)| failed("lock", &path)(errno.into()))?;
        Ok(Lock {
            directory: self,
            _file: file,
        })
    }
}

impl Lock<'_> {
    /// Makes a file that is there whole or not at all. One that exists is never touched.
    pub(super) fn create(&self, name: &str, bytes: &[u8], mode: u32) -> Result<(), KeysError> {
        let path = self.directory.path(name);
        let fresh = self.write(name, bytes, mode)?;
        // Unlike a rename, a link fails if there is something already.
        let linked = fs::hard_link(&fresh, &path).map_err(failed("make", &path));
        fs::remove_file(&fresh).map_err(failed("remove", &fresh))?;
        linked?;
        self.sync()
    }

    /// Puts a file in the place of the one that is there, if there is one.
    pub(super) fn replace(&self, name: &str, bytes: &[u8], mode: u32) -> Result<(), KeysError> {
        let path = self.directory.path(name);
        let fresh = self.write(name, bytes, mode)?;
        fs::rename(&fresh, &path).map_err(failed("replace", &path))?;
        self.sync()
    }

    /// Writes the bytes, durably, beside where they belong.
    fn write(&self, name: &str, bytes: &[u8], mode: u32) -> Result<PathBuf, KeysError> {
        let path = self.directory.path(&format!("{name}.new"));
        match fs::remove_file(&path) {
            // Left by a writer that died; the lock says that none is at work.
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed("remove", &path)(error)),
        }
        let mut file = OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(mode)
            .open(&path)
            .map_err(failed("make", &path))?;
        file.write_all(bytes)
            .and_then(|()| file.sync_all())
            .map_err(failed("write", &path))?;
        Ok(path)
    }

    fn sync(&self) -> Result<(), KeysError> {
        let path = &self.directory.path;
        File::open(path)
            .and_then(|directory| directory.sync_all())
            .map_err(failed("sync", path))
    }
}

/// An error if the mode has any of the bits in `forbidden`.
fn closed_to_others(
    path: &Path,
    metadata: io::Result<Metadata>,
    forbidden: u32,
) -> Result<(), KeysError> {
    let mode = metadata
        .map_err(failed("look at", path))?
        .permissions()
        .mode()
        & 0o7777;
    if mode & forbidden == 0 {
        return Ok(());
    }
    Err(KeysError::TooOpen {
        path: path.to_owned(),
        mode,
        allowed: mode & !forbidden,
    })
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> KeysError {
    let path = path.to_owned();
    move |source| KeysError::Io {
        doing,
        path,
        source,
    }
}
