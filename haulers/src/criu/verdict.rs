//! What is to become of held tasks, decided once.
//!
//! The hold, the executor and an executor that recovers after a crash may all come to a
//! verdict, at the same time and without being able to talk to each other. The verdict is a
//! symbolic link whose *target* is the word: making a link fails if the name exists, so the
//! first one decides, and the word is there whole from the first instant, which a file that
//! is created first and written second could not promise. Who comes second follows.

use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

/// The link's name in the directory of the attempt.
const NAME: &str = "verdict";

/// What becomes of held tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    /// At the source: they run on.
    Thaw,
    /// At the source: they die, the commit stands.
    Kill,
    /// At the target: they run.
    Release,
    /// At the target: they are removed.
    Discard,
}

impl Verdict {
    /// Every verdict.
    const ALL: [Self; 4] = [Self::Thaw, Self::Kill, Self::Release, Self::Discard];

    /// The word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Thaw => "thaw",
            Self::Kill => "kill",
            Self::Release => "release",
            Self::Discard => "discard",
        }
    }

    fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.word() == word)
    }
}

/// Decides, or finds out what was decided before: what is returned stands for good.
pub(crate) fn decide(directory: &Path, wanted: Verdict) -> io::Result<Verdict> {
    match symlink(wanted.word(), directory.join(NAME)) {
        Ok(()) => Ok(wanted),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            decided(directory)?.ok_or_else(|| io::Error::other("the verdict vanished"))
        }
        Err(error) => Err(error),
    }
}

/// What was decided, if anything was.
pub(crate) fn decided(directory: &Path) -> io::Result<Option<Verdict>> {
    match fs::read_link(directory.join(NAME)) {
        Ok(word) => match word.to_str().and_then(Verdict::of) {
            Some(verdict) => Ok(Some(verdict)),
            None => Err(io::Error::other(format!(
                "`{}` is no verdict",
                word.display()
            ))),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Barrier};
    use std::thread;

    #[test]
    fn the_first_verdict_stands() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(decided(dir.path()).unwrap(), None);
        assert_eq!(decide(dir.path(), Verdict::Kill).unwrap(), Verdict::Kill);
        assert_eq!(decide(dir.path(), Verdict::Thaw).unwrap(), Verdict::Kill);
        assert_eq!(decided(dir.path()).unwrap(), Some(Verdict::Kill));
    }

    #[test]
    fn a_race_has_one_winner_and_all_agree() {
        for _ in 0..200 {
            let dir = tempfile::tempdir().unwrap();
            let start = Arc::new(Barrier::new(4));
            let threads: Vec<_> = [Verdict::Kill, Verdict::Thaw, Verdict::Kill, Verdict::Thaw]
                .into_iter()
                .map(|wanted| {
                    let (path, start) = (dir.path().to_owned(), Arc::clone(&start));
                    thread::spawn(move || {
                        start.wait();
                        decide(&path, wanted).unwrap()
                    })
                })
                .collect();
            let seen: Vec<Verdict> = threads.into_iter().map(|t| t.join().unwrap()).collect();
            let stands = decided(dir.path()).unwrap().unwrap();
            assert!(seen.iter().all(|verdict| *verdict == stands), "{seen:?}");
        }
    }

    #[test]
    fn an_unknown_word_and_a_missing_directory_are_errors() {
        let dir = tempfile::tempdir().unwrap();
        symlink("perhaps", dir.path().join(NAME)).unwrap();
        assert!(decide(dir.path(), Verdict::Thaw).is_err());
        assert!(decide(&dir.path().join("gone"), Verdict::Thaw).is_err());
    }
}
