//! The loop: enters a state, runs its hooks, starts its work, listens, takes the edge.
//!
//! All decisions are the machine's; all doing is the world's. The loop only keeps their order:
//! what is decided is recorded before it is acted on.

use super::aside::Aside;
use super::command::{Command, command_input};
use super::deadlines;
use super::hooks::When;
use super::inbox::Inbox;
use super::line::Line;
use super::recorder::Recorder;
use crate::failure::{Failure, FailureKind};
use crate::graph::{AskKind, EventKind, Graph, Phase, StateName, Work};
use crate::machine::{Doing, Input, Machine, Output, Reaction, Worked, advance, react};
use crate::plan::Plan;
use crate::protocol::{Body, Message};
use crate::report::Outcome;
use crate::run::RunId;
use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, oneshot};

/// What reaches a running executor from outside.
#[derive(Debug)]
pub enum Incoming {
    /// The peer says something.
    Message(Message),
    /// A new link to the peer is there.
    LinkUp,
    /// The link is lost; at the target, and has not come back in time.
    LinkLost(Failure),
    /// At the target: the files of an attempt cannot be taken in.
    Trouble {
        /// The attempt.
        attempt: u32,
        /// Why.
        failure: Failure,
    },
    /// A person wants something; the answer says whether it could be had.
    Command(Command, oneshot::Sender<Result<(), String>>),
}

/// What a side does in the world. One piece of work at a time.
#[async_trait]
pub(crate) trait World: Send {
    /// Does a piece of work.
    async fn work(
        &mut self,
        work: Work,
        machine: &Machine,
        recorder: &mut Recorder,
    ) -> Result<Worked, Failure>;

    /// What a message means for the machine; its content is kept for the work to come.
    fn hear(&mut self, message: Message, recorder: &mut Recorder) -> Result<Heard, Failure>;

    /// The message for an output.
    fn say(&mut self, output: Output, failure: Option<&Failure>) -> Option<Body>;
}

/// What a message came to.
pub(crate) enum Heard {
    /// An input for the machine.
    Input(Input),
    /// A failure that the peer tells, recorded already, and the input that it is.
    Failed(Failure, Input),
    /// Nothing that the machine needs to know.
    Nothing,
}

/// Everything that one side of a run consists of.
pub(crate) struct Driver<W> {
    pub(crate) run: RunId,
    pub(crate) plan: Plan,
    pub(crate) graph: Graph,
    pub(crate) machine: Machine,
    pub(crate) recorder: Recorder,
    pub(crate) world: W,
    pub(crate) line: Arc<Line>,
    pub(super) inbox: Inbox,
    /// At the target: an undecided run listens on.
    pub(crate) listens: bool,
    /// The failure behind the last event.
    pub(crate) failure: Option<Failure>,
    /// The pause before the state's work.
    pub(crate) pause: Option<Duration>,
    /// The state was entered from itself, to do its work once more.
    pub(crate) repeats: bool,
    /// Opens the gate.
    pub(crate) gate: Arc<Notify>,
}

/// Whether the state is left, and by which event.
pub(super) type Left = Option<EventKind>;

impl<W: World> Driver<W> {
    /// Walks from the present state to an end. An error means that the journal cannot be
    /// written: nothing may be done then, and a later start takes the run up again.
    pub(crate) async fn drive(&mut self, first: Option<EventKind>) -> Result<StateName, Failure> {
        match first {
            Some(event) => self.take(event)?,
            None => self.recorder.entered(&self.machine, None, None)?,
        }
        loop {
            let event = self.pass_state().await?;
            let Some(event) = event else {
                return Ok(self.machine.state);
            };
            self.take(event)?;
        }
    }

    /// Takes the edge of an event and records it.
    fn take(&mut self, event: EventKind) -> Result<(), Failure> {
        let from = self.machine.state;
        let step = advance(&self.graph, &self.machine, event)
            .map_err(|illegal| Failure::new("illegal-event", illegal.to_string()))?;
        self.pause = step.pause.map(|pause| pause.duration());
        self.repeats = event == EventKind::Done && step.machine.state == from;
        self.machine = step.machine;
        self.recorder
            .entered(&self.machine, Some(from), Some(event))
    }

