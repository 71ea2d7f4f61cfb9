//! What the executor needs from the world. Haulers and transports implement these; tests put
//! doubles in their place.

use crate::failure::Failure;
pub use crate::machine::cutover::Fate;
use crate::protocol::{Chunk, ImageFile, Manifest, Message};
use crate::report::Check;
pub use crate::resource::Resource;
use async_trait::async_trait;
use bytes::Bytes;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::mpsc;

/// Where a hauler records what it makes and finds out. Every call is durable when it returns.
pub trait Ledger: Send {
    /// Records a resource before it is made.
    fn make(&mut self, resource: Resource) -> Result<(), Failure>;
    /// Records that a resource is gone.
    fn gone(&mut self, resource: &Resource) -> Result<(), Failure>;
    /// Records a fact under a name; a later one replaces an earlier one.
    fn fact(&mut self, name: &str, value: serde_json::Value) -> Result<(), Failure>;
    /// The newest fact of that name, also from before a restart.
    fn recall(&self, name: &str) -> Option<serde_json::Value>;
    /// The resources that are recorded and not gone, oldest first.
    fn standing(&self) -> Vec<Resource>;
}

/// Undoes resources.
#[async_trait]
pub trait Undo: Send + Sync {
    /// Removes the resource; one that is not there counts as removed.
    async fn undo(&self, resource: &Resource) -> Result<(), Failure>;
}

/// The host's file system, as far as the executor itself needs it.
pub trait Disk: Send + Sync {
    /// Reads `len` bytes of an image from `offset` on.
    fn read(&self, dir: &Path, name: &str, offset: u64, len: usize) -> Result<Bytes, Failure>;
    /// Writes into an image, making it if it is not there. The name comes from a peer and is
    /// refused unless it is one plain component.
    fn write(&self, dir: &Path, name: &str, offset: u64, data: &[u8]) -> Result<(), Failure>;
    /// Keeps a log with the run's record.
    fn keep_log(&self, name: &str, text: &str) -> Result<(), Failure>;
}

/// What a hauler found when it looked at the workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// For the hauler's other side.
    pub manifest: Manifest,
    /// The checks of this host; `waived` is filled in by the executor.
    pub checks: Vec<Check>,
}

/// A workload that is dumped and held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frozen {
    /// Its images, in the directory of [`SourceHauler::images`].
    pub images: Vec<ImageFile>,
    /// Milliseconds from when the first task stood still until all did.
    pub freeze_ms: u64,
    /// Milliseconds the dump took after that.
    pub dump_ms: u64,
    /// Pages of 4 KiB in the images.
    pub pages: u64,
}

/// What a round of files came to at the source.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FilesSent {
    /// Files, directories and whatever else was sent or changed in this round.
    pub entries: u64,
    /// Bytes of content in the round's stream.
    pub bytes: u64,
    /// The digest of all files as the target must have them after this round.
    pub digest: String,
}

/// Gives the files of a workload at the source, a round at a time. The first round gives
/// everything, a later one what the target does not hold yet. Calls may block.
pub trait FileSource: Send {
    /// Begins a round. `frozen`: the workload stands still, and this round is the last.
    fn begin(&mut self, frozen: bool) -> Result<(), Failure>;
    /// The next piece of the round's stream, at most [`crate::protocol::CHUNK_MAX`] bytes;
    /// none at its end.
    fn next(&mut self) -> Result<Option<Bytes>, Failure>;
    /// Bytes of content that this round has given so far, and those that it will give as far
    /// as is known.
    fn progress(&self) -> (u64, u64);
    /// What the round came to, once [`FileSource::next`] has given none.
    fn sent(&self) -> FilesSent;
    /// The target has put in place what the first `bytes` of the last round's stream say.
    fn held(&mut self, bytes: u64);
    /// The target holds nothing: the next round gives everything.
    fn forget(&mut self);
}

/// Takes in the files of a workload at the target. Calls may block.
pub trait FileSink: Send {
    /// A round begins; one that was not ended is given up.
    fn begin(&mut self) -> Result<(), Failure>;
    /// The next bytes of the round's stream, in order.
    fn take(&mut self, data: &[u8]) -> Result<(), Failure>;
    /// How many bytes of the round's stream have been put in place.
    fn held(&self) -> u64;
    /// The round has ended. Returns the digest of all files as they are here now.
    fn end(&mut self) -> Result<String, Failure>;
}

/// Files of a workload that a plan could copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProposedTree {
    /// The path as a plan would say it.
    pub path: PathBuf,
    /// What the workload has it for.
    pub why: String,
}

