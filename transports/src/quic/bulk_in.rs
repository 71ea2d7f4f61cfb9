//! Bulk data on its way in: the listener's end.

use super::failure;
use super::frames;
use crate::life::{CHUNKS, Life, one_way};
use crate::wire::chunk::{ChunkDecoder, Receipt};
use async_trait::async_trait;
use bytes::Bytes;
use phaul_core::executor::ports::Bulk;
use phaul_core::failure::Failure;
use phaul_core::protocol::Chunk;
use quinn::{Connection, ReadError, RecvStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{Mutex, Notify, mpsc};

/// How many pieces of a stream are taken at once; each is at most a packet.
const PIECES: usize = 32;

/// The listener's end of the bulk data.
pub(super) struct Incoming {
    chunks: Mutex<mpsc::Receiver<Chunk>>,
    life: Arc<Life>,
}

impl Incoming {
    /// Starts to receive on so many streams.
    pub(super) fn start(connection: &Connection, streams: u32, life: &Arc<Life>) -> Self {
        let (queue, chunks) = mpsc::channel(CHUNKS);
        let arrivals = Arc::new(Arrivals {
            counters: (0..streams).map(|_| AtomicU64::new(0)).collect(),
            changed: Notify::new(),
        });
        let receiver = Receiver {
            connection: connection.clone(),
            queue,
            arrivals: Arc::clone(&arrivals),
            life: Arc::clone(life),
        };
        tokio::spawn(receiver.accept());
        tokio::spawn(write_receipts(
            connection.clone(),
            arrivals,
            Arc::clone(life),
        ));
        Self {
            chunks: Mutex::new(chunks),
            life: Arc::clone(life),
        }
    }
}

#[async_trait]
impl Bulk for Incoming {
    async fn send(&self, _: Chunk) -> Result<u64, Failure> {
        Err(one_way())
    }

    async fn flush(&self) -> Result<(), Failure> {
        self.life.lost().map_or(Ok(()), Err)
    }

    async fn receive(&self) -> Option<Chunk> {
        // What has arrived is given out also when the link is lost: the peer was told so.
        self.chunks.lock().await.recv().await
    }

    fn close(&self, reason: &str) {
        self.life.close(reason);
    }

    fn lost(&self) -> Option<Failure> {
        self.life.lost()
    }
}

/// How many chunks of each stream have arrived.
struct Arrivals {
    counters: Vec<AtomicU64>,
    changed: Notify,
}

#[derive(Clone)]
struct Receiver {
    connection: Connection,
    queue: mpsc::Sender<Chunk>,
    arrivals: Arc<Arrivals>,
    life: Arc<Life>,
}

impl Receiver {
    /// Takes the streams on. Kept until the link ends, and with it the queue: that the queue
    /// is over is how the user sees the end.
    async fn accept(self) {
        loop {
            let stream = match self.connection.accept_uni().await {
                Ok(stream) => stream,
                Err(error) => return failure::broken(&self.life, &error),
            };
            let number = stream.id().index();
            match usize::try_from(number) {
                Ok(number) if number < self.arrivals.counters.len() => {
                    tokio::spawn(self.clone().receive(stream, number));
                }
                _ => {
                    let agreed = self.arrivals.counters.len();
                    let error = format!("bulk stream {} of {agreed}", number + 1);
                    self.life.violated(&error);
                }
            }
        }
    }

    async fn receive(self, mut stream: RecvStream, number: usize) {
        let mut decoder = ChunkDecoder::default();
        let mut pieces: [Bytes; PIECES] = Default::default();
        loop {
            let count = match stream.read_chunks(&mut pieces).await {
                Ok(Some(count)) => count,
                Ok(None) if decoder.is_between_chunks() => return,
                Ok(None) => return self.life.violated(&"a bulk stream ends within a chunk"),
                Err(error) => return self.unreadable(&error),
            };
            for piece in &mut pieces[..count] {
                if self.take(&mut decoder, piece, number).await.is_none() {
                    return;
                }
            }
        }
    }

    /// Gives on the chunks that a piece completes, and none when there is no use in going on.
    async fn take(
        &self,
        decoder: &mut ChunkDecoder,
        piece: &mut Bytes,
        number: usize,
    ) -> Option<()> {
        loop {
            match decoder.feed(piece) {
                Ok(Some(chunk)) => {
                    self.queue.send(chunk).await.ok()?;
                    self.arrivals.counters[number].fetch_add(1, Ordering::Release);
                    self.arrivals.changed.notify_one();
                }
                Ok(None) => return Some(()),
                Err(error) => {
                    self.life.violated(&error);
                    return None;
                }
            }
        }
    }

    fn unreadable(&self, error: &ReadError) {
        failure::unreadable(&self.life, error);
    }
}

/// Tells the dialer what has arrived. Counts that change while one is written are told together.
async fn write_receipts(connection: Connection, arrivals: Arc<Arrivals>, life: Arc<Life>) {
    let mut stream = match connection.open_uni().await {
        Ok(stream) => stream,
        Err(error) => return failure::broken(&life, &error),
    };
    let mut told = vec![0; arrivals.counters.len()];
    loop {
        tokio::select! {
            () = life.ended() => return,
            () = arrivals.changed.notified() => {}
        }
        for ((stream_number, counter), told) in (0..).zip(&arrivals.counters).zip(&mut told) {
            let chunks = counter.load(Ordering::Acquire);
            if chunks == *told {
                continue;
            }
            *told = chunks;
            let receipt = Receipt {
                stream: stream_number,
                chunks,
            };
            if let Err(error) = frames::write(&mut stream, receipt.encode()).await {
                return failure::unwritable(&life, &error);
            }
        }
    }
}
