//! What reaches a side while it works: some of it ends the work, the rest waits for its end.

use super::command::command_input;
use super::driver::Incoming;
use crate::failure::Failure;
use crate::graph::{EventKind, Graph};
use crate::machine::{Input, Machine, Output, react};
use crate::protocol::{Body, Message};
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
}

impl Aside {
    pub(super) fn take(
        &mut self,
        graph: &Graph,
        machine: &mut Machine,
        gate: &Notify,
        incoming: Incoming,
    ) {
        let input = match incoming {
            Incoming::Message(message) => match &message.body {
                Body::Ask(ask) => Some(Input::Asked(ask.kind(), message.attempt)),
                Body::Trail(_) => {
                    self.messages.push(message);
                    None
                }
                // An answer that comes while nobody waits for one is late.
                Body::Answer(_) => None,
            },
            Incoming::LinkUp => None,
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
            self.outputs.extend(reaction.outputs);
        }
    }
}
