//! `phaul run`: carries a plan out.

use super::plan_file;
use crate::arguments::{Format, PlanFile};
use crate::control::{self, Reply, Request};
use crate::exit_code::{Done, Exit, Stop};
use crate::state_dir::{Runs, StateDir};
use crate::{host, ui};
use jiff::Timestamp;
use phaul_core::executor::source::{self, Start};
use phaul_core::executor::{Command, Incoming, Recorder};
use phaul_core::graph::{Parts, Side};
use phaul_core::journal::{Journal, JournalError, Record, Replay, VERSION, replay};
use phaul_core::report::{Event, EventBody, Outcome, Report};
use phaul_core::run::RunId;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::UnixListener;
use tokio::sync::{mpsc, oneshot};

/// What it is called when another run holds the workload, here or at the target.
const BUSY: &str = "workload-busy";

/// Commands that may wait for the run.
const INBOX: usize = 64;

pub(crate) async fn run(
    state: &StateDir,
    file: &PlanFile,
    report: Option<&Path>,
    format: Format,
) -> Done {
    let ready = plan_file::ready(file)?;
    let workload = phaul_haulers::identity(&ready.plan.haul);
    let lock = lock(&workload)?;
    unfinished(&state.runs(), &workload)?;
    let run = RunId::new(Timestamp::now(), chance());
    let dir = state.runs().make(&run)?;
    let beginning = Record::Begun {
        version: VERSION,
        run: run.clone(),
        side: Side::Source,
        peer: ready.plan.to.identity.clone(),
        workload,
        plan: Box::new(ready.plan),
        graph: ready.graphs.source.parts().clone(),
        digest: ready.graphs.source.digest(),
    };
    let journal = state.runs().begin(&run, beginning).map_err(journal_stop)?;
    let target_graph = ready.graphs.target.parts().clone();
    let under_way = UnderWay {
        state,
        dir: &dir,
        target_graph,
        report,
        format,
    };
    let done = under_way.carry_out(Box::new(journal), Start::New).await;
    drop(lock);
    done
}

/// A run that this process carries out.
pub(super) struct UnderWay<'a> {
    pub(super) state: &'a StateDir,
    pub(super) dir: &'a Path,
    pub(super) target_graph: Parts,
    pub(super) report: Option<&'a Path>,
    pub(super) format: Format,
}

impl UnderWay<'_> {
    /// Carries the run to where it rests, shows it, and gives its exit code.
    pub(super) async fn carry_out(self, journal: Box<dyn Journal>, start: Start) -> Done {
        let (events, listener) = mpsc::unbounded_channel();
        let (recorder, replay) = Recorder::open(journal, events).map_err(journal_stop)?;
        let run = replay.run.clone();
        let target = replay.plan.to.identity.clone();
        let (source, dialer) =
            host::source(self.state, &replay.plan, &run, self.dir, self.target_graph)?;
        let (to_inbox, inbox) = mpsc::channel(INBOX);
        let state = Arc::new(Mutex::new(state_of(&replay)));
        let control =
            control::bind(&control::of_run(&run)).map_err(|error| in_use(&run, &error))?;
        let plan = replay.plan.name.clone();
        let serving = tokio::spawn(serve(control, to_inbox.clone(), plan, Arc::clone(&state)));
        let stopping = tokio::spawn(cancel_on_signal(to_inbox.clone()));
        let showing = tokio::spawn(show(listener, self.format, state));
        if self.format == Format::Human {
            ui::line(&format!("run {run}"));
        }
        let rested = source::run(source, recorder, replay, start, (to_inbox, inbox)).await;
        // The last words to the target must go out before the process ends.
        let farewell = std::time::Duration::from_secs(3);
        let _ = tokio::time::timeout(farewell, dialer.finished()).await;
        serving.abort();
        stopping.abort();
        let (_, recorder) = rested.map_err(|failure| {
            let hint = failure.hint.clone();
            Stop {
                exit: Exit::Unfinished,
                hint: Some(hint.unwrap_or_else(|| format!("phaul resume {run}"))),
                ..Stop::from(failure)
            }
        })?;
        let outcome = recorder.summary().outcome();
        let report = recorder.summary().report(Timestamp::now());
        drop(recorder);
        // The events end with their recorder.
        let _ = showing.await;
        if let Some(path) = self.report {
            write_report(path, &report)?;
        }
        if self.format == Format::Human {
            ui::summary(&report, &target);
        }
        Ok(exit(outcome, &report))
    }
}

/// The exit code of a run that rests.
fn exit(outcome: Option<Outcome>, report: &Report) -> Exit {
    let busy = report
        .error
        .as_ref()
        .is_some_and(|error| error.code == BUSY);
    match outcome {
        Some(Outcome::RolledBack | Outcome::Refused) if busy => Exit::Busy,
        Some(outcome) => outcome.into(),
        None => Exit::Unfinished,
    }
}

fn state_of(replay: &Replay) -> String {
    let state = replay.machine.as_ref().map(|machine| machine.state);
    state.unwrap_or(replay.graph.start()).to_string()
}

