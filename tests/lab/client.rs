//! A third place on the network between the hosts, with no more than a network of its own: from
//! here one sees what somebody sees who is on neither host.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

use super::child::Child;
use super::command::{self, Output};
use super::error::Result;
use super::host::Host;

/// How long [`Client::exec`] lets a program run.
const EXEC_LIMIT: Duration = Duration::from_secs(120);

/// The client of a lab that is up. Its programs and files are those of host `a`, its network is not.
#[derive(Debug, Clone)]
pub struct Client {
    host: Host,
    network: PathBuf,
}

impl Client {
    pub(crate) fn new(host: &Host, network: PathBuf) -> Self {
        Self {
            host: host.clone(),
            network,
        }
    }

    /// Runs `argv` to its end, whatever its exit code.
    pub fn exec<S: AsRef<OsStr>>(&self, argv: &[S]) -> Result<Output> {
        command::output(&mut self.host.command_on(&self.network, argv), EXEC_LIMIT)
    }

    /// Runs `argv` in the background; it is killed when the returned value is dropped.
    pub fn spawn<S: AsRef<OsStr>>(&self, argv: &[S]) -> Result<Child> {
        self.host.start(self.host.command_on(&self.network, argv))
    }

    /// Sends `signal` to a program of the client.
    pub fn kill(&self, pid: i32, signal: &str) -> Result<()> {
        self.host.kill(pid, signal)
    }
}
