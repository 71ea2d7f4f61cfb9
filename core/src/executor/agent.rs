//! The target's daemon: takes links in, leads every message to its run, and takes up after a
//! restart the runs that had not ended.

use super::command::Command;
use super::driver::Incoming;
use super::inbox::Inbox;
use super::line::{Line, gone};
use super::ports::{Bulk, Disk, Link, Listen, Undo};
use super::receiving::Receiving;
use super::recorder::Recorder;
use super::run_task::RunTask;
use super::target::too_late;
use super::{deadlines, ports::TargetHauler};
use crate::failure::Failure;
use crate::graph::{EventKind, Graph, Side};
use crate::journal::{Journal, JournalError, Record, Replay, VERSION};
use crate::machine::Machine;
use crate::plan::Plan;
use crate::protocol::{Answer, Ask, Body, Message, Open};
use crate::report::Event;
use crate::run::RunId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{mpsc, oneshot};

/// Messages that may wait for one run.
const INBOX: usize = 64;

/// What the agent needs of its host.
pub trait Host: Send + Sync {
    /// Makes the journal of a run that begins, and the run's directory: whole or not at all.
    fn begin(&self, run: &RunId, beginning: Record) -> Result<Box<dyn Journal>, JournalError>;
    /// Opens the journal of a run that has begun.
    fn journal(&self, run: &RunId) -> Result<Box<dyn Journal>, JournalError>;
    /// Whether there is a journal of that run.
    fn knows(&self, run: &RunId) -> bool;
    /// The runs that have journals here.
    fn runs(&self) -> Vec<RunId>;
    /// The target half of the hauler of a run.
    fn hauler(&self, plan: &Plan, run: &RunId) -> Result<Box<dyn TargetHauler>, Failure>;
    /// The disk, for a run.
    fn disk(&self, run: &RunId) -> Arc<dyn Disk>;
    /// Undoes resources.
    fn undo(&self) -> Arc<dyn Undo>;
}

/// The agent.
#[derive(Clone)]
pub struct Agent {
    pub(super) host: Arc<dyn Host>,
    runs: Arc<Mutex<HashMap<RunId, Handle>>>,
    pub(super) events: mpsc::UnboundedSender<Event>,
}

/// The way to a run in memory.
#[derive(Clone)]
struct Handle {
    inbox: mpsc::Sender<Incoming>,
    line: Arc<Line>,
    receiving: Arc<Receiving>,
    peer: String,
    plan: String,
}

impl Agent {
    /// An agent; its runs' events go to `events`.
    pub fn new(host: Arc<dyn Host>, events: mpsc::UnboundedSender<Event>) -> Self {
        Self {
            host,
            runs: Arc::default(),
            events,
        }
    }

    /// Takes up the runs that had not ended when the last agent did.
    pub fn recover(&self) {
        for run in self.host.runs() {
            match self.take_up(&run) {
                Ok(true) => tracing::info!(%run, "the run is taken up again"),
                Ok(false) => {}
                Err(error) => tracing::error!(%run, %error, "the run cannot be taken up again"),
            }
        }
    }

    fn take_up(&self, run: &RunId) -> Result<bool, JournalError> {
        let journal = self.host.journal(run)?;
        let (recorder, replay) = Recorder::open(journal, self.events.clone())?;
        let ended = replay.has_ended();
        if !ended {
            self.spawn(recorder, replay, Some(EventKind::Restarted), None);
        }
        Ok(!ended)
    }

    /// Serves every link that comes, until the listener is closed.
    pub async fn serve(&self, listener: &dyn Listen) {
        while let Some(link) = listener.accept().await {
            let agent = self.clone();
            tokio::spawn(async move { agent.serve_link(link).await });
        }
    }

    /// The name of the plan of a run that is in memory.
    pub fn plan_of(&self, run: &RunId) -> Option<String> {
        self.handle(run).map(|handle| handle.plan)
    }

    /// A person's command for a run here.
    pub async fn command(&self, run: &RunId, command: Command) -> Result<(), String> {
        let handle = self
            .handle(run)
            .ok_or_else(|| format!("the run {run} is not under way here; see: phaul agent runs"))?;
        let (answer, said) = oneshot::channel();
        let sent = handle.inbox.send(Incoming::Command(command, answer)).await;
        if sent.is_err() {
            return Err(format!("the run {run} has just ended"));
        }
        said.await
            .unwrap_or_else(|_| Err(format!("the run {run} has just ended")))
    }

