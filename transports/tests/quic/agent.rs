//! Agents that do not keep to the protocol, and what the dialer makes of them.

use crate::fixture::{Host, dialer, refusal, soon};
use crate::raw::{self, frame, framed, hello};
use bytes::Bytes;
use phaul_core::executor::ports::Dial;
use phaul_core::failure::{Failure, FailureKind};
use phaul_transports::quic::QuicDialer;
use phaul_transports::wire::chunk::Receipt;
use phaul_transports::wire::hello::{
    Hello, REFUSED_HELLO, REFUSED_VERSION, Verdict, Versions, Welcome, decode_hello, encode_welcome,
};
use quinn::{Connection, Endpoint, RecvStream, SendStream, VarInt};
use std::time::Duration;

/// A call that the agent has taken. Nothing more is read, nor is the caller told to stop.
struct Call {
    connection: Connection,
    send: SendStream,
    hello: Hello,
    _receive: RecvStream,
}

/// An agent made by hand, and the dialer that calls it.
struct Agent {
    endpoint: Endpoint,
    dialer: QuicDialer,
    _hosts: [Host; 2],
}

impl Agent {
    fn new() -> Self {
        let (source, target) = (Host::new(), Host::new());
        source.trust("b", &target);
        let endpoint = raw::listen(&target);
        let address = endpoint.local_addr().unwrap();
        Self {
            dialer: dialer(&source, address, |options| {
                options.streams = 2;
                options.timing.handshake = Duration::from_secs(1);
            }),
            endpoint,
            _hosts: [source, target],
        }
    }

    /// Takes a call and hears the hello.
    async fn heard(&self) -> Call {
        let connection = self.endpoint.accept().await.unwrap().await.unwrap();
        let (send, mut receive) = connection.accept_bi().await.unwrap();
        let hello = decode_hello(frame(&mut receive).await.unwrap()).unwrap();
        Call {
            connection,
            send,
            hello,
            _receive: receive,
        }
    }

    /// What the dialer makes of these bytes as an answer to its hello.
    async fn failure_for(&self, answer: &[u8]) -> Failure {
        let answer = async {
            let mut call = self.heard().await;
            call.send.write_all(answer).await.unwrap();
            call.connection.closed().await;
        };
        let (failure, ()) = soon(async { tokio::join!(refusal(&self.dialer), answer) }).await;
        failure
    }
}

fn welcome(verdict: Verdict) -> Bytes {
    let welcome = Welcome {
        hello: hello(0),
        verdict,
    };
    framed(&encode_welcome(&welcome).unwrap()).into()
}

fn refused(code: &str) -> Bytes {
    welcome(Verdict::Refused {
        code: code.to_owned(),
        reason: "because of the weather".to_owned(),
    })
}

#[tokio::test]
async fn a_refusal_is_passed_on_with_its_reason() {
    for (code, expected) in [
        (REFUSED_VERSION, "peer-version"),
        (REFUSED_HELLO, "peer-refused"),
        ("a-word-of-next-year", "peer-refused"),
    ] {
        let failure = Agent::new().failure_for(&refused(code)).await;
        assert_eq!(
            (&*failure.code, failure.kind),
            (expected, FailureKind::Final)
        );
        assert!(
            failure.cause.ends_with("because of the weather"),
            "{failure}"
        );
    }
}

#[tokio::test]
async fn a_version_that_was_not_offered_is_not_spoken() {
    let answer = welcome(Verdict::Accepted { protocol: 7 });
    let failure = Agent::new().failure_for(&answer).await;
    assert_eq!(
        (&*failure.code, failure.kind),
        ("peer-version", FailureKind::Final)
    );
    assert!(failure.cause.contains("version 7"), "{failure}");
}

#[tokio::test]
async fn what_is_no_agent_is_said_to_be_none() {
    for answer in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], &framed(b"hello?")] {
        let failure = Agent::new().failure_for(answer).await;
        assert_eq!(
            (&*failure.code, failure.kind),
            ("peer-protocol", FailureKind::Final)
        );
    }
}

#[tokio::test]
async fn an_agent_that_says_nothing_is_given_up_in_time() {
    let failure = Agent::new().failure_for(b"").await;
    assert_eq!(
        (&*failure.code, failure.kind),
        ("peer-unreachable", FailureKind::Lost)
    );
    assert!(failure.cause.contains("it says no hello"), "{failure}");
}

#[tokio::test]
async fn the_dialer_says_what_it_is() {
    let agent = Agent::new();
    let answer = async {
        let mut call = agent.heard().await;
        let accepted = welcome(Verdict::Accepted { protocol: 1 });
        call.send.write_all(&accepted).await.unwrap();
        call
    };
    let (link, call) = soon(async { tokio::join!(agent.dialer.dial(), answer) }).await;
    assert_eq!(call.hello.versions, Versions::OURS);
    assert_eq!(call.hello.bulk_streams, 2);
    assert!(call.hello.software.starts_with("phaul "));
    let link = link.map_err(|failure| failure.cause).unwrap();
    assert_eq!((&*link.peer.name, &*link.peer.software), ("b", "rogue"));
}

#[tokio::test]
async fn a_receipt_that_cannot_be_ends_the_link() {
    let agent = Agent::new();
    let answer = async {
        let mut call = agent.heard().await;
        let accepted = welcome(Verdict::Accepted { protocol: 1 });
        call.send.write_all(&accepted).await.unwrap();
        let connection = &call.connection;
        let mut receipts = connection.open_uni().await.unwrap();
        let wrong = Receipt {
            stream: 2,
            chunks: 1,
        };
        receipts.write_all(&framed(&wrong.encode())).await.unwrap();
        connection.closed().await
    };
    let dial = async {
        let mut link = agent
            .dialer
            .dial()
            .await
            .map_err(|failure| failure.cause)
            .unwrap();
        assert_eq!(link.incoming.recv().await, None);
        link.bulk.lost().unwrap()
    };
    let (failure, closed) = soon(async { tokio::join!(dial, answer) }).await;
    assert_eq!(
        (&*failure.code, failure.kind),
        ("peer-protocol", FailureKind::Lost)
    );
    assert!(failure.cause.contains("`receipt.stream`"), "{failure}");
    assert!(closed.to_string().contains("`receipt.stream`"), "{closed}");
}

#[tokio::test]
async fn what_an_agent_gives_as_its_reason_is_made_fit_for_a_log() {
    let agent = Agent::new();
    let answer = async {
        let call = agent.heard().await;
        call.connection
            .close(VarInt::from_u32(2), b"\x1b[2Jgo\naway\xff");
    };
    let (failure, ()) = soon(async { tokio::join!(refusal(&agent.dialer), answer) }).await;
    assert_eq!(failure.code, "peer-refused");
    assert!(failure.cause.ends_with("[2Jgoaway\u{fffd}"), "{failure}");
}
