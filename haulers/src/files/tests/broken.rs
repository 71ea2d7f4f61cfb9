//! Rounds that are broken off.

use super::{Pair, sink, stream};
use phaul_core::executor::ports::{FileSink, FileSource};
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, symlink};
use std::path::Path;

/// What one broken block, the directories' attributes and the frame of a round may cost again.
const AGAIN_BYTES: u64 = 140_000;

fn tree(root: &Path) {
    for directory in ["a/b", "c"] {
        fs::create_dir_all(root.join(directory)).unwrap();
    }
    fs::write(root.join("a/big"), vec![9; 600_000]).unwrap();
    fs::hard_link(root.join("a/big"), root.join("c/same")).unwrap();
    for number in 0..20 {
        fs::write(root.join(format!("a/b/{number}")), vec![number; 3000]).unwrap();
    }
    symlink("x", root.join("c/symlink")).unwrap();
    let sparse = File::create(root.join("sparse")).unwrap();
    sparse.set_len(10 << 20).unwrap();
    sparse.write_all_at(b"data", 7 << 20).unwrap();
}

fn change(root: &Path) {
    fs::remove_dir_all(root.join("a/b")).unwrap();
    fs::write(root.join("a/b"), "now a file").unwrap();
    fs::remove_file(root.join("c/symlink")).unwrap();
    fs::write(root.join("c/symlink"), "a file").unwrap();
    fs::rename(root.join("c/same"), root.join("0-same")).unwrap();
    let big = OpenOptions::new()
        .write(true)
        .open(root.join("a/big"))
        .unwrap();
    big.write_all_at(b"!", 300_000).unwrap();
    big.set_len(400_000).unwrap();
    let sparse = OpenOptions::new()
        .write(true)
        .open(root.join("sparse"))
        .unwrap();
    sparse.set_len(6 << 20).unwrap();
    sparse.write_all_at(b"more", 1 << 20).unwrap();
}

/// Gives the target only the first bytes of a round, in two pieces.
fn break_off(pair: &mut Pair, cut: usize) -> Vec<u8> {
    let stream = stream(&mut pair.source);
    pair.sink.begin().unwrap();
    let cut = cut.min(stream.len());
    pair.sink.take(&stream[..cut / 2]).unwrap();
    pair.sink.take(&stream[cut / 2..cut]).unwrap();
    assert!(pair.sink.held() <= cut as u64);
    stream
}

fn cuts(length: usize) -> impl Iterator<Item = usize> {
    (0..24)
        .map(move |part| part * length / 23)
        .chain([1, 3, 9, 40])
}

fn length(prepare: impl Fn(&mut Pair)) -> usize {
    let mut pair = Pair::new();
    prepare(&mut pair);
    stream(&mut pair.source).len()
}

fn second(pair: &mut Pair) {
    tree(&pair.from);
    pair.round(false);
    change(&pair.from);
}

#[test]
fn a_first_round_goes_on_where_it_was_broken_off() {
    let whole = length(|pair| tree(&pair.from));
    for cut in cuts(whole) {
        let mut pair = Pair::new();
        tree(&pair.from);
        fs::write(pair.to.join("left-over"), "x").unwrap();
        let stream = break_off(&mut pair, cut);
        let held = pair.sink.held();
        pair.source.held(held);
        let (_, again) = pair.same_after_round();
        let most = stream.len() as u64 - held + AGAIN_BYTES;
        assert!(again <= most, "{cut} of {whole}: {again}");
        assert!(pair.same_after_round().1 < 20);
    }
}

#[test]
fn a_later_round_goes_on_where_it_was_broken_off() {
    let whole = length(second);
    for cut in cuts(whole) {
        let mut pair = Pair::new();
        second(&mut pair);
        break_off(&mut pair, cut);
        pair.source.held(pair.sink.held());
        pair.same_after_round();
    }
}

#[test]
fn the_source_may_know_less_than_the_target_has_and_the_files_may_change_back() {
    let whole = length(second);
    for cut in cuts(whole) {
        let mut pair = Pair::new();
        second(&mut pair);
        break_off(&mut pair, cut);
        pair.source.held(pair.sink.held() / 2);
        // As it was before the round that was broken off.
        for name in ["a", "c", "sparse", "0-same"] {
            let path = pair.from.join(name);
            fs::remove_dir_all(&path)
                .or_else(|_| fs::remove_file(&path))
                .unwrap();
        }
        tree(&pair.from);
        pair.same_after_round();
    }
}

#[test]
fn content_that_changes_back_in_place_is_sent_again() {
    let mut pair = Pair::new();
    let file = File::create(pair.from.join("file")).unwrap();
    file.write_all_at(&[1; 400_000], 0).unwrap();
    pair.same_after_round();
    file.write_all_at(&[2; 400_000], 0).unwrap();
    file.set_len(500_000).unwrap();
    break_off(&mut pair, usize::MAX);
    // Nothing of it is known at the source.
    file.set_len(400_000).unwrap();
    file.write_all_at(&[1; 400_000], 0).unwrap();
    pair.same_after_round();
}

#[test]
fn a_sink_that_was_made_anew_takes_only_a_first_round() {
    let mut pair = Pair::new();
    tree(&pair.from);
    pair.round(false);
    pair.sink = sink(&pair.to);
    let stream = stream(&mut pair.source);
    pair.sink.begin().unwrap();
    assert_eq!(pair.sink.take(&stream).unwrap_err().code, "files-garbled");
    pair.source.forget();
    pair.same_after_round();
}

#[test]
fn what_went_already_may_be_deleted_again() {
    let mut pair = Pair::new();
    tree(&pair.from);
    pair.round(false);
    fs::remove_dir_all(pair.from.join("a/b")).unwrap();
    break_off(&mut pair, usize::MAX);
    fs::write(pair.from.join("a/b"), "now a file").unwrap();
    break_off(&mut pair, usize::MAX);
    pair.same_after_round();
}