    async fn serve_link(&self, link: Link) {
        let Link {
            peer,
            outgoing,
            mut incoming,
            bulk,
        } = link;
        let way = Way {
            peer: &peer.name,
            outgoing: &outgoing,
            bulk: &bulk,
        };
        let attached = Attached::default();
        let messages = async {
            while let Some(message) = incoming.recv().await {
                self.lead(message, &way, &attached).await;
            }
        };
        // Apart from the messages: a disk that is slow holds up the chunks only.
        let chunks = async {
            while let Some(chunk) = bulk.receive().await {
                if let Some(receiving) = attached.receiving(&chunk.run) {
                    receiving.take(chunk).await;
                }
            }
            std::future::pending().await
        };
        tokio::select! {
            () = messages => {}
            () = chunks => {}
        }
        let failure = bulk.lost().unwrap_or_else(gone);
        for (handle, number) in attached.all() {
            if handle.line.detach(number) {
                tokio::spawn(give_up_later(handle, failure.clone()));
            }
        }
    }

    /// Leads a message to its run; what has no run is answered here.
    async fn lead(&self, message: Message, way: &Way<'_>, attached: &Attached) {
        let run = message.run.clone();
        let attempt = message.attempt;
        let answered = match self.find(&message, way) {
            Ok(Some(handle)) => {
                if !attached.has(&run, &handle) {
                    let number = way.attach(&handle.line);
                    attached.insert(run.clone(), handle.clone(), number);
                    let _ = handle.inbox.send(Incoming::LinkUp).await;
                }
                if handle.inbox.send(Incoming::Message(message)).await.is_ok() {
                    return;
                }
                // It stands still, and its log says why. The source may try again.
                attached.remove(&run);
                Answer::Failed(stopped())
            }
            Ok(None) => Answer::Dropped,
            Err(failure) => {
                tracing::warn!(%run, peer = way.peer, error = %failure, "an ask is refused");
                Answer::Failed(failure)
            }
        };
        let body = Body::Answer(answered);
        let _ = way.outgoing.send(Message { run, attempt, body }).await;
    }

    /// The run that a message is for, taken up or begun if need be. None: there is nothing here
    /// that could be dropped.
    fn find(&self, message: &Message, way: &Way<'_>) -> Result<Option<Handle>, Failure> {
        let run = &message.run;
        if let Some(handle) = self.handle(run) {
            way.owns(&handle.peer)?;
            return Ok(Some(handle));
        }
        let Body::Ask(ask) = &message.body else {
            return Err(too_late());
        };
        if self.host.knows(run) {
            let journal = self.host.journal(run).map_err(journal_failure)?;
            let (recorder, replay) =
                Recorder::open(journal, self.events.clone()).map_err(journal_failure)?;
            way.owns(&replay.peer)?;
            let first = (!replay.has_ended()).then_some(EventKind::Restarted);
            return Ok(Some(self.spawn(recorder, replay, first, Some(way))));
        }
        match ask {
            Ask::Open(open) => self.begin(run, message.attempt, open, way).map(Some),
            Ask::Drop => Ok(None),
            _ => Err(Failure::new(
                "unknown-run",
                format!("the target knows nothing of the run {run}"),
            )
            .hint("is its state directory the one it had before?")),
        }
    }

    fn begin(
        &self,
        run: &RunId,
        attempt: u32,
        open: &Open,
        way: &Way<'_>,
    ) -> Result<Handle, Failure> {
        let broken = |texts: Vec<String>| {
            Failure::new("bad-graph", "the graph that the source sent is not valid").log(texts)
        };
        let graph = Graph::new(open.graph.clone())
            .map_err(|all| broken(all.iter().map(ToString::to_string).collect()))?;
        if graph.side() != Side::Target {
            return Err(broken(vec!["it is not for the target's side".into()]));
        }
        // A hauler that is not here is refused before anything is written.
        self.host.hauler(&open.plan, run)?;
        let beginning = Record::Begun {
            version: VERSION,
            run: run.clone(),
            side: Side::Target,
            peer: way.peer.to_owned(),
            workload: format!("{}: {}", way.peer, open.plan.name),
            plan: Box::new(open.plan.clone()),
            digest: graph.digest(),
            graph: open.graph.clone(),
        };
        let journal = self.host.begin(run, beginning).map_err(journal_failure)?;
        let (recorder, mut replay) =
            Recorder::open(journal, self.events.clone()).map_err(journal_failure)?;
        let mut machine = Machine::new(&graph);
        machine.attempt = attempt;
        replay.machine = Some(machine);
        Ok(self.spawn(recorder, replay, None, Some(way)))
    }

