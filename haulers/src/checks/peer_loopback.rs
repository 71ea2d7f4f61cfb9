//! Is the other end of a connection that is to be kept a process of this very host?
//!
//! Such a connection restores well and then dies: its other end stays behind.

use super::look::Look;
use super::none_of;
use super::tcp::{all, connections, name};
use phaul_core::graph::Side;
use phaul_core::report::Check;
use procfs::net::TcpNetEntry;

const ID: &str = "peer-loopback";

pub(super) fn check(look: &Look) -> Check {
    let ours = connections(look);
    let there = look
        .processes
        .first()
        .map_or_else(Vec::new, |root| all(root.pid));
    let found = left_behind(&ours, &there);
    none_of(
        ID,
        Side::Source,
        &found,
        "no connection has its other end in a process that stays behind",
        "say `tcp: close` in the plan's section `network`, or move both ends",
    )
}

/// The connections whose other end is a socket of this host that is not the tree's.
fn left_behind(ours: &[TcpNetEntry], there: &[TcpNetEntry]) -> Vec<String> {
    let is_ours = |inode: u64| ours.iter().any(|entry| entry.inode == inode);
    ours.iter()
        .filter(|entry| {
            there.iter().any(|other| {
                other.local_address == entry.remote_address
                    && other.remote_address == entry.local_address
                    && !is_ours(other.inode)
            })
        })
        .map(name)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn an_end_outside_the_tree_is_named() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (_server, client_address) = listener.accept().unwrap();
        let own = i32::try_from(std::process::id()).unwrap();
        let there = all(own);
        let client = |entry: &&TcpNetEntry| entry.local_address == client_address;
        let server = |entry: &&TcpNetEntry| entry.remote_address == client_address;
        let client = there.iter().find(client).unwrap().clone();
        let server = there.iter().find(server).unwrap().clone();
        assert_eq!(
            left_behind(std::slice::from_ref(&client), &there),
            [name(&client)]
        );
        assert!(left_behind(&[client, server], &there).is_empty());
    }
}
