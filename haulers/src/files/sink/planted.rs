//! One tree at the target, and what was put in place in it.

use super::super::TargetTree;
use super::super::content::Content;
use super::super::digest::Digest;
use super::super::entry::{Attributes, Identity, Kind, Place, split};
use super::super::fault::{self, garbled, shown};
use super::super::record::What;
use super::ground::Ground;
use super::writing;
use phaul_core::failure::Failure;
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::fs::File;

/// A tree at the target.
#[derive(Debug)]
pub(super) struct Planted {
    ground: Ground,
    devices: bool,
    entries: BTreeMap<Place, Entry>,
    /// The file that was written to last, open for writing.
    writing: Option<(Place, File)>,
}

/// An entry that was put in place.
#[derive(Debug)]
struct Entry {
    kind: Kind,
    /// The entry that it is another name for.
    link: Option<Place>,
    identity: Identity,
    content: Content,
    /// As they were read back; none once something was changed.
    attributes: Option<Attributes>,
}

impl Planted {
    pub(super) fn new(tree: TargetTree) -> Result<Self, Failure> {
        Ok(Self {
            ground: Ground::new(tree.root)?,
            devices: tree.devices,
            entries: BTreeMap::new(),
            writing: None,
        })
    }

    /// Nothing is known of what stands here.
    pub(super) fn forget(&mut self) {
        self.ground.close();
        self.entries.clear();
        self.writing = None;
    }

    /// Puts in place what a record says of one entry.
    pub(super) fn apply(&mut self, path: Place, what: What) -> Result<(), Failure> {
        match what {
            What::Delete => self.delete(&path),
            What::Make(kind) => self.make(path, kind),
            What::Link(to) => self.link(path, to.into()),
            What::Attributes(attributes) => self.set(&path, &attributes),
            What::Resize(size_bytes) => self.write(path, |file, content| {
                writing::resize(file, content, size_bytes)
            }),
            What::Block { number, extents } => self.write(path, |file, content| {
                writing::block(file, content, number, &extents)
            }),
            What::Hole { first, count } => self.write(path, |file, content| {
                writing::hole(file, content, first, count)
            }),
            What::Begin { .. } | What::Sweep | What::End => Err(garbled("a record out of place")),
        }
    }

    fn delete(&mut self, path: &Place) -> Result<(), Failure> {
        if path.is_empty() {
            return Err(garbled("a root is to be deleted"));
        }
        // The source may know less than what was put in place, and delete what went already.
        if split(path).is_some_and(|(parent, _)| !self.is_directory(parent)) {
            return Ok(());
        }
        self.clear(path)?;
        self.ground.remove(path)
    }

    fn is_directory(&self, path: &[u8]) -> bool {
        let entry = self.entries.get(path);
        entry.is_some_and(|entry| entry.kind == Kind::Directory)
    }

    fn make(&mut self, path: Place, kind: Kind) -> Result<(), Failure> {
        let is_device = matches!(kind, Kind::Character { .. } | Kind::Block { .. });
        if is_device && !self.devices {
            return Err(fault::device(self.ground.root(), &path));
        }
        self.clear(&path)?;
        let root_kind = match self.ground.is_single()? {
            true => Kind::File,
            false => Kind::Directory,
        };
        if path.is_empty() && kind != root_kind {
            return Err(fault::not_the_same(self.ground.root()));
        }
        // A root directory is there already.
        if !path.is_empty() || kind != Kind::Directory {
            let file = self.ground.make(&path, &kind)?;
            self.writing = file.map(|file| (path.clone(), file));
        }
        self.plant(path, kind, None)
    }

    fn link(&mut self, path: Place, to: Place) -> Result<(), Failure> {
        self.clear(&path)?;
        let first = self.entries.get(&to);
        let first = first.filter(|first| first.link.is_none() && first.kind != Kind::Directory);
        let first = first.filter(|_| !path.is_empty());
        let first = first.ok_or_else(|| garbled("a link to what is not there"))?;
        let (kind, identity) = (first.kind.clone(), first.identity);
        self.ground.link(&path, &to)?;
        self.plant(path.clone(), kind, Some(to))?;
        match self.entries.get(&path) {
            Some(planted) if planted.identity == identity => Ok(()),
            _ => Err(fault::replaced(self.ground.root(), &path)),
        }
    }

