//! Messages on the control stream.

use super::{Harness, large, link, numbered, soon};
use crate::wire::FRAME_MAX;
use crate::wire::message::encode;
use phaul_core::executor::ports::Link;
use phaul_core::failure::FailureKind;

/// Each side has the other's name, software and the version that both speak.
pub async fn sides_know_each_other(harness: &impl Harness) {
    let (ours, theirs) = link(harness).await;
    let (dialer, listener) = harness.names();
    assert_eq!(
        (&*ours.peer.name, &*theirs.peer.name),
        (listener, dialer),
        "the names are those that this side trusts"
    );
    assert_eq!((ours.peer.protocol, theirs.peer.protocol), (1, 1));
    assert!(ours.peer.software.starts_with("phaul "));
    assert!(theirs.peer.software.starts_with("phaul "));
    assert_eq!((ours.bulk.lost(), theirs.bulk.lost()), (None, None));
}

/// Messages arrive in the order in which they were sent, in both directions at once.
pub async fn messages_arrive_in_order(harness: &impl Harness) {
    const COUNT: u32 = 500;
    async fn talk(link: &mut Link) {
        let send = async {
            for number in 1..=COUNT {
                let sent = link.outgoing.send(numbered(number)).await;
                sent.expect("the link lives");
            }
        };
        let receive = async {
            for number in 1..=COUNT {
                assert_eq!(link.incoming.recv().await, Some(numbered(number)));
            }
        };
        tokio::join!(send, receive);
    }
    let (mut ours, mut theirs) = link(harness).await;
    soon("all messages", async {
        tokio::join!(talk(&mut ours), talk(&mut theirs))
    })
    .await;
}

/// A message may be as large as the wire's bound.
pub async fn largest_message_arrives(harness: &impl Harness) {
    // What a frame has besides the text is the same for all texts of more than 2 MiB.
    let spare = encode(&large(3 << 20)).expect("it fits").len() - (3 << 20);
    let largest = large(FRAME_MAX - spare);
    let (ours, mut theirs) = link(harness).await;
    ours.outgoing
        .send(largest.clone())
        .await
        .expect("the link lives");
    ours.outgoing
        .send(numbered(7))
        .await
        .expect("the link lives");
    let arrived = soon("the message", theirs.incoming.recv()).await;
    assert!(arrived == Some(largest), "it arrives as it was");
    let next = soon("the next message", theirs.incoming.recv()).await;
    assert_eq!(next, Some(numbered(7)));
}

/// A message over the bound is not sent. It was accepted, and cannot be delivered: so the
/// link is lost, for a reason that another attempt would meet again.
pub async fn too_large_message_ends_the_link(harness: &impl Harness) {
    let (mut ours, mut theirs) = link(harness).await;
    ours.outgoing
        .send(numbered(1))
        .await
        .expect("the link lives");
    ours.outgoing
        .send(large(FRAME_MAX))
        .await
        .expect("the link lives");
    let end = soon("the end of the link", ours.incoming.recv()).await;
    assert_eq!(end, None);
    let failure = ours.bulk.lost().expect("the link is lost");
    assert_eq!(failure.code, "message-unsendable");
    assert_eq!(failure.kind, FailureKind::Final);
    assert_eq!(theirs.incoming.recv().await, Some(numbered(1)));
    assert_eq!(soon("the peer's end", theirs.incoming.recv()).await, None);
    let failure = theirs.bulk.lost().expect("the link is lost");
    assert_eq!(
        (&*failure.code, failure.kind),
        ("link-closed", FailureKind::Lost)
    );
}

/// Two links of the same dialer and listener have nothing to do with each other.
pub async fn links_do_not_mix(harness: &impl Harness) {
    let (mut first, mut first_there) = link(harness).await;
    let (second, mut second_there) = link(harness).await;
    for (link, chunk, number) in [(&first, 10, 1), (&second, 20, 2)] {
        let sent = link.bulk.send(super::chunk(chunk, 5_000)).await;
        sent.expect("the link lives");
        link.outgoing
            .send(numbered(number))
            .await
            .expect("the link lives");
    }
    assert_eq!(second_there.incoming.recv().await, Some(numbered(2)));
    assert_eq!(first_there.incoming.recv().await, Some(numbered(1)));
    let arrived = soon("a chunk", second_there.bulk.receive()).await;
    assert_eq!(arrived.map(|chunk| chunk.offset), Some(20 << 20));

    second.bulk.close("the second is over");
    assert_eq!(soon("its end", second_there.incoming.recv()).await, None);
    assert_eq!(first.bulk.lost(), None);
    let arrived = soon("a chunk", first_there.bulk.receive()).await;
    assert_eq!(arrived.map(|chunk| chunk.offset), Some(10 << 20));
    first_there
        .outgoing
        .send(numbered(3))
        .await
        .expect("the link lives");
    assert_eq!(first.incoming.recv().await, Some(numbered(3)));
}
