//! What the source does in the world: the haulers' source half, the dialling, the sending.

use super::deadlines;
use super::driver::{Driver, Heard, Incoming, World};
use super::inbox::Inbox;
use super::judging::refusal;
use super::line::Line;
use super::ports::{Dial, Disk, Fate, Frozen, Ledger, SourceHauler, Undo};
use super::recorder::Recorder;
use super::sending_files::SendingFiles;
use crate::failure::{Failure, FailureKind};
use crate::graph::{AskKind, EventKind, Phase, Side, StateName, Work};
use crate::journal::{Record, Replay};
use crate::machine::{Input, Machine, Output, Worked};
use crate::plan::Plan;
use crate::protocol::{Answer, AnswerKind, Ask, Body, FAREWELL_MAX, Manifest, Message, Open};
use crate::report::Check;
use crate::run::RunId;
use async_trait::async_trait;
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc};

/// What the source of a run is made of.
pub struct Source {
    /// The hauler's source half.
    pub hauler: Box<dyn SourceHauler>,
    /// Reaches the target.
    pub dial: Arc<dyn Dial>,
    /// Undoes resources.
    pub undo: Arc<dyn Undo>,
    /// Reads images and keeps logs.
    pub disk: Arc<dyn Disk>,
    /// The graph that the target is to walk.
    pub target_graph: crate::graph::Parts,
}

/// How a run goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// From its beginning.
    New,
    /// From where its journal ends.
    Resume,
    /// From where its journal ends, towards the source.
    Rollback,
}

/// Carries the source's side of a run to its end, and returns the state in which it rests.
/// Commands come in by `inbox`, for which `to_inbox` is the sender.
pub async fn run(
    source: Source,
    recorder: Recorder,
    replay: Replay,
    start: Start,
    (to_inbox, inbox): (mpsc::Sender<Incoming>, mpsc::Receiver<Incoming>),
) -> Result<(StateName, Recorder), Failure> {
    let line = Arc::new(Line::default());
    let gate = Arc::new(Notify::new());
    let mut machine = replay
        .machine
        .unwrap_or_else(|| Machine::new(&replay.graph));
    machine.cancelled |= start == Start::Rollback;
    if machine.has_ended(&replay.graph) {
        return Ok((machine.state, recorder));
    }
    let committed = machine.committed || machine.phase(&replay.graph) == Phase::After;
    if start == Start::Rollback && committed {
        return Err(Failure::new(
            "committed",
            "the run has committed: the workload's only home is the target",
        )
        .hint(format!("go forward: phaul resume {}", replay.run)));
    }
    let world = SourceWorld {
        run: replay.run.clone(),
        plan: replay.plan.clone(),
        parts: source,
        line: Arc::clone(&line),
        to_inbox,
        gate: Arc::clone(&gate),
        manifest: Manifest::none(),
        checks: Vec::new(),
        frozen: None,
        files: SendingFiles::default(),
        farewell: Manifest::none(),
    };
    let mut driver = Driver {
        run: replay.run,
        plan: replay.plan,
        graph: replay.graph,
        machine,
        recorder,
        world,
        line: Arc::clone(&line),
        inbox: Inbox::new(inbox),
        listens: false,
        failure: None,
        pause: None,
        repeats: false,
        gate,
    };
    let first = (start != Start::New).then_some(EventKind::Restarted);
    let rests = driver.drive(first).await;
    line.close("the run has ended");
    Ok((rests?, driver.recorder))
}

pub(super) struct SourceWorld {
    pub(super) run: RunId,
    pub(super) plan: Plan,
    pub(super) parts: Source,
    pub(super) line: Arc<Line>,
    to_inbox: mpsc::Sender<Incoming>,
    gate: Arc<Notify>,
    manifest: Manifest,
    pub(super) checks: Vec<Check>,
    pub(super) frozen: Option<Frozen>,
    pub(super) files: SendingFiles,
    /// What goes along with the word to resume.
    farewell: Manifest,
}

