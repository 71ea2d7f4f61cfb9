//! Frames on a QUIC stream.

use super::failure;
use crate::life::Life;
use crate::wire::WireError;
use crate::wire::frame::{FrameDecoder, prefix};
use bytes::Bytes;
use quinn::{ReadError, RecvStream, SendStream, WriteError};

/// How much of a stream is asked for at once; there is seldom more than a packet's worth.
const READ: usize = 1 << 20;

/// Reads frames off a stream.
pub(super) struct FrameReader {
    stream: RecvStream,
    decoder: FrameDecoder,
    rest: Bytes,
}

/// Why there is no frame.
#[derive(Debug, thiserror::Error)]
pub(super) enum FrameError {
    #[error(transparent)]
    Stream(#[from] ReadError),
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error("the stream ends within a frame")]
    Torn,
}

impl FrameError {
    /// Ends the link for this.
    pub(super) fn end(&self, life: &Life) {
        match self {
            Self::Stream(error) => failure::unreadable(life, error),
            Self::Wire(_) | Self::Torn => life.violated(self),
        }
    }
}

impl FrameReader {
    pub(super) fn new(stream: RecvStream) -> Self {
        Self {
            stream,
            decoder: FrameDecoder::default(),
            rest: Bytes::new(),
        }
    }

    /// The next frame of at most `max` bytes, or none when the stream ended in good order.
    pub(super) async fn next(
        &mut self,
        what: &'static str,
        max: usize,
    ) -> Result<Option<Bytes>, FrameError> {
        loop {
            if let Some(frame) = self.decoder.feed(what, max, &mut self.rest)? {
                return Ok(Some(frame));
            }
            match self.stream.read_chunk(READ, true).await? {
                Some(chunk) => self.rest = chunk.bytes,
                None if self.decoder.is_between_frames() => return Ok(None),
                None => return Err(FrameError::Torn),
            }
        }
    }
}

/// Writes a frame to a stream.
pub(super) async fn write(stream: &mut SendStream, payload: Bytes) -> Result<(), WriteError> {
    stream
        .write_all_chunks(&mut [prefix(&payload), payload])
        .await
}