    /// Everything that happens in one state. None when the run rests in it.
    async fn pass_state(&mut self) -> Result<Left, Failure> {
        let resting = matches!(
            self.machine.phase(&self.graph),
            Phase::End | Phase::Undecided
        );
        if let Some(pause) = self.pause.take()
            && let Some(event) = self.listen(Some(pause), true).await?
        {
            return Ok(Some(event));
        }
        // A state that tries again, or makes another round, has had its hooks.
        if self.machine.tries == 0
            && !self.repeats
            && let Some(event) = self.hooks(When::Before).await?
        {
            return Ok(Some(event));
        }
        if resting {
            self.rest()?;
        }
        let entered = react(&self.graph, &self.machine, Input::Entered);
        let mut event = self.apply(entered).await?;
        if resting && !(self.listens && self.machine.phase(&self.graph) == Phase::Undecided) {
            return Ok(None);
        }
        while event.is_none() {
            event = match self.machine.doing {
                Doing::Work(work) => self.work(work).await?,
                Doing::Answer(ask) => {
                    let bound = deadlines::of_answer(ask, &self.plan);
                    let left = self.listen(Some(bound), false).await?;
                    if left.is_none() && self.machine.doing == Doing::Answer(ask) {
                        self.unanswered(ask).await?
                    } else {
                        left
                    }
                }
                Doing::Word | Doing::Entered => self.listen(None, false).await?,
            };
        }
        if event == Some(EventKind::Done)
            && !self.machine.more_files
            && let Some(event) = self.hooks(When::After).await?
        {
            return Ok(Some(event));
        }
        Ok(event)
    }

    fn rest(&mut self) -> Result<(), Failure> {
        let outcome = Outcome::of(self.machine.state).unwrap_or(Outcome::Undecided);
        self.recorder.ended(outcome)
    }

    pub(super) fn went_wrong(&mut self, failure: &Failure) -> Result<(), Failure> {
        self.failure = Some(failure.clone());
        self.recorder.wrong(failure, self.machine.state)
    }

    /// Does a piece of work while listening; what ends the state ends the work.
    async fn work(&mut self, work: Work) -> Result<Left, Failure> {
        let mut aside = Aside::default();
        let before = self.machine.clone();
        let worked = {
            let doing = self.world.work(work, &before, &mut self.recorder);
            tokio::pin!(doing);
            let bound = deadlines::of_work(work);
            let deadline = tokio::time::sleep(bound.unwrap_or(Duration::from_secs(1 << 30)));
            tokio::pin!(deadline);
            loop {
                tokio::select! {
                    biased;
                    worked = &mut doing => break Some(worked),
                    () = &mut deadline => {
                        let seconds = bound.unwrap_or_default().as_secs();
                        let cause = format!("`{work}` took longer than {seconds} s");
                        break Some(Err(Failure::lost("deadline", cause)));
                    }
                    incoming = self.inbox.next() => {
                        let incoming = incoming.ok_or_else(stopped)?;
                        aside.take(&self.graph, &mut self.machine, &self.gate, incoming);
                        if aside.event.is_some() {
                            break None;
                        }
                    }
                }
            }
        };
        for message in aside.messages {
            self.world.hear(message, &mut self.recorder)?;
        }
        if let Some(message) = aside.opens {
            self.inbox.put_off(Incoming::Message(message));
        }
        if let Some(event) = aside.event {
            self.interrupted(event, aside.failure)?;
            return Ok(Some(event));
        }
        let worked = match worked {
            Some(Ok(worked)) => worked,
            Some(Err(failure)) => {
                self.went_wrong(&failure)?;
                match failure.kind {
                    FailureKind::Refused => Worked::Refused,
                    kind => Worked::Failed {
                        again: kind == FailureKind::Lost,
                    },
                }
            }
            None => return Ok(None),
        };
        let mut reaction = react(&self.graph, &self.machine, Input::Worked(work, worked));
        reaction.outputs.splice(0..0, aside.outputs);
        self.apply(reaction).await
    }

    pub(super) fn interrupted(
        &mut self,
        event: EventKind,
        failure: Option<Failure>,
    ) -> Result<(), Failure> {
        let failure = match (event, failure) {
            (EventKind::Cancelled, _) => cancelled(),
            (EventKind::Lost | EventKind::Failed, Some(failure)) => failure,
            _ => return Ok(()),
        };
        self.went_wrong(&failure)
    }

