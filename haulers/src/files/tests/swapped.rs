//! Directories that turn into symlinks while the sink works.

use super::super::entry::Kind;
use super::super::record::{Record, What};
use super::hostile::{Target, attributes, begin, block, encode, record, round};
use phaul_core::executor::ports::FileSink;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// `d` with two directories in it, as there are outside.
fn directories() -> Vec<Record> {
    [b"d".as_slice(), b"d/e", b"d/g"]
        .map(|path| record(path, What::Make(Kind::Directory)))
        .to_vec()
}

#[test]
fn nothing_is_reached_through_what_was_swapped() {
    let make = || What::Make(Kind::File);
    for (path, what) in [
        (b"d/e/new".as_slice(), make()),
        (b"d/e/secret", make()),
        (b"d/e/secret", What::Delete),
        (b"d/e", What::Delete),
        (b"d/e/file", What::Resize(0)),
        (b"d/e/file", What::Attributes(attributes())),
        (b"d/e", What::Attributes(attributes())),
        (b"d/e/link", What::Link(b"file".to_vec())),
        (b"link", What::Link(b"d/e/file".to_vec())),
        (b"", What::Sweep),
    ] {
        let target = Target::new();
        let mut before = directories();
        before.extend([b"file".as_slice(), b"d/e/file", b"z"].map(|path| record(path, make())));
        // Something else is reached last, and another file is open.
        before.push(record(b"d/g/file", make()));
        let mut sink = target.sink();
        sink.take(&encode(begin().into_iter().chain(before)))
            .unwrap();
        std::fs::rename(target.to.join("d"), target.to.join("aside")).unwrap();
        symlink("../outside", target.to.join("d")).unwrap();
        let shown = format!("{path:?} {what:?}");
        let taken = sink.take(&encode([record(path, what.clone())]));
        target.assert_untouched();
        // A file that is not there counts as deleted.
        assert!(taken.is_err() || what == What::Delete, "{shown}");
    }
}

#[test]
fn a_directory_that_turns_into_a_symlink_leads_nowhere() {
    let target = Target::new();
    let mut records = directories();
    for number in 0..400 {
        // Now in the one and now in the other, so that each is reached anew.
        let path = format!("d/{}/{}", ["e", "g"][number % 2], number % 40);
        records.push(record(path.as_bytes(), What::Make(Kind::File)));
        records.push(record(path.as_bytes(), What::Resize(3)));
        records.push(record(path.as_bytes(), block(0, 0, 3)));
        records.push(record(path.as_bytes(), What::Attributes(attributes())));
        records.push(record(b"d", What::Attributes(attributes())));
        if number % 3 == 0 {
            records.push(record(path.as_bytes(), What::Delete));
        }
    }
    let stream = round(records);
    let stop = Arc::new(AtomicBool::new(false));
    let (stopped, to) = (stop.clone(), target.to.clone());
    let swapping = std::thread::spawn(move || {
        let beside = to.with_file_name("beside");
        symlink("../outside", &beside).unwrap();
        while !stopped.load(Ordering::Relaxed) {
            let _ = renameat_with(CWD, &beside, CWD, to.join("d"), RenameFlags::EXCHANGE);
        }
    });
    let mut failed = 0;
    for tries in 0..1000 {
        failed += u32::from(target.take(&stream).is_err());
        if tries > 60 && failed > 0 {
            break;
        }
    }
    stop.store(true, Ordering::Relaxed);
    swapping.join().unwrap();
    assert!(failed > 0, "the race was never lost");
}
