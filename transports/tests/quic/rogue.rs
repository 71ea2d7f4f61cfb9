//! Trusted callers that do not keep to the protocol. Each is refused, is told why where it can
//! be told, and harms nobody else.

use crate::fixture::{Hosts, soon};
use crate::link::message;
use crate::raw::{connect, connect_speaking, frame, framed, hello, say};
use bytes::Bytes;
use phaul_core::executor::ports::{Link, Listen};
use phaul_core::protocol::{Answer, Body};
use phaul_transports::wire::chunk::Packed;
use phaul_transports::wire::hello::{Verdict, Versions, decode_welcome, encode_hello};
use phaul_transports::wire::message::{Decoded, decode, encode};
use phaul_transports::wire::{Codec, FRAME_MAX, HELLO_MAX};
use quinn::{Connection, ConnectionError, RecvStream, SendStream};
use std::time::Duration;
use tokio::net::UdpSocket;

/// The codes with which a listener closes.
const VIOLATION: u64 = 1;
const REFUSED: u64 = 2;

/// How the listener closed the connection: code and reason.
async fn closed(connection: &Connection) -> (u64, String) {
    match soon(connection.closed()).await {
        ConnectionError::ApplicationClosed(close) => (
            close.error_code.into_inner(),
            String::from_utf8(close.reason.to_vec()).unwrap(),
        ),
        other => panic!("the listener closes with a reason, not with {other}"),
    }
}

/// A rogue that has said a proper hello, and the link that the listener has of it.
struct Greeted {
    hosts: Hosts,
    connection: Connection,
    send: SendStream,
    receive: RecvStream,
    link: Link,
}

impl Greeted {
    async fn new(bulk_streams: u32) -> Self {
        let hosts = Hosts::new();
        let connection = connect(&hosts.source, hosts.address()).await;
        let hello = encode_hello(&hello(bulk_streams)).unwrap();
        let (send, mut receive) = say(&connection, &framed(&hello)).await;
        let welcome = decode_welcome(soon(frame(&mut receive)).await.unwrap()).unwrap();
        assert_eq!(welcome.verdict, Verdict::Accepted { protocol: 1 });
        let link = soon(hosts.listener.accept()).await.unwrap();
        Self {
            hosts,
            connection,
            send,
            receive,
            link,
        }
    }

    /// The link was closed for this reason, its user knows, and the listener goes on.
    async fn assert_thrown_out(mut self, why: &str) {
        let (code, reason) = closed(&self.connection).await;
        assert_eq!(code, VIOLATION, "{reason}");
        assert!(reason.contains(why), "{why}: {reason}");
        assert_eq!(soon(self.link.incoming.recv()).await, None);
        // Chunks that arrived before stay good; then there are no more.
        while soon(self.link.bulk.receive()).await.is_some() {}
        let failure = self.link.bulk.lost().unwrap();
        assert_eq!(failure.code, "peer-protocol");
        assert!(failure.cause.contains(why), "{why}: {}", failure.cause);
        self.hosts.assert_alive().await;
    }
}

#[tokio::test]
async fn garbage_datagrams_are_nothing_to_the_listener() {
    let hosts = Hosts::new();
    let (ours, theirs) = hosts.link(&hosts.dialer()).await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut state = 1u64;
    for size in 0..400 {
        let datagram: Vec<u8> = (0..size * 3)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                (state >> 56) as u8
            })
            .collect();
        socket.send_to(&datagram, hosts.address()).await.unwrap();
    }
    hosts.assert_alive().await;
    assert_eq!((ours.bulk.lost(), theirs.bulk.lost()), (None, None));
}

#[tokio::test]
async fn a_caller_with_another_protocol_is_not_spoken_to() {
    let hosts = Hosts::new();
    let error = soon(connect_speaking(&hosts.source, hosts.address(), b"h3")).await;
    assert!(error.is_err());
    hosts.assert_alive().await;
}

#[tokio::test]
async fn a_caller_that_never_says_hello_is_sent_away() {
    let hosts = Hosts::with(|options| options.timing.handshake = Duration::from_millis(700));
    // Nothing at all, a stream with nothing on it, half a hello.
    let half = framed(&encode_hello(&hello(1)).unwrap());
    let call = async |said: Option<&[u8]>| {
        let connection = connect(&hosts.source, hosts.address()).await;
        let _streams = match said {
            Some(said) => Some(say(&connection, said).await),
            None => None,
        };
        let (code, reason) = closed(&connection).await;
        assert_eq!(code, REFUSED);
        assert_eq!(reason, "it did not say hello in time");
    };
    tokio::join!(call(None), call(Some(&[])), call(Some(&half[..9])));
    hosts.assert_alive().await;
}

