//! The in-process transport keeps the contract of links.

use async_trait::async_trait;
use phaul_core::executor::ports::{Dial, Listen};
use phaul_transports::contract::Harness;
use phaul_transports::in_process::{self, InProcess, SOURCE, TARGET};
use std::time::Duration;

struct Channels(InProcess);

async fn channels() -> Channels {
    Channels(in_process::pair())
}

#[async_trait]
impl Harness for Channels {
    fn dialer(&self) -> &dyn Dial {
        &self.0.dialer
    }

    fn listener(&self) -> &dyn Listen {
        &self.0.listener
    }

    fn cut(&self) {
        self.0.switch.cut();
    }

    fn mend(&self) {
        self.0.switch.mend();
    }

    fn names(&self) -> (&str, &str) {
        (SOURCE, TARGET)
    }

    fn loss_within(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn under_way_max(&self) -> u64 {
        16 << 20
    }
}

phaul_transports::contract!(channels());

#[tokio::test]
async fn nobody_is_accepted_by_a_listener_that_was_closed() {
    let InProcess {
        dialer, listener, ..
    } = in_process::pair();
    listener.close().await;
    let failure = dialer.dial().await.map(drop).unwrap_err();
    assert_eq!(failure.code, "peer-unreachable");
    assert!(listener.accept().await.is_none());
}
