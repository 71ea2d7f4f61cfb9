//! Whole rounds, from trees on the disk to trees on the disk.

mod broken;
mod compare;
mod hostile;
mod nasty;
mod random;
mod rounds;
mod swapped;

use super::{SourceTree, TargetTree, TreesSink, TreesSource};
use phaul_core::executor::ports::{FileSink, FileSource, FilesSent};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A source and a sink in a directory of their own.
struct Pair {
    _scratch: tempfile::TempDir,
    from: PathBuf,
    to: PathBuf,
    source: TreesSource,
    sink: TreesSink,
}

impl Pair {
    /// Two empty directories.
    fn new() -> Self {
        Self::excluding(&[])
    }

    fn excluding(exclude: &[&str]) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let (from, to) = (scratch.path().join("from"), scratch.path().join("to"));
        std::fs::create_dir(&from).unwrap();
        std::fs::create_dir(&to).unwrap();
        let source = TreesSource::new(
            vec![SourceTree {
                root: from.clone(),
                exclude: exclude.iter().map(|glob| (*glob).to_owned()).collect(),
            }],
            Box::new(BTreeSet::new),
        );
        Self {
            source: source.unwrap(),
            sink: sink(&to),
            from,
            to,
            _scratch: scratch,
        }
    }

    /// A whole round, of which both sides must say the same. Returns what was sent, and the
    /// stream's bytes.
    fn round(&mut self, frozen: bool) -> (FilesSent, u64) {
        self.source.begin(frozen).unwrap();
        self.sink.begin().unwrap();
        let mut stream_bytes = 0;
        while let Some(piece) = self.source.next().unwrap() {
            assert!(piece.len() <= phaul_core::protocol::CHUNK_MAX);
            self.sink.take(&piece).unwrap();
            stream_bytes += piece.len() as u64;
        }
        let sent = self.source.sent();
        assert_eq!(self.sink.held(), stream_bytes);
        assert_eq!(self.sink.end().unwrap(), sent.digest);
        self.source.held(stream_bytes);
        let (given, expected) = self.source.progress();
        assert_eq!((given, expected), (sent.bytes, sent.bytes));
        (sent, stream_bytes)
    }

    /// A frozen round, after which both trees are the same.
    fn same_after_round(&mut self) -> (FilesSent, u64) {
        let sent = self.round(true);
        compare::assert_same(&self.from, &self.to);
        sent
    }
}

fn sink(to: &Path) -> TreesSink {
    let root = to.to_owned();
    TreesSink::new(vec![TargetTree {
        root,
        devices: true,
    }])
    .unwrap()
}

/// The whole stream of a round.
fn stream(source: &mut TreesSource) -> Vec<u8> {
    source.begin(true).unwrap();
    let mut stream = Vec::new();
    while let Some(piece) = source.next().unwrap() {
        stream.extend_from_slice(&piece);
    }
    stream
}
