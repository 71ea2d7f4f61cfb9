//! A workload: a program whose ledger tells what it went through.

use crate::lab::{Host, Process};

use super::{MOMENT, advance, poll};

/// A program to start as a workload.
#[derive(Debug, Clone)]
pub struct Program {
    argv: Vec<String>,
    cmdline: String,
    ledger: Option<String>,
    size: usize,
}

impl Program {
    /// A program without a ledger.
    pub fn plain(argv: &[&str]) -> Self {
        Self::retitled(argv, &argv.join(" "))
    }

    /// A program without a ledger that shows another command line than the one that started it.
    pub fn retitled(argv: &[&str], cmdline: &str) -> Self {
        Self {
            argv: argv.iter().map(|word| (*word).to_owned()).collect(),
            cmdline: cmdline.to_owned(),
            ledger: None,
            size: 1,
        }
    }

    /// The same, with a ledger that is named after `name`.
    #[must_use]
    pub fn with_ledger(self, name: &str) -> Self {
        Self {
            ledger: Some(ledger_of(name)),
            ..self
        }
    }

    /// `wl-counter`, which counts into a ledger named after `name`.
    pub fn counter(name: &str) -> Self {
        Self::plain(&["/opt/phaul/wl-counter", &ledger_of(name)]).with_ledger(name)
    }

    /// Its arguments, its own name first.
    pub fn argv(&self) -> &[String] {
        &self.argv
    }

    /// `wl-zoo`, which listens on that port.
    pub fn zoo(name: &str, port: u16) -> Self {
        let argv = [
            "/opt/phaul/wl-zoo",
            &ledger_of(name),
            "--port",
            &port.to_string(),
        ];
        Self {
            // The parent, the echo, the partner; the zombie has no arguments any more.
            size: 3,
            ..Self::plain(&argv).with_ledger(name)
        }
    }
}

fn ledger_of(name: &str) -> String {
    format!("/shared/{name}.ledger")
}

/// A workload that was started.
#[derive(Debug, Clone)]
pub struct Workload {
    /// The pid of its root; outside of a container it is the same on whatever host it runs.
    pub pid: i32,
    /// Its ledger, on both hosts.
    pub ledger: Option<String>,
    /// So many processes it has.
    pub size: usize,
    cmdline: String,
}

impl Workload {
    /// Starts the program with about that pid.
    pub(super) fn start(host: &Host, program: Program, pid: i32) -> Self {
        let script = format!(
            "echo {pid} > /proc/sys/kernel/ns_last_pid && exec /opt/phaul/lab launch -- \"$@\""
        );
        let head = ["sh", "-c", &script, "sh"];
        let argv: Vec<&str> = head
            .into_iter()
            .chain(program.argv.iter().map(String::as_str))
            .collect();
        let said = host.run(&argv).unwrap();
        Self::running(host, program, said.trim().parse().unwrap())
    }

    /// A program that was started with that pid; waits until it is wholly there.
    pub(super) fn running(host: &Host, program: Program, pid: i32) -> Self {
        let workload = Self {
            pid,
            ledger: program.ledger,
            size: program.size,
            cmdline: program.cmdline,
        };
        let there = || (workload.processes(host).len() == workload.size).then_some(());
        poll(MOMENT, there).unwrap_or_else(|| panic!("{} did not start", workload.cmdline));
        if workload.ledger.is_some() {
            workload.advances(host).unwrap();
        }
        workload
    }

    /// Its processes on a host, zombies excluded.
    pub fn processes(&self, host: &Host) -> Vec<Process> {
        let mut all = host.ps().unwrap();
        // A program that shows another title fills the rest of its old one up.
        all.retain(|process| process.cmdline.trim_end() == self.cmdline && process.state != 'Z');
        all
    }

    /// Sees that every part of it goes on, without a gap or a repeat (I1, I2, I5).
    pub fn advances(&self, host: &Host) -> Result<(), String> {
        let ledger = self.ledger.as_deref();
        ledger.map_or(Ok(()), |ledger| advance(host, ledger))
    }

    /// Ends it on a host.
    pub fn end(&self, host: &Host) {
        for process in self.processes(host) {
            // It may be a child that ends with its parent.
            let _ = host.kill(process.pid, "KILL");
        }
        poll(MOMENT, || self.processes(host).is_empty().then_some(()))
            .unwrap_or_else(|| panic!("{} does not end", self.cmdline));
    }
}
