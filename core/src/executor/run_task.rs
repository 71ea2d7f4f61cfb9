//! One run in the agent's memory: driven to its end, then answered for.

use super::agent::Agent;
use super::driver::{Driver, Incoming};
use super::inbox::Inbox;
use super::line::Line;
use super::receiving::Receiving;
use super::recorder::Recorder;
use super::target::{TargetWorld, plain_yes, too_late};
use crate::failure::Failure;
use crate::graph::{AskKind, EventKind, Graph, StateName};
use crate::journal::Replay;
use crate::machine::{Input, Machine, Output, react};
use crate::plan::Plan;
use crate::protocol::{Answer, Body, Manifest, Message};
use crate::run::RunId;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc};

/// How long a run that has ended stays in memory without being spoken to.
const IDLE: Duration = Duration::from_secs(600);

/// One run in memory.
pub(super) struct RunTask {
    pub(super) agent: Agent,
    pub(super) line: Arc<Line>,
    pub(super) receiving: Arc<Receiving>,
    pub(super) inbox: Inbox,
}

impl RunTask {
    /// Drives the run to its end, then answers for it, and drives it again if the source begins
    /// another attempt.
    pub(super) async fn live(
        mut self,
        recorder: Recorder,
        replay: Replay,
        first: Option<EventKind>,
    ) {
        let run = replay.run.clone();
        let (plan, graph) = (replay.plan.clone(), replay.graph.clone());
        let known = replay.machine.clone();
        let mut machine = known.unwrap_or_else(|| Machine::new(&graph));
        let mut next = Some((recorder, first));
        loop {
            if let Some((recorder, first)) = next.take()
                && !machine.has_ended(&graph)
            {
                match self
                    .drive(&run, &plan, &graph, machine, recorder, first)
                    .await
                {
                    Ok((ended, inbox)) => {
                        machine = ended;
                        self.inbox = inbox;
                    }
                    Err(failure) => {
                        tracing::error!(%run, error = %failure, "the run stands still");
                        // Whoever takes it up again must be alone with its files.
                        if let Err(error) = self.receiving.files.give_up().await {
                            tracing::error!(%run, %error, "its files are still held");
                        }
                        return;
                    }
                }
            }
            let Ok(Some(incoming)) = tokio::time::timeout(IDLE, self.inbox.next()).await else {
                return;
            };
            match incoming {
                Incoming::Message(message) => {
                    if reopens(&machine, &message) {
                        let Some(recorder) = self.reopen(&run) else {
                            return;
                        };
                        machine = Machine::new(&graph);
                        machine.attempt = message.attempt;
                        next = Some((recorder, None));
                    } else {
                        machine = self.answer(&run, &graph, machine, &message).await;
                    }
                }
                Incoming::Command(_, answer) => {
                    let _ = answer.send(Err(format!("the run {run} has ended")));
                }
                Incoming::LinkUp | Incoming::LinkLost(_) | Incoming::Trouble { .. } => {}
            }
        }
    }

    async fn drive(
        &mut self,
        run: &RunId,
        plan: &Plan,
        graph: &Graph,
        machine: Machine,
        recorder: Recorder,
        first: Option<EventKind>,
    ) -> Result<(Machine, Inbox), Failure> {
        let host = &self.agent.host;
        let world = TargetWorld {
            hauler: host.hauler(plan, run)?,
            undo: host.undo(),
            disk: host.disk(run),
            receiving: Arc::clone(&self.receiving),
            manifest: Manifest::none(),
            images: Vec::new(),
            checks: Vec::new(),
            runs_since: None,
            held: None,
            round: None,
            farewell: Manifest::none(),
        };
        let (_, empty) = mpsc::channel(1);
        let mut driver = Driver {
            run: run.clone(),
            plan: plan.clone(),
            graph: graph.clone(),
            machine,
            recorder,
            world,
            line: Arc::clone(&self.line),
            inbox: std::mem::replace(&mut self.inbox, Inbox::new(empty)),
            listens: true,
            failure: None,
            pause: None,
            repeats: false,
            gate: Arc::new(Notify::new()),
        };
        driver.drive(first).await?;
        Ok((driver.machine, driver.inbox))
    }

    fn reopen(&self, run: &RunId) -> Option<Recorder> {
        let opened = self.agent.host.journal(run).and_then(|journal| {
            Recorder::open(journal, self.agent.events.clone()).map(|(recorder, _)| recorder)
        });
        opened
            .inspect_err(|error| tracing::error!(%run, %error, "the run cannot be begun again"))
            .ok()
    }

    /// Answers for a run that has ended.
    async fn answer(
        &self,
        run: &RunId,
        graph: &Graph,
        machine: Machine,
        message: &Message,
    ) -> Machine {
        let Body::Ask(ask) = &message.body else {
            return machine;
        };
        let input = Input::Asked(ask.kind(), message.attempt);
        let reaction = react(graph, &machine, input);
        for output in reaction.outputs {
            let answer = match output {
                Output::Answer(kind) => plain_yes(kind),
                Output::AnswerFailed => Answer::Failed(too_late()),
                Output::Start(_) | Output::Ask(_) => continue,
            };
            self.line
                .send(Message {
                    run: run.clone(),
                    attempt: message.attempt,
                    body: Body::Answer(answer),
                })
                .await;
        }
        reaction.machine
    }
}

/// Whether the message begins another attempt of a run that was dropped.
fn reopens(machine: &Machine, message: &Message) -> bool {
    let opens = matches!(&message.body, Body::Ask(ask) if ask.kind() == AskKind::Open);
    opens && machine.state == StateName::Dropped && message.attempt > machine.attempt
}
