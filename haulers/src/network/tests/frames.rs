//! Frames that are kept while nobody takes them, and sent again.

use super::*;
use crate::network::{self, Capture, Frames, Towards};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

const MAC: &str = "02:00:0a:00:00:32";
/// The client's timer runs out after 0.2 and 0.6 seconds; in between it is silent.
const PAUSE: Duration = Duration::from_millis(330);
/// Well before the second time.
const PROMPT: Duration = Duration::from_millis(150);

fn travelled(frames: &Frames) -> Frames {
    serde_json::from_str(&serde_json::to_string(frames).unwrap()).unwrap()
}

fn much() -> Vec<u8> {
    (0..300_000u32).map(|n| (n % 251) as u8).collect()
}

#[tokio::test]
async fn a_containers_frames_arrive_after_the_lock() {
    let (host, client) = host_and_client();
    let inner = container(&host, MAC);
    ip(&host, "link set vct master br0");
    let vct = link("vct");
    let towards = Towards::Mac(MAC.parse().unwrap());
    for at in ["10.0.0.50:80", "[fd00::50]:80"] {
        let at: SocketAddr = at.parse().unwrap();
        let _served = echo(&inner, at);
        let mut stream = connect(&client, at, Duration::from_secs(3)).unwrap();
        for what in [b"hello".to_vec(), much()] {
            say(&mut stream, b"before");
            let capture = Capture::start(&host, &vct, towards.clone()).await.unwrap();
            repair::lock(&inner, "CRIU-test");
            let mut sending = stream.try_clone().unwrap();
            let text = what.clone();
            let sent = std::thread::spawn(move || sending.write_all(&text).unwrap());
            tokio::time::sleep(PAUSE).await;
            let frames = travelled(&capture.stop().await.unwrap());
            assert!(!frames.is_empty() && frames.lost() == 0);
            network::unlock_leftovers(&inner, &[]).await.unwrap();
            let begin = Instant::now();
            let replayed = network::replay_out_of(&host, &vct, &frames, &towards)
                .await
                .unwrap();
            assert_eq!((replayed.sent, replayed.refused), (frames.len(), 0));
            hear(&mut stream, &what);
            assert!(begin.elapsed() < PROMPT, "{:?}", begin.elapsed());
            sent.join().unwrap();
        }
        // What is for another is not sent.
        let capture = Capture::start(&host, &vct, towards.clone()).await.unwrap();
        say(&mut stream, b"more");
        let frames = capture.stop().await.unwrap();
        let other = Towards::Ips(vec![addr("10.0.0.51")]);
        let replayed = network::replay_out_of(&host, &vct, &frames, &other)
            .await
            .unwrap();
        assert_eq!((replayed.sent, replayed.refused), (0, frames.len()));
    }
}

#[tokio::test]
async fn a_hosts_frames_arrive_in_its_own_sockets() {
    let (host, client) = host_and_client();
    let br0 = link("br0");
    let strict =
        |key: &str| std::fs::write(format!("/proc/sys/net/ipv4/conf/{key}/rp_filter"), "1");
    host.inside(|| strict("all").and_then(|()| strict("lo")))
        .unwrap();
    let before = ip(&host, "-o link").lines().count();
    let ips = [addr("10.0.0.5"), addr("fd00::5")];
    let towards = Towards::Ips(ips.to_vec());
    for (what, prefix) in ips.into_iter().zip([24, 64]) {
        network::give(&host, &br0, what, prefix).await.unwrap();
        let at = SocketAddr::new(what, 80);
        let _served = echo(&host, at);
        let mut stream = connect(&client, at, Duration::from_secs(3)).unwrap();
        for text in [b"hello".to_vec(), much()] {
            say(&mut stream, b"before");
            let capture = Capture::start(&host, &br0, towards.clone()).await.unwrap();
            crate::network::hush::lock(&host, &ips, "x").unwrap();
            let (mut sending, sent) = (stream.try_clone().unwrap(), text.clone());
            let sent = std::thread::spawn(move || sending.write_all(&sent).unwrap());
            tokio::time::sleep(PAUSE).await;
            let frames = travelled(&capture.stop().await.unwrap());
            network::unhush(&host, "x").await.unwrap();
            let begin = Instant::now();
            let replayed = network::replay_into_host(&host, &frames, &towards)
                .await
                .unwrap();
            assert_eq!((replayed.sent, replayed.refused), (frames.len(), 0));
            hear(&mut stream, &text);
            assert!(begin.elapsed() < PROMPT, "{:?}", begin.elapsed());
            sent.join().unwrap();
        }
    }
    let after = ip(&host, "-o link").lines().count();
    assert_eq!(after, before, "no device is left");
}

#[tokio::test]
async fn a_connection_that_begins_meanwhile_begins_at_once() {
    let (host, client) = host_and_client();
    let (br0, what) = (link("br0"), addr("10.0.0.5"));
    network::give(&host, &br0, what, 24).await.unwrap();
    let at = SocketAddr::new(what, 80);
    let _served = echo(&host, at);
    let towards = Towards::Ips(vec![what]);
    let capture = Capture::start(&host, &br0, towards.clone()).await.unwrap();
    crate::network::hush::lock(&host, &[what], "x").unwrap();
    let (from, begin) = (client.clone(), Instant::now());
    let connecting = std::thread::spawn(move || {
        connect(&from, at, Duration::from_secs(5)).map(|stream| (stream, begin.elapsed()))
    });
    tokio::time::sleep(PAUSE).await;
    let frames = capture.stop().await.unwrap();
    network::unhush(&host, "x").await.unwrap();
    network::replay_into_host(&host, &frames, &towards)
        .await
        .unwrap();
    let (mut stream, took) = connecting.join().unwrap().unwrap();
    assert!(took < PAUSE + PROMPT, "{took:?}");
    say(&mut stream, b"hello");
}

