//! Streams that no honest source gives.

use super::super::content::BLOCK_BYTES;
use super::super::entry::{Attributes, Kind, Stamp, Xattrs};
use super::super::record::{RECORD_BYTES_MAX, Record, What};
use super::super::{SourceTree, TargetTree, TreesSink, outline};
use super::{Pair, nasty, stream};
use bytes::{Bytes, BytesMut};
use phaul_core::executor::ports::FileSink;
use phaul_core::failure::Failure;
use proptest::prelude::*;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

/// A target, and what must not be touched beside it.
pub(super) struct Target {
    _scratch: tempfile::TempDir,
    pub(super) to: PathBuf,
    pub(super) outside: PathBuf,
    before: String,
}

impl Target {
    pub(super) fn new() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let (to, outside) = (scratch.path().join("to"), scratch.path().join("outside"));
        fs::create_dir(&to).unwrap();
        for directory in ["d", "e", "g"] {
            fs::create_dir_all(outside.join(directory)).unwrap();
            fs::write(outside.join(directory).join("secret"), "secret").unwrap();
        }
        fs::write(outside.join("secret"), "secret").unwrap();
        let before = state(&outside);
        Self {
            _scratch: scratch,
            to,
            outside,
            before,
        }
    }

    pub(super) fn sink(&self) -> TreesSink {
        let root = self.to.clone();
        let mut sink = TreesSink::new(vec![TargetTree {
            root,
            devices: false,
        }])
        .unwrap();
        sink.begin().unwrap();
        sink
    }

    /// What becomes of a stream; never anything outside.
    pub(super) fn take(&self, stream: &[u8]) -> Result<String, Failure> {
        let mut sink = self.sink();
        let taken = sink.take(stream).and_then(|()| sink.end());
        self.assert_untouched();
        taken
    }

    pub(super) fn assert_untouched(&self) {
        assert_eq!(state(&self.outside), self.before);
    }
}

fn state(outside: &Path) -> String {
    let tree = SourceTree {
        root: outside.to_owned(),
        exclude: vec![],
    };
    let secret = fs::read_to_string(outside.join("secret")).unwrap();
    outline(&tree).unwrap().digest + &secret
}

pub(super) fn record(path: &[u8], what: What) -> Record {
    Record {
        tree: 0,
        path: path.to_vec(),
        what,
    }
}

/// A first round with these records.
pub(super) fn round(records: Vec<Record>) -> Vec<u8> {
    let (begin, end) = (begin(), [record(b"", What::Sweep), record(b"", What::End)]);
    encode(begin.into_iter().chain(records).chain(end))
}

/// What every first round begins with.
pub(super) fn begin() -> [Record; 2] {
    [
        record(b"", What::Begin { fresh: true }),
        record(b"", What::Make(Kind::Directory)),
    ]
}

pub(super) fn encode(records: impl IntoIterator<Item = Record>) -> Vec<u8> {
    let mut stream = BytesMut::new();
    for record in records {
        record.encode(&mut stream).unwrap();
    }
    stream.to_vec()
}

pub(super) fn block(number: u64, offset: u32, bytes: usize) -> What {
    let extents = vec![(offset, Bytes::from(vec![1; bytes]))];
    What::Block { number, extents }
}

pub(super) fn attributes() -> Attributes {
    Attributes {
        mode: 0o644,
        uid: 1,
        gid: 1,
        mtime: Stamp::default(),
        xattrs: Arc::new(Xattrs::new()),
    }
}

#[test]
fn paths_that_lead_out_are_refused() {
    let long = vec![b'a'; 256];
    let deep = [b"a".as_slice(); 2049].join(&b'/');
    for path in [
        b"..".as_slice(),
        b"../outside/new",
        b"/etc/new",
        b"a/../../x",
        b"a//b",
        b"a/",
        b".",
        b"a\0b",
        &long,
        &deep,
    ] {
        for what in [
            What::Make(Kind::File),
            What::Delete,
            What::Resize(0),
            What::Attributes(attributes()),
        ] {
            let failure = Target::new()
                .take(&round(vec![record(path, what)]))
                .unwrap_err();
            assert_eq!(failure.code, "files-garbled");
            assert!(failure.cause.len() < 500);
        }
        let link = record(b"x", What::Link(path.to_vec()));
        assert_eq!(
            Target::new().take(&round(vec![link])).unwrap_err().code,
            "files-garbled"
        );
    }
}

