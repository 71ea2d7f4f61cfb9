//! Who gets a link and who does not.

use crate::fixture::{Host, Hosts, dialer, listen, refusal, soon};
use crate::raw;
use phaul_core::executor::ports::{Dial, Listen};
use phaul_core::failure::FailureKind;
use phaul_transports::quic::{DialerOptions, ListenerOptions, QuicDialer, QuicListener};
use std::time::{Duration, Instant};
use tokio::net::UdpSocket;

#[tokio::test]
async fn a_caller_that_the_target_does_not_trust_is_refused_and_told_what_to_do() {
    let hosts = Hosts::new();
    let stranger = Host::new();
    stranger.trust("b", &hosts.target);
    let failure = refusal(&dialer(&stranger, hosts.address(), |_| {})).await;
    assert_eq!(failure.code, "peer-untrusted");
    assert_eq!(failure.kind, FailureKind::Final);
    let key = stranger.keys().public_key().unwrap();
    assert_eq!(
        failure.hint.unwrap(),
        format!("on the target: `phaul keys trust NAME {key}`")
    );
    hosts.assert_alive().await;
}

#[tokio::test]
async fn an_agent_that_is_somebody_else_gets_no_link() {
    let hosts = Hosts::new();
    let impostor = Host::new();
    impostor.trust("a", &hosts.source);
    let listener = listen(&impostor, |_| {});
    let failure = refusal(&dialer(&hosts.source, listener.address(), |_| {})).await;
    assert_eq!(
        (&*failure.code, failure.kind),
        ("peer-identity", FailureKind::Final)
    );
    let key = |host: &Host| host.keys().public_key().unwrap().to_string();
    assert!(failure.cause.contains(&key(&impostor)), "{}", failure.cause);
    assert!(
        failure.cause.contains(&key(&hosts.target)),
        "{}",
        failure.cause
    );
    assert!(failure.hint.unwrap().contains("phaul keys trust b KEY"));

    // The impostor itself goes on, also for those that it may serve.
    hosts.source.trust("c", &impostor);
    let friend = QuicDialer::new(
        listener.address().to_string(),
        "c",
        hosts.source.keys(),
        DialerOptions::default(),
    );
    let (ours, theirs) = soon(async { tokio::join!(friend.dial(), listener.accept()) }).await;
    assert_eq!(
        ours.map_err(|failure| failure.cause).unwrap().peer.name,
        "c"
    );
    assert_eq!(theirs.unwrap().peer.name, "a");
}

#[tokio::test]
async fn trust_and_revocation_act_at_once() {
    let hosts = Hosts::new();
    let (mut ours, theirs) = hosts.link(&hosts.dialer()).await;
    hosts.target.keys().revoke("a").unwrap();
    assert_eq!(refusal(&hosts.dialer()).await.code, "peer-untrusted");
    // The link that there was is not torn out of the hands of a run.
    let message = crate::link::message(1);
    theirs.outgoing.send(message.clone()).await.unwrap();
    assert_eq!(soon(ours.incoming.recv()).await, Some(message));

    hosts.target.trust("again", &hosts.source);
    let (_ours, theirs) = hosts.link(&hosts.dialer()).await;
    assert_eq!(theirs.peer.name, "again");

    hosts.source.keys().revoke("b").unwrap();
    let failure = refusal(&hosts.dialer()).await;
    assert_eq!(failure.code, "keys-unknown-name");
}

#[tokio::test]
async fn a_list_of_peers_that_cannot_be_read_lets_nobody_in() {
    let hosts = Hosts::new();
    let path = hosts.target.state_directory().join("keys/peers.json");
    let good = std::fs::read(&path).unwrap();
    std::fs::write(&path, "{").unwrap();
    let failure = refusal(&hosts.dialer()).await;
    assert_eq!(
        (&*failure.code, failure.kind),
        ("peer-busy", FailureKind::Lost)
    );
    std::fs::write(&path, good).unwrap();
    hosts.assert_alive().await;
}

#[tokio::test]
async fn without_a_key_one_neither_dials_nor_listens() {
    let hosts = Hosts::new();
    let key = hosts.source.state_directory().join("keys/identity.pem");
    std::fs::remove_file(key).unwrap();
    let failure = refusal(&hosts.dialer()).await;
    assert_eq!(failure.code, "keys-none");
    assert!(failure.hint.unwrap().contains("phaul keys init"));

    let any = "127.0.0.1:0".parse().unwrap();
    let bound = QuicListener::bind(any, hosts.source.keys(), ListenerOptions::default());
    assert_eq!(bound.unwrap_err().code, "keys-none");
}

