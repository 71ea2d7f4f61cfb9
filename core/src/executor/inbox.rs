//! What reaches a run, in order. While a hook runs only a person is listened to; what else
//! comes meanwhile is put off until the state is at work again.

use super::command::Command;
use super::driver::Incoming;
use std::collections::VecDeque;
use tokio::sync::{mpsc, oneshot};

/// So much may be put off: a peer that says more has to wait.
const PUT_OFF_MAX: usize = 64;

/// A person's command, and where its answer goes.
pub(super) type Said = (Command, oneshot::Sender<Result<(), String>>);

/// The inbox of a run.
pub(super) struct Inbox {
    receiver: mpsc::Receiver<Incoming>,
    put_off: VecDeque<Incoming>,
}

impl Inbox {
    pub(super) fn new(receiver: mpsc::Receiver<Incoming>) -> Self {
        Self {
            receiver,
            put_off: VecDeque::new(),
        }
    }

    /// The next thing; none when nobody is left who could send one. What was put off comes first.
    pub(super) async fn next(&mut self) -> Option<Incoming> {
        match self.put_off.pop_front() {
            Some(incoming) => Some(incoming),
            None => self.receiver.recv().await,
        }
    }

    /// Puts off what can only be looked at when the present work has ended.
    pub(super) fn put_off(&mut self, incoming: Incoming) {
        self.put_off.push_back(incoming);
    }

    /// The next command of a person; all else is put off.
    pub(super) async fn command(&mut self) -> Option<Said> {
        while self.put_off.len() < PUT_OFF_MAX {
            match self.receiver.recv().await? {
                Incoming::Command(command, answer) => return Some((command, answer)),
                other => self.put_off.push_back(other),
            }
        }
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_command_overtakes_and_nothing_is_lost() {
        let (sender, receiver) = mpsc::channel(8);
        let mut inbox = Inbox::new(receiver);
        let (answer, _said) = oneshot::channel();
        sender.send(Incoming::LinkUp).await.unwrap();
        sender
            .send(Incoming::Command(Command::Cancel, answer))
            .await
            .unwrap();
        drop(sender);
        let command = inbox.command().await.map(|(command, _)| command);
        assert_eq!(command, Some(Command::Cancel));
        assert!(matches!(inbox.next().await, Some(Incoming::LinkUp)));
        assert!(inbox.next().await.is_none());
    }
}