#[async_trait]
impl World for SourceWorld {
    async fn work(
        &mut self,
        work: Work,
        machine: &Machine,
        recorder: &mut Recorder,
    ) -> Result<Worked, Failure> {
        match work {
            Work::Connect => {
                self.line.close("another attempt begins");
                self.reach().await
            }
            Work::Reach => self.reach().await,
            Work::Inspect => self.inspect(recorder).await,
            Work::Reserve => self.parts.hauler.reserve(recorder).await.map(well),
            Work::CopyFiles => self.copy_files(machine, recorder).await,
            Work::FinalFiles => self.final_files(machine, recorder).await,
            Work::Gate => {
                recorder.log("info", format!("waiting for: phaul continue {}", self.run));
                self.gate.notified().await;
                Ok(Worked::Well)
            }
            Work::Freeze => self.freeze(recorder).await,
            Work::Send => self.send(machine.attempt, recorder).await,
            Work::Kill => self.kill(machine, recorder).await,
            Work::Thaw => {
                self.parts.hauler.thaw(recorder).await?;
                recorder.write(Record::Runs {
                    side: Side::Source,
                    ago_ms: 0,
                })?;
                self.keep_logs(recorder);
                Ok(Worked::Well)
            }
            Work::Undo => self.undo(machine, recorder).await,
            Work::Clean => {
                self.parts.hauler.clean(recorder).await?;
                self.keep_logs(recorder);
                undo_all(&*self.parts.undo, recorder).await?;
                self.reach().await
            }
            Work::Accept | Work::Check | Work::TakeFiles | Work::Restore | Work::Release => {
                Err(not_here(work))
            }
        }
    }

    fn hear(&mut self, message: Message, recorder: &mut Recorder) -> Result<Heard, Failure> {
        let attempt = message.attempt;
        let answer = match message.body {
            Body::Answer(answer) => answer,
            Body::Trail(trail) => {
                if trail.side == Side::Target {
                    recorder.passed(trail, attempt)?;
                }
                return Ok(Heard::Nothing);
            }
            Body::Ask(_) => return Ok(Heard::Nothing),
        };
        let yes = |ask| Ok(Heard::Input(Input::Answered(AnswerKind::Yes(ask), attempt)));
        match answer {
            Answer::Opened => yes(AskKind::Open),
            Answer::Checked(checks) => self.checked(checks, attempt, recorder),
            Answer::Reserved { held } => {
                self.files.reserved(held);
                yes(AskKind::Reserve)
            }
            // An answer about an earlier round says nothing new.
            Answer::FilesTaken { round } if self.files.taken(attempt, round) => yes(AskKind::Files),
            Answer::FilesTaken { .. } => Ok(Heard::Nothing),
            Answer::Prepared => yes(AskKind::Restore),
            Answer::Resumed { ago_ms } => {
                let side = Side::Target;
                recorder.write(Record::Runs { side, ago_ms })?;
                yes(AskKind::Resume)
            }
            Answer::Dropped => yes(AskKind::Drop),
            Answer::Finished => yes(AskKind::Finish),
            Answer::Failed(failure) => {
                let state = recorder.summary().state().unwrap_or(StateName::Connect);
                recorder.wrong_at(crate::report::ReportError::at(
                    &failure,
                    Side::Target,
                    state,
                ))?;
                let again = failure.kind == FailureKind::Lost;
                let input = Input::Answered(AnswerKind::Failed { again }, attempt);
                Ok(Heard::Failed(failure, input))
            }
        }
    }

    fn say(&mut self, output: Output, _failure: Option<&Failure>) -> Option<Body> {
        let Output::Ask(kind) = output else {
            return None;
        };
        let ask = match kind {
            AskKind::Open => Ask::Open(Box::new(Open {
                plan: self.plan.clone(),
                graph: self.parts.target_graph.clone(),
            })),
            AskKind::Preflight => Ask::Preflight(self.manifest.clone()),
            AskKind::Reserve => Ask::Reserve,
            AskKind::Files => Ask::Files(self.files.asked()?),
            AskKind::Restore => {
                let frozen = self.frozen.as_ref();
                Ask::Restore(frozen.map(|f| f.images.clone()).unwrap_or_default())
            }
            AskKind::Resume => Ask::Resume(self.farewell.clone()),
            AskKind::Drop => Ask::Drop,
            AskKind::Finish => Ask::Finish,
        };
        Some(Body::Ask(ask))
    }
}

impl SourceWorld {
    /// Makes sure that there is a link.
    async fn reach(&mut self) -> Result<Worked, Failure> {
        if !self.line.is_up() {
            let link = self.parts.dial.dial().await?;
            self.line.attach_whole(link, self.to_inbox.clone());
        }
        Ok(Worked::Well)
    }

