//! An agent on a host, which can be killed and started again.

use std::sync::{Mutex, PoisonError};

use crate::lab::{Child, Host, Side};

/// Where the agents of both hosts listen.
pub const PORT: u16 = 7420;

/// The usual state directory.
pub const STATE_DIR: &str = "/var/lib/phaul";

/// `phaul agent` on a host.
#[derive(Debug)]
pub struct Agent {
    host: Host,
    port: u16,
    state_dir: String,
    child: Mutex<Child>,
}

impl Agent {
    /// Starts an agent and waits until it listens.
    pub fn start(host: &Host, port: u16, state_dir: &str) -> Self {
        let child = spawn(host, port, state_dir);
        Self {
            host: host.clone(),
            port,
            state_dir: state_dir.to_owned(),
            child: Mutex::new(child),
        }
    }

    /// One more agent on a host, with the host's identity and a state directory of its own.
    pub fn extra(host: &Host, number: u16) -> Self {
        let state_dir = format!("{STATE_DIR}/extra-{number}");
        let copy = format!("mkdir -m 700 {state_dir} && cp -r {STATE_DIR}/keys {state_dir}/keys");
        host.run(&["sh", "-e", "-c", &copy]).unwrap();
        Self::start(host, PORT + number, &state_dir)
    }

    /// Ends an extra agent and removes its state directory, which must hold no more than journals and logs. An error
    /// names what else is there.
    pub fn retire(self) -> Result<(), String> {
        self.stop();
        let state_dir = &self.state_dir;
        let find = format!(
            "find {state_dir} -mindepth 3 ! -name journal.redb ! -path '*/logs' ! -path '*/logs/*'"
        );
        let left = self.host.run(&["sh", "-c", &find]).unwrap();
        self.host.run(&["rm", "-r", state_dir]).unwrap();
        let left: Vec<_> = left
            .lines()
            .filter(|path| !path.contains("/keys/"))
            .collect();
        if left.is_empty() {
            Ok(())
        } else {
            Err(format!("left in the agent's state: {}", left.join(", ")))
        }
    }

    /// Where plans find it.
    pub fn address(&self) -> String {
        format!("{}:{}", self.host.address(), self.port)
    }

    /// The host it is on.
    pub fn side(&self) -> Side {
        self.host.side()
    }

    /// Its state directory.
    pub fn state_dir(&self) -> &str {
        &self.state_dir
    }

    /// Whether its process runs.
    pub fn is_running(&self) -> bool {
        self.child().is_running()
    }

    /// Kills its process and nothing else.
    pub fn kill(&self) {
        let pid = self.child().pid().unwrap();
        self.host.kill(pid, "KILL").unwrap();
        self.child().wait_within(super::MOMENT).unwrap().unwrap();
    }

    /// Ends it as a service manager would.
    pub fn stop(&self) {
        let mut child = self.child();
        if child.is_running() {
            self.host.kill(child.pid().unwrap(), "TERM").unwrap();
            child.wait_within(super::MOMENT).unwrap().unwrap();
        }
    }

    /// Starts it again; it must have ended.
    pub fn start_again(&self) {
        assert!(!self.is_running(), "the agent runs still");
        *self.child() = spawn(&self.host, self.port, &self.state_dir);
    }

    /// What it has logged since it was started last.
    pub fn log(&self) -> String {
        self.child().log()
    }

    fn child(&self) -> std::sync::MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn spawn(host: &Host, port: u16, state_dir: &str) -> Child {
    let listen = format!("{}:{port}", host.address());
    let child = host
        .spawn(&[
            "/opt/phaul/phaul",
            "--state-dir",
            state_dir,
            "agent",
            "--listen",
            &listen,
        ])
        .unwrap();
    if let Err(error) = host.wait_for_udp_port(port) {
        panic!("{error}; the agent says:\n{}", child.log());
    }
    child
}
