//! What the two sides say to each other about a run. Plain types; the transports put them on
//! the wire. Every message names its run and attempt, so that late ones are recognised.

use crate::failure::Failure;
use crate::graph::{AskKind, Parts};
use crate::plan::Plan;
use crate::report::{Check, Trail};
use crate::run::RunId;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// A message on the control stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The run it is about.
    pub run: RunId,
    /// The attempt it is about; the first is 1.
    pub attempt: u32,
    /// What is said.
    pub body: Body,
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// From the source: do this.
    Ask(Ask),
    /// From the target: it is done, or failed.
    Answer(Answer),
    /// From the target: a state was entered or left.
    Trail(Trail),
}

/// What the source asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// Take the run on.
    Open(Box<Open>),
    /// Check this host for the workload.
    Preflight(Manifest),
    /// Make what the run needs.
    Reserve,
    /// Say that the files of a round have arrived, and are those that were meant.
    Files(FilesRound),
    /// Restore the workload from the images that were sent, and hold it.
    Restore(Vec<ImageFile>),
    /// Let the workload run. With it goes what the source's hauler has for the target's: it may
    /// be nothing, and nothing depends on its arrival.
    Resume(Manifest),
    /// Undo the run.
    Drop,
    /// Say that all is cleaned.
    Finish,
}

/// A run that the target is asked to take on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    /// The effective plan.
    pub plan: Plan,
    /// The graph of the target's side.
    pub graph: Parts,
}

/// What a hauler tells its other side of the workload: opaque to all but that hauler.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Manifest(pub serde_json::Value);

/// An image that was sent, or is to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageFile {
    /// Its name: one path component.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
}

/// A round of files that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilesRound {
    /// Its number in the attempt; the first is 1.
    pub round: u32,
    /// The length of its stream, in bytes.
    pub bytes: u64,
    /// The digest of all files as they must be after it.
    pub digest: String,
}

/// What the target has put in place of the last round of files that it saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FilesHeld {
    /// The attempt of the round.
    pub attempt: u32,
    /// The number of the round.
    pub round: u32,
    /// How many bytes of the round's stream.
    pub bytes: u64,
}

/// What the target answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The run is taken on.
    Opened,
    /// The checks of this host.
    Checked(Vec<Check>),
    /// What the run needs is there.
    Reserved {
        /// What is there of the files already, from an earlier attempt.
        held: Option<FilesHeld>,
    },
    /// The files of the round are in place.
    FilesTaken {
        /// Its number.
        round: u32,
    },
    /// The workload is restored and held.
    Prepared,
    /// The workload runs.
    Resumed {
        /// For how many milliseconds by now.
        ago_ms: u64,
    },
    /// Nothing of the run is left.
    Dropped,
    /// All is cleaned.
    Finished,
    /// What was asked could not be done.
    Failed(Failure),
}

/// The kind of an answer, for the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AnswerKind {
    /// The ask was carried out.
    Yes(AskKind),
    /// Checks said no.
    No,
    /// It failed; `again` when another attempt may succeed.
    Failed {
        /// Another attempt may succeed.
        again: bool,
    },
}

impl Manifest {
    /// One that says nothing.
    pub const fn none() -> Self {
        Self(serde_json::Value::Null)
    }
}

impl Ask {
    /// Its kind.
    pub fn kind(&self) -> AskKind {
        match self {
            Self::Open(_) => AskKind::Open,
            Self::Preflight(_) => AskKind::Preflight,
            Self::Reserve => AskKind::Reserve,
            Self::Files(_) => AskKind::Files,
            Self::Restore(_) => AskKind::Restore,
            Self::Resume(_) => AskKind::Resume,
            Self::Drop => AskKind::Drop,
            Self::Finish => AskKind::Finish,
        }
    }
}

/// What a chunk is a piece of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// An image, by its name.
    Image(String),
    /// The stream of a round of files.
    Files {
        /// The round's number in the attempt; the first is 1.
        round: u32,
    },
}

/// A piece of something on a bulk stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// The run it belongs to.
    pub run: RunId,
    /// The attempt it belongs to.
    pub attempt: u32,
    /// What it is a piece of.
    pub part: Part,
    /// Where in that it stands, in bytes.
    pub offset: u64,
    /// The bytes: at most [`CHUNK_MAX`].
    pub data: Bytes,
}

/// The largest chunk, in bytes.
pub const CHUNK_MAX: usize = 1 << 20;

/// The largest word from hauler to hauler that goes along with [`Ask::Resume`], in bytes of JSON.
pub const FAREWELL_MAX: usize = 4 << 20;
