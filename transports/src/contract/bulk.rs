//! Bulk data.

use super::{Harness, chunk, link, numbered, soon};
use phaul_core::protocol::{CHUNK_MAX, Chunk, Part};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::timeout;

/// Chunks of every size arrive once each and as they were, in whatever order.
pub async fn chunks_arrive_complete_and_intact(harness: &impl Harness) {
    const SIZES: [usize; 6] = [0, 1, 100, 4_096, 65_537, 200_000];
    let (ours, theirs) = link(harness).await;
    let mut missing: BTreeMap<u64, Chunk> = (0..60)
        .map(|number| (number, chunk(number, SIZES[number as usize % SIZES.len()])))
        .chain([(60, chunk(60, CHUNK_MAX))])
        .map(|(_, chunk)| (chunk.offset, chunk))
        .collect();
    let sent: Vec<Chunk> = missing.values().cloned().collect();
    let send = async {
        for chunk in sent {
            let length = chunk.data.len() as u64;
            let size = ours.bulk.send(chunk).await.expect("the link lives");
            assert!((1..=length + 400).contains(&size), "{size} for {length}");
        }
        ours.bulk.flush().await.expect("the link lives");
    };
    let receive = async {
        while !missing.is_empty() {
            let chunk = theirs.bulk.receive().await.expect("the link lives");
            let expected = missing.remove(&chunk.offset);
            assert!(expected == Some(chunk), "each once, as it was");
        }
    };
    soon("all chunks", async { tokio::join!(send, receive) }).await;
}

/// A chunk that the peer would have to refuse is refused at once, and the link goes on.
pub async fn chunks_that_cannot_be_are_refused(harness: &impl Harness) {
    let (ours, theirs) = link(harness).await;
    let wrong = [
        chunk(1, CHUNK_MAX + 1),
        Chunk {
            part: Part::Image("../etc".to_owned()),
            ..chunk(1, 1)
        },
        Chunk {
            offset: u64::MAX,
            ..chunk(1, 1)
        },
    ];
    for chunk in wrong {
        let failure = ours.bulk.send(chunk).await.expect_err("it cannot be sent");
        assert_eq!(failure.code, "chunk-unsendable");
    }
    ours.bulk.send(chunk(2, 10)).await.expect("the link lives");
    let arrived = soon("the chunk", theirs.bulk.receive()).await;
    assert_eq!(arrived, Some(chunk(2, 10)));
}

/// What was flushed is at the peer's end: it can be received there even if the link is lost
/// at that very moment, and before a message that is sent after it.
pub async fn flushed_means_arrived(harness: &impl Harness) {
    let (ours, mut theirs) = link(harness).await;
    ours.bulk
        .flush()
        .await
        .expect("there is nothing to wait for");
    for number in 0..12 {
        ours.bulk
            .send(chunk(number, 30_000))
            .await
            .expect("the link lives");
    }
    soon("the flush", ours.bulk.flush())
        .await
        .expect("the link lives");
    ours.outgoing
        .send(numbered(1))
        .await
        .expect("the link lives");
    assert_eq!(
        soon("the message", theirs.incoming.recv()).await,
        Some(numbered(1))
    );
    ours.bulk.close("all is sent");
    assert_eq!(soon("the end", theirs.incoming.recv()).await, None);

    let mut offsets = Vec::new();
    while let Some(chunk) = soon("a chunk", theirs.bulk.receive()).await {
        offsets.push(chunk.offset >> 20);
    }
    offsets.sort_unstable();
    assert_eq!(offsets, (0..12).collect::<Vec<u64>>());
}

/// A receiver that takes nothing holds up the sender before much is under way, and nothing is
/// lost by it.
pub async fn slow_receiver_holds_up_the_sender(harness: &impl Harness) {
    const SIZE: usize = 1 << 18;
    let (ours, theirs) = link(harness).await;
    let mut under_way = 0;
    // Each chunk fits in an instant, until none fits.
    while let Ok(sent) = timeout(
        Duration::from_millis(700),
        ours.bulk.send(chunk(under_way, SIZE)),
    )
    .await
    {
        sent.expect("the link lives");
        under_way += 1;
        let bytes = under_way * SIZE as u64;
        assert!(
            bytes <= harness.under_way_max(),
            "{bytes} bytes are under way"
        );
    }
    let receive = async {
        for _ in 0..under_way {
            let arrived = theirs.bulk.receive().await.expect("the link lives");
            let number = arrived.offset >> 20;
            assert!(arrived == chunk(number, SIZE), "it is as it was");
        }
    };
    soon("all chunks", async {
        let (flushed, ()) = tokio::join!(ours.bulk.flush(), receive);
        flushed.expect("the link lives");
    })
    .await;
}

/// Bulk data goes from the dialer to the listener; the other way is an error, not silence.
pub async fn bulk_data_goes_one_way(harness: &impl Harness) {
    let (ours, theirs) = link(harness).await;
    let failure = theirs.bulk.send(chunk(1, 1)).await.expect_err("one way");
    assert_eq!(failure.code, "bulk-one-way");
    theirs
        .bulk
        .flush()
        .await
        .expect("there is nothing to wait for");
    ours.bulk.close("the test is over");
    assert_eq!(soon("the end", ours.bulk.receive()).await, None);
}