    async fn inspect(&mut self, recorder: &mut Recorder) -> Result<Worked, Failure> {
        let inspection = self.parts.hauler.inspect().await?;
        self.manifest = inspection.manifest;
        self.checks = self.judged(inspection.checks, recorder)?;
        // Without a manifest the target has nothing to check.
        if self.manifest.0.is_null() && self.checks.iter().any(Check::stops) {
            return Err(refusal(&self.checks));
        }
        Ok(Worked::Well)
    }

    async fn freeze(&mut self, recorder: &mut Recorder) -> Result<Worked, Failure> {
        let frozen = match self.parts.hauler.freeze(recorder).await {
            Ok(frozen) => frozen,
            Err(failure) => {
                self.keep_logs(recorder);
                return Err(failure);
            }
        };
        let held_ms = frozen.freeze_ms + frozen.dump_ms;
        let now = Timestamp::now();
        let since = now
            .checked_sub(Duration::from_millis(held_ms))
            .unwrap_or(now);
        recorder.write(Record::Frozen {
            since,
            freeze_ms: frozen.freeze_ms,
            dump_ms: frozen.dump_ms,
            pages: frozen.pages,
        })?;
        self.frozen = Some(frozen);
        Ok(Worked::Well)
    }

    async fn kill(
        &mut self,
        machine: &Machine,
        recorder: &mut Recorder,
    ) -> Result<Worked, Failure> {
        let hauler = &mut self.parts.hauler;
        let fate = if machine.committed {
            Fate::Dead
        } else if machine.recovering {
            hauler.settle(recorder).await?
        } else {
            let fate = hauler.kill(recorder).await?;
            if fate == Fate::Dead {
                self.farewell = farewell(&mut **hauler, recorder).await;
            }
            fate
        };
        match fate {
            Fate::Dead => Ok(Worked::Well),
            Fate::Alive => Err(Failure::lost(
                "not-committed",
                "the workload was not ended at the source: it lives there",
            )),
            Fate::Unsure => {
                let failure = Failure::new(
                    "unsure",
                    "it cannot be told whether the workload was ended by the commit or by something else",
                )
                .hint(format!(
                    "look at both hosts; on the target: phaul agent resolve {} --run|--drop",
                    self.run
                ));
                recorder.wrong(&failure, machine.state)?;
                Ok(Worked::Unsure)
            }
        }
    }

    async fn undo(
        &mut self,
        machine: &Machine,
        recorder: &mut Recorder,
    ) -> Result<Worked, Failure> {
        self.keep_logs(recorder);
        undo_all(&*self.parts.undo, recorder).await?;
        if machine.touched {
            self.reach().await?;
        }
        Ok(Worked::Well)
    }

    fn keep_logs(&self, recorder: &Recorder) {
        keep_logs(self.parts.hauler.logs(), &*self.parts.disk, recorder);
    }
}

/// What goes along with the word to resume: nothing, if it takes long or is too large. The
/// workload waits.
async fn farewell(hauler: &mut dyn SourceHauler, recorder: &mut Recorder) -> Manifest {
    let Ok(farewell) = tokio::time::timeout(deadlines::FAREWELL, hauler.farewell()).await else {
        let seconds = deadlines::FAREWELL.as_secs();
        recorder.log(
            "warn",
            format!("the hauler had no farewell within {seconds} s"),
        );
        return Manifest::none();
    };
    let size = serde_json::to_vec(&farewell).map_or(usize::MAX, |json| json.len());
    if size > FAREWELL_MAX {
        recorder.log(
            "warn",
            "the hauler's farewell is too large to go along".into(),
        );
        return Manifest::none();
    }
    farewell
}

/// Undoes everything that stands, the newest first, and records each as gone.
pub(super) async fn undo_all(undo: &dyn Undo, recorder: &mut Recorder) -> Result<(), Failure> {
    for resource in recorder.to_undo() {
        undo.undo(&resource).await?;
        recorder.gone(&resource)?;
    }
    Ok(())
}

/// Keeps logs with the run; a log that cannot be kept stops nothing.
pub(super) fn keep_logs(logs: Vec<(String, String)>, disk: &dyn Disk, recorder: &Recorder) {
    for (name, text) in logs {
        if let Err(failure) = disk.keep_log(&name, &text) {
            recorder.log("warn", failure.cause);
        }
    }
}

pub(super) fn well<T>(_: T) -> Worked {
    Worked::Well
}

pub(super) fn not_here(work: Work) -> Failure {
    Failure::new("not-here", format!("`{work}` is the other side's work"))
}