#[tokio::test]
async fn a_hello_that_is_none_is_refused_with_the_reason() {
    let hosts = Hosts::new();
    let too_long = ((HELLO_MAX + 1) as u32).to_le_bytes().to_vec();
    let streams = encode_hello(&hello(65)).unwrap();
    for (said, why) in [
        (framed(b"GET / HTTP/1.1\r\n\r\n"), "hello"),
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), "hello has a size of"),
        (framed(b""), "`magic`"),
        (framed(&streams), "`bulk_streams`"),
        (too_long, "hello has a size of 16385"),
    ] {
        let connection = connect(&hosts.source, hosts.address()).await;
        let (_send, mut receive) = say(&connection, &said).await;
        let welcome = decode_welcome(soon(frame(&mut receive)).await.unwrap()).unwrap();
        let Verdict::Refused { code, reason } = welcome.verdict else {
            panic!("{why}: it must be refused");
        };
        assert_eq!(code, "hello");
        assert!(reason.contains(why), "{why}: {reason}");
        assert_eq!(closed(&connection).await, (REFUSED, reason));
    }
    hosts.assert_alive().await;
}

#[tokio::test]
async fn a_version_that_is_not_understood_is_refused_with_those_that_are() {
    let hosts = Hosts::new();
    let connection = connect(&hosts.source, hosts.address()).await;
    let mut later = hello(1);
    later.versions = Versions { min: 2, max: 3 };
    let hello = encode_hello(&later).unwrap();
    let (_send, mut receive) = say(&connection, &framed(&hello)).await;
    let welcome = decode_welcome(soon(frame(&mut receive)).await.unwrap()).unwrap();
    let Verdict::Refused { code, reason } = welcome.verdict else {
        panic!("it must be refused");
    };
    assert_eq!(code, "version");
    assert_eq!(
        reason,
        "versions 2 to 3 of the protocol are not understood here, but 1 to 1 are"
    );
    assert_eq!(welcome.hello.versions, Versions::OURS);
    hosts.assert_alive().await;
}

#[tokio::test]
async fn a_newer_caller_that_still_knows_this_version_is_let_in() {
    let hosts = Hosts::new();
    let connection = connect(&hosts.source, hosts.address()).await;
    let mut newer = hello(1);
    newer.versions = Versions { min: 1, max: 2 };
    newer.capabilities = vec!["levitation".to_owned()];
    let hello = encode_hello(&newer).unwrap();
    let (_send, mut receive) = say(&connection, &framed(&hello)).await;
    let welcome = decode_welcome(soon(frame(&mut receive)).await.unwrap()).unwrap();
    assert_eq!(welcome.verdict, Verdict::Accepted { protocol: 1 });
    let link = soon(hosts.listener.accept()).await.unwrap();
    assert_eq!((&*link.peer.software, link.peer.protocol), ("rogue", 1));
}

#[tokio::test]
async fn a_frame_of_nonsense_ends_the_link() {
    let mut rogue = Greeted::new(1).await;
    rogue.send.write_all(&framed(&[0xff; 30])).await.unwrap();
    rogue.assert_thrown_out("message cannot be read").await;
}

#[tokio::test]
async fn a_length_over_the_bound_ends_the_link_before_anything_of_it_is_read() {
    let mut rogue = Greeted::new(1).await;
    let length = (FRAME_MAX as u32 + 1).to_le_bytes();
    rogue.send.write_all(&length).await.unwrap();
    rogue
        .assert_thrown_out("message has a size of 8388609")
        .await;
}

#[tokio::test]
async fn a_control_stream_that_ends_within_a_frame_ends_the_link() {
    let mut rogue = Greeted::new(1).await;
    let torn = framed(&encode(&message(1)).unwrap());
    rogue.send.write_all(&torn[..torn.len() - 1]).await.unwrap();
    rogue.send.finish().unwrap();
    rogue.assert_thrown_out("ends within a frame").await;
}

