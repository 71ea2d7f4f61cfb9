//! Addresses that are there and keep quiet.

use super::*;
use crate::network;
use std::io::ErrorKind;

/// Longer than an answer takes, where there is one.
const SOON: Duration = Duration::from_millis(400);
/// A question that was lost is asked again after a second.
const PATIENCE: Duration = Duration::from_secs(4);

/// Nobody listens at the port: a host that is not quiet resets the connection.
fn attempt(client: &Netns, ip: IpAddr, patience: Duration) -> ErrorKind {
    let at = SocketAddr::new(ip, 9);
    connect(client, at, patience).unwrap_err().kind()
}

fn assert_answers(client: &Netns, ip: IpAddr) {
    assert_eq!(attempt(client, ip, PATIENCE), ErrorKind::ConnectionRefused);
}

fn assert_silent(client: &Netns, ip: IpAddr) {
    assert_eq!(attempt(client, ip, SOON), ErrorKind::TimedOut, "{ip}");
}

fn neighbour(client: &Netns, what: IpAddr) -> String {
    ip(client, &format!("neigh show {what}"))
}

#[tokio::test]
async fn a_quiet_address_answers_nobody() {
    let (host, client) = host_and_client();
    let ips = [addr("10.0.0.5"), addr("fd00::5")];
    network::can_hush(&host).await.unwrap();
    let mac = ip(&host, "-br link show br0");
    let mac = mac.split_whitespace().nth(2).unwrap().to_owned();
    for _ in 0..2 {
        network::hush(&host, &ips, "run-1").await.unwrap();
    }
    for (what, prefix) in ips.into_iter().zip([24, 64]) {
        network::give(&host, &link("br0"), what, prefix)
            .await
            .unwrap();
        // Nobody finds it.
        assert_ne!(attempt(&client, what, SOON), ErrorKind::ConnectionRefused);
        assert!(!neighbour(&client, what).contains(&mac), "{what}");
        // Who knows where it is gets no answer, not even a reset.
        let known = format!("neigh replace {what} dev eth0 nud permanent lladdr {mac}");
        ip(&client, &known);
        assert_silent(&client, what);
        ip(&client, &format!("neigh del {what} dev eth0"));
    }
    // Other addresses of the host are not concerned.
    ip(&host, "addr add 10.0.0.6/24 dev br0");
    assert_answers(&client, addr("10.0.0.6"));
    for _ in 0..2 {
        network::unhush(&host, "run-1").await.unwrap();
    }
    for what in ips {
        ip(&client, &format!("neigh flush to {what}"));
        assert_answers(&client, what);
        assert!(neighbour(&client, what).contains(&mac));
    }
}

#[tokio::test]
async fn packets_alone_can_be_kept_away() {
    let (host, client) = host_and_client();
    let ips = [addr("10.0.0.5"), addr("fd00::5")];
    for (what, prefix) in ips.into_iter().zip([24, 64]) {
        network::give(&host, &link("br0"), what, prefix)
            .await
            .unwrap();
        assert_answers(&client, what);
    }
    crate::network::hush::lock(&host, &ips, "a").unwrap();
    crate::network::hush::lock(&host, &ips, "b").unwrap();
    network::unhush(&host, "b").await.unwrap();
    for what in ips {
        assert_silent(&client, what);
    }
    ip(&client, "neigh flush to 10.0.0.5");
    assert_silent(&client, addr("10.0.0.5"));
    assert!(neighbour(&client, addr("10.0.0.5")).contains("lladdr"));
    network::unhush(&host, "a").await.unwrap();
    assert_answers(&client, addr("10.0.0.5"));
}