    /// Listens until something ends the state, what is waited for changes, or the time is up.
    async fn listen(&mut self, bound: Option<Duration>, pausing: bool) -> Result<Left, Failure> {
        let doing = self.machine.doing;
        let deadline = bound.map(|bound| tokio::time::Instant::now() + bound);
        loop {
            let incoming = match deadline {
                Some(deadline) => {
                    match tokio::time::timeout_at(deadline, self.inbox.next()).await {
                        Ok(incoming) => incoming,
                        Err(_) => return Ok(None),
                    }
                }
                None => self.inbox.next().await,
            };
            let Some(incoming) = incoming else {
                return Err(stopped());
            };
            if pausing && matches!(incoming, Incoming::LinkLost(_)) {
                continue; // of the link whose loss led here: work may have met it first
            }
            let left = self.take_in(incoming).await?;
            if left.is_some() || (!pausing && self.machine.doing != doing) {
                return Ok(left);
            }
        }
    }

    async fn take_in(&mut self, incoming: Incoming) -> Result<Left, Failure> {
        let (input, failure) = match incoming {
            Incoming::Message(message) => match self.world.hear(message, &mut self.recorder)? {
                Heard::Input(input) => (input, None),
                Heard::Failed(failure, input) => {
                    self.failure = Some(failure);
                    (input, None)
                }
                Heard::Nothing => return Ok(None),
            },
            Incoming::LinkUp => {
                self.recorder.tell_again();
                self.tell_trail().await;
                return Ok(None);
            }
            Incoming::LinkLost(failure) => (Input::LinkLost, Some(failure)),
            Incoming::Trouble { attempt, failure } => {
                let again = failure.kind == FailureKind::Lost;
                (Input::Trouble { again, attempt }, Some(failure))
            }
            Incoming::Command(command, answer) => {
                match command_input(&self.graph, &self.machine, &self.gate, command, answer) {
                    Some(input) => (input, None),
                    None => return Ok(None),
                }
            }
        };
        let reaction = react(&self.graph, &self.machine, input);
        if let Some(event) = reaction.event {
            self.interrupted(event, failure)?;
        }
        self.apply(reaction).await
    }

    async fn unanswered(&mut self, ask: AskKind) -> Result<Left, Failure> {
        let seconds = deadlines::of_answer(ask, &self.plan).as_secs();
        let cause = format!("the target did not answer `{ask}` within {seconds} s");
        let failure = Failure::lost("no-answer", cause);
        self.line.close("no answer");
        self.take_in(Incoming::LinkLost(failure)).await
    }

    /// Makes a reaction true; returns its event.
    pub(super) async fn apply(&mut self, reaction: Reaction) -> Result<Left, Failure> {
        self.machine = reaction.machine;
        self.tell_trail().await;
        for output in reaction.outputs {
            if let Output::Start(_) = output {
                continue; // the caller looks at what the machine is doing
            }
            let Some(body) = self.world.say(output, self.failure.as_ref()) else {
                continue;
            };
            let message = Message {
                run: self.run.clone(),
                attempt: self.machine.attempt,
                body,
            };
            if !self.line.send(message).await && matches!(output, Output::Ask(_)) {
                let lost = super::line::gone();
                self.went_wrong(&lost)?;
                let reaction = react(&self.graph, &self.machine, Input::LinkLost);
                self.machine = reaction.machine;
                return Ok(reaction.event);
            }
        }
        Ok(reaction.event)
    }

    /// At the target: tells the source which states were passed.
    async fn tell_trail(&mut self) {
        if !self.listens {
            return;
        }
        for trail in self.recorder.untold() {
            let message = Message {
                run: self.run.clone(),
                attempt: self.machine.attempt,
                body: Body::Trail(trail),
            };
            if !self.line.send(message).await {
                self.recorder.tell_again();
                return;
            }
        }
    }
}

fn cancelled() -> Failure {
    Failure::new("cancelled", "the run was cancelled")
}

pub(super) fn stopped() -> Failure {
    Failure::lost("stopped", "the executor is being stopped")
}
