//! A container's namespace: described, made anew, plugged in, announced.

use super::*;
use crate::network::described::Kind;
use crate::network::{self, Described, HostEnd};

const MAC: &str = "02:00:0a:00:00:32";
/// A few milliseconds, on a machine that has other things to do.
const QUICK: Duration = Duration::from_millis(100);

/// A container with about everything that can be carried over.
fn furnished(host: &Netns) -> Netns {
    let netns = container(host, MAC);
    ip(host, "link set vct mtu 1400 master br0");
    for arguments in [
        "link set eth0 mtu 1400 txqueuelen 500",
        "addr add 10.0.0.51/24 broadcast + label eth0:1 dev eth0",
        "addr add 10.1.0.1 peer 10.1.0.2/32 dev eth0",
        "route add default via 10.0.0.1 src 10.0.0.51",
        "route add 192.168.7.0/24 via 10.9.9.9 dev eth0 onlink table 100 metric 7",
        "route add 192.168.8.0/24 dev eth0 scope link proto static mtu 1300",
        "route add blackhole 192.168.9.0/24",
        "-6 addr add fd00:1::5/128 dev eth0 noprefixroute nodad",
        "-6 route add default via fd00::1 metric 77",
        "-6 route add unreachable fd00:9::/64",
    ] {
        ip(&netns, arguments);
    }
    let set = |key: &str, value: &str| {
        let path = format!("/proc/sys/net/{key}");
        netns.inside(|| std::fs::write(path, value)).unwrap();
    };
    set("core/somaxconn", "777");
    set("ipv4/ip_unprivileged_port_start", "80");
    set("ipv4/ip_local_port_range", "40000\t50000");
    set("ipv4/conf/all/rp_filter", "2");
    set("ipv4/conf/eth0/arp_ignore", "1");
    set("ipv6/conf/eth0/accept_ra", "0");
    settle(&netns);
    netns
}

fn ends(name: &str) -> Vec<HostEnd> {
    let (inner, host) = (link("eth0"), link(name));
    vec![HostEnd { inner, host }]
}

#[tokio::test]
async fn a_namespace_is_made_anew_as_it_was() {
    let (source, _) = host_and_client();
    let original = furnished(&source);
    let described = network::describe(&original, &source).await.unwrap();
    assert_eq!(described.all().unsupported, Vec::<String>::new());
    let text = serde_json::to_string(&described).unwrap();
    let described: Described = serde_json::from_str(&text).unwrap();

    let (target, client) = host_and_client();
    let copy = bare("copy");
    let begin = Instant::now();
    network::build(&copy, &target, &described, &ends("vct"))
        .await
        .unwrap();
    assert!(begin.elapsed() < QUICK, "{:?}", begin.elapsed());
    assert!(!ip(&target, "link show vct").contains("master"));
    let (vct, br0) = (link("vct"), link("br0"));
    for _ in 0..2 {
        network::plug(&target, &vct, &br0).await.unwrap();
    }
    let again = network::describe(&copy, &target).await.unwrap();
    assert_eq!(again, described);
    for arguments in [
        "-4 route show table all",
        "-6 route show table all",
        "-4 addr",
    ] {
        assert_eq!(
            ip(&copy, arguments).replace('@', ""),
            ip(&original, arguments).replace('@', "")
        );
    }

    for at in ["10.0.0.50:80", "[fd00::50]:80"] {
        let _served = echo(&copy, at.parse().unwrap());
        let mut stream = connect(&client, at.parse().unwrap(), Duration::from_secs(3)).unwrap();
        say(&mut stream, b"hello");
    }
    for _ in 0..2 {
        network::unplug(&target, &vct).await.unwrap();
    }
    assert!(!ip(&target, "link show vct").contains("master"));
    for _ in 0..2 {
        network::remove_link(&target, &vct).await.unwrap();
        assert!(!network::exists(&target, &vct).await.unwrap());
        network::unplug(&target, &vct).await.unwrap();
    }
    let foreign = network::remove_link(&target, &br0).await.unwrap_err();
    assert_eq!(foreign.code, "network-link-foreign");
}

#[tokio::test]
async fn a_namespace_that_cannot_be_made_leaves_nothing() {
    let (source, _) = host_and_client();
    let original = furnished(&source);
    let described = network::describe(&original, &source).await.unwrap();
    let target = space("target");
    let taken = bare("taken");
    pair(&taken, "eth0", &target, "other", "");
    let failed = network::build(&taken, &target, &described, &ends("vct")).await;
    assert_eq!(failed.unwrap_err().code, "network-build");
    assert!(!network::exists(&target, &link("vct")).await.unwrap());
    // One that fails halfway: the address cannot be where IPv6 is switched off.
    let without = bare("without");
    let mut value = serde_json::to_value(&described).unwrap();
    let settings = value["sysctls"].as_array_mut().unwrap();
    let off = "ipv6/conf/eth0/disable_ipv6";
    settings.retain(|setting| setting["key"] != off);
    settings.push(serde_json::json!({"key": off, "value": "1"}));
    let described: Described = serde_json::from_value(value).unwrap();
    let failed = network::build(&without, &target, &described, &ends("vct")).await;
    assert_eq!(failed.unwrap_err().code, "network-build");
    assert!(!network::exists(&target, &link("vct")).await.unwrap());
    let nameless = network::build(&without, &target, &described, &[]).await;
    assert_eq!(nameless.unwrap_err().code, "network-build");
}

