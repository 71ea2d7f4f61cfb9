//! What the target holds, as far as the source knows.

use super::content::{Content, Sum};
use super::digest::Digest;
use super::entry::{Attributes, Kind, Place, Sighting, split};
use std::collections::{BTreeMap, VecDeque};

/// What the target holds of one entry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Held {
    /// What it is there; none if it may or may not be there, and may be anything.
    pub kind: Option<Kind>,
    /// The entry that it is another name for; the rest is then known of that one alone.
    pub link: Option<Place>,
    /// A file's content.
    pub content: Content,
    /// What is set on it; none if that is not known.
    pub attributes: Option<Attributes>,
    /// The look at the source after which all of the above was given.
    pub sighting: Option<Sighting>,
}

impl Held {
    fn made(kind: Kind, link: Option<Place>) -> Self {
        Self {
            kind: Some(kind),
            link,
            content: Content::empty(),
            ..Self::default()
        }
    }

    /// The time of a file is another once its content is changed.
    fn change(&mut self, inside: Inside) -> Doubt {
        self.attributes = None;
        self.sighting = None;
        match inside {
            Inside::Resize(size_bytes) => Doubt::Size(self.content.resize(size_bytes)),
            Inside::Block(block, sum) => {
                self.content.set(block, sum);
                Doubt::Blocks(vec![block])
            }
            Inside::Hole(first, count) => {
                Doubt::Blocks(self.content.clear(first..first.saturating_add(count)))
            }
            Inside::Attributes(attributes, sighting) => {
                self.attributes = Some(attributes);
                self.sighting = Some(sighting);
                Doubt::Attributes
            }
        }
    }

    /// Whether the target is sure to have all of it, as it was at some time.
    pub(super) fn is_whole(&self) -> bool {
        self.kind.is_some() && (self.link.is_some() || self.attributes.is_some())
    }
}

/// What the target holds of one tree.
pub(super) type HeldTree = BTreeMap<Place, Held>;

/// What a record does to what the target holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// A first round begins: the target holds nothing.
    Begin,
    /// The target has nothing that it was not told of.
    Sweep,
    /// The entry goes.
    Delete,
    /// It is made.
    Make(Kind),
    /// It becomes another name for an entry of this kind.
    Link(Place, Kind),
    /// It stays, and something about it changes.
    Inside(Inside),
}

/// What a record does to an entry that stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Inside {
    /// The file has this size in bytes.
    Resize(u64),
    /// A block has what gives this sum.
    Block(u64, Option<Sum>),
    /// Blocks, from the first on, have nothing but zeros.
    Hole(u64, u64),
    /// This is set on it, and it has all that this look found.
    Attributes(Attributes, Sighting),
}

/// What is not known any more if a change did not reach the target.
#[derive(Debug)]
enum Doubt {
    Begun,
    Swept,
    Entry,
    Size(Vec<u64>),
    Blocks(Vec<u64>),
    Attributes,
}

#[derive(Debug)]
struct Logged {
    /// Where the record ends in the round's stream.
    end_bytes: u64,
    tree: usize,
    path: Place,
    doubt: Doubt,
}

/// What the target holds of all trees. Changes count at once; those of which the target does
/// not say that it holds them are doubted when the next round begins.
#[derive(Debug)]
pub(super) struct Index {
    trees: Vec<HeldTree>,
    log: VecDeque<Logged>,
    /// The target knows that it held nothing in the beginning.
    pub begun: bool,
    /// The target has nothing that it was not told of.
    pub swept: bool,
}

impl Index {
    /// The index of a target that holds nothing.
    pub(super) fn new(trees: usize) -> Self {
        Self {
            trees: vec![HeldTree::new(); trees],
            log: VecDeque::new(),
            begun: false,
            swept: false,
        }
    }

    /// What the target holds of a tree.
    pub(super) fn tree(&self, tree: usize) -> &HeldTree {
        &self.trees[tree]
    }

    /// What the target holds of an entry.
    pub(super) fn get(&self, tree: usize, path: &[u8]) -> Option<&Held> {
        self.trees[tree].get(path)
    }

    /// A record was given that ends at this byte of the round's stream.
    pub(super) fn change(&mut self, tree: usize, path: &Place, change: Change, end_bytes: u64) {
        let entries = &mut self.trees[tree];
        let doubt = match change {
            Change::Begin => {
                self.begun = true;
                Doubt::Begun
            }
            Change::Sweep => {
                self.swept = true;
                Doubt::Swept
            }
            Change::Delete => {
                entries.remove(path);
                touch_parent(entries, path);
                Doubt::Entry
            }
            Change::Make(kind) => {
                entries.insert(path.clone(), Held::made(kind, None));
                touch_parent(entries, path);
                Doubt::Entry
            }
            Change::Link(to, kind) => {
                entries.insert(path.clone(), Held::made(kind, Some(to)));
                touch_parent(entries, path);
                Doubt::Entry
            }
            Change::Inside(inside) => entries.entry(path.clone()).or_default().change(inside),
        };
        self.log.push_back(Logged {
            end_bytes,
            tree,
            path: path.clone(),
            doubt,
        });
    }

    /// A look found that the target holds all of an entry as it is now.
    pub(super) fn confirm(&mut self, tree: usize, path: &[u8], sighting: Sighting) {
        if let Some(held) = self.trees[tree].get_mut(path) {
            held.sighting = Some(sighting);
        }
    }

    /// The target holds what the first bytes of the round's stream say.
    pub(super) fn held(&mut self, bytes: u64) {
        while self.log.front().is_some_and(|log| log.end_bytes <= bytes) {
            self.log.pop_front();
        }
    }

    /// Doubts whatever the target did not say that it holds.
    pub(super) fn settle(&mut self) {
        while let Some(logged) = self.log.pop_back() {
            let entries = &mut self.trees[logged.tree];
            match logged.doubt {
                Doubt::Begun => self.forget(),
                Doubt::Swept => self.swept = false,
                Doubt::Entry => {
                    entries.insert(logged.path, Held::default());
                }
                doubt => {
                    let held = entries.entry(logged.path).or_default();
                    held.attributes = None;
                    held.sighting = None;
                    if let Doubt::Size(_) = doubt {
                        held.content.size_bytes = None;
                    }
                    if let Doubt::Size(blocks) | Doubt::Blocks(blocks) = doubt {
                        for block in blocks {
                            held.content.doubt(block);
                        }
                    }
                }
            }
        }
    }

    /// The target holds nothing.
    pub(super) fn forget(&mut self) {
        *self = Self::new(self.trees.len());
    }

    /// Sums up what the target holds.
    pub(super) fn digest(&self) -> String {
        let mut digest = Digest::default();
        for (number, entries) in self.trees.iter().enumerate() {
            digest.number(number as u64);
            for (path, held) in entries {
                digest.bytes(path);
                if let Some(to) = &held.link {
                    digest.link(to);
                    continue;
                }
                digest.kind(held.kind.as_ref());
                digest.attributes(held.attributes.as_ref());
                if held.kind == Some(Kind::File) {
                    digest.content(&held.content);
                }
            }
        }
        digest.finish()
    }
}

/// A directory's time is another once an entry of it comes or goes.
fn touch_parent(entries: &mut HeldTree, path: &[u8]) {
    if let Some((parent, _)) = split(path)
        && let Some(parent) = entries.get_mut(parent)
    {
        parent.attributes = None;
        parent.sighting = None;
    }
}
