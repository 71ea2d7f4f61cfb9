//! The contract of links, over a relay that can be cut.

use crate::fixture::{Hosts, TIMING, WINDOWS, dialer};
use crate::relay::Relay;
use async_trait::async_trait;
use phaul_core::executor::ports::{Dial, Listen};
use phaul_transports::contract::Harness;
use phaul_transports::quic::QuicDialer;
use std::time::Duration;

const STREAMS: u32 = 4;

struct Quic {
    hosts: Hosts,
    relay: Relay,
    dialer: QuicDialer,
}

async fn quic() -> Quic {
    let hosts = Hosts::new();
    let relay = Relay::to(hosts.address()).await;
    let dialer = dialer(&hosts.source, relay.address, |options| {
        options.streams = STREAMS;
        options.timing.handshake = Duration::from_secs(2);
    });
    Quic {
        hosts,
        relay,
        dialer,
    }
}

#[async_trait]
impl Harness for Quic {
    fn dialer(&self) -> &dyn Dial {
        &self.dialer
    }

    fn listener(&self) -> &dyn Listen {
        &self.hosts.listener
    }

    fn cut(&self) {
        self.relay.cut(true);
    }

    fn mend(&self) {
        self.relay.cut(false);
    }

    fn names(&self) -> (&str, &str) {
        ("a", "b")
    }

    fn loss_within(&self) -> Duration {
        TIMING.idle + Duration::from_secs(2)
    }

    fn under_way_max(&self) -> u64 {
        // The queue of the receiver and what its streams hold, the windows, and the sender's
        // queues: in chunks of at most 1 MiB.
        let chunks = 16 + STREAMS + STREAMS * 3;
        u64::from(chunks << 20) + u64::from(WINDOWS.link + WINDOWS.send)
    }
}

phaul_transports::contract!(quic());
