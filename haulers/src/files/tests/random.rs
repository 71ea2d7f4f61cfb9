//! Random edits of a random tree, round after round, some of them broken off.

use super::{Pair, nasty, stream};
use phaul_core::executor::ports::{FileSink, FileSource};
use proptest::prelude::*;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::{FileExt, symlink};
use std::path::{Path, PathBuf};

#[derive(Debug, Clone)]
enum Edit {
    Write(String, u32, u32, u8),
    Resize(String, u32),
    Directory(String),
    Remove(String),
    Rename(String, String),
    Symlink(String, String),
    Link(String, String),
    Mode(String, u32),
    Time(String, i64),
    Xattr(String, u8),
}

impl Edit {
    /// What cannot be done is left undone.
    fn make(&self, root: &Path) {
        let at = |path: &String| -> PathBuf { root.join(path) };
        let is_there = |path: &String| at(path).symlink_metadata().is_ok();
        match self {
            Self::Write(path, offset, bytes, byte) => {
                let mut options = OpenOptions::new();
                let options = options.write(true).create(true).truncate(false);
                if !at(path).is_symlink()
                    && let Ok(file) = options.open(at(path))
                {
                    let data = vec![*byte; *bytes as usize];
                    file.write_all_at(&data, u64::from(*offset)).unwrap();
                }
            }
            Self::Resize(path, bytes) => {
                if !at(path).is_symlink()
                    && let Ok(file) = OpenOptions::new().write(true).open(at(path))
                {
                    file.set_len(u64::from(*bytes)).unwrap();
                }
            }
            Self::Directory(path) => drop(fs::create_dir(at(path))),
            Self::Remove(path) => {
                drop(fs::remove_dir_all(at(path)).or_else(|_| fs::remove_file(at(path))));
            }
            Self::Rename(from, to) => drop(fs::rename(at(from), at(to))),
            Self::Symlink(path, to) => drop(symlink(to, at(path))),
            Self::Link(from, to) => drop(fs::hard_link(at(from), at(to))),
            Self::Mode(path, mode) if is_there(path) && !at(path).is_symlink() => {
                nasty::mode(&at(path), *mode);
            }
            Self::Time(path, time) if is_there(path) => nasty::time(&at(path), *time, 1),
            Self::Xattr(path, value) if is_there(path) => {
                nasty::xattr(&at(path), "trusted.x", &[*value]);
            }
            Self::Mode(..) | Self::Time(..) | Self::Xattr(..) => {}
        }
    }
}

fn path() -> impl Strategy<Value = String> {
    "[abc](/[abc](/[ab])?)?"
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        4 => (path(), 0_u32..400_000, 0_u32..150_000, 0_u8..3)
            .prop_map(|(path, offset, bytes, byte)| Edit::Write(path, offset, bytes, byte)),
        2 => (path(), 0_u32..400_000).prop_map(|(path, bytes)| Edit::Resize(path, bytes)),
        4 => path().prop_map(Edit::Directory),
        2 => path().prop_map(Edit::Remove),
        3 => (path(), path()).prop_map(|(from, to)| Edit::Rename(from, to)),
        1 => (path(), path()).prop_map(|(path, to)| Edit::Symlink(path, to)),
        3 => (path(), path()).prop_map(|(from, to)| Edit::Link(from, to)),
        1 => (path(), 0_u32..0o10000).prop_map(|(path, mode)| Edit::Mode(path, mode)),
        1 => (path(), -9_i64..9).prop_map(|(path, time)| Edit::Time(path, time)),
        1 => (path(), 0_u8..9).prop_map(|(path, value)| Edit::Xattr(path, value)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn the_target_follows(
        rounds in prop::collection::vec(
            (
                prop::collection::vec(edit(), 1..25),
                prop::option::of((any::<prop::sample::Index>(), any::<prop::sample::Index>())),
            ),
            1..5,
        ),
    ) {
        let mut pair = Pair::new();
        for (edits, broken) in rounds {
            for edit in edits {
                edit.make(&pair.from);
            }
            if let Some((cut, known)) = broken {
                let stream = stream(&mut pair.source);
                pair.sink.begin().unwrap();
                pair.sink.take(&stream[..cut.index(stream.len() + 1)]).unwrap();
                let held = usize::try_from(pair.sink.held()).unwrap();
                pair.source.held(known.index(held + 1) as u64);
            } else {
                pair.same_after_round();
            }
        }
        pair.same_after_round();
        prop_assert_eq!(pair.same_after_round().0.entries, 0);
    }
}
