//! Addresses of a host that are taken, given back, and given elsewhere.

use super::*;
use crate::network::{self, Taken};

/// A host whose addresses carry routes of several kinds.
fn host() -> (Netns, Netns) {
    // Here addresses of IPv6 are asked about before they are used.
    let (host, other) = (bare("host"), space("other"));
    ip(&host, "link set lo up");
    pair(&host, "eth0", &other, "eth0", "");
    pair(&host, "eth1", &other, "eth1", "");
    for arguments in [
        "addr add 10.0.0.5/24 broadcast + label eth0:move dev eth0",
        "addr add 10.0.0.6/24 dev eth0",
        "addr add 10.5.0.1/16 dev eth1 metric 9",
        "route add default via 10.0.0.1 src 10.0.0.5 proto static",
        "route add 172.16.0.0/16 via 10.0.0.2",
        "route add 172.20.0.0/16 via 10.0.0.2 src 10.0.0.6",
        "route add 172.17.0.0/16 via 10.5.0.2 src 10.0.0.5 mtu 1400",
        "route add 172.18.0.0/16 nexthop via 10.0.0.3 nexthop via 10.5.0.3",
        "nexthop add id 9 via 10.5.0.9 dev eth1",
        "route add 172.19.0.0/16 nhid 9 src 10.0.0.5",
        "-6 addr add fd00::5/64 dev eth0 nodad",
        "-6 addr change fd00::5/64 dev eth0",
        "-6 addr add fd00:5::1/64 dev eth1 nodad",
        "-6 route add default via fd00::1 src fd00::5",
        "-6 route add fd00:7::/64 via fd00:5::2 src fd00::5",
    ] {
        ip(&host, arguments);
    }
    settle(&host);
    (host, other)
}

fn routes(netns: &Netns) -> [String; 3] {
    [
        "-4 route show table all",
        "-6 route show table all",
        "-6 addr",
    ]
    .map(|arguments| ip(netns, arguments))
}

fn same(what: IpAddr, after: [String; 3], before: &[String; 3]) {
    if what == addr("10.0.0.5") {
        assert_eq!(roughly(after), roughly(before.clone()), "{what}");
    } else {
        assert_eq!(after, *before, "{what}");
    }
}

/// Without the sources that the kernel chose for its own routes of IPv4.
fn roughly(routes: [String; 3]) -> String {
    let [first, rest @ ..] = routes;
    let kernels = |line: &str| match line.split_once(" src ") {
        Some((route, _)) if line.contains("proto kernel") => route.to_owned(),
        _ => line.to_owned(),
    };
    let first: Vec<String> = first.lines().map(kernels).collect();
    first.join("\n") + &rest.concat()
}

#[tokio::test]
async fn an_address_is_given_back_with_its_routes() {
    let (host, _other) = host();
    for (name, what, others, went) in [
        ("eth0", "10.0.0.6", "10.0.0.5", 1),
        ("eth1", "10.5.0.1", "10.0.0.6", 2),
        ("eth0", "fd00::5", "fd00:5::1", 2),
        ("eth1", "fd00:5::1", "fd00::5", 0),
        // The first of two in a network: the other one becomes the first.
        ("eth0", "10.0.0.5", "10.0.0.6", 3),
    ] {
        let (name, what) = (link(name), addr(what));
        let before = routes(&host);
        let looked = network::look(&host, &name, what).await.unwrap();
        let taken = network::take(&host, &looked).await.unwrap();
        assert_eq!(taken.routes.len(), went, "{what}");
        assert_ne!(routes(&host), before);
        assert!(!network::holds(&host, &name, what).await.unwrap());
        assert!(ip(&host, "addr").contains(others), "{others} stays");
        assert_eq!(network::take(&host, &taken).await.unwrap(), taken);
        let missing = network::look(&host, &name, what).await.unwrap_err();
        assert_eq!(missing.code, "network-address-missing");

        let text = serde_json::to_string(&taken).unwrap();
        let taken: Taken = serde_json::from_str(&text).unwrap();
        for _ in 0..2 {
            network::give_back(&host, &taken).await.unwrap();
            same(what, routes(&host), &before);
        }
        // Had phaul crashed in between, only what was looked at would be known.
        network::take(&host, &looked).await.unwrap();
        let left = ip(&host, "-4 route show table all dev eth0");
        assert!(left.contains("10.0.0.0/24"), "{left}");
        network::give_back(&host, &looked).await.unwrap();
        same(what, routes(&host), &before);
    }
    let label = ip(&host, "-4 addr show eth0");
    assert!(
        label.contains("10.0.0.5/24 brd 10.0.0.255 scope global"),
        "{label}"
    );
    assert!(label.contains("eth0:move"), "{label}");
}

#[tokio::test]
async fn an_address_goes_to_its_own_link_only() {
    let (host, _other) = host();
    let looked = network::look(&host, &link("eth1"), addr("10.5.0.1"))
        .await
        .unwrap();
    ip(&host, "link del eth1");
    assert_eq!(
        network::take(&host, &looked).await.unwrap().address,
        looked.address
    );
    let gone = network::give_back(&host, &looked).await.unwrap_err();
    assert_eq!(gone.code, "network-link-missing");
    let text = serde_json::to_string(&looked).unwrap();
    let bad = text.replace("\"routes\":[\"", "\"routes\":[\"AAAA\",\"");
    assert!(serde_json::from_str::<Taken>(&bad).is_err());
}

#[tokio::test]
async fn an_address_is_given_and_dropped() {
    let (host, other) = host();
    let eth0 = link("eth0");
    for (what, prefix, from) in [
        ("10.0.0.8", 24, "10.0.0.99/24"),
        ("fd00::8", 64, "fd00::99/64"),
    ] {
        ip(&other, &format!("addr add {from} dev eth0"));
        settle(&other);
        let before = routes(&host);
        for _ in 0..2 {
            network::give(&host, &eth0, addr(what), prefix)
                .await
                .unwrap();
            assert!(network::holds(&host, &eth0, addr(what)).await.unwrap());
        }
        let taken = network::give(&host, &eth0, addr(what), prefix - 1).await;
        assert_eq!(taken.unwrap_err().code, "network-address-taken");
        let at = SocketAddr::new(addr(what), 80);
        let _served = echo(&host, at);
        let mut stream = connect(&other, at, Duration::from_secs(3)).unwrap();
        say(&mut stream, b"hello");
        for _ in 0..2 {
            network::drop_address(&host, &eth0, addr(what))
                .await
                .unwrap();
            assert_eq!(routes(&host), before);
        }
    }
    let missing = network::give(&host, &link("none"), addr("10.0.0.8"), 24).await;
    assert_eq!(missing.unwrap_err().code, "network-link-missing");
}
