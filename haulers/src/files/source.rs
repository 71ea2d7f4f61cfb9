//! Gives trees of files, a round at a time.

use super::content::Content;
use super::diff::{Act, diff};
use super::entry::{Kind, Place, Seen, Sighting, Stamp};
use super::fault;
use super::index::{Change, Index, Inside};
use super::look::signature_of;
use super::reading::{Piece, Reading};
use super::record::{Record, What};
use super::walk::{Walker, has_vanished};
use super::{SourceTree, Written};
use bytes::{Bytes, BytesMut};
use phaul_core::executor::ports::{FileSource, FilesSent};
use phaul_core::failure::Failure;
use phaul_core::protocol::CHUNK_MAX;
use rustix::fd::AsFd;
use rustix::fs::OFlags;
use std::collections::{BTreeSet, VecDeque};
use std::fs::File;

/// What is known of a file of which nothing is held.
static NOTHING: Content = Content::empty();

/// Trees of files at the source. Every failure is `files-read`.
pub(crate) struct TreesSource {
    walkers: Vec<Walker>,
    written: Written,
    index: Index,
    round: Round,
}

/// The round that is given.
#[derive(Debug, Default)]
struct Round {
    frozen: bool,
    /// When its walk began.
    at: Stamp,
    /// What is still to be done.
    steps: VecDeque<Step>,
    /// The file that is being read.
    reading: Option<Open>,
    /// What was not given yet.
    stream: BytesMut,
    /// Bytes of the stream, with what was not given yet.
    end_bytes: u64,
    /// Bytes of content in the stream.
    content_bytes: u64,
    /// Bytes of content in files that were not begun yet.
    ahead_bytes: u64,
    /// What was sent or changed.
    touched: BTreeSet<(usize, Place)>,
    digest: String,
}

#[derive(Debug)]
struct Open {
    tree: usize,
    path: Place,
    seen: Seen,
    reading: Reading,
}

#[derive(Debug)]
enum Step {
    Begin,
    Delete(usize, Place),
    Act(usize, Place, Act),
    Sweep,
    Attributes(usize, Place, Seen),
    End,
}

impl TreesSource {
    /// Opens the trees; their numbers are their places. Fails with `files-read`.
    pub(crate) fn new(trees: Vec<SourceTree>, written: Written) -> Result<Self, Failure> {
        let walkers: Result<Vec<_>, _> = trees.iter().map(Walker::new).collect();
        Ok(Self {
            walkers: walkers?,
            written,
            index: Index::new(trees.len()),
            round: Round::default(),
        })
    }

    fn plan(&mut self) -> Result<(VecDeque<Step>, u64), Failure> {
        let written = (self.written)();
        let (mut deletes, mut entries) = (vec![Step::Begin], Vec::new());
        let mut last = vec![Step::Sweep];
        let mut ahead_bytes = 0_u64;
        for (tree, walker) in self.walkers.iter_mut().enumerate() {
            let held = self.index.tree(tree);
            let walked = walker.walk(&|path, signature| {
                let there = held.get(path)?;
                let still = there.sighting.as_ref()?.still(signature);
                let attributes = there.attributes.as_ref().filter(|_| still)?;
                Some(attributes.xattrs.clone())
            })?;
            let plan = diff(held, walked, &written);
            deletes.extend(
                plan.deletes
                    .into_iter()
                    .map(|path| Step::Delete(tree, path)),
            );
            for (path, act) in plan.entries {
                if let Act::File { seen, .. } = &act {
                    ahead_bytes = ahead_bytes.saturating_add(seen.content_bytes());
                }
                entries.push(Step::Act(tree, path, act));
            }
            let directories = plan.directories.into_iter();
            last.extend(directories.map(|(path, seen)| Step::Attributes(tree, path, seen)));
        }
        last.push(Step::End);
        let steps = deletes.into_iter().chain(entries).chain(last);
        Ok((steps.collect(), ahead_bytes))
    }

