//! What only links over a network have: a rate, compression, silence, an orderly exit.

use crate::fixture::{Hosts, dialer, soon};
use crate::relay::Relay;
use phaul_core::executor::ports::{Dial, Listen};
use phaul_core::plan::{Compression, Rate};
use phaul_core::protocol::{Ask, Body, Chunk, Manifest, Message, Part};
use std::time::{Duration, Instant};

pub(crate) fn message(attempt: u32) -> Message {
    Message {
        run: "r-1".parse().unwrap(),
        attempt,
        body: Body::Ask(Ask::Reserve),
    }
}

fn chunk(data: Vec<u8>) -> Chunk {
    Chunk {
        run: "r-1".parse().unwrap(),
        attempt: 1,
        part: Part::Image("pages-1.img".to_owned()),
        offset: 0,
        data: data.into(),
    }
}

/// Bytes that do not compress.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 1u64;
    let mut step = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..bytes).map(|_| step()).collect()
}

/// Bytes that do.
fn text(bytes: usize) -> Vec<u8> {
    b"all work and no play "
        .iter()
        .copied()
        .cycle()
        .take(bytes)
        .collect()
}

#[tokio::test]
async fn the_rate_is_kept_and_can_be_changed() {
    let hosts = Hosts::new();
    let rate = |bits_per_second| Some(Rate { bits_per_second });
    let dialer = dialer(&hosts.source, hosts.address(), |options| {
        options.rate = rate(4_000_000);
        options.compression = Compression::Off;
    });
    let (ours, theirs) = hosts.link(&dialer).await;
    let since = Instant::now();
    for _ in 0..10 {
        ours.bulk.send(chunk(noise(50_000))).await.unwrap();
        theirs.bulk.receive().await.unwrap();
    }
    // 450 kB after the first chunk, 500 kB a second, less what may be saved up.
    let slow = since.elapsed();
    assert!(slow >= Duration::from_millis(600), "{slow:?}");

    dialer.set_rate(None);
    let since = Instant::now();
    for _ in 0..10 {
        ours.bulk.send(chunk(noise(50_000))).await.unwrap();
        theirs.bulk.receive().await.unwrap();
    }
    let quick = since.elapsed();
    assert!(quick < slow, "{quick:?} without a limit, {slow:?} with it");
}

#[tokio::test]
async fn compression_makes_fewer_bytes_of_what_compresses() {
    let hosts = Hosts::new();
    for (compression, shrinks) in [
        (Compression::Auto, true),
        (Compression::Lz4, true),
        (Compression::Zstd, true),
        (Compression::Off, false),
    ] {
        let dialer = dialer(&hosts.source, hosts.address(), |options| {
            options.compression = compression;
        });
        let (ours, theirs) = hosts.link(&dialer).await;
        for (data, shrinks) in [(text(100_000), shrinks), (noise(100_000), false)] {
            let size = ours.bulk.send(chunk(data.clone())).await.unwrap();
            let range = if shrinks { 10..5_000 } else { 100_000..100_400 };
            assert!(range.contains(&size), "{compression:?}: {size}");
            let arrived = soon(theirs.bulk.receive()).await.unwrap();
            assert!(arrived.data == data, "{compression:?}");
        }
    }
}

#[tokio::test]
async fn silence_shorter_than_the_limit_loses_nothing() {
    let hosts = Hosts::new();
    let relay = Relay::to(hosts.address()).await;
    let dialer = dialer(&hosts.source, relay.address, |_| {});
    let (ours, mut theirs) = hosts.link(&dialer).await;
    relay.cut(true);
    ours.outgoing.send(message(1)).await.unwrap();
    ours.bulk.send(chunk(noise(20_000))).await.unwrap();
    tokio::time::sleep(Duration::from_millis(700)).await;
    relay.cut(false);
    assert_eq!(soon(theirs.incoming.recv()).await, Some(message(1)));
    assert!(soon(theirs.bulk.receive()).await.is_some());
    soon(ours.bulk.flush()).await.unwrap();
}

#[tokio::test]
async fn a_link_with_nothing_to_say_stays() {
    let hosts = Hosts::new();
    let (ours, theirs) = hosts.link(&hosts.dialer()).await;
    tokio::time::sleep(crate::fixture::TIMING.idle * 5 / 4).await;
    assert_eq!((ours.bulk.lost(), theirs.bulk.lost()), (None, None));
}

#[tokio::test]
async fn a_peer_that_reads_nothing_cannot_keep_a_link_from_its_end() {
    let hosts = Hosts::new();
    let dialer = hosts.dialer();
    let (mut ours, theirs) = hosts.link(&dialer).await;
    // More than the queues and windows hold: the writer is stuck.
    let large = || Message {
        body: Body::Ask(Ask::Preflight(Manifest("x".repeat(1 << 19).into()))),
        ..message(1)
    };
    let send = async { while ours.outgoing.send(large()).await.is_ok() {} };
    let stuck = tokio::time::timeout(Duration::from_millis(500), send).await;
    assert!(stuck.is_err(), "it must be held up");
    ours.bulk.close("enough");
    assert_eq!(soon(ours.incoming.recv()).await, None);
    soon(dialer.finished()).await;
    drop(theirs);
}

#[tokio::test]
async fn a_dialer_can_wait_until_its_peers_know_the_end() {
    let hosts = Hosts::new();
    let dialer = hosts.dialer();
    let (ours, mut theirs) = hosts.link(&dialer).await;
    ours.outgoing.send(message(1)).await.unwrap();
    ours.bulk.close("the run is over");
    soon(dialer.finished()).await;
    assert_eq!(soon(theirs.incoming.recv()).await, Some(message(1)));
    assert_eq!(soon(theirs.incoming.recv()).await, None);
    assert!(
        theirs
            .bulk
            .lost()
            .unwrap()
            .cause
            .ends_with("the run is over")
    );
    // It can dial again after that.
    let (ours, theirs) = hosts.link(&dialer).await;
    drop((ours, theirs));
    soon(dialer.finished()).await;
}

#[tokio::test]
async fn a_dial_that_is_given_up_leaves_nothing() {
    let hosts = Hosts::new();
    for millis in 0..8 {
        let dialer = hosts.dialer();
        let _ = tokio::time::timeout(Duration::from_millis(millis), dialer.dial()).await;
    }
    // Links that were made and given up are accepted, and found to be over.
    let accepted = async {
        loop {
            let mut link = hosts.listener.accept().await.unwrap();
            if link.incoming.recv().await == Some(message(9)) {
                break;
            }
        }
    };
    let dialer = hosts.dialer();
    let proper = async {
        let link = dialer.dial().await.map_err(|failure| failure.cause);
        link.as_ref()
            .unwrap()
            .outgoing
            .send(message(9))
            .await
            .unwrap();
        link
    };
    let ((), _link) = soon(async { tokio::join!(accepted, proper) }).await;
}
