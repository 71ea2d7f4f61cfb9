//! What a CRIU that died leaves behind.

use super::*;
use crate::network::netlink::Connection;
use crate::network::nftables::{Family, Way, apply, chain, table};
use crate::network::{self, Mended};
use nix::sys::socket::{getsockopt, setsockopt, sockopt};
use std::os::fd::OwnedFd;
use std::process::Stdio;

/// A lock as CRIU makes it: all packets of the namespace are dropped.
pub(super) fn lock(netns: &Netns, name: &str) {
    let family = Family::Inet;
    let requests = [
        table(family, name),
        chain(family, name, Way::In, true),
        chain(family, name, Way::Out, true),
    ];
    apply(&mut Connection::netfilter(netns).unwrap(), &requests).unwrap();
}

#[tokio::test]
async fn connections_go_on_after_a_criu_that_died() {
    let (host, client) = host_and_client();
    let inner = container(&host, "02:00:0a:00:00:32");
    ip(&host, "link set vct master br0");
    let at: SocketAddr = "10.0.0.50:80".parse().unwrap();
    let listener = inner.inside(|| TcpListener::bind(at)).unwrap();
    let mut stream = connect(&client, at, Duration::from_secs(3)).unwrap();
    let (server, _) = listener.accept().unwrap();
    // The tasks have the sockets as their own; the tests' copies stand for nobody.
    let pipe = |socket: OwnedFd| Stdio::from(socket);
    let mut task = Command::new("sleep")
        .arg("60")
        .stdin(pipe(server.try_clone().unwrap().into()))
        .stdout(pipe(listener.try_clone().unwrap().into()))
        .stderr(pipe(
            inner
                .inside(|| std::net::UdpSocket::bind("0.0.0.0:0"))
                .unwrap()
                .into(),
        ))
        .spawn()
        .unwrap();
    let pid = i32::try_from(task.id()).unwrap();

    setsockopt(&server, sockopt::TcpRepair, &1).unwrap();
    lock(&inner, "CRIU-0123456789abcdef");
    lock(&inner, "CRIU-of-another");
    lock(&inner, "mine");
    assert_eq!(network::locks(&inner).await.unwrap().len(), 2);
    let others = ["CRIU-of-another".to_owned()];
    let mended = network::mend(&[pid, 1 << 21], &inner, &others)
        .await
        .unwrap();
    let expected = Mended {
        sockets: 1,
        locks: vec!["CRIU-0123456789abcdef".to_owned()],
    };
    assert_eq!(mended, expected);
    let again = network::mend(&[pid], &inner, &others).await.unwrap();
    assert_eq!(again, Mended::default());
    assert_eq!(getsockopt(&server, sockopt::TcpRepair).unwrap(), 0);
    assert_eq!(network::locks(&inner).await.unwrap(), others);
    let gone = network::unlock_leftovers(&inner, &[]).await.unwrap();
    assert_eq!(gone, others);
    let connection = &mut Connection::netfilter(&inner).unwrap();
    let mine = ["mine".to_owned()];
    network::nftables::delete_all(connection, Family::Inet, &mine).unwrap();

    let mut server = server;
    stream.write_all(b"there").unwrap();
    hear(&mut server, b"there");
    server.write_all(b"back").unwrap();
    hear(&mut stream, b"back");
    task.kill().unwrap();
    task.wait().unwrap();
}