    /// Adds to the stream; false at its end.
    fn work(&mut self) -> Result<bool, Failure> {
        if let Some(open) = self.round.reading.take() {
            self.read_on(open)?;
            return Ok(true);
        }
        let Some(step) = self.round.steps.pop_front() else {
            return Ok(false);
        };
        match step {
            Step::Begin => {
                let fresh = !self.index.begun;
                let change = fresh.then_some(Change::Begin);
                self.give(0, &Place::default(), What::Begin { fresh }, change)?;
            }
            Step::Delete(tree, path) => self.delete(tree, &path)?,
            Step::Act(tree, path, act) => self.act(tree, path, act)?,
            Step::Sweep => {
                if !self.index.swept {
                    self.give(0, &Place::default(), What::Sweep, Some(Change::Sweep))?;
                }
            }
            Step::Attributes(tree, path, seen) => self.set(tree, &path, seen)?,
            Step::End => {
                self.give(0, &Place::default(), What::End, None)?;
                self.round.digest = self.index.digest();
            }
        }
        Ok(true)
    }

    fn act(&mut self, tree: usize, path: Place, act: Act) -> Result<(), Failure> {
        match act {
            Act::Directory => self.make(tree, &path, Kind::Directory),
            Act::Other { seen, make } => {
                if make {
                    self.make(tree, &path, seen.kind.clone())?;
                }
                self.set(tree, &path, seen)
            }
            Act::Link { to, kind } => {
                let first = self.index.get(tree, &to);
                if first.is_none_or(|first| first.link.is_some() || !first.is_whole()) {
                    return self.vanished(tree, &path);
                }
                let what = What::Link(to.to_vec());
                self.give(tree, &path, what, Some(Change::Link(to, kind)))
            }
            Act::File { seen, make } => self.begin_file(tree, path, seen, make),
        }
    }

    fn begin_file(
        &mut self,
        tree: usize,
        path: Place,
        seen: Seen,
        make: bool,
    ) -> Result<(), Failure> {
        let round = &mut self.round;
        round.ahead_bytes = round.ahead_bytes.saturating_sub(seen.content_bytes());
        let mut size_bytes = seen.signature.size_bytes;
        let mut file = None;
        // What is empty need not be opened, and it may be a mount point.
        if size_bytes > 0 {
            let Some((opened, opened_bytes)) = self.open(tree, &path, &seen)? else {
                return self.vanished(tree, &path);
            };
            size_bytes = opened_bytes;
            file = Some(opened);
        }
        if make {
            self.make(tree, &path, Kind::File)?;
        }
        let there = self.index.get(tree, &path);
        if there.is_none_or(|there| there.content.size_bytes != Some(size_bytes)) {
            let change = Change::Inside(Inside::Resize(size_bytes));
            self.give(tree, &path, What::Resize(size_bytes), Some(change))?;
        }
        let Some(file) = file else {
            return self.set(tree, &path, seen);
        };
        self.round.reading = Some(Open {
            tree,
            path,
            seen,
            reading: Reading::new(file, size_bytes),
        });
        Ok(())
    }

    /// Opens a file, and tells its size in bytes. None if it is not there any more.
    fn open(&self, tree: usize, path: &[u8], seen: &Seen) -> Result<Option<(File, u64)>, Failure> {
        let walker = &self.walkers[tree];
        let opened = walker
            .tree
            .open_file(path, OFlags::RDONLY, seen.signature.identity)
            .and_then(|file| {
                let Some(file) = file else { return Ok(None) };
                let size_bytes = signature_of(file.as_fd())?.size_bytes;
                Ok(Some((file, size_bytes)))
            });
        match opened {
            Err(error) if has_vanished(error) => Ok(None),
            opened => opened.map_err(|error| fault::read(&walker.root, path, "open", error)),
        }
    }

    fn read_on(&mut self, mut open: Open) -> Result<(), Failure> {
        let (tree, path) = (open.tree, open.path.clone());
        let root = &self.walkers[tree].root;
        let failed = |error| fault::read(root, &path, "read", error);
        let there = self.index.get(tree, &path);
        let there = there.map_or(&NOTHING, |there| &there.content);
        let Some(piece) = open.reading.next(there).map_err(failed)? else {
            if self.round.frozen {
                let now = signature_of(open.reading.file().as_fd()).map_err(failed)?;
                if now != open.seen.signature {
                    return Err(fault::changed(root, &path));
                }
            }
            return self.set(tree, &path, open.seen);
        };
        let (what, inside) = match piece {
            Piece::Hole { first, count } => {
                (What::Hole { first, count }, Inside::Hole(first, count))
            }
            Piece::Block {
                number,
                extents,
                sum,
            } => {
                let bytes = extents.iter().map(|(_, data)| data.len() as u64);
                self.round.content_bytes += bytes.sum::<u64>();
                let what = What::Block { number, extents };
                (what, Inside::Block(number, sum))
            }
        };
        self.round.reading = Some(open);
        self.give(tree, &path, what, Some(Change::Inside(inside)))
    }

