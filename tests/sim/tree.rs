//! Doubles for files: a tree in memory on either host, given and taken in rounds.

use crate::doubles::{Fault, Shared, Tasks, look};
use bytes::Bytes;
use phaul_core::executor::ports::{FileSink, FileSource, FilesSent};
use phaul_core::failure::Failure;
use phaul_core::graph::Side;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

/// Files by name.
pub(crate) type Tree = BTreeMap<String, Vec<u8>>;

/// Where the target keeps its tree.
pub(crate) const TREE: &str = "tree";

/// Pieces are this long: small, so that a round has many of them.
const PIECE: usize = 20_000;

/// What the workload has at first.
pub(crate) fn planted() -> Tree {
    let file = |number: usize| {
        let data = (0..number * 30_000 + 1).map(|at| (at * number) as u8);
        (format!("file-{number}"), data.collect())
    };
    (0..8).map(file).collect()
}

fn digest(tree: &Tree) -> String {
    let mut hasher = DefaultHasher::new();
    tree.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// Meets the fault of a step, if its turn has come.
fn step(stage: &Shared, name: &'static str) -> Result<(), Failure> {
    let fault = {
        let mut stage = look(stage);
        match stage.turns.get_mut(name) {
            Some(turns) if *turns > 0 => {
                *turns -= 1;
                None
            }
            _ => stage.faults.remove(name),
        }
    };
    match fault {
        None => Ok(()),
        Some(Fault::Fails) => Err(Failure::new("double", format!("{name} fails"))),
        Some(Fault::Lost) => Err(Failure::lost("double", format!("{name} is lost"))),
        Some(Fault::Cut) => {
            let switch = look(stage).switch.clone();
            switch.cut();
            switch.mend();
            Ok(())
        }
        Some(Fault::Hangs) => {
            look(stage).hanging.insert(name);
            // A thread cannot be dropped: it is let go when its process is to be dead.
            while !look(stage).dying {
                std::thread::sleep(Duration::from_millis(2));
            }
            Err(Failure::lost("double", format!("{name} was killed")))
        }
    }
}

/// An entry of a stream: the length of the name and of the data, then both. A file that is gone
/// has a length that none can have.
fn entry(name: &str, data: Option<&Vec<u8>>) -> Vec<u8> {
    let length = data.map_or(u32::MAX, |data| data.len() as u32);
    let mut bytes = vec![name.len() as u8];
    bytes.extend(length.to_le_bytes());
    bytes.extend(name.as_bytes());
    bytes.extend(data.into_iter().flatten());
    bytes
}

/// The first entry of a stream, if it is whole, and its length.
fn first(stream: &[u8]) -> Option<(String, Option<Vec<u8>>, usize)> {
    let name_end = 5 + usize::from(*stream.first()?);
    let length = u32::from_le_bytes(stream.get(1..5)?.try_into().unwrap());
    let name = String::from_utf8(stream.get(5..name_end)?.to_vec()).unwrap();
    if length == u32::MAX {
        return Some((name, None, name_end));
    }
    let end = name_end + length as usize;
    Some((name, Some(stream.get(name_end..end)?.to_vec()), end))
}

fn put(tree: &mut Tree, name: String, data: Option<Vec<u8>>) {
    match data {
        Some(data) => tree.insert(name, data),
        None => tree.remove(&name),
    };
}

/// Gives the source's tree.
pub(crate) struct Giver {
    pub(crate) stage: Shared,
    /// What the target has, as far as is known.
    there: Tree,
    stream: Vec<u8>,
    at: usize,
    digest: String,
    rounds: u32,
}

impl Giver {
    pub(crate) fn new(stage: &Shared) -> Self {
        Self {
            stage: Arc::clone(stage),
            there: Tree::new(),
            stream: Vec::new(),
            at: 0,
            digest: String::new(),
            rounds: 0,
        }
    }
}

impl FileSource for Giver {
    fn begin(&mut self, frozen: bool) -> Result<(), Failure> {
        let mut stage = look(&self.stage);
        stage.given.push(frozen);
        if frozen != (stage.here == Tasks::Held) {
            stage
                .violations
                .push("a round does not know whether it is the last".into());
        }
        let now = stage.tree_here.clone();
        self.stream.clear();
        for name in self.there.keys().filter(|name| !now.contains_key(*name)) {
            self.stream.extend(entry(name, None));
        }
        for (name, data) in now
            .iter()
            .filter(|(name, data)| self.there.get(*name) != Some(*data))
        {
            self.stream.extend(entry(name, Some(data)));
        }
        (self.at, self.digest) = (0, digest(&now));
        self.rounds += 1;
        if !frozen {
            // The workload writes on while the round is made.
            let number = self.rounds as usize % 7;
            stage
                .tree_here
                .insert("log".into(), vec![number as u8; 9_000]);
            stage.tree_here.remove(&format!("file-{number}"));
        }
        Ok(())
    }

    fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        step(&self.stage, "give")?;
        let slowness = look(&self.stage).slowness;
        std::thread::sleep(slowness);
        let end = self.stream.len().min(self.at + PIECE);
        let piece = Bytes::copy_from_slice(&self.stream[self.at..end]);
        self.at = end;
        Ok((!piece.is_empty()).then_some(piece))
    }

    fn progress(&self) -> (u64, u64) {
        (self.at as u64, self.stream.len() as u64)
    }

    fn sent(&self) -> FilesSent {
        FilesSent {
            entries: 0,
            bytes: self.stream.len() as u64,
            digest: self.digest.clone(),
        }
    }

    fn held(&mut self, bytes: u64) {
        let mut stream = &self.stream[..bytes as usize];
        while let Some((name, data, length)) = first(stream) {
            put(&mut self.there, name, data);
            stream = &stream[length..];
        }
        look(&self.stage).resumed += u32::from(bytes > 0);
    }

    fn forget(&mut self) {
        self.there.clear();
    }
}

/// Takes files into the target's tree.
pub(crate) struct Taker {
    pub(crate) stage: Shared,
    stream: Vec<u8>,
    held: u64,
}

impl Taker {
    pub(crate) fn new(stage: &Shared) -> Self {
        Self {
            stage: Arc::clone(stage),
            stream: Vec::new(),
            held: 0,
        }
    }
}

impl FileSink for Taker {
    fn begin(&mut self) -> Result<(), Failure> {
        step(&self.stage, "take first")?;
        self.stream.clear();
        self.held = 0;
        Ok(())
    }

    fn take(&mut self, data: &[u8]) -> Result<(), Failure> {
        step(&self.stage, "take")?;
        let slowness = look(&self.stage).slowness_there;
        std::thread::sleep(slowness);
        self.stream.extend(data);
        while let Some((name, data, length)) = first(&self.stream) {
            self.stream.drain(..length);
            self.held += length as u64;
            let mut stage = look(&self.stage);
            let reserved = (Side::Target, std::path::Path::new("/target").join(TREE));
            if !stage.made.contains(&reserved) {
                stage
                    .violations
                    .push("I3: files are written after the undo".into());
            }
            put(&mut stage.tree_there, name, data);
        }
        Ok(())
    }

    fn held(&self) -> u64 {
        self.held
    }

    fn end(&mut self) -> Result<String, Failure> {
        step(&self.stage, "take last")?;
        Ok(digest(&look(&self.stage).tree_there))
    }
}
