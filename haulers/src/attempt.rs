//! The directories of a run's attempts, and what a hauler notes down about them.

use crate::ledger;
use crate::tasks::boot_id;
use nix::sys::stat::Mode;
use nix::unistd::mkdir;
use phaul_core::executor::ports::{Ledger, Resource};
use phaul_core::failure::Failure;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};

/// The directories `NAME-1`, `NAME-2` and so on in a run's own: each freeze and each restore
/// has one of its own, so that no verdict or socket is ever taken for a later one's.
#[derive(Debug, Clone)]
pub(crate) struct Attempts {
    run_directory: PathBuf,
    name: &'static str,
}

/// One attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attempt {
    /// Its number; the first is 1.
    pub number: u32,
    /// Its directory.
    pub directory: PathBuf,
}

impl Attempts {
    /// The attempts of this name in a run's directory.
    pub(crate) fn new(run_directory: &Path, name: &'static str) -> Self {
        Self {
            run_directory: run_directory.to_owned(),
            name,
        }
    }

    /// The run's own directory.
    pub(crate) fn run_directory(&self) -> &Path {
        &self.run_directory
    }

    fn attempt(&self, number: u32) -> Attempt {
        Attempt {
            number,
            directory: self.run_directory.join(format!("{}-{number}", self.name)),
        }
    }

    /// The newest attempt whose directory is there.
    pub(crate) fn newest(&self) -> Option<Attempt> {
        let entries = fs::read_dir(&self.run_directory).ok()?;
        let numbers = entries.flatten().filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            name.strip_prefix(self.name)?
                .strip_prefix('-')?
                .parse()
                .ok()
        });
        numbers.max().map(|number| self.attempt(number))
    }

    /// Makes the directory of a new attempt. Its number was never used before in this run.
    pub(crate) fn begin(&self, ledger: &mut dyn Ledger) -> Result<Attempt, Failure> {
        let used = ledger.recall(self.name).and_then(|number| number.as_u64());
        let used = used
            .and_then(|number| u32::try_from(number).ok())
            .unwrap_or(0);
        let there = self.newest().map_or(0, |attempt| attempt.number);
        let attempt = self.attempt(used.max(there) + 1);
        ledger.fact(self.name, attempt.number.into())?;
        make_directory(&attempt.directory, ledger)?;
        Ok(attempt)
    }
}

/// Makes a directory that only root may look into, recorded first.
pub(crate) fn make_directory(path: &Path, ledger: &mut dyn Ledger) -> Result<(), Failure> {
    let resource = Resource::Directory {
        path: path.to_owned(),
    };
    ledger::make_once(ledger, resource)?;
    match mkdir(path, Mode::S_IRWXU) {
        Ok(()) => Ok(()),
        Err(nix::errno::Errno::EEXIST) if path.is_dir() => Ok(()),
        Err(error) => Err(Failure::new(
            "attempt-directory",
            format!("cannot make the directory {}: {error}", path.display()),
        )),
    }
}

/// Makes a directory for others to use as well, recorded first; it is removed only if it is
/// empty then. One that is there already stays.
pub(crate) fn make_empty_directory(path: &Path, ledger: &mut dyn Ledger) -> Result<(), Failure> {
    if path.is_dir() {
        return Ok(());
    }
    let resource = Resource::EmptyDirectory {
        path: path.to_owned(),
    };
    ledger::make_once(ledger, resource)?;
    match mkdir(path, Mode::from_bits_truncate(0o755)) {
        Ok(()) | Err(nix::errno::Errno::EEXIST) => Ok(()),
        Err(error) => Err(Failure::new(
            "attempt-directory",
            format!("cannot make the directory {}: {error}", path.display()),
        )),
    }
}

/// The directories above a path that are not there, the outermost first.
pub(crate) fn missing_above(path: &Path) -> Vec<PathBuf> {
    let above = path.ancestors().skip(1);
    let mut missing: Vec<PathBuf> = above
        .take_while(|above| !above.exists())
        .map(Path::to_owned)
        .collect();
    missing.reverse();
    missing
}

/// Something noted down for one attempt in one boot of the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Note<T> {
    /// The attempt's number.
    pub attempt: u32,
    /// The boot in which it was noted.
    pub boot: String,
    /// What.
    pub what: T,
}

impl<T> Note<T> {
    /// Whether the host has not been started anew since.
    pub(crate) fn is_of_this_boot(&self) -> bool {
        self.boot == boot_id()
    }
}

/// Notes something down.
pub(crate) fn note<T: Serialize>(
    ledger: &mut dyn Ledger,
    name: &str,
    attempt: u32,
    what: T,
) -> Result<(), Failure> {
    let note = Note {
        attempt,
        boot: boot_id(),
        what,
    };
    ledger::fact(ledger, name, &note)
}

/// What was noted down last under a name; see [`ledger::recall`].
pub(crate) fn noted<T: DeserializeOwned>(ledger: &dyn Ledger, name: &str) -> Option<Note<T>> {
    ledger::recall(ledger, name)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// A ledger in memory.
    #[derive(Debug, Default)]
    pub(crate) struct Book {
        pub(crate) standing: Vec<Resource>,
        pub(crate) facts: BTreeMap<String, serde_json::Value>,
    }

    impl Ledger for Book {
        fn make(&mut self, resource: Resource) -> Result<(), Failure> {
            self.standing.push(resource);
            Ok(())
        }
        fn gone(&mut self, resource: &Resource) -> Result<(), Failure> {
            self.standing.retain(|standing| standing != resource);
            Ok(())
        }
        fn fact(&mut self, name: &str, value: serde_json::Value) -> Result<(), Failure> {
            self.facts.insert(name.to_owned(), value);
            Ok(())
        }
        fn recall(&self, name: &str) -> Option<serde_json::Value> {
            self.facts.get(name).cloned()
        }
        fn standing(&self) -> Vec<Resource> {
            self.standing.clone()
        }
    }

    #[test]
    fn a_number_is_never_used_again() {
        let dir = tempfile::tempdir().unwrap();
        let attempts = Attempts::new(dir.path(), "attempt");
        let mut book = Book::default();
        assert_eq!(attempts.newest(), None);
        assert_eq!(attempts.begin(&mut book).unwrap().number, 1);
        let second = attempts.begin(&mut book).unwrap();
        assert_eq!(attempts.newest(), Some(second.clone()));
        fs::remove_dir(&second.directory).unwrap();
        assert_eq!(attempts.begin(&mut book).unwrap().number, 3);
        fs::create_dir(dir.path().join("attempt-7")).unwrap();
        fs::create_dir(dir.path().join("attempt-x")).unwrap();
        assert_eq!(attempts.begin(&mut book).unwrap().number, 8);
        assert_eq!(book.standing.len(), 4);
    }

    #[test]
    fn notes_carry_attempt_and_boot() {
        let mut book = Book::default();
        note(&mut book, "tasks", 3, vec![1, 2]).unwrap();
        let found: Note<Vec<i32>> = noted(&book, "tasks").unwrap();
        assert_eq!((found.attempt, found.what.len()), (3, 2));
        assert!(found.is_of_this_boot());
        assert_eq!(noted::<String>(&book, "tasks"), None);
        assert_eq!(noted::<String>(&book, "other"), None);
    }
}
