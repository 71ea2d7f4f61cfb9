//! The network between the hosts: a cable from each to a switch in a network namespace of its own.
//! A third cable leads to a client, where one is wanted.
//!
//! Because cut and shape act on the switch, the hosts notice nothing but what a real host would:
//! packets that do not arrive. Their own links, addresses, routes and queues stay as they are.

use std::fs;
use std::path::Path;

use nix::mount::{MntFlags, umount2};

use super::Side;
use super::command::run;
use super::error::{Error, Result};
use super::identity::Identity;
use super::layout::Layout;

/// The bridge in the switch.
const BRIDGE: &str = "br0";

/// The interface in a host.
const INTERFACE: &str = "eth0";

/// The bridge's end of a host's cable.
fn port(side: Side) -> String {
    format!("port-{side}")
}

/// A host's address, in a /24.
pub fn address(side: Side) -> &'static str {
    match side {
        Side::A => "10.77.0.1",
        Side::B => "10.77.0.2",
    }
}

/// The client's addresses, with their prefixes.
pub(crate) const CLIENT: [&str; 2] = ["10.77.0.3/24", "fd77::3/64"];

/// The bridge's end of the client's cable.
const CLIENT_PORT: &str = "port-client";

/// Makes the switch and joins both hosts to it.
pub(crate) fn connect(layout: &Layout, hosts: [(Side, Identity); 2]) -> Result<()> {
    let switch = layout.switch();
    make_namespace(&switch)?;
    ip(
        &switch,
        &format!("link add {BRIDGE} type bridge mcast_snooping 0"),
    )?;
    ip(&switch, &format!("link set {BRIDGE} up"))?;
    for (side, init) in hosts {
        ip(
            &switch,
            &format!(
                "link add {} type veth peer name {INTERFACE} netns {}",
                port(side),
                init.pid
            ),
        )?;
        ip(
            &switch,
            &format!("link set {} master {BRIDGE} up", port(side)),
        )?;
        let host = init.proc().join("ns/net");
        ip(&host, "link set lo up")?;
        ip(
            &host,
            &format!("address add {}/24 dev {INTERFACE}", address(side)),
        )?;
        ip(&host, &format!("link set {INTERFACE} up"))?;
    }
    Ok(())
}

/// Makes the client's network namespace and joins it to the switch, if that was not done before.
pub(crate) fn connect_client(layout: &Layout) -> Result<()> {
    let (switch, client) = (layout.switch(), layout.client());
    if client.exists() {
        return Ok(());
    }
    make_namespace(&client)?;
    let far_end = format!("peer name {INTERFACE} netns {}", client.display());
    ip(
        &switch,
        &format!("link add {CLIENT_PORT} type veth {far_end}"),
    )?;
    ip(
        &switch,
        &format!("link set {CLIENT_PORT} master {BRIDGE} up"),
    )?;
    ip(&client, "link set lo up")?;
    for address in CLIENT {
        // Nobody else has it: it need not be asked for first.
        let flags = if address.contains(':') { " nodad" } else { "" };
        ip(
            &client,
            &format!("address add {address} dev {INTERFACE}{flags}"),
        )?;
    }
    ip(&client, &format!("link set {INTERFACE} up"))
}

/// Removes the switch and the client. The cables go with either end's namespace.
pub(crate) fn disconnect(layout: &Layout) -> Result<()> {
    for namespace in [layout.switch(), layout.client()] {
        if !namespace.exists() {
            continue;
        }
        // Not mounted when `up` ended before it came to that.
        let _ = umount2(&namespace, MntFlags::MNT_DETACH);
        fs::remove_file(&namespace).map_err(Error::file("remove", namespace))?;
    }
    Ok(())
}

/// A new network namespace, mounted on a file.
fn make_namespace(file: &Path) -> Result<()> {
    fs::File::create(file).map_err(Error::file("create", file))?;
    run(&["unshare", &format!("--net={}", file.display()), "true"]).map(drop)
}

/// From now on nothing passes the switch, in either direction; or everything again.
pub(crate) fn set_cut(layout: &Layout, cut: bool) -> Result<()> {
    ip(
        &layout.switch(),
        &format!("link set {BRIDGE} {}", if cut { "down" } else { "up" }),
    )
}

/// Whether the switch lets nothing pass.
pub(crate) fn is_cut(layout: &Layout) -> Result<bool> {
    let shown = enter(
        &layout.switch(),
        "ip",
        &format!("-brief link show {BRIDGE}"),
    )?;
    Ok(!shown.split(['<', ',', '>']).any(|flag| flag == "UP"))
}

/// Limits what the switch sends to each host to `rate` (in `tc`'s words, `1gbit`), or lifts the
/// limit.
pub(crate) fn set_rate(layout: &Layout, rate: Option<&str>) -> Result<()> {
    let switch = layout.switch();
    for side in [Side::A, Side::B] {
        let port = port(side);
        match rate {
            // The burst is what 1 Gbit/s needs in a millisecond, the queue what a cheap switch has.
            Some(rate) => enter(
                &switch,
                "tc",
                &format!("qdisc replace dev {port} root tbf rate {rate} burst 128k limit 1000000"),
            )?,
            None if shown_rate(&switch, side)?.is_some() => {
                enter(&switch, "tc", &format!("qdisc del dev {port} root"))?
            }
            None => String::new(),
        };
    }
    Ok(())
}

/// The rate in force.
pub(crate) fn rate(layout: &Layout) -> Result<Option<String>> {
    shown_rate(&layout.switch(), Side::A)
}

fn shown_rate(switch: &Path, side: Side) -> Result<Option<String>> {
    let shown = enter(switch, "tc", &format!("qdisc show dev {} root", port(side)))?;
    let mut words = shown.split_whitespace().skip_while(|word| *word != "rate");
    Ok(words.nth(1).map(str::to_owned))
}

fn ip(namespace: &Path, arguments: &str) -> Result<()> {
    enter(namespace, "ip", arguments).map(drop)
}

/// Runs the machine's own `program` in a network namespace. No argument of ours holds a blank.
fn enter(namespace: &Path, program: &str, arguments: &str) -> Result<String> {
    let namespace = format!("--net={}", namespace.display());
    let argv: Vec<&str> = ["nsenter", &namespace, program]
        .into_iter()
        .chain(arguments.split(' '))
        .collect();
    run(&argv)
}
