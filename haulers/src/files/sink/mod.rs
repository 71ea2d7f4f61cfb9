//! Takes in trees of files, a round at a time, from a peer who may be hostile.

mod ground;
mod planted;
mod remove;
mod set;
mod writing;

use super::TargetTree;
use super::digest::Digest;
use super::fault::garbled;
use super::record::{Decoder, Record, What};
use phaul_core::executor::ports::FileSink;
use phaul_core::failure::Failure;
use planted::Planted;

/// Trees of files at the target. Failures: `files-write`, `files-space` (no room is left),
/// `files-device` (a device where none may be), `files-attribute` (an extended attribute cannot
/// be set), `files-garbled` (the stream says what no source says). After a failure only another
/// round helps.
#[derive(Debug)]
pub(crate) struct TreesSink {
    trees: Vec<Planted>,
    /// A first round was begun, so that what stands in the trees is known.
    known: bool,
    decoder: Decoder,
    stage: Stage,
    held_bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    /// Its first record is still to come.
    Waiting,
    /// Its last record is still to come.
    Running,
    /// It came.
    Ended,
    /// It failed.
    Broken(Failure),
}

impl TreesSink {
    /// Trees by their numbers. Touches nothing; fails with `files-write` if a root is not an
    /// absolute path.
    pub(crate) fn new(trees: Vec<TargetTree>) -> Result<Self, Failure> {
        let trees: Result<Vec<_>, _> = trees.into_iter().map(Planted::new).collect();
        Ok(Self {
            trees: trees?,
            known: false,
            decoder: Decoder::default(),
            stage: Stage::Waiting,
            held_bytes: 0,
        })
    }

    fn work(&mut self, data: &[u8]) -> Result<(), Failure> {
        self.decoder.push(data);
        while let Some((record, bytes)) = self.decoder.next()? {
            self.apply(record)?;
            self.held_bytes += bytes;
        }
        Ok(())
    }

    fn apply(&mut self, record: Record) -> Result<(), Failure> {
        match (&self.stage, &record.what) {
            (Stage::Waiting, What::Begin { fresh }) => {
                if *fresh {
                    self.trees.iter_mut().for_each(Planted::forget);
                    self.known = true;
                } else if !self.known {
                    return Err(garbled("it goes on with what this side does not have"));
                }
                self.stage = Stage::Running;
            }
            (Stage::Running, What::Sweep) => {
                for tree in &mut self.trees {
                    tree.sweep()?;
                }
            }
            (Stage::Running, What::End) => self.stage = Stage::Ended,
            (Stage::Running, _) => {
                let tree = usize::try_from(record.tree).unwrap_or(usize::MAX);
                let tree = self.trees.get_mut(tree);
                let tree = tree.ok_or_else(|| garbled(format!("a tree {}", record.tree)))?;
                tree.apply(record.path.into(), record.what)?;
            }
            _ => return Err(garbled("a round does not begin or end where it should")),
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<String, Failure> {
        if self.stage != Stage::Ended || !self.decoder.is_empty() {
            return Err(garbled("the round is not whole"));
        }
        let mut digest = Digest::default();
        for (number, tree) in self.trees.iter_mut().enumerate() {
            tree.read_back()?;
            digest.number(number as u64);
            tree.digest(&mut digest);
        }
        Ok(digest.finish())
    }

    /// A round that failed does not go on.
    fn unless_broken<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        if let Stage::Broken(failure) = &self.stage {
            return Err(failure.clone());
        }
        work(self).inspect_err(|failure| self.stage = Stage::Broken(failure.clone()))
    }
}

impl FileSink for TreesSink {
    fn begin(&mut self) -> Result<(), Failure> {
        self.decoder = Decoder::default();
        self.stage = Stage::Waiting;
        self.held_bytes = 0;
        Ok(())
    }

    fn take(&mut self, data: &[u8]) -> Result<(), Failure> {
        self.unless_broken(|sink| sink.work(data))
    }

    fn held(&self) -> u64 {
        self.held_bytes
    }

    fn end(&mut self) -> Result<String, Failure> {
        self.unless_broken(Self::finish)
    }
}