#[tokio::test]
async fn a_capture_has_bounds_and_keeps_the_newest_of_each() {
    let (host, client) = host_and_client();
    let inner = container(&host, MAC);
    ip(&host, "link set vct master br0");
    let towards = Towards::Ips(vec![addr("10.0.0.50"), addr("fd00::50")]);
    let sender = client
        .inside(|| std::net::UdpSocket::bind("10.0.0.9:0"))
        .unwrap();
    sender.send_to(b"who are you", "10.0.0.50:9").unwrap();
    settle(&inner);
    wait_for("neighbours", || {
        ip(&client, "neigh show 10.0.0.50").contains("lladdr")
    });
    let capture = Capture::start(&host, &link("vct"), towards.clone())
        .await
        .unwrap();
    for _ in 0..600 {
        sender.send_to(&[7; 100], "10.0.0.50:9").unwrap();
    }
    let frames = capture.stop().await.unwrap();
    assert_eq!((frames.len(), frames.lost()), (512, 88));
    // A question that is asked again and again takes one place.
    repair::lock(&inner, "CRIU-test");
    let capture = Capture::start(&host, &link("vct"), towards.clone())
        .await
        .unwrap();
    connect(
        &client,
        "10.0.0.50:9".parse().unwrap(),
        Duration::from_millis(1300),
    )
    .unwrap_err();
    assert_eq!(capture.stop().await.unwrap().len(), 1);
    let many = Towards::Ips(vec![addr("10.0.0.50"); 65]);
    let refused = Capture::start(&host, &link("vct"), many).await.unwrap_err();
    assert_eq!(refused.code, "network-capture");
    // One that is dropped lets go of its socket.
    drop(Capture::start(&host, &link("vct"), towards).await.unwrap());
    let open = || host.inside(|| std::fs::read_to_string("/proc/thread-self/net/packet"));
    wait_for("the socket's end", || open().unwrap().lines().count() == 1);
}

fn frame(protocol: u8, data: &[u8]) -> Vec<u8> {
    let mut frame = [&[2; 12][..], &[8, 0, 0x45, 0, 0]].concat();
    frame.push(20 + u8::try_from(data.len()).unwrap());
    frame.extend([0, 0, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 9, 10, 0, 0, 50]);
    frame.extend(data);
    frame
}

fn read(bytes: &[u8], pile: Value) -> Result<Frames, serde_json::Error> {
    let bytes = BASE64_STANDARD.encode(bytes);
    serde_json::from_value(json!({"frames": [{"bytes": bytes, "pile": pile}], "lost": 0}))
}

#[test]
fn frames_that_make_no_sense_are_refused() {
    let tcp = frame(6, &[0x50; 40]);
    let pile = |kind: u8, segment: u16, start: u16, place: u16| json!({"kind": kind, "segment": segment, "start": start, "place": place});
    assert!(read(&tcp, Value::Null).is_ok());
    assert!(read(&tcp, pile(1, 1400, 34, 16)).is_ok());
    for bad in [
        pile(3, 1400, 34, 16),
        pile(1, 0, 34, 16),
        pile(1, 1400, 60_000, 16),
        pile(1, 1400, 34, 60_000),
    ] {
        assert!(read(&tcp, bad.clone()).is_err(), "{bad}");
    }
    assert!(read(&frame(17, &[0; 40]), pile(1, 1400, 34, 16)).is_err());
    assert!(read(&frame(89, &[0; 40]), Value::Null).is_err(), "OSPF");
    for end in [0, 13, 14, 33] {
        assert!(read(&tcp[..end], Value::Null).is_err(), "{end} bytes");
    }
    assert!(
        read(&tcp[..50], Value::Null).is_err(),
        "shorter than it says"
    );
    let mut arp = tcp.clone();
    arp[12..14].copy_from_slice(&[8, 6]);
    assert!(read(&arp, Value::Null).is_err());
    let mut neighbour = [&[2; 12][..], &[0x86, 0xdd, 0x60, 0, 0, 0, 0, 24, 58, 255]].concat();
    neighbour.extend([1; 32]);
    neighbour.extend([136; 24]);
    assert!(
        read(&neighbour, Value::Null).is_err(),
        "a neighbour advertisement"
    );
    neighbour[54] = 128;
    assert!(read(&neighbour, Value::Null).is_ok(), "an echo");
    let one = json!({"bytes": BASE64_STANDARD.encode(&tcp), "pile": null});
    let many = json!({"frames": vec![one; 513], "lost": 0});
    assert!(serde_json::from_value::<Frames>(many).is_err());
    let mut large = tcp.clone();
    large.resize(60_000, 0);
    let one = json!({"bytes": BASE64_STANDARD.encode(&large), "pile": null});
    let large = json!({"frames": vec![one; 40], "lost": 0});
    assert!(serde_json::from_value::<Frames>(large).is_err());
}
