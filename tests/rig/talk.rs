//! Connections from the client's place that are talked over while something is moved.

use std::time::Duration;

use serde_json::Value;

use crate::lab::{Child, Client, Lab};

use super::{MOMENT, poll};

/// `wl-client` gives up on an answer after a minute, and has not ended before.
const LAST_WORD: Duration = Duration::from_secs(90);

/// `wl-client` at work.
#[derive(Debug)]
pub struct Talk {
    client: Client,
    child: Child,
    connections: usize,
}

impl Talk {
    /// Opens so many connections to a `wl-echo` at `ADDRESS:PORT`, and waits until they are open.
    pub fn begin(lab: &Lab, address: &str, connections: usize) -> Self {
        let client = lab.client().unwrap();
        let number = connections.to_string();
        let argv = ["/opt/phaul/wl-client", address, "--connections", &number];
        let child = client.spawn(&argv).unwrap();
        let shown = ["ss", "-Htn", "state", "established", "dst", address];
        let open = || client.exec(&shown).unwrap().stdout.lines().count();
        poll(MOMENT, || (open() == connections).then_some(()))
            .unwrap_or_else(|| panic!("no {connections} connections: {}", child.log()));
        Self {
            client,
            child,
            connections,
        }
    }

    /// Lets each connection bring the message that it is at to its end, and tells of all.
    pub fn end(mut self) -> Told {
        let pid = self.child.pid().unwrap();
        self.client.kill(pid, "TERM").unwrap();
        let ended = self.child.wait_within(LAST_WORD).unwrap();
        let log = self.child.log();
        assert!(ended.is_some(), "the client does not end: {log}");
        let said = serde_json::from_str(&log);
        Told {
            connections: self.connections,
            said: said.unwrap_or_else(|error| panic!("{error} in: {log}")),
        }
    }
}

/// What became of the connections.
#[derive(Debug)]
pub struct Told {
    connections: usize,
    said: Value,
}

impl Told {
    /// Sees that each is the same one that it was, with every answer right.
    ///
    /// # Errors
    /// What the client says where one is not.
    pub fn is_whole(&self) -> Result<(), String> {
        let number = |key: &str| self.said[key].as_u64();
        let all = u64::try_from(self.connections).ok();
        let quiet = self.said["errors"].as_array().is_some_and(Vec::is_empty);
        let whole = quiet && number("alive") == all && number("fewest") > Some(0);
        whole.then_some(()).ok_or_else(|| self.said.to_string())
    }

    /// The longest time between two answers on one connection.
    pub fn longest_pause_ms(&self) -> f64 {
        self.said["longest_pause_ms"].as_f64().unwrap()
    }
}
