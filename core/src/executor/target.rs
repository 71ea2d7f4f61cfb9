//! What the target does in the world: the haulers' target half, and what it answers.

use super::driver::{Heard, World};
use super::ports::{Disk, TargetHauler, Undo};
use super::receiving::Receiving;
use super::recorder::Recorder;
use super::source::{keep_logs, not_here, undo_all, well};
use crate::failure::Failure;
use crate::graph::{AskKind, Side, Work};
use crate::journal::Record;
use crate::machine::{Input, Machine, Output, Worked};
use crate::protocol::{Answer, Ask, Body, FilesHeld, FilesRound, ImageFile, Manifest, Message};
use crate::report::Check;
use async_trait::async_trait;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The target's side of one run.
pub(super) struct TargetWorld {
    pub(super) hauler: Box<dyn TargetHauler>,
    pub(super) undo: Arc<dyn Undo>,
    pub(super) disk: Arc<dyn Disk>,
    pub(super) receiving: Arc<Receiving>,
    pub(super) manifest: Manifest,
    pub(super) images: Vec<ImageFile>,
    pub(super) checks: Vec<Check>,
    /// Since when the workload runs.
    pub(super) runs_since: Option<Instant>,
    /// What was held of the files when the attempt began.
    pub(super) held: Option<FilesHeld>,
    /// The round of files that the source asks about.
    pub(super) round: Option<FilesRound>,
    /// What came along with the word to resume.
    pub(super) farewell: Manifest,
}

#[async_trait]
impl World for TargetWorld {
    async fn work(
        &mut self,
        work: Work,
        machine: &Machine,
        recorder: &mut Recorder,
    ) -> Result<Worked, Failure> {
        match work {
            Work::Accept => {
                self.receiving.end();
                self.hauler.discard(recorder).await.map(well)
            }
            Work::Check => {
                self.checks = self.hauler.check(&self.manifest).await?;
                let checks = self.checks.clone();
                recorder.write(Record::Checked { checks }).map(well)
            }
            Work::Reserve => {
                self.hauler.reserve(&self.manifest, recorder).await?;
                self.receive(machine.attempt).await.map(well)
            }
            Work::TakeFiles => {
                let round = self.round.as_ref().ok_or_else(too_late)?;
                let files = &self.receiving.files;
                files.complete(machine.attempt, round).await.map(well)
            }
            Work::Restore => {
                self.receiving.complete(&self.images).await?;
                self.receiving.end();
                let restored = self.hauler.restore(recorder).await;
                self.keep_logs(recorder);
                restored.map(well)
            }
            Work::Release => {
                let begin = Instant::now();
                let released = self.hauler.release(&self.farewell, recorder).await;
                self.keep_logs(recorder);
                self.runs_since = Some(begin + Duration::from_millis(released?));
                let (side, ago_ms) = (Side::Target, self.runs_for_ms());
                recorder.write(Record::Runs { side, ago_ms }).map(well)
            }
            Work::Clean => {
                self.receiving.files.give_up().await?;
                self.hauler.clean(recorder).await?;
                undo_all(&*self.undo, recorder).await.map(well)
            }
            Work::Undo => {
                self.receiving.end();
                // Nothing may be written where something is removed.
                self.receiving.files.give_up().await?;
                self.keep_logs(recorder);
                self.hauler.discard(recorder).await?;
                undo_all(&*self.undo, recorder).await.map(well)
            }
            Work::Connect
            | Work::Inspect
            | Work::CopyFiles
            | Work::Gate
            | Work::Freeze
            | Work::Send
            | Work::FinalFiles
            | Work::Kill
            | Work::Reach
            | Work::Thaw => Err(not_here(work)),
        }
    }

    fn hear(&mut self, message: Message, _recorder: &mut Recorder) -> Result<Heard, Failure> {
        let Body::Ask(ask) = message.body else {
            return Ok(Heard::Nothing);
        };
        let kind = ask.kind();
        match ask {
            Ask::Preflight(manifest) => self.manifest = manifest,
            Ask::Files(round) => self.round = Some(round),
            Ask::Restore(images) => self.images = images,
            // A source that was started again has none; what came before still holds.
            Ask::Resume(farewell) if !farewell.0.is_null() => self.farewell = farewell,
            Ask::Open(_) | Ask::Reserve | Ask::Resume(_) | Ask::Drop | Ask::Finish => {}
        }
        Ok(Heard::Input(Input::Asked(kind, message.attempt)))
    }

    fn say(&mut self, output: Output, failure: Option<&Failure>) -> Option<Body> {
        let answer = match output {
            Output::Answer(kind) => self.yes(kind),
            Output::AnswerFailed => Answer::Failed(failure.cloned().unwrap_or_else(too_late)),
            Output::Ask(_) | Output::Start(_) => return None,
        };
        Some(Body::Answer(answer))
    }
}

impl TargetWorld {
    /// From now on images and files of the attempt are taken in.
    async fn receive(&mut self, attempt: u32) -> Result<(), Failure> {
        let files = &self.receiving.files;
        if !files.has_sink()
            && let Some(sink) = self.hauler.files()?
        {
            files.keep(sink);
        }
        self.held = files.begin(attempt).await?;
        let dir = self.hauler.images();
        self.receiving.begin(attempt, dir, Arc::clone(&self.disk));
        Ok(())
    }

    /// For how many milliseconds the workload has run by now.
    fn runs_for_ms(&self) -> u64 {
        let since = self.runs_since.map(|since| since.elapsed());
        u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
    }

    fn yes(&self, kind: AskKind) -> Answer {
        match kind {
            AskKind::Preflight => Answer::Checked(self.checks.clone()),
            AskKind::Reserve => Answer::Reserved { held: self.held },
            AskKind::Files => Answer::FilesTaken {
                round: self.round.as_ref().map_or(0, |round| round.round),
            },
            AskKind::Resume => Answer::Resumed {
                ago_ms: self.runs_for_ms(),
            },
            kind => plain_yes(kind),
        }
    }

    fn keep_logs(&self, recorder: &Recorder) {
        keep_logs(self.hauler.logs(), &*self.disk, recorder);
    }
}

/// The answer to a question that needs nothing but yes.
pub(super) fn plain_yes(kind: AskKind) -> Answer {
    match kind {
        AskKind::Open => Answer::Opened,
        AskKind::Preflight => Answer::Checked(Vec::new()),
        AskKind::Reserve => Answer::Reserved { held: None },
        AskKind::Files => Answer::FilesTaken { round: 0 },
        AskKind::Restore => Answer::Prepared,
        AskKind::Resume => Answer::Resumed { ago_ms: 0 },
        AskKind::Drop => Answer::Dropped,
        AskKind::Finish => Answer::Finished,
    }
}

/// What is answered when a question does not fit what the run has come to here.
pub(super) fn too_late() -> Failure {
    Failure::new(
        "out-of-step",
        "the target's side of the run is not where the source believes it is",
    )
    .hint("see on the target: phaul agent runs")
}