/// Shows events until there are no more.
async fn show(
    mut events: mpsc::UnboundedReceiver<Event>,
    format: Format,
    state: Arc<Mutex<String>>,
) {
    let mut watch = ui::Watch::new();
    while let Some(event) = events.recv().await {
        if let EventBody::State { state: name, .. } = &event.body
            && event.side == Side::Source
        {
            *state.lock().unwrap_or_else(PoisonError::into_inner) = name.to_string();
        }
        match format {
            Format::Human => watch.show(&event),
            Format::Json => ui::json(&event),
        }
    }
}

/// Answers other phaul processes of this host.
async fn serve(
    listener: UnixListener,
    inbox: mpsc::Sender<Incoming>,
    plan: String,
    state: Arc<Mutex<String>>,
) {
    control::serve(listener, move |request| {
        let (inbox, plan, state) = (inbox.clone(), plan.clone(), Arc::clone(&state));
        async move {
            let command = match request {
                Request::Status { .. } => {
                    let state = state.lock().unwrap_or_else(PoisonError::into_inner);
                    return Reply::Status {
                        plan,
                        state: state.clone(),
                    };
                }
                Request::Cancel { .. } => Command::Cancel,
                Request::Continue { .. } => Command::Continue,
                Request::Run { .. } => return Reply::No("this is not the target".into()),
            };
            give(&inbox, command).await
        }
    })
    .await;
}

async fn give(inbox: &mpsc::Sender<Incoming>, command: Command) -> Reply {
    let (answer, said) = oneshot::channel();
    let ended = || Reply::No("the run has just ended".into());
    if inbox
        .send(Incoming::Command(command, answer))
        .await
        .is_err()
    {
        return ended();
    }
    match said.await {
        Ok(Ok(())) => Reply::Ok,
        Ok(Err(why)) => Reply::No(why),
        Err(_) => ended(),
    }
}

/// Interrupting `phaul run` cancels the run; it ends when that is done.
async fn cancel_on_signal(inbox: mpsc::Sender<Incoming>) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        return;
    };
    loop {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        match give(&inbox, Command::Cancel).await {
            Reply::No(why) => ui::note(&format!("cannot be cancelled: {why}")),
            Reply::Ok | Reply::Status { .. } => {
                ui::note("cancelling; the workload stays at the source")
            }
        }
    }
}

/// Writes the report where it was asked for.
pub(super) fn write_report(path: &Path, report: &Report) -> Result<(), Stop> {
    let cannot = |error: io::Error| {
        Stop::new(
            Exit::Other,
            "report",
            format!(
                "the report cannot be written to {}: {error}; the run itself: {}",
                path.display(),
                report.outcome.name()
            ),
        )
        .hint(format!("phaul show {} --format json", report.run))
    };
    let text = serde_json::to_string_pretty(report).map_err(|error| cannot(error.into()))?;
    std::fs::write(path, text + "\n").map_err(cannot)
}

/// Takes the lock on a workload; it goes with the process.
pub(super) fn lock(workload: &str) -> Result<UnixListener, Stop> {
    control::bind(&control::of_workload(workload)).map_err(|error| {
        if error.kind() == io::ErrorKind::AddrInUse {
            return Stop::new(
                Exit::Busy,
                BUSY,
                format!("another run is moving this workload ({workload})"),
            )
            .hint("see: phaul runs");
        }
        Stop::new(
            Exit::Other,
            "lock",
            format!("the workload cannot be locked: {error}"),
        )
    })
}

/// Refuses a workload that an unfinished run still holds.
fn unfinished(runs: &Runs, workload: &str) -> Result<(), Stop> {
    for run in runs.all() {
        if control::is_taken(&control::of_run(&run)) {
            // Its process lives, and would hold the lock if the workload was the same.
            continue;
        }
        let held = match runs
            .journal(&run)
            .and_then(|journal| replay(&journal.entries()?))
        {
            Ok(replay) => replay.workload == workload && !replay.has_ended(),
            // As above: it has just begun.
            Err(JournalError::InUse { .. }) => false,
            Err(error) => {
                tracing::warn!(%run, %error, "the journal of a run cannot be read");
                false
            }
        };
        if held {
            return Err(Stop::new(
                Exit::Busy,
                BUSY,
                format!("the run {run} holds this workload and is not finished"),
            )
            .hint(format!("phaul resume {run}, or phaul rollback {run}")));
        }
    }
    Ok(())
}

fn in_use(run: &RunId, error: &io::Error) -> Stop {
    Stop::new(
        Exit::Busy,
        "run-busy",
        format!("the run {run} is under way in another process: {error}"),
    )
    .hint(format!("phaul cancel {run}"))
}

pub(super) fn journal_stop(error: JournalError) -> Stop {
    let exit = match error {
        JournalError::InUse { .. } => Exit::Busy,
        _ => Exit::Other,
    };
    Stop::new(exit, "journal", error.to_string())
}

/// A number that two runs of the same second do not share.
pub(super) fn chance() -> u32 {
    use std::hash::{BuildHasher, Hasher};
    let hasher = std::collections::hash_map::RandomState::new().build_hasher();
    (hasher.finish() & u64::from(u32::MAX)) as u32
}