#[tokio::test]
async fn a_control_stream_that_ends_without_a_word_ends_the_link() {
    let mut rogue = Greeted::new(1).await;
    rogue.send.finish().unwrap();
    assert_eq!(soon(rogue.link.incoming.recv()).await, None);
    assert_eq!(rogue.link.bulk.lost().unwrap().code, "link-closed");
    closed(&rogue.connection).await;
    rogue.hosts.assert_alive().await;
}

#[tokio::test]
async fn an_ask_that_is_not_understood_is_answered_and_the_link_goes_on() {
    let mut rogue = Greeted::new(1).await;
    // Run "r-1", attempt 1, an ask of kind 99.
    let ask = [0x0a, 3, b'r', b'-', b'1', 0x10, 1, 0x1a, 2, 0x08, 99];
    rogue.send.write_all(&framed(&ask)).await.unwrap();
    let answer = soon(frame(&mut rogue.receive)).await.unwrap();
    let Ok(Decoded::Message(answer)) = decode(answer) else {
        panic!("it is owed an answer");
    };
    let Body::Answer(Answer::Failed(failure)) = answer.body else {
        panic!("the answer is that it failed");
    };
    assert_eq!(failure.code, "ask-not-understood");

    let proper = framed(&encode(&message(2)).unwrap());
    rogue.send.write_all(&proper).await.unwrap();
    assert_eq!(soon(rogue.link.incoming.recv()).await, Some(message(2)));
}

/// The bytes of a chunk of zeros, as they are on a bulk stream.
fn chunk() -> Vec<u8> {
    let chunk = phaul_core::protocol::Chunk {
        run: "r-1".parse().unwrap(),
        attempt: 1,
        part: phaul_core::protocol::Part::Image("pages-1.img".to_owned()),
        offset: 0,
        data: Bytes::from(vec![0; 1000]),
    };
    let packed = Packed::new(&chunk, Codec::Raw).unwrap();
    [&packed.header[0][..], &packed.header[1], &packed.stored].concat()
}

#[tokio::test]
async fn a_chunk_with_a_wrong_sum_ends_the_link() {
    let rogue = Greeted::new(1).await;
    let mut bytes = chunk();
    *bytes.last_mut().unwrap() ^= 1;
    let mut stream = rogue.connection.open_uni().await.unwrap();
    stream.write_all(&chunk()).await.unwrap();
    stream.write_all(&bytes).await.unwrap();
    // The chunk before it was good, and stays good.
    assert!(soon(rogue.link.bulk.receive()).await.is_some());
    rogue.assert_thrown_out("`crc32c`").await;
}

#[tokio::test]
async fn a_header_of_nonsense_or_without_end_ends_the_link() {
    for (bytes, why) in [
        (framed(&[0xff; 30]), "chunk header cannot be read"),
        (vec![0xff; 30], "chunk header has a size of"),
        (chunk()[..500].to_vec(), "a bulk stream ends within a chunk"),
    ] {
        let rogue = Greeted::new(1).await;
        let mut stream = rogue.connection.open_uni().await.unwrap();
        stream.write_all(&bytes).await.unwrap();
        stream.finish().unwrap();
        rogue.assert_thrown_out(why).await;
    }
}

#[tokio::test]
async fn more_bulk_streams_than_were_agreed_on_end_the_link() {
    let rogue = Greeted::new(2).await;
    for _ in 0..3 {
        let mut stream = rogue.connection.open_uni().await.unwrap();
        stream.write_all(&chunk()).await.unwrap();
    }
    rogue.assert_thrown_out("bulk stream 3 of 2").await;
}

#[tokio::test]
async fn no_second_control_stream_can_be_opened() {
    let rogue = Greeted::new(1).await;
    let second = rogue.connection.open_bi();
    let waits = tokio::time::timeout(Duration::from_millis(200), second).await;
    assert!(waits.is_err(), "the listener gives no leave");
    assert_eq!(rogue.link.bulk.lost(), None);
}

#[tokio::test]
async fn bulk_streams_that_are_begun_and_left_harm_nobody() {
    let rogue = Greeted::new(64).await;
    let mut streams = Vec::new();
    for _ in 0..64 {
        let mut stream = rogue.connection.open_uni().await.unwrap();
        stream.write_all(&chunk()[..60]).await.unwrap();
        streams.push(stream);
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(rogue.link.bulk.lost(), None, "slowness is no crime");
    rogue.hosts.assert_alive().await;
}
