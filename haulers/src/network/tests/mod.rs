//! Tests with real namespaces, which have no names and are gone with the last descriptor of
//! them. The set-up is made, and looked at, by `ip`, which shares no code with what is tested.

mod addresses;
mod container;
mod frames;
mod quiet;
mod repair;

use super::names::LinkName;
use super::netns::Netns;
use nix::sched::{CloneFlags, unshare};
use std::fs::File;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::process::Command;
use std::time::{Duration, Instant};

/// A new namespace with its loopback on, where addresses of IPv6 are in use at once.
fn space(name: &str) -> Netns {
    let netns = bare(name);
    let doubt = "/proc/sys/net/ipv6/conf/default/accept_dad";
    netns.inside(|| std::fs::write(doubt, "0")).unwrap();
    ip(&netns, "link set lo up");
    netns
}

/// A new namespace as the kernel makes it.
fn bare(name: &str) -> Netns {
    let made = std::thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET).expect("the tests run as root");
        File::open("/proc/thread-self/ns/net").unwrap()
    });
    Netns::from_file(made.join().unwrap(), name.to_owned())
}

/// Runs a program within a namespace; what it wrote.
fn run(netns: &Netns, program: &str, arguments: &str) -> String {
    let output = netns
        .inside(|| {
            Command::new(program)
                .args(arguments.split_whitespace())
                .output()
        })
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{program} {arguments}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

fn ip(netns: &Netns, arguments: &str) -> String {
    run(netns, "ip", arguments)
}

/// A pair of links between two namespaces, both ends on.
fn pair(one: &Netns, one_name: &str, other: &Netns, other_name: &str, more: &str) {
    let path = format!(
        "/proc/{}/fd/{}",
        std::process::id(),
        other.file().as_raw_fd()
    );
    let peer = format!("peer name {other_name} netns {path} {more}");
    ip(one, &format!("link add {one_name} type veth {peer}"));
    ip(one, &format!("link set {one_name} up"));
    ip(other, &format!("link set {other_name} up"));
}

/// A host with a bridge, and a client that is plugged into it as 10.0.0.9 and fd00::9.
fn host_and_client() -> (Netns, Netns) {
    let (host, client) = (space("host"), space("client"));
    ip(&host, "link add br0 type bridge");
    ip(&host, "link set br0 up");
    pair(&host, "vcl", &client, "eth0", "");
    ip(&host, "link set vcl master br0");
    ip(&client, "addr add 10.0.0.9/24 dev eth0");
    ip(&client, "addr add fd00::9/64 dev eth0 nodad");
    (host, client)
}

/// A container of a host, as 10.0.0.50 and fd00::50; its host's end is `vct`.
fn container(host: &Netns, mac: &str) -> Netns {
    let container = space("container");
    pair(host, "vct", &container, "eth0", &format!("address {mac}"));
    ip(&container, "addr add 10.0.0.50/24 dev eth0");
    ip(&container, "addr add fd00::50/64 dev eth0 nodad");
    container
}

/// Waits until the addresses of IPv6 are in use.
fn settle(netns: &Netns) {
    wait_for("addresses", || {
        ip(netns, "-6 addr show tentative").is_empty()
    });
}

fn wait_for(what: &str, mut there: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(5);
    while !there() {
        assert!(Instant::now() < end, "{what} in time");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn link(name: &str) -> LinkName {
    name.parse().unwrap()
}

fn addr(ip: &str) -> IpAddr {
    ip.parse().unwrap()
}

fn connect(netns: &Netns, to: SocketAddr, patience: Duration) -> std::io::Result<TcpStream> {
    netns
        .inside(|| Ok(TcpStream::connect_timeout(&to, patience)))
        .unwrap()
}

/// Serves one connection within a namespace: sends back what comes.
fn echo(netns: &Netns, at: SocketAddr) -> (TcpListener, std::thread::JoinHandle<()>) {
    let listener = netns.inside(|| TcpListener::bind(at)).unwrap();
    let serving = listener.try_clone().unwrap();
    let served = std::thread::spawn(move || {
        let (mut stream, _) = serving.accept().unwrap();
        let mut buffer = vec![0; 1 << 20];
        while let Ok(length @ 1..) = stream.read(&mut buffer) {
            if stream.write_all(&buffer[..length]).is_err() {
                return;
            }
        }
    });
    (listener, served)
}

/// Sends something and waits for its echo; how long that took.
fn say(stream: &mut TcpStream, what: &[u8]) -> Duration {
    let begin = Instant::now();
    stream.write_all(what).unwrap();
    hear(stream, what);
    begin.elapsed()
}

fn hear(stream: &mut TcpStream, what: &[u8]) {
    stream
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    let mut heard = vec![0; what.len()];
    stream.read_exact(&mut heard).unwrap();
    assert!(heard == what, "the echo differs");
}
