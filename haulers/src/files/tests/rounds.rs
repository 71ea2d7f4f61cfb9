//! Rounds that end well.

use super::super::{SourceTree, TargetTree, TreesSink, TreesSource, outline};
use super::compare::assert_same;
use super::nasty::{self, acl, mode, time, xattr};
use super::{Pair, sink, stream};
use phaul_core::executor::ports::{FileSink, FileSource};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, symlink};
use std::path::Path;

#[test]
fn everything_is_copied_and_then_nothing() {
    let mut pair = Pair::new();
    nasty::make(&pair.from);
    let (sent, _) = pair.same_after_round();
    assert!(sent.bytes < 2_000_000, "{}", sent.bytes);
    let (sent, stream_bytes) = pair.same_after_round();
    assert_eq!((sent.bytes, sent.entries), (0, 0));
    assert!(stream_bytes < 20, "{stream_bytes}");
}

#[test]
fn every_kind_of_change_is_copied() {
    let mut pair = Pair::new();
    nasty::make(&pair.from);
    let at = |name: &str| pair.from.join(name);
    fs::write(at("append"), "begin").unwrap();
    fs::write(at("truncate"), vec![7; 500_000]).unwrap();
    fs::write(at("grow"), vec![7; 200_000]).unwrap();
    fs::create_dir_all(at("gone/a/b")).unwrap();
    fs::write(at("gone/a/b/c"), "c").unwrap();
    fs::create_dir_all(at("to-file/x")).unwrap();
    fs::write(at("to-link"), "x").unwrap();
    fs::write(at("zz-to-directory"), "x").unwrap();
    fs::write(at("renamed"), "renamed").unwrap();
    fs::write(at("a-b/touched"), "x").unwrap();
    time(&at("a-b"), 5, 5);
    pair.same_after_round();

    let at = |name: &str| pair.from.join(name);
    OpenOptions::new()
        .append(true)
        .open(at("append"))
        .unwrap()
        .write_at(b"end", 5)
        .unwrap();
    OpenOptions::new()
        .write(true)
        .open(at("truncate"))
        .unwrap()
        .set_len(140_000)
        .unwrap();
    OpenOptions::new()
        .write(true)
        .open(at("grow"))
        .unwrap()
        .set_len(900_000)
        .unwrap();
    fs::remove_dir_all(at("gone")).unwrap();
    fs::remove_dir_all(at("to-file")).unwrap();
    fs::write(at("to-file"), "a file").unwrap();
    fs::remove_file(at("to-link")).unwrap();
    symlink("append", at("to-link")).unwrap();
    fs::remove_file(at("zz-to-directory")).unwrap();
    fs::create_dir(at("zz-to-directory")).unwrap();
    fs::write(at("zz-to-directory/child"), "child").unwrap();
    fs::rename(at("renamed"), at("a/renamed")).unwrap();
    fs::write(at("a-b/touched"), "y").unwrap();
    time(&at("a-b"), 6, 6);
    mode(&at("setuid"), 0o4711);
    xattr(&at("empty"), "system.posix_acl_default", &acl(0));
    xattr(&at("empty"), "system.posix_acl_access", &acl(1));
    rustix::fs::removexattr(at("empty-file"), "system.posix_acl_access").unwrap();
    rustix::fs::removexattr(at("a/big"), "user.plain").unwrap();
    fs::write(at("empty/inherits"), "an ACL").unwrap();
    fs::hard_link(at("append"), at("0-new-link")).unwrap();
    fs::remove_file(at("a-b/same")).unwrap();
    fs::write(at("a-b/same"), "on its own").unwrap();
    fs::remove_file(at("a/big")).unwrap();
    fs::remove_file(at("dangling")).unwrap();
    symlink("elsewhere", at("dangling")).unwrap();
    pair.same_after_round();
    assert_eq!(pair.same_after_round().0.entries, 0);
}

#[test]
fn entries_that_change_places_are_told_apart() {
    let mut pair = Pair::new();
    let at = |name: &str| pair.from.join(name);
    fs::create_dir(at("directory")).unwrap();
    fs::write(at("directory/x"), "x").unwrap();
    fs::write(at("file"), "file").unwrap();
    fs::write(at("other"), "OTHER").unwrap();
    pair.same_after_round();
    for (one, other) in [("directory", "file"), ("other", "directory")] {
        let (one, other) = (pair.from.join(one), pair.from.join(other));
        renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).unwrap();
        pair.same_after_round();
    }
}

