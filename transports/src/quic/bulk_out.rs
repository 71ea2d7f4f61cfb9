//! Bulk data on its way out: the dialer's end.
//!
//! Chunks go to the streams in turn, and the receipts that come back count the chunks of each
//! stream: what was sent before a flush is then known to have arrived even when later chunks
//! on other streams were faster.

use super::failure;
use super::frames::FrameReader;
use crate::codec::Codec;
use crate::life::Life;
use crate::rate::RateLimit;
use crate::wire::RECEIPT_MAX;
use crate::wire::chunk::{Packed, Receipt};
use async_trait::async_trait;
use phaul_core::executor::ports::Bulk;
use phaul_core::failure::Failure;
use phaul_core::protocol::Chunk;
use quinn::{Connection, SendStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use tokio::sync::{mpsc, watch};

/// Chunks that wait for each stream, besides the one that is being written.
const QUEUE: usize = 2;

/// The dialer's end of the bulk data.
pub(super) struct Outgoing {
    streams: Vec<Stream>,
    next: AtomicUsize,
    codec: Codec,
    rate: Arc<RateLimit>,
    life: Arc<Life>,
}

struct Stream {
    queue: mpsc::Sender<Packed>,
    sent: AtomicU64,
    arrived: watch::Receiver<u64>,
}

impl Outgoing {
    /// Opens the streams and starts what serves them.
    pub(super) async fn open(
        connection: &Connection,
        streams: u32,
        codec: Codec,
        rate: Arc<RateLimit>,
        life: &Arc<Life>,
    ) -> Result<Self, quinn::ConnectionError> {
        let mut ends = Vec::new();
        let mut counters = Vec::new();
        for _ in 0..streams {
            let stream = connection.open_uni().await?;
            let (queue, chunks) = mpsc::channel(QUEUE);
            let (counter, arrived) = watch::channel(0);
            tokio::spawn(write(stream, chunks, Arc::clone(life)));
            counters.push(counter);
            ends.push(Stream {
                queue,
                sent: AtomicU64::new(0),
                arrived,
            });
        }
        tokio::spawn(read_receipts(
            connection.clone(),
            counters,
            Arc::clone(life),
        ));
        Ok(Self {
            streams: ends,
            next: AtomicUsize::new(0),
            codec,
            rate,
            life: Arc::clone(life),
        })
    }

    /// Waits for something that cannot happen any more once the link is lost.
    async fn unless_lost<T>(&self, what: impl Future<Output = Option<T>>) -> Result<T, Failure> {
        tokio::select! {
            biased;
            () = self.life.ended() => Err(self.life.reason()),
            done = what => match done {
                Some(done) => Ok(done),
                // The other end of a channel is given up only when the link ends.
                None => {
                    self.life.ended().await;
                    Err(self.life.reason())
                }
            },
        }
    }
}

#[async_trait]
impl Bulk for Outgoing {
    async fn send(&self, chunk: Chunk) -> Result<u64, Failure> {
        let packed = Packed::new(&chunk, self.codec)
            .map_err(|error| Failure::new("chunk-unsendable", error.to_string()))?;
        let size = packed.size();
        let number = self.next.fetch_add(1, Ordering::Relaxed) % self.streams.len();
        let stream = &self.streams[number];
        self.unless_lost(async {
            self.rate.take(size).await;
            let place = stream.queue.reserve().await.ok()?;
            place.send(packed);
            stream.sent.fetch_add(1, Ordering::Release);
            Some(size)
        })
        .await
    }

    async fn flush(&self) -> Result<(), Failure> {
        for stream in &self.streams {
            let sent = stream.sent.load(Ordering::Acquire);
            let mut arrived = stream.arrived.clone();
            if *arrived.borrow_and_update() >= sent {
                continue; // also when the link was lost after that
            }
            self.unless_lost(async {
                let enough = arrived.wait_for(|arrived| *arrived >= sent).await;
                enough.is_ok().then_some(())
            })
            .await?;
        }
        Ok(())
    }

    async fn receive(&self) -> Option<Chunk> {
        // Bulk data goes from the dialer to the listener only.
        self.life.ended().await;
        None
    }

    fn close(&self, reason: &str) {
        self.life.close(reason);
    }

    fn lost(&self) -> Option<Failure> {
        self.life.lost()
    }
}

async fn write(mut stream: SendStream, mut chunks: mpsc::Receiver<Packed>, life: Arc<Life>) {
    loop {
        let packed = tokio::select! {
            () = life.ended() => return,
            packed = chunks.recv() => match packed {
                Some(packed) => packed,
                None => return,
            },
        };
        let [prefix, header] = packed.header;
        let mut pieces = [prefix, header, packed.stored];
        if let Err(error) = stream.write_all_chunks(&mut pieces).await {
            return failure::unwritable(&life, &error);
        }
    }
}

/// The counters, one a stream, follow the receipts.
async fn read_receipts(connection: Connection, counters: Vec<watch::Sender<u64>>, life: Arc<Life>) {
    let streams = counters.len() as u32; // at most `STREAMS_MAX`
    let mut frames = match connection.accept_uni().await {
        Ok(stream) => FrameReader::new(stream),
        Err(error) => return failure::broken(&life, &error),
    };
    loop {
        let receipt = match frames.next("receipt", RECEIPT_MAX).await {
            Ok(Some(frame)) => Receipt::decode(frame, streams),
            // It goes with the link.
            Ok(None) => return life.ended().await,
            Err(error) => return error.end(&life),
        };
        match receipt {
            Ok(receipt) => {
                let counter = &counters[receipt.stream as usize];
                counter.send_if_modified(|arrived| {
                    let more = receipt.chunks > *arrived;
                    *arrived = receipt.chunks.max(*arrived);
                    more
                });
            }
            Err(error) => return life.violated(&error),
        }
    }
}
