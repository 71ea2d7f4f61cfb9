//! Which TCP connections does the tree have, and what does the plan say about them?

use super::look::Look;
use super::{listed, none_of, passed, warned};
use phaul_core::graph::Side;
use phaul_core::plan::Tcp;
use phaul_core::report::Check;
use procfs::net::{TcpNetEntry, TcpState};
use procfs::process::Process;
use std::collections::BTreeSet;

const ID: &str = "tcp";

/// The connections of the tree: every TCP socket that neither listens nor is closed.
pub(super) fn connections(look: &Look) -> Vec<TcpNetEntry> {
    let sockets = look.descriptors().filter_map(|(_, open)| open.socket());
    let sockets: BTreeSet<u64> = sockets.collect();
    let Some(root) = look.processes.first() else {
        return Vec::new();
    };
    all(root.pid)
        .into_iter()
        .filter(|entry| sockets.contains(&entry.inode) && is_connected(&entry.state))
        .collect()
}

/// Every TCP socket of the network namespace of a process.
pub(super) fn all(pid: i32) -> Vec<TcpNetEntry> {
    let Ok(process) = Process::new(pid) else {
        return Vec::new();
    };
    let mut entries = process.tcp().unwrap_or_default();
    entries.extend(process.tcp6().unwrap_or_default());
    entries
}

fn is_connected(state: &TcpState) -> bool {
    !matches!(state, TcpState::Listen | TcpState::Close)
}

/// A connection, for messages.
pub(super) fn name(entry: &TcpNetEntry) -> String {
    format!("{} to {}", entry.local_address, entry.remote_address)
}

pub(super) fn check(look: &Look, tcp: Tcp) -> Check {
    let found: Vec<String> = connections(look).iter().map(name).collect();
    match tcp {
        Tcp::Refuse => none_of(
            ID,
            Side::Source,
            &found,
            "there is no TCP connection",
            "say `tcp: keep` or `tcp: close` in the plan's section `network`",
        ),
        _ if found.is_empty() => passed(ID, Side::Source, "there is no TCP connection"),
        Tcp::Close => passed(
            ID,
            Side::Source,
            format!("these are closed: {}", listed(&found)),
        ),
        Tcp::Keep => warned(
            ID,
            Side::Source,
            format!("these are kept: {}", listed(&found)),
            "their addresses have to move along, and they break if CRIU is killed while it holds",
        ),
    }
}