#[test]
fn a_block_that_was_overwritten_is_sent_alone() {
    let mut pair = Pair::new();
    let path = pair.from.join("big");
    let file = File::create(&path).unwrap();
    for block in 0..64_u8 {
        file.write_all_at(&vec![block + 1; 1 << 20], u64::from(block) << 20)
            .unwrap();
    }
    pair.same_after_round();
    file.write_all_at(b"changed", 40 << 20).unwrap();
    let (sent, stream_bytes) = pair.same_after_round();
    assert_eq!(sent.bytes, 128 << 10);
    assert!(stream_bytes < 140_000, "{stream_bytes}");
    assert_eq!(sent.entries, 1);
}

#[test]
fn a_file_becomes_sparse_again() {
    let mut pair = Pair::new();
    let file = File::create(pair.from.join("file")).unwrap();
    file.write_all_at(&vec![3; 2 << 20], 0).unwrap();
    pair.same_after_round();
    let flags = rustix::fs::FallocateFlags::PUNCH_HOLE | rustix::fs::FallocateFlags::KEEP_SIZE;
    rustix::fs::fallocate(&file, flags, 4096, 1 << 20).unwrap();
    let (sent, _) = pair.same_after_round();
    assert!(sent.bytes <= 256 << 10, "{}", sent.bytes);
}

#[test]
fn a_first_round_removes_what_else_is_there() {
    let mut pair = Pair::new();
    nasty::make(&pair.from);
    nasty::make(&pair.to);
    fs::create_dir_all(pair.to.join("other/with/children")).unwrap();
    fs::write(pair.to.join("a/other"), "other").unwrap();
    fs::remove_dir_all(pair.to.join("a-b")).unwrap();
    symlink("/tmp", pair.to.join("a-b")).unwrap();
    pair.same_after_round();
    // And once more, when the target is said to hold nothing.
    fs::write(pair.to.join("a/other"), "other").unwrap();
    pair.source.forget();
    pair.same_after_round();
}

#[test]
fn a_single_file_is_a_tree() {
    let scratch = tempfile::tempdir().unwrap();
    let (from, to) = (scratch.path().join("from"), scratch.path().join("there/to"));
    fs::create_dir(scratch.path().join("there")).unwrap();
    fs::write(scratch.path().join("there/neighbour"), "stays").unwrap();
    fs::write(&from, "content").unwrap();
    mode(&from, 0o4750);
    let tree = SourceTree {
        root: from.clone(),
        exclude: vec![],
    };
    let mut source = TreesSource::new(vec![tree], Box::new(BTreeSet::new)).unwrap();
    let mut sink = sink(&to);
    for content in ["content", "other content", "less"] {
        // Not written in place, as editors do it.
        fs::write(scratch.path().join("new"), content).unwrap();
        fs::rename(scratch.path().join("new"), &from).unwrap();
        let stream = stream(&mut source);
        sink.begin().unwrap();
        sink.take(&stream).unwrap();
        assert_eq!(sink.end().unwrap(), source.sent().digest);
        source.held(stream.len() as u64);
        assert_same(&from, &to);
    }
    assert_eq!(
        fs::read_dir(scratch.path().join("there")).unwrap().count(),
        2
    );
    fs::remove_file(&from).unwrap();
    assert_eq!(source.begin(false).unwrap_err().code, "files-read");
}

#[test]
fn what_is_excluded_is_neither_sent_nor_summed_up() {
    let mut pair = Pair::excluding(&["tmp/**", "**/*.log", "x"]);
    for directory in ["tmp/a", "var/deep", "x"] {
        fs::create_dir_all(pair.from.join(directory)).unwrap();
    }
    for file in ["tmp/a/b", "var/deep/x.log", "x/y", "var/x"] {
        fs::write(pair.from.join(file), file).unwrap();
    }
    pair.round(true);
    let there = |name: &str| pair.to.join(name).exists();
    assert!(there("tmp") && there("var/x"));
    assert!(!there("tmp/a") && !there("var/deep/x.log") && !there("x"));
    fs::write(pair.from.join("tmp/a/c"), "c").unwrap();
    assert_eq!(pair.round(true).0.bytes, 0);
    let tree = SourceTree {
        root: pair.from.clone(),
        exclude: vec!["a{".to_owned()],
    };
    assert!(TreesSource::new(vec![tree], Box::new(BTreeSet::new)).is_err());
}