#[tokio::test]
async fn what_cannot_be_made_anew_is_named() {
    let host = space("host");
    let inner = container(&host, MAC);
    let other = space("other");
    let unsupported = async || {
        let described = network::describe(&inner, &host).await.unwrap();
        (
            described.all().unsupported.join("\n"),
            described.all().has_firewall,
        )
    };
    assert_eq!(unsupported().await, (String::new(), false));
    repair::lock(&inner, "CRIU-abc");
    assert_eq!(unsupported().await, (String::new(), false));
    repair::lock(&inner, "mine");
    for arguments in [
        "link add br1 type bridge",
        "link add mv0 link eth0 type macvlan",
        "tuntap add tun7 mode tun",
        "rule add from 10.0.0.50 table 100",
        "-6 rule add from fd00::50 table 100",
        "route add 10.7.0.0/24 nexthop via 10.0.0.3 nexthop via 10.0.0.4",
    ] {
        ip(&inner, arguments);
    }
    pair(&inner, "eth1", &other, "far", "");
    let (named, has_firewall) = unsupported().await;
    for part in [
        "br1 (bridge)",
        "mv0 (macvlan)",
        "tun7 (tun)",
        "eth1 (veth)",
        "rank 32765",
        "10.7.0.0/24",
        "filter",
    ] {
        assert!(named.contains(part), "{part} in {named}");
    }
    assert!(has_firewall);
    let described = network::describe(&inner, &host).await.unwrap();
    let kinds = described.all().links.iter().map(|link| &link.kind);
    assert!(
        kinds
            .clone()
            .any(|kind| *kind == Kind::Other("bridge".to_owned()))
    );
}

#[tokio::test]
async fn a_name_is_kept_where_it_is_free() {
    let host = space("host");
    let name = link("veth0123456789a");
    assert_eq!(network::free_name(&host, &name, "run").await.unwrap(), name);
    ip(&host, "link add veth0123456789a type bridge");
    let first = network::free_name(&host, &name, "run").await.unwrap();
    assert!(first.as_str().starts_with("ph") && first.as_str().len() == 10);
    ip(&host, &format!("link add {first} type bridge"));
    let second = network::free_name(&host, &name, "run").await.unwrap();
    assert!(second != first && second.as_str().starts_with("ph"));
}

#[tokio::test]
async fn an_announcement_moves_bridge_and_neighbours() {
    let (host, client) = host_and_client();
    let old = container(&host, MAC);
    ip(&host, "link set vct master br0");
    for at in ["10.0.0.50:9", "[fd00::50]:9"] {
        connect(&client, at.parse().unwrap(), Duration::from_secs(3)).unwrap_err();
    }
    let port = || run(&host, "bridge", "fdb show br br0");
    assert!(port().contains(&format!("{MAC} dev vct")), "{}", port());

    // The same hardware address elsewhere: the bridge sends its frames there.
    let new = space("new");
    pair(&host, "vnew", &new, "eth0", &format!("address {MAC}"));
    for arguments in [
        "addr add 10.0.0.50/24 dev eth0",
        "addr add fd00::50/64 dev eth0 nodad",
    ] {
        ip(&new, arguments);
    }
    settle(&new);
    network::unplug(&host, &link("vct")).await.unwrap();
    network::plug(&host, &link("vnew"), &link("br0"))
        .await
        .unwrap();
    let ips = [addr("10.0.0.50"), addr("fd00::50")];
    let begin = Instant::now();
    network::announce(&new, &link("eth0"), &ips, None)
        .await
        .unwrap();
    assert!(begin.elapsed() < QUICK, "{:?}", begin.elapsed());
    wait_for("the bridge", || port().contains(&format!("{MAC} dev vnew")));
    drop(old);

    // Another hardware address: neighbours take notice, both of them.
    let other = "02:00:00:00:00:77";
    let mac = other.parse().unwrap();
    for ip_ in ips {
        assert!(!ip(&client, &format!("neigh show {ip_}")).contains(other));
        network::announce(&new, &link("eth0"), &[ip_], Some(mac))
            .await
            .unwrap();
        wait_for("the neighbour", || {
            ip(&client, &format!("neigh show {ip_}")).contains(other)
        });
    }
    let missing = network::announce(&new, &link("none"), &ips, None).await;
    assert_eq!(missing.unwrap_err().code, "network-link-missing");
}