#[test]
fn nothing_goes_through_a_symlink() {
    let target = Target::new();
    for to in ["../outside", target.outside.to_str().unwrap()] {
        let symlink = || record(b"l", What::Make(Kind::Symlink(to.as_bytes().into())));
        for (path, what) in [
            (b"l/new".as_slice(), What::Make(Kind::File)),
            (b"l/d", What::Make(Kind::Directory)),
            (b"l", What::Resize(0)),
            (b"x", What::Link(b"l/secret".to_vec())),
        ] {
            let stream = round(vec![symlink(), record(path, what)]);
            assert_eq!(target.take(&stream).unwrap_err().code, "files-garbled");
        }
        // There is nothing beneath it that could be deleted.
        let delete = record(b"l/secret", What::Delete);
        target.take(&round(vec![symlink(), delete])).unwrap();
        // What is set on it is set on itself.
        let set = record(b"l", What::Attributes(attributes()));
        target.take(&round(vec![symlink(), set])).unwrap();
    }
}

#[test]
fn what_no_source_says_is_refused() {
    let file = || record(b"f", What::Make(Kind::File));
    let sized = |bytes| record(b"f", What::Resize(bytes));
    let mut other_tree = file();
    other_tree.tree = 1;
    for records in [
        vec![record(b"f", block(0, 0, 1))],
        vec![record(b"f", What::Hole { first: 0, count: 1 })],
        vec![record(b"f", What::Attributes(attributes()))],
        vec![record(b"d/f", What::Make(Kind::File))],
        vec![file(), record(b"f/g", What::Make(Kind::File))],
        vec![file(), record(b"f", block(0, 0, 1))],
        vec![file(), sized(9), record(b"f", block(0, 5, 5))],
        vec![file(), sized(9), record(b"f", block(1, 0, 1))],
        vec![file(), sized(9), record(b"f", block(u64::MAX, 0, 1))],
        vec![
            file(),
            sized(9),
            record(b"f", block(u64::MAX / BLOCK_BYTES, 0, 1)),
        ],
        vec![file(), sized(1 << 20), record(b"f", block(0, u32::MAX, 1))],
        vec![file(), sized(1 << 20), record(b"f", block(0, 131_072, 1))],
        vec![
            file(),
            record(
                b"f",
                What::Hole {
                    first: u64::MAX,
                    count: u64::MAX,
                },
            ),
        ],
        vec![
            file(),
            record(
                b"f",
                What::Hole {
                    first: 0,
                    count: u64::MAX,
                },
            ),
        ],
        vec![file(), sized(u64::MAX)],
        vec![record(b"", What::Delete)],
        vec![record(b"", What::Link(b"f".to_vec()))],
        vec![record(b"g", What::Link(b"f".to_vec()))],
        vec![record(b"g", What::Link(b"".to_vec()))],
        vec![file(), record(b"f", What::Link(b"f".to_vec()))],
        vec![record(b"l", What::Make(Kind::Symlink([].into())))],
        vec![record(
            b"l",
            What::Make(Kind::Symlink(b"a\0b".as_slice().into())),
        )],
        vec![record(b"", What::Begin { fresh: true })],
        vec![record(b"", What::End)],
        vec![other_tree],
    ] {
        refused(records);
    }
}

fn refused(records: Vec<Record>) {
    let shown = format!("{records:?}");
    let failure = Target::new().take(&round(records)).expect_err(&shown);
    assert_eq!(failure.code, "files-garbled", "{shown}");
}

#[test]
fn attributes_that_nothing_can_have_are_refused() {
    let xattr = |name: &str, bytes| Arc::new(Xattrs::from([(name.into(), vec![0; bytes])]));
    let changes: [&dyn Fn(&mut Attributes); 6] = [
        &|all: &mut Attributes| all.mode = 0o10000,
        &|all: &mut Attributes| all.uid = u32::MAX,
        &|all: &mut Attributes| all.mtime.nanoseconds = 1_000_000_000,
        &|all: &mut Attributes| all.xattrs = xattr("", 1),
        &|all: &mut Attributes| all.xattrs = xattr("user.a\0b", 1),
        &|all: &mut Attributes| all.xattrs = xattr("user.a", 65537),
    ];
    for change in changes {
        let mut attributes = attributes();
        change(&mut attributes);
        refused(vec![
            record(b"f", What::Make(Kind::File)),
            record(b"f", What::Attributes(attributes)),
        ]);
    }
}