    /// An entry was gone, or was another, when its turn came. What the target has of it may
    /// stay until the next round finds what became of it, if the target has something whole.
    fn vanished(&mut self, tree: usize, path: &Place) -> Result<(), Failure> {
        if self.round.frozen {
            return Err(fault::changed(&self.walkers[tree].root, path));
        }
        match self.index.get(tree, path) {
            Some(there) if !there.is_whole() => self.delete(tree, path),
            _ => Ok(()),
        }
    }

    fn delete(&mut self, tree: usize, path: &Place) -> Result<(), Failure> {
        self.give(tree, path, What::Delete, Some(Change::Delete))
    }

    fn make(&mut self, tree: usize, path: &Place, kind: Kind) -> Result<(), Failure> {
        let change = Change::Make(kind.clone());
        self.give(tree, path, What::Make(kind), Some(change))
    }

    /// Gives what is set on an entry, unless the target has just that; all else about the entry
    /// was given before.
    fn set(&mut self, tree: usize, path: &Place, seen: Seen) -> Result<(), Failure> {
        let Some(there) = self.index.get(tree, path) else {
            return Ok(());
        };
        let sighting = Sighting {
            signature: seen.signature,
            at: self.round.at,
        };
        let attributes = seen.attributes;
        if there.attributes.as_ref() == Some(&attributes) {
            self.index.confirm(tree, path, sighting);
            return Ok(());
        }
        let what = What::Attributes(attributes.clone());
        let change = Change::Inside(Inside::Attributes(attributes, sighting));
        self.give(tree, path, what, Some(change))
    }

    fn give(
        &mut self,
        tree: usize,
        path: &Place,
        what: What,
        change: Option<Change>,
    ) -> Result<(), Failure> {
        let round = &mut self.round;
        let before = round.stream.len();
        let record = Record {
            // There are not that many trees.
            tree: u32::try_from(tree).unwrap_or(u32::MAX),
            path: path.to_vec(),
            what,
        };
        record.encode(&mut round.stream)?;
        round.end_bytes += (round.stream.len() - before) as u64;
        if let Some(change) = change {
            if !matches!(change, Change::Begin | Change::Sweep) {
                round.touched.insert((tree, path.clone()));
            }
            self.index.change(tree, path, change, round.end_bytes);
        }
        Ok(())
    }
}

impl FileSource for TreesSource {
    fn begin(&mut self, frozen: bool) -> Result<(), Failure> {
        self.round = Round::default();
        self.index.settle();
        let at = Stamp::now();
        let (steps, ahead_bytes) = self.plan()?;
        self.round = Round {
            frozen,
            at,
            steps,
            ahead_bytes,
            ..Round::default()
        };
        Ok(())
    }

    fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        while self.round.stream.len() < CHUNK_MAX && self.work()? {}
        let stream = &mut self.round.stream;
        let piece_bytes = stream.len().min(CHUNK_MAX);
        let piece = stream.split_to(piece_bytes).freeze();
        Ok(Some(piece).filter(|piece| !piece.is_empty()))
    }

    fn progress(&self) -> (u64, u64) {
        let round = &self.round;
        let reading = round.reading.as_ref().map_or(0, |open| {
            let read_bytes = open.reading.read_bytes();
            open.seen.content_bytes().saturating_sub(read_bytes)
        });
        let given = round.content_bytes;
        (
            given,
            given
                .saturating_add(round.ahead_bytes)
                .saturating_add(reading),
        )
    }

    fn sent(&self) -> FilesSent {
        FilesSent {
            entries: self.round.touched.len() as u64,
            bytes: self.round.content_bytes,
            digest: self.round.digest.clone(),
        }
    }

    fn held(&mut self, bytes: u64) {
        self.index.held(bytes);
    }

    fn forget(&mut self) {
        self.index.forget();
        self.round = Round::default();
    }
}