#[tokio::test]
async fn nobody_at_the_address_is_a_loss_that_names_it() {
    let hosts = Hosts::new();
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let since = Instant::now();
    let failure = refusal(&dialer(&hosts.source, address, |options| {
        options.timing.handshake = Duration::from_millis(500);
    }))
    .await;
    assert!(since.elapsed() < Duration::from_secs(4));
    assert_eq!(
        (&*failure.code, failure.kind),
        ("peer-unreachable", FailureKind::Lost)
    );
    assert!(
        failure.cause.contains(&address.to_string()),
        "{}",
        failure.cause
    );
}

#[tokio::test]
async fn an_address_that_is_none_or_a_name_that_is_unknown() {
    let hosts = Hosts::new();
    let dial = |address: &str| {
        let options = DialerOptions::default();
        QuicDialer::new(address, "b", hosts.source.keys(), options)
    };
    for address in ["", "b", "b:", "b:port", "b:0", "b:70000"] {
        let failure = refusal(&dial(address)).await;
        assert_eq!(
            (&*failure.code, failure.kind),
            ("peer-address", FailureKind::Final)
        );
        assert!(failure.cause.contains(&format!("`{address}`")));
    }
    // A name's labels have at most 63 letters: no name service is asked for this one.
    let failure = refusal(&dial(&format!("{}:7420", "x".repeat(70)))).await;
    assert_eq!(
        (&*failure.code, failure.kind),
        ("peer-unresolved", FailureKind::Lost)
    );
}

#[tokio::test]
async fn a_name_is_resolved_and_its_addresses_are_tried() {
    let hosts = Hosts::new();
    let address = format!("localhost:{}", hosts.address().port());
    let options = DialerOptions::default();
    let dialer = QuicDialer::new(address, "b", hosts.source.keys(), options);
    hosts.link(&dialer).await;
}

/// Waits until there is room for another caller.
async fn room(hosts: &Hosts) {
    while hosts.dialer().dial().await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn callers_beyond_the_limit_are_told_to_come_back() {
    let hosts = Hosts::with(|options| options.links = 2);
    let first = hosts.link(&hosts.dialer()).await;
    let second = hosts.link(&hosts.dialer()).await;
    let failure = refusal(&hosts.dialer()).await;
    assert_eq!(
        (&*failure.code, failure.kind),
        ("peer-busy", FailureKind::Lost)
    );
    drop(first);
    // The place is free once the end of the first link is known there.
    soon(room(&hosts)).await;
    drop(second);
}

#[tokio::test]
async fn callers_that_say_nothing_do_not_keep_out_those_with_links() {
    let hosts = Hosts::with(|options| {
        options.callers_per_address = 2;
        options.timing.handshake = Duration::from_millis(800);
    });
    let (ours, _theirs) = hosts.link(&hosts.dialer()).await;
    let _silent = [
        raw::connect(&hosts.source, hosts.address()).await,
        raw::connect(&hosts.source, hosts.address()).await,
    ];
    assert_eq!(refusal(&hosts.dialer()).await.code, "peer-busy");
    // Their time runs out, and then there is room again.
    soon(room(&hosts)).await;
    assert_eq!(ours.bulk.lost(), None);
}

#[tokio::test]
async fn a_listener_that_is_closed_lets_links_live_and_nobody_in() {
    let hosts = Hosts::new();
    let (mut ours, theirs) = hosts.link(&hosts.dialer()).await;
    hosts.listener.close();
    assert!(soon(hosts.listener.accept()).await.is_none());
    let late = dialer(&hosts.source, hosts.address(), |options| {
        options.timing.handshake = Duration::from_millis(500);
    });
    assert_eq!(refusal(&late).await.kind, FailureKind::Lost);
    let message = crate::link::message(1);
    theirs.outgoing.send(message.clone()).await.unwrap();
    assert_eq!(soon(ours.incoming.recv()).await, Some(message));

    drop(theirs);
    soon(hosts.listener.finished()).await;
    assert_eq!(soon(ours.incoming.recv()).await, None);
}
