//! What reaches a side while it works: some of it ends the work, the rest waits for its end.

use super::command::command_input;
use super::driver::Incoming;
use crate::failure::{Failure, FailureKind};
use crate::graph::{AskKind, EventKind, Graph};
use crate::machine::{Input, Machine, Output, react};
use crate::protocol::{Answer, AnswerKind, Body, Message};
use tokio::sync::Notify;

/// What reached a side while it worked.
#[derive(Default)]
pub(super) struct Aside {
    pub(super) event: Option<EventKind>,
    pub(super) failure: Option<Failure>,
    /// To be said when the work has ended.
    pub(super) outputs: Vec<Output>,
    /// To be recorded when the work has ended.
    pub(super) messages: Vec<Message>,
    /// Another attempt is to begin, which must wait until the work has ended.
    pub(super) opens: Option<Message>,
}

impl Aside {
    pub(super) fn take(
        &mut self,
        graph: &Graph,
        machine: &mut Machine,
        gate: &Notify,
        incoming: Incoming,
    ) {
        let (mut telling, mut opening) = (None, None);
        let input = match incoming {
            Incoming::Message(message) => match &message.body {
                Body::Ask(ask) => {
                    let input = Input::Asked(ask.kind(), message.attempt);
                    opening = (ask.kind() == AskKind::Open).then_some(message);
                    Some(input)
                }
                Body::Trail(_) => {
                    self.messages.push(message);
                    None
                }
                // What cannot be received need not be sent; the machine knows what is sent.
                Body::Answer(Answer::Failed(failure)) => {
                    let again = failure.kind == FailureKind::Lost;
                    let answer = AnswerKind::Failed { again };
                    let input = Input::Answered(answer, message.attempt);
                    telling = Some(message);
                    Some(input)
                }
                // Another answer that comes while nobody waits for one is late.
                Body::Answer(_) => None,
            },
            // Whoever takes files in meets the trouble himself.
            Incoming::LinkUp | Incoming::Trouble { .. } => None,
            Incoming::LinkLost(failure) => {
                self.failure = Some(failure);
                Some(Input::LinkLost)
            }
            Incoming::Command(command, answer) => {
                command_input(graph, machine, gate, command, answer)
            }
        };
        if let Some(input) = input {
            let reaction = react(graph, machine, input);
            *machine = reaction.machine;
            self.event = reaction.event;
            if self.event.is_some() {
                self.messages.extend(telling);
            } else if opening.is_some() {
                self.opens = opening;
            }
            self.outputs.extend(reaction.outputs);
        }
    }
}