#[test]
fn several_trees_go_in_one_stream_and_look_the_same() {
    let scratch = tempfile::tempdir().unwrap();
    let at = |name: &str| scratch.path().join(name);
    let source = |name| SourceTree {
        root: at(name),
        exclude: vec![],
    };
    for name in ["one", "two", "one-there", "two-there"] {
        fs::create_dir(at(name)).unwrap();
    }
    nasty::make(&at("one"));
    fs::write(at("two/x"), "x").unwrap();
    let mut trees =
        TreesSource::new(vec![source("one"), source("two")], Box::new(BTreeSet::new)).unwrap();
    let target = |name| TargetTree {
        root: at(name),
        devices: true,
    };
    let mut sink = TreesSink::new(vec![target("one-there"), target("two-there")]).unwrap();
    let stream = stream(&mut trees);
    sink.begin().unwrap();
    sink.take(&stream).unwrap();
    assert_eq!(sink.end().unwrap(), trees.sent().digest);
    assert_same(&at("one"), &at("one-there"));
    assert_same(&at("two"), &at("two-there"));
    let outlines = ["one", "one-there", "two"].map(|name| outline(&source(name)).unwrap());
    assert_eq!(outlines[0], outlines[1]);
    assert_ne!(outlines[0].digest, outlines[2].digest);
    assert_eq!((outlines[2].bytes, outlines[2].entries), (1, 2));
    mode(&at("two/x"), 0o600);
    assert_ne!(outline(&source("two")).unwrap().digest, outlines[2].digest);
}

#[test]
fn a_change_in_the_last_round_is_a_failure_and_a_file_that_vanishes_before_is_none() {
    let mut pair = Pair::new();
    for name in ["a", "b", "c"] {
        fs::write(pair.from.join(name), vec![5; 900_000]).unwrap();
    }
    pair.source.begin(false).unwrap();
    pair.sink.begin().unwrap();
    let first = pair.source.next().unwrap().unwrap();
    fs::remove_file(pair.from.join("c")).unwrap();
    pair.sink.take(&first).unwrap();
    while let Some(piece) = pair.source.next().unwrap() {
        pair.sink.take(&piece).unwrap();
    }
    assert_eq!(pair.sink.end().unwrap(), pair.source.sent().digest);
    pair.source.held(pair.sink.held());
    fs::write(pair.from.join("c"), vec![5; 900_000]).unwrap();
    fs::write(pair.from.join("d"), vec![5; 2_000_000]).unwrap();
    pair.source.begin(true).unwrap();
    pair.source.next().unwrap();
    fs::write(pair.from.join("d"), "changed").unwrap();
    let failure = loop {
        match pair.source.next() {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the change was not seen"),
            Err(failure) => break failure,
        }
    };
    assert!(failure.cause.contains("stood still"), "{}", failure.cause);
    pair.same_after_round();
}

#[test]
fn a_stream_may_come_byte_by_byte() {
    let mut pair = Pair::new();
    fs::create_dir(pair.from.join("d")).unwrap();
    fs::write(pair.from.join("d/f"), "content").unwrap();
    let stream = stream(&mut pair.source);
    pair.sink.begin().unwrap();
    for (before, byte) in stream.iter().enumerate() {
        assert!(pair.sink.held() <= before as u64);
        pair.sink.take(&[*byte]).unwrap();
    }
    assert_eq!(pair.sink.end().unwrap(), pair.source.sent().digest);
    assert_same(&pair.from, &pair.to);
}

/// Mounts an empty file system for as long as something is done.
fn while_mounted<T>(at: &Path, options: &str, work: impl FnOnce() -> T) -> T {
    let none = None::<&str>;
    let flags = nix::mount::MsFlags::empty();
    nix::mount::mount(none, at, Some("tmpfs"), flags, Some(options)).unwrap();
    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
    nix::mount::umount2(at, nix::mount::MntFlags::MNT_DETACH).unwrap();
    done.unwrap()
}

#[test]
fn what_is_mounted_in_a_tree_is_not_of_it() {
    let mut pair = Pair::new();
    let mount = pair.from.join("mount");
    fs::create_dir(&mount).unwrap();
    let sent = while_mounted(&mount, "", || {
        fs::write(mount.join("inside"), "x").unwrap();
        pair.round(true).0
    });
    assert_eq!(sent.entries, 2);
    assert_eq!(fs::read_dir(pair.to.join("mount")).unwrap().count(), 0);
    pair.same_after_round();
}

#[test]
fn a_full_file_system_has_a_failure_of_its_own() {
    let mut pair = Pair::new();
    fs::write(pair.from.join("big"), vec![1; 2 << 20]).unwrap();
    let stream = stream(&mut pair.source);
    let failure = while_mounted(&pair.to, "size=1m", || {
        pair.sink.begin().unwrap();
        pair.sink.take(&stream).unwrap_err()
    });
    assert_eq!(failure.code, "files-space");
    assert!(failure.cause.contains("to/big"), "{}", failure.cause);
}