    fn handle(&self, run: &RunId) -> Option<Handle> {
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        runs.retain(|_, handle| !handle.inbox.is_closed());
        runs.get(run).cloned()
    }

    /// Starts a run. What it says first must find the link, so the line has it before.
    fn spawn(
        &self,
        recorder: Recorder,
        replay: Replay,
        first: Option<EventKind>,
        way: Option<&Way<'_>>,
    ) -> Handle {
        let (sender, inbox) = mpsc::channel(INBOX);
        let handle = Handle {
            inbox: sender,
            line: Arc::default(),
            receiving: Arc::<Receiving>::default(),
            peer: replay.peer.clone(),
            plan: replay.plan.name.clone(),
        };
        handle.receiving.files.belongs_to(handle.inbox.downgrade());
        if let Some(way) = way {
            way.attach(&handle.line);
        }
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        runs.insert(replay.run.clone(), handle.clone());
        drop(runs);
        let run = RunTask {
            agent: self.clone(),
            line: Arc::clone(&handle.line),
            receiving: Arc::clone(&handle.receiving),
            inbox: Inbox::new(inbox),
        };
        tokio::spawn(run.live(recorder, replay, first));
        handle
    }
}

/// The runs that are spoken to over a link, with the link's number in each.
#[derive(Default)]
struct Attached(Mutex<HashMap<RunId, (Handle, u64)>>);

impl Attached {
    fn has(&self, run: &RunId, handle: &Handle) -> bool {
        let same = |(known, _): &(Handle, u64)| known.inbox.same_channel(&handle.inbox);
        self.lock().get(run).is_some_and(same)
    }

    fn insert(&self, run: RunId, handle: Handle, number: u64) {
        self.lock().insert(run, (handle, number));
    }

    fn remove(&self, run: &RunId) {
        self.lock().remove(run);
    }

    fn receiving(&self, run: &RunId) -> Option<Arc<Receiving>> {
        let found = self.lock();
        found
            .get(run)
            .map(|(handle, _)| Arc::clone(&handle.receiving))
    }

    fn all(&self) -> Vec<(Handle, u64)> {
        self.lock().drain().map(|(_, entry)| entry).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<RunId, (Handle, u64)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The link by which a message came.
struct Way<'a> {
    peer: &'a str,
    outgoing: &'a mpsc::Sender<Message>,
    bulk: &'a Arc<dyn Bulk>,
}

impl Way<'_> {
    fn attach(&self, line: &Line) -> u64 {
        line.attach(self.outgoing.clone(), Arc::clone(self.bulk))
    }

    /// Sees that a run belongs to the peer at the other end.
    fn owns(&self, peer: &str) -> Result<(), Failure> {
        if self.peer == peer {
            return Ok(());
        }
        let cause = "the run belongs to another peer";
        Err(Failure::new("foreign-run", cause))
    }
}

fn stopped() -> Failure {
    Failure::lost("run-stopped", "the target's side of the run stands still")
        .hint("the agent's log on the target says why")
}

fn journal_failure(error: JournalError) -> Failure {
    Failure::new("journal", error.to_string())
        .hint("the agent's state directory must be writable and have room")
}

/// After the grace, tells the run that its source is gone, unless it has come back.
async fn give_up_later(handle: Handle, failure: Failure) {
    tokio::time::sleep(deadlines::GRACE).await;
    if !handle.line.is_up() {
        // A run that has ended meanwhile does not need to know.
        let _ = handle.inbox.send(Incoming::LinkLost(failure)).await;
    }
}