    fn set(&mut self, path: &Place, attributes: &Attributes) -> Result<(), Failure> {
        let root = self.ground.root();
        let entry = self
            .entries
            .get_mut(path)
            .filter(|entry| entry.link.is_none());
        let entry = entry.ok_or_else(|| not_made(root, path))?;
        entry.attributes = None;
        self.ground
            .set(path, &entry.kind, entry.identity, attributes)
    }

    /// Writes to a file that was made here.
    fn write(
        &mut self,
        path: Place,
        write: impl FnOnce(&File, &mut Content) -> Result<(), Errno>,
    ) -> Result<(), Failure> {
        let entry = self.entries.get_mut(&path);
        let entry = entry.filter(|entry| entry.kind == Kind::File && entry.link.is_none());
        let entry = entry.ok_or_else(|| not_made(self.ground.root(), &path))?;
        entry.attributes = None;
        let (_, file) = match self.writing.take() {
            Some(writing) if writing.0 == path => self.writing.insert(writing),
            _ => {
                let file = self.ground.open(&path, entry.identity)?;
                self.writing.insert((path.clone(), file))
            }
        };
        write(file, &mut entry.content).map_err(|error| match error {
            Errno::INVAL => garbled(format!(
                "{} has no room for what it is to have",
                shown(self.ground.root(), &path)
            )),
            error => fault::write(self.ground.root(), &path, "write to", error),
        })
    }

    /// Makes room for an entry, which must be in a directory that was made here: forgets what
    /// was there, and that the directory's time was right.
    fn clear(&mut self, path: &Place) -> Result<(), Failure> {
        if let Some((parent, _)) = split(path) {
            let parent = self.entries.get_mut(parent);
            let parent = parent.filter(|parent| parent.kind == Kind::Directory);
            let parent = parent.ok_or_else(|| not_made(self.ground.root(), path))?;
            parent.attributes = None;
        }
        self.writing = None;
        let there = self.entries.remove(path);
        if there.is_none_or(|there| there.kind != Kind::Directory) {
            return Ok(());
        }
        if path.is_empty() {
            self.entries.clear();
            return Ok(());
        }
        // What begins with the path and a slash, up to the byte after it.
        let [from, to] = [b"/", b"0"].map(|end| Place::from([path, end.as_slice()].concat()));
        let beneath: Vec<Place> = self
            .entries
            .range(from..to)
            .map(|(path, _)| path.clone())
            .collect();
        for path in beneath {
            self.entries.remove(&path);
        }
        Ok(())
    }

    /// Notes down what was put in place.
    fn plant(&mut self, path: Place, kind: Kind, link: Option<Place>) -> Result<(), Failure> {
        let seen = self.ground.look(&path, Some(Default::default()))?;
        let seen = seen.ok_or_else(|| fault::replaced(self.ground.root(), &path))?;
        let entry = Entry {
            kind,
            link,
            identity: seen.signature.identity,
            content: Content::empty(),
            attributes: None,
        };
        self.entries.insert(path, entry);
        Ok(())
    }

    /// Removes all that was not made here.
    pub(super) fn sweep(&mut self) -> Result<(), Failure> {
        if !self.is_directory(b"") {
            return Ok(());
        }
        let entries = &self.entries;
        self.ground.sweep(&|path| {
            let entry = entries.get(path)?;
            Some(entry.kind == Kind::Directory)
        })
    }

    /// Reads back what was set on the entries that were changed.
    pub(super) fn read_back(&mut self) -> Result<(), Failure> {
        for (path, entry) in &mut self.entries {
            if entry.attributes.is_some() {
                continue;
            }
            let Some(seen) = self.ground.look(path, None)? else {
                continue;
            };
            if seen.signature.identity != entry.identity {
                // Somebody else's: the digest shows it.
                entry.link = None;
                continue;
            }
            if seen.kind == Kind::File {
                entry.content.size_bytes = Some(seen.signature.size_bytes);
            }
            entry.kind = seen.kind;
            entry.attributes = Some(seen.attributes);
        }
        Ok(())
    }

    /// Sums up what is here.
    pub(super) fn digest(&self, digest: &mut Digest) {
        for (path, entry) in &self.entries {
            digest.bytes(path);
            if let Some(to) = &entry.link {
                digest.link(to);
                continue;
            }
            digest.kind(Some(&entry.kind));
            digest.attributes(entry.attributes.as_ref());
            if entry.kind == Kind::File {
                digest.content(&entry.content);
            }
        }
    }
}

fn not_made(root: &std::path::Path, path: &[u8]) -> Failure {
    garbled(format!("{} was not made before", shown(root, path)))
}
