//! The suite that every transport must pass: what users of links rely on.
//!
//! A transport's tests implement [`Harness`] and run the suite with [`contract!`](crate::contract!).

mod bulk;
mod messages;
mod parting;

pub use bulk::{
    bulk_data_goes_one_way, chunks_arrive_complete_and_intact, chunks_that_cannot_be_are_refused,
    flushed_means_arrived, slow_receiver_holds_up_the_sender,
};
pub use messages::{
    largest_message_arrives, links_do_not_mix, messages_arrive_in_order, sides_know_each_other,
    too_large_message_ends_the_link,
};
pub use parting::{
    close_gives_the_peer_the_reason, drop_ends_the_link_after_what_was_said,
    loss_is_seen_by_both_sides, one_can_dial_again_after_a_loss,
};

use async_trait::async_trait;
use phaul_core::executor::ports::{Dial, Link, Listen};
use phaul_core::protocol::{Ask, Body, Chunk, Manifest, Message, Part};
use std::time::Duration;
use tokio::time::timeout;

/// A dialer and a listener that reach each other, and what is known of them.
#[async_trait]
pub trait Harness: Send + Sync {
    /// Makes links.
    fn dialer(&self) -> &dyn Dial;
    /// Accepts them.
    fn listener(&self) -> &dyn Listen;
    /// Cuts the way between them.
    fn cut(&self);
    /// Mends it.
    fn mend(&self);
    /// How the listener knows the dialer, and how the dialer knows the listener.
    fn names(&self) -> (&str, &str);
    /// Within this time a cut is seen.
    fn loss_within(&self) -> Duration;
    /// At most so many bytes of chunks are under way: sent, and not taken by the receiver.
    fn under_way_max(&self) -> u64;
}

/// Runs the suite: one test for each rule.
#[macro_export]
macro_rules! contract {
    ($harness:expr) => {
        $crate::contract! { $harness;
            sides_know_each_other
            messages_arrive_in_order
            largest_message_arrives
            too_large_message_ends_the_link
            links_do_not_mix
            chunks_arrive_complete_and_intact
            chunks_that_cannot_be_are_refused
            flushed_means_arrived
            slow_receiver_holds_up_the_sender
            bulk_data_goes_one_way
            loss_is_seen_by_both_sides
            one_can_dial_again_after_a_loss
            close_gives_the_peer_the_reason
            drop_ends_the_link_after_what_was_said
        }
    };
    ($harness:expr; $($rule:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $rule() {
                $crate::contract::$rule(&$harness.await).await;
            }
        )*
    };
}

/// More than anything takes that happens at all.
const PATIENCE: Duration = Duration::from_secs(20);

/// What happens within the test's patience; the suite fails if it does not.
async fn soon<T>(what: &str, happens: impl Future<Output = T>) -> T {
    match timeout(PATIENCE, happens).await {
        Ok(done) => done,
        Err(_) => panic!("{what}: it did not happen"),
    }
}

/// Both ends of a fresh link: the dialer's and the listener's.
async fn link(harness: &impl Harness) -> (Link, Link) {
    let (ours, theirs) = soon("a link", async {
        tokio::join!(harness.dialer().dial(), harness.listener().accept())
    })
    .await;
    let ours = ours.unwrap_or_else(|failure| panic!("dial: {} {failure}", failure.code));
    (ours, theirs.expect("the listener is open"))
}

/// A message with a number.
fn numbered(number: u32) -> Message {
    message(number, Ask::Reserve)
}

fn message(attempt: u32, ask: Ask) -> Message {
    Message {
        run: "r-1".parse().expect("a run id"),
        attempt,
        body: Body::Ask(ask),
    }
}

/// A message whose size is about so many bytes.
fn large(bytes: usize) -> Message {
    message(1, Ask::Preflight(Manifest("x".repeat(bytes).into())))
}

/// A chunk with a number; its bytes differ with it and hardly compress.
fn chunk(number: u64, bytes: usize) -> Chunk {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut data = Vec::with_capacity(bytes + 8);
    while data.len() < bytes {
        // xorshift64
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        data.extend(state.to_le_bytes());
    }
    data.truncate(bytes);
    Chunk {
        run: "r-1".parse().expect("a run id"),
        attempt: 1,
        part: match number % 4 {
            0 => Part::Files { round: 7 },
            image => Part::Image(format!("pages-{image}.img")),
        },
        offset: number << 20,
        data: data.into(),
    }
}
