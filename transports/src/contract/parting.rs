//! How links end.

use super::{Harness, chunk, link, numbered, soon};
use phaul_core::failure::FailureKind;
use std::time::Instant;

/// When the way is cut, everything that could wait on either side comes to its end in time,
/// and both can say why.
pub async fn loss_is_seen_by_both_sides(harness: &impl Harness) {
    let (mut ours, mut theirs) = link(harness).await;
    let since = Instant::now();
    harness.cut();
    let (message, chunk_there, message_there) = soon("the loss", async {
        tokio::join!(
            ours.incoming.recv(),
            theirs.bulk.receive(),
            theirs.incoming.recv(),
        )
    })
    .await;
    let seen = since.elapsed();
    assert!(seen <= harness.loss_within(), "it took {seen:?}");
    assert_eq!((message, chunk_there, message_there), (None, None, None));
    for link in [&ours, &theirs] {
        let failure = link.bulk.lost().expect("it knows why");
        assert_eq!(
            (&*failure.code, failure.kind),
            ("link-lost", FailureKind::Lost)
        );
    }
    let failure = ours.bulk.send(chunk(1, 1)).await.expect_err("it is lost");
    assert_eq!(failure.kind, FailureKind::Lost);
}

/// While the way is cut one cannot dial, for a reason that may pass; then one can.
pub async fn one_can_dial_again_after_a_loss(harness: &impl Harness) {
    let (mut ours, theirs) = link(harness).await;
    harness.cut();
    assert_eq!(soon("the loss", ours.incoming.recv()).await, None);
    let failure = match soon("an answer", harness.dialer().dial()).await {
        Ok(_) => panic!("the way is cut"),
        Err(failure) => failure,
    };
    assert_eq!(
        (&*failure.code, failure.kind),
        ("peer-unreachable", FailureKind::Lost)
    );
    harness.mend();
    drop((ours, theirs));
    let (ours, mut theirs) = link(harness).await;
    ours.outgoing
        .send(numbered(1))
        .await
        .expect("the link lives");
    assert_eq!(
        soon("a message", theirs.incoming.recv()).await,
        Some(numbered(1))
    );
}

/// Whoever closes a link says why, after all that was said before; both ends end.
pub async fn close_gives_the_peer_the_reason(harness: &impl Harness) {
    let (mut ours, mut theirs) = link(harness).await;
    for number in 1..=5 {
        ours.outgoing
            .send(numbered(number))
            .await
            .expect("the link lives");
    }
    ours.bulk.close("the run is over");
    ours.bulk.close("a second word is not heard");
    for number in 1..=5 {
        let arrived = soon("a message", theirs.incoming.recv()).await;
        assert_eq!(
            arrived,
            Some(numbered(number)),
            "what was accepted is delivered"
        );
    }
    assert_eq!(soon("the end there", theirs.incoming.recv()).await, None);
    assert_eq!(soon("the end here", ours.incoming.recv()).await, None);
    for (link, who) in [(&ours, "closed here"), (&theirs, "the peer closed")] {
        let failure = link.bulk.lost().expect("it knows why");
        assert_eq!(
            (&*failure.code, failure.kind),
            ("link-closed", FailureKind::Lost)
        );
        assert!(failure.cause.contains(who), "{}", failure.cause);
        assert!(
            failure.cause.ends_with("the run is over"),
            "{}",
            failure.cause
        );
    }
    let sent = ours.bulk.send(chunk(1, 1)).await;
    assert_eq!(sent.expect_err("it is closed").code, "link-closed");
    assert!(ours.outgoing.send(numbered(6)).await.is_err());
}

/// A link that is dropped ends for the peer too, after all that was said before.
pub async fn drop_ends_the_link_after_what_was_said(harness: &impl Harness) {
    for listener_drops in [false, true] {
        let (ours, theirs) = link(harness).await;
        let (dropped, mut kept) = if listener_drops {
            (theirs, ours)
        } else {
            (ours, theirs)
        };
        dropped
            .outgoing
            .send(numbered(1))
            .await
            .expect("the link lives");
        drop(dropped);
        assert_eq!(
            soon("a message", kept.incoming.recv()).await,
            Some(numbered(1))
        );
        assert_eq!(soon("the end", kept.incoming.recv()).await, None);
        let failure = kept.bulk.lost().expect("it knows why");
        assert_eq!(failure.code, "link-closed");
    }
}