#[test]
fn a_file_of_any_size_takes_no_room() {
    let target = Target::new();
    let size = (1 << 43) - 1;
    let last = size / BLOCK_BYTES;
    let records = vec![
        record(b"f", What::Make(Kind::File)),
        record(b"f", What::Resize(size)),
        record(b"f", block(last, 0, 1)),
        record(
            b"f",
            What::Hole {
                first: 0,
                count: last + 1,
            },
        ),
    ];
    let failure = target.take(&round(records)).err();
    // The file system may have a limit of its own.
    assert!(failure.is_none_or(|failure| failure.code == "files-write"));
}

#[test]
fn devices_roots_and_attributes_have_failures_of_their_own() {
    let target = Target::new();
    let device = Kind::Character { major: 1, minor: 3 };
    let stream = round(vec![record(b"null", What::Make(device))]);
    let failure = target.take(&stream).unwrap_err();
    assert_eq!(failure.code, "files-device");
    assert!(failure.cause.contains("to/null"), "{}", failure.cause);

    let stream = round(vec![record(b"", What::Make(Kind::File))]);
    assert_eq!(target.take(&stream).unwrap_err().code, "files-write");

    let mut odd = attributes();
    odd.xattrs = Arc::new(Xattrs::from([(b"odd.name".to_vec(), vec![1])]));
    let file = record(b"f", What::Make(Kind::File));
    let stream = round(vec![file, record(b"f", What::Attributes(odd))]);
    let failure = target.take(&stream).unwrap_err();
    assert_eq!(failure.code, "files-attribute");
    assert!(failure.cause.contains("odd.name") && failure.cause.contains("to/f"));
}

#[test]
fn lengths_are_bounded_before_anything_is_kept() {
    let target = Target::new();
    for length in [RECORD_BYTES_MAX + 1, u32::MAX as usize, usize::MAX >> 1] {
        let mut stream = BytesMut::new();
        prost::encode_length_delimiter(length, &mut stream).unwrap();
        stream.extend_from_slice(&[0; 9]);
        assert_eq!(target.take(&stream).unwrap_err().code, "files-garbled");
    }
    let mut sink = target.sink();
    assert!(sink.take(&[0xff; 32]).is_err());
    // What failed does not go on before another round.
    let whole = round(vec![]);
    assert!(sink.take(&whole).is_err() && sink.end().is_err());
    sink.begin().unwrap();
    sink.take(&whole).unwrap();
    sink.end().unwrap();
}

/// The stream of a tree with a bit of everything.
static SAMPLE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut pair = Pair::new();
    fs::create_dir_all(pair.from.join("a/b")).unwrap();
    fs::write(pair.from.join("a/b/c"), [3; 300]).unwrap();
    fs::hard_link(pair.from.join("a/b/c"), pair.from.join("z")).unwrap();
    symlink("../outside", pair.from.join("link")).unwrap();
    nasty::xattr(&pair.from.join("a"), "user.x", b"x");
    stream(&mut pair.source)
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn noise_is_refused(noise in prop::collection::vec(any::<u8>(), 1..2000)) {
        prop_assert!(Target::new().take(&noise).is_err());
    }

    #[test]
    fn flipped_bits_and_lost_ends_do_no_harm(
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..8), 0..4),
        keep in any::<prop::sample::Index>(),
        cut in any::<bool>(),
    ) {
        let mut stream = SAMPLE.clone();
        for (at, bit) in flips {
            let at = at.index(stream.len());
            stream[at] ^= 1 << bit;
        }
        if cut {
            stream.truncate(keep.index(stream.len()));
            prop_assert!(Target::new().take(&stream).is_err());
        } else {
            let _ = Target::new().take(&stream);
        }
    }
}