/// The source's half of a hauler, for one run. Every call may be repeated after a restart of
/// the process, on an object made anew from the plan, the run's directory and the ledger.
/// A call whose future is dropped leaves what [`SourceHauler::thaw`] and the undoing of the
/// recorded resources put right.
#[async_trait]
pub trait SourceHauler: Send {
    /// Looks at the workload and checks this host. Touches nothing.
    async fn inspect(&mut self) -> Result<Inspection, Failure>;
    /// Makes what the freeze needs: directories, CRIU's configuration, the hold's socket.
    async fn reserve(&mut self, ledger: &mut dyn Ledger) -> Result<(), Failure>;
    /// Stops and dumps the workload and holds it. On an error it runs on.
    async fn freeze(&mut self, ledger: &mut dyn Ledger) -> Result<Frozen, Failure>;
    /// The directory of the images.
    fn images(&self) -> PathBuf;
    /// Files of the workload that the plan does not copy and could; after
    /// [`SourceHauler::inspect`].
    fn proposed_trees(&self) -> Vec<ProposedTree> {
        Vec::new()
    }
    /// What gives the workload's files; asked once, when the first round begins.
    fn files(&mut self) -> Result<Option<Box<dyn FileSource>>, Failure> {
        Ok(None)
    }
    /// Kills the held workload, after making sure that it was held all the time. `Alive` is
    /// returned only when no task was killed.
    async fn kill(&mut self, ledger: &mut dyn Ledger) -> Result<Fate, Failure>;
    /// Right after the kill: what goes along with the word to resume, for the other side's
    /// [`TargetHauler::release`]. It has a moment only, and may get lost.
    async fn farewell(&mut self) -> Manifest {
        Manifest::none()
    }
    /// After a restart: what became of the workload that may have been killed.
    async fn settle(&mut self, ledger: &mut dyn Ledger) -> Result<Fate, Failure>;
    /// Lets the workload run on, whatever state it is in; does nothing if it runs.
    async fn thaw(&mut self, ledger: &mut dyn Ledger) -> Result<(), Failure>;
    /// After success: waits for the dead tasks' end and keeps nothing of its own.
    async fn clean(&mut self, ledger: &mut dyn Ledger) -> Result<(), Failure>;
    /// Excerpts of the logs for the run's record: file name and text, bounded.
    fn logs(&self) -> Vec<(String, String)>;
}

/// The target's half of a hauler, for one run; the same rules hold as for [`SourceHauler`].
#[async_trait]
pub trait TargetHauler: Send {
    /// Checks this host for the workload. Touches nothing.
    async fn check(&mut self, manifest: &Manifest) -> Result<Vec<Check>, Failure>;
    /// Makes what receiving and restoring need.
    async fn reserve(
        &mut self,
        manifest: &Manifest,
        ledger: &mut dyn Ledger,
    ) -> Result<(), Failure>;
    /// The directory of the images.
    fn images(&self) -> PathBuf;
    /// What takes the workload's files in; asked after [`TargetHauler::reserve`]. It is kept
    /// for later attempts of the same process, and asked for again once it was given up.
    fn files(&mut self) -> Result<Option<Box<dyn FileSink>>, Failure> {
        Ok(None)
    }
    /// Restores the workload from the images and holds it: every task exists, none runs.
    async fn restore(&mut self, ledger: &mut dyn Ledger) -> Result<(), Failure>;
    /// Lets the held workload run, restoring it again from the images if the held tasks are
    /// gone; does nothing if it runs already. Returns the milliseconds it took. `farewell` is
    /// what [`SourceHauler::farewell`] gave, and null if there was nothing or it got lost.
    async fn release(
        &mut self,
        farewell: &Manifest,
        ledger: &mut dyn Ledger,
    ) -> Result<u64, Failure>;
    /// Kills whatever was restored and does not run yet. Never touches a released workload.
    async fn discard(&mut self, ledger: &mut dyn Ledger) -> Result<(), Failure>;
    /// After the workload runs: keeps nothing of its own.
    async fn clean(&mut self, ledger: &mut dyn Ledger) -> Result<(), Failure>;
    /// Excerpts of the logs for the run's record: file name and text, bounded.
    fn logs(&self) -> Vec<(String, String)>;
}

/// Who is at the other end of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The name under which it is trusted here.
    pub name: String,
    /// Its software's version.
    pub software: String,
    /// The protocol version that both understand.
    pub protocol: u32,
}

/// A link to a peer that has proved who it is and has said hello.
pub struct Link {
    /// Who is at the other end.
    pub peer: Peer,
    /// Messages to the peer. A message that was accepted here is delivered unless the link is
    /// lost.
    pub outgoing: mpsc::Sender<Message>,
    /// Messages from the peer; ends when the link is lost.
    pub incoming: mpsc::Receiver<Message>,
    /// Bulk data.
    pub bulk: Arc<dyn Bulk>,
}

/// Bulk data of a link, apart from the control stream.
#[async_trait]
pub trait Bulk: Send + Sync {
    /// Queues a chunk; waits while the link is full. Returns the bytes it takes on the wire.
    async fn send(&self, chunk: Chunk) -> Result<u64, Failure>;
    /// Waits until every chunk sent so far has reached the peer's end of the link.
    async fn flush(&self) -> Result<(), Failure>;
    /// The next chunk from the peer, or none when the link is lost.
    async fn receive(&self) -> Option<Chunk>;
    /// Closes the link in good order, with the reason for the peer's log.
    fn close(&self, reason: &str);
    /// Why the link was lost, once it was.
    fn lost(&self) -> Option<Failure>;
}

/// Makes links to one peer.
#[async_trait]
pub trait Dial: Send + Sync {
    /// Connects, proves who we are, checks who answers, says hello.
    async fn dial(&self) -> Result<Link, Failure>;
}

/// Accepts links.
#[async_trait]
pub trait Listen: Send + Sync {
    /// The next link; none when the listener was closed. What is wrong with one caller is
    /// logged and never ends the listener.
    async fn accept(&self) -> Option<Link>;
}
