//! The control stream of a link: messages out, messages in, and the end of it all.

use super::failure::{self, Close};
use super::frames::{self, FrameReader};
use crate::life::{By, DROPPED, Life, closed_by_peer};
use crate::wire::FRAME_MAX;
use crate::wire::message::{Decoded, decode, encode};
use phaul_core::protocol::Message;
use quinn::{Connection, SendStream};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, Sender};

/// Sends messages until the link ends, then closes the connection.
pub(super) struct Writer {
    pub(super) stream: SendStream,
    /// From the user.
    pub(super) outgoing: Receiver<Message>,
    /// Answers to what the reader did not understand.
    pub(super) answers: Receiver<Message>,
    pub(super) connection: Connection,
    pub(super) life: Arc<Life>,
    pub(super) linger: Duration,
}

impl Writer {
    pub(super) async fn run(mut self) {
        let life = Arc::clone(&self.life);
        let linger = self.linger;
        tokio::select! {
            () = self.write_all() => {}
            // A peer that reads no more must not keep the link from its end.
            () = async { life.ended().await; tokio::time::sleep(linger).await } => {}
        }
        let (close, reason) = match life.how().map(|end| &end.by) {
            Some(By::Us(reason)) => (Close::Done, reason.as_str()),
            Some(By::UsBecauseOfThem(reason)) => (Close::Violation, reason.as_str()),
            Some(By::Them) | None => (Close::Done, ""),
        };
        self.connection.close(close.code(), reason.as_bytes());
    }

    async fn write_all(&mut self) {
        loop {
            let message = tokio::select! {
                biased;
                () = self.life.ended() => break,
                Some(answer) = self.answers.recv() => answer,
                message = self.outgoing.recv() => match message {
                    Some(message) => message,
                    None => break self.life.close(DROPPED),
                },
            };
            self.write(&message).await;
        }
        if let Some(By::Us(_)) = self.life.how().map(|end| &end.by) {
            self.finish().await;
        }
    }

    /// Sends what was accepted before the end, and waits until the peer has it.
    async fn finish(&mut self) {
        self.outgoing.close();
        while let Some(message) = self.outgoing.recv().await {
            self.write(&message).await;
        }
        if self.stream.finish().is_ok() {
            // Whether it was acknowledged or stopped: there is nothing left to wait for.
            let _ = self.stream.stopped().await;
        }
    }

    async fn write(&mut self, message: &Message) {
        match encode(message) {
            Ok(frame) => {
                if let Err(error) = frames::write(&mut self.stream, frame).await {
                    failure::unwritable(&self.life, &error);
                }
            }
            Err(error) => self.life.unsendable(&error),
        }
    }
}

/// Receives messages until the link ends.
pub(super) struct Reader {
    pub(super) frames: FrameReader,
    /// To the user.
    pub(super) incoming: Sender<Message>,
    /// To the writer: answers to what was not understood.
    pub(super) answers: Sender<Message>,
    pub(super) connection: Connection,
    pub(super) life: Arc<Life>,
    pub(super) linger: Duration,
}

impl Reader {
    pub(super) async fn run(mut self) {
        self.read_all().await;
        // The connection is kept until its end, so that the peer is not told to stop sending
        // before it is told why.
        self.connection.closed().await;
        // The user sees the end only now that its reason can be asked for.
        drop(self.incoming);
    }

    async fn read_all(&mut self) {
        loop {
            let frame = tokio::select! {
                () = self.incoming.closed() => return self.life.close(DROPPED),
                frame = self.frames.next("message", FRAME_MAX) => frame,
            };
            match frame {
                Ok(Some(frame)) => match decode(frame) {
                    Ok(Decoded::Message(message)) => {
                        if self.incoming.send(message).await.is_err() {
                            return self.life.close(DROPPED);
                        }
                    }
                    Ok(Decoded::NotUnderstood(answer)) => {
                        tracing::warn!(run = %answer.run, ?answer.body, "an ask is not understood");
                        // The writer is gone only when the link has ended.
                        let _ = self.answers.send(answer).await;
                    }
                    Err(error) => return self.life.violated(&error),
                },
                Ok(None) => return self.peer_is_done().await,
                Err(error) => return error.end(&self.life),
            }
        }
    }

    /// The peer has said all that it had to say; why it goes comes with the connection's end.
    async fn peer_is_done(&self) {
        let closed = self.connection.closed();
        match tokio::time::timeout(self.linger, closed).await {
            Ok(error) => failure::broken(&self.life, &error),
            Err(_) => self
                .life
                .end(By::Them, closed_by_peer("it gives no reason")),
        }
    }
}
