//! A container of runc or crun on a host of the lab.

mod bundle;
mod config;
mod wire;

pub use config::{Config, USER_NAMESPACE};
pub use wire::{Bridges, Wire};

use std::fmt;

use serde_json::Value;

use crate::lab::{Host, Output};

use super::{MOMENT, poll};

/// A container runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runtime {
    /// `runc`.
    Runc,
    /// `crun`.
    Crun,
}

impl Runtime {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Runc, Self::Crun];

    /// Its name: its program's, the hauler's, and that of its directory in `/run`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Runc => "runc",
            Self::Crun => "crun",
        }
    }

    /// The ids of all its containers on a host.
    pub fn list(self, host: &Host) -> Vec<String> {
        let said = host
            .run(&[self.name(), "list", "--format", "json"])
            .unwrap();
        let list: Value =
            serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error} in:\n{said}"));
        // runc says `null` where there is none.
        let entries = list.as_array().into_iter().flatten();
        let id = |entry: &Value| entry["id"].as_str().map(str::to_owned);
        entries.filter_map(id).collect()
    }
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A container: its runtime, its id, its bundle. It may be on any host; which one is asked is said
/// with each question.
#[derive(Debug, Clone)]
pub struct Container {
    /// Who runs it.
    pub runtime: Runtime,
    /// Its id.
    pub id: String,
    /// Its bundle's directory.
    pub bundle: String,
}

impl Container {
    /// Names a container whose bundle is in `/srv`. Nothing is made.
    pub fn named(runtime: Runtime, id: &str) -> Self {
        Self {
            runtime,
            id: id.to_owned(),
            bundle: bundle::path(id),
        }
    }

    /// Makes its bundle: a root file system with `programs` (and what they load), busybox, and files
    /// that are hard to copy.
    pub fn make(&self, host: &Host, config: &Config, programs: &[&str]) {
        bundle::make(host, &self.bundle, config, programs);
    }

    /// Makes a bundle with next to nothing in it, whose programs are the host's own.
    pub fn make_thin(&self, host: &Host, config: &Config) {
        bundle::make_thin(host, &self.bundle, config);
    }

    /// Runs it like an engine does: detached, nothing open but `/dev/null`.
    pub fn run(&self, host: &Host) {
        self.start(host, "", &[]);
    }

    /// Runs it with a file of the host open that it has no path to, as descriptor 3.
    pub fn run_with_open(&self, host: &Host, path: &str) {
        self.start(host, &format!("3<{path}"), &["--preserve-fds", "1"]);
    }

    /// What the runtime says of it, if it knows it.
    pub fn state(&self, host: &Host) -> Option<Value> {
        let output = self.ask(host, &["state"]);
        output.status.success().then(|| {
            serde_json::from_str(&output.stdout)
                .unwrap_or_else(|error| panic!("{error} in:\n{}", output.stdout))
        })
    }

    /// Its status: `running`, `stopped`, ...; empty if the runtime does not know it.
    pub fn status(&self, host: &Host) -> String {
        let state = self.state(host).unwrap_or_default();
        state["status"].as_str().unwrap_or_default().to_owned()
    }

    /// The pid of its first process, in the host.
    pub fn init_pid(&self, host: &Host) -> Option<i32> {
        let pid = self.state(host)?["pid"].as_i64()?;
        i32::try_from(pid).ok().filter(|pid| *pid > 0)
    }

    /// Runs a program in it.
    pub fn exec(&self, host: &Host, argv: &[&str]) -> Output {
        let head = [self.runtime.name(), "exec", &self.id];
        host.exec(&[&head, argv].concat()).unwrap()
    }

    /// Kills all of it and makes the runtime forget it; both must succeed.
    pub fn remove(&self, host: &Host) {
        let killed = self.ask_with(host, &["kill"], &["KILL"]);
        assert!(killed.status.success(), "{killed:?}");
        poll(MOMENT, || (self.status(host) == "stopped").then_some(()))
            .unwrap_or_else(|| panic!("{} does not stop", self.id));
        let deleted = self.ask(host, &["delete"]);
        assert!(deleted.status.success(), "{deleted:?}");
    }

    /// Removes it and its bundle, whatever of them there is.
    pub fn wipe(&self, host: &Host) {
        self.ask(host, &["delete", "--force"]);
        host.run(&["rm", "-rf", &self.bundle]).unwrap();
    }

    /// Words of the lines in [`crate::lab::Traces`] that its coming and going changes on a host.
    pub fn moved(&self) -> Vec<String> {
        vec![
            format!("/run/{}/{}", self.runtime, self.id),
            format!("cgroup /{}", self.id),
            self.bundle.clone(),
        ]
    }

    /// Sees that nothing of it is on a host but perhaps its bundle: no record, no cgroup.
    pub fn is_gone(&self, host: &Host) -> Result<(), String> {
        let known = self.runtime.list(host).contains(&self.id);
        let record = format!("/run/{}/{}", self.runtime, self.id);
        let places = [host.inside(&record), host.cgroup().join(&self.id)];
        let left: Vec<_> = places.iter().filter(|place| place.exists()).collect();
        if known || !left.is_empty() {
            return Err(format!(
                "{} is not gone from {}: listed {known}, left {left:?}",
                self.id,
                host.side()
            ));
        }
        Ok(())
    }

    fn start(&self, host: &Host, redirected: &str, options: &[&str]) {
        let log = format!("/tmp/{}.run", self.id);
        // The streams of the runtime become the container's.
        let script = format!("exec \"$@\" </dev/null >/dev/null 2>/dev/null {redirected}");
        let shell = ["sh", "-c", &script, "sh"];
        let run = [self.runtime.name(), "--log", &log, "run", "--detach"];
        let which = ["--bundle", &*self.bundle, &*self.id];
        let argv = [&shell, &run[..], options, &which].concat();
        let output = host.exec(&argv).unwrap();
        let said = host.read(&log).unwrap_or_default();
        host.run(&["rm", "-f", &log]).unwrap();
        assert!(output.status.success(), "{argv:?}: {output:?} {said}");
    }

    fn ask(&self, host: &Host, words: &[&str]) -> Output {
        self.ask_with(host, words, &[])
    }

    fn ask_with(&self, host: &Host, words: &[&str], further: &[&str]) -> Output {
        let head = [self.runtime.name()];
        host.exec(&[&head, words, &[&*self.id], further].concat())
            .unwrap()
    }
}
