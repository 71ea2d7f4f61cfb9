//! Two hosts with phaul on both: keys exchanged, an agent on each. What the end-to-end and the fault tests stand on.
//!
//! What is true is looked up on the hosts themselves: process tables, ledgers, file systems. What phaul says of it is
//! compared with that, and never taken for it.
//!
//! ```text
//! agent, plan, run         phaul: its agents, what it is told, what it says
//! workload, ticks          processes, and the ledgers that they tick into
//! container/               bundles, containers of runc and crun, bridges and wires for them
//! talk                     connections from a third place
//! left, tree               what is left on the hosts, and whether a copy of files is true
//! ```
#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

mod agent;
mod container;
mod left;
mod plan;
mod run;
mod talk;
mod ticks;
mod tree;
mod workload;

pub use agent::{Agent, PORT, STATE_DIR};
pub use container::{Bridges, Config, Container, Runtime, USER_NAMESPACE, Wire};
pub use left::Snapshot;
pub use plan::{Plan, SOURCE, TARGET};
pub use run::Run;
pub use talk::{Talk, Told};
pub use ticks::{advance, carried_on, judge, ticks};
pub use tree::Tree;
pub use workload::{Program, Workload};

use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::lab::{Host, Lab, Output, Side};

/// How long a `phaul` command may take before it counts as hung.
const COMMAND_LIMIT: Duration = Duration::from_secs(180);

/// How long things may take that take a moment: generous, since machines that run tests are slow.
pub const MOMENT: Duration = Duration::from_secs(10);

/// The pids of workloads begin here, far from those that a host gives out by itself.
const FIRST_PID: i32 = 4000;

/// So far apart are they: what is started meanwhile takes the pids in between.
const PID_STEP: i32 = 60;

/// A lab with phaul on both hosts.
#[derive(Debug)]
pub struct Rig {
    /// The lab.
    pub lab: Lab,
    agents: [Agent; 2],
    next_pid: AtomicI32,
}

impl Rig {
    /// A new lab of that name, with keys exchanged and an agent on each host.
    pub fn up(name: &str) -> Self {
        let lab = Lab::up(name).unwrap();
        exchange_keys(&lab);
        let agents = Side::BOTH.map(|side| Agent::start(lab.host(side), PORT, STATE_DIR));
        Self {
            lab,
            agents,
            next_pid: AtomicI32::new(FIRST_PID),
        }
    }

    /// One of the hosts.
    pub fn host(&self, side: Side) -> &Host {
        self.lab.host(side)
    }

    /// The agent of a host.
    pub fn agent(&self, side: Side) -> &Agent {
        match side {
            Side::A => &self.agents[0],
            Side::B => &self.agents[1],
        }
    }

    /// Runs `phaul` with these arguments on a host.
    pub fn phaul(&self, side: Side, arguments: &[&str]) -> Output {
        let argv = [&["/opt/phaul/phaul"], arguments].concat();
        self.host(side).exec_within(&argv, COMMAND_LIMIT).unwrap()
    }

    /// Runs a `phaul` command that must succeed, and gives its standard output.
    pub fn phaul_ok(&self, side: Side, arguments: &[&str]) -> String {
        let output = self.phaul(side, arguments);
        assert!(
            output.status.success(),
            "phaul {arguments:?} on {side}: {output:?}"
        );
        output.stdout
    }

    /// The JSON that a `phaul` command prints; the command must succeed.
    pub fn phaul_json(&self, side: Side, arguments: &[&str]) -> Value {
        let said = self.phaul_ok(side, &[arguments, &["--format", "json"]].concat());
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error} in:\n{said}"))
    }

    /// Carries a plan out on a host.
    pub fn run(&self, side: Side, plan: &Plan) -> Run {
        self.run_with(side, plan, &[])
    }

    /// Carries a plan out on a host, with further arguments.
    pub fn run_with(&self, side: Side, plan: &Plan, further: &[&str]) -> Run {
        let path = plan.write(self.host(side));
        self.driven(side, &plan.name, &[&["run", &path], further].concat())
    }

    /// `phaul resume` or `phaul rollback` of a run.
    pub fn recover(&self, side: Side, verb: &str, run: &str) -> Run {
        self.driven(side, run, &[verb, run])
    }

    /// A command that carries a run out, with its report and its events.
    fn driven(&self, side: Side, name: &str, arguments: &[&str]) -> Run {
        let report = format!("/shared/{name}.report");
        let more = ["--report", &report, "--format", "json"];
        let output = self.phaul(side, &[arguments, &more].concat());
        Run::of(&output, self.host(side).read(&report).ok())
    }

    /// The ids of the runs of a plan, oldest first, as `phaul runs` lists them.
    pub fn runs_of(&self, side: Side, plan: &str) -> Vec<String> {
        let all = self.phaul_json(side, &["runs"]);
        let all = all.as_array().unwrap();
        all.iter()
            .filter(|run| run["plan"] == plan)
            .map(|run| run["run"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Starts a program as a workload, with a pid that is free on both hosts.
    pub fn start(&self, side: Side, program: Program) -> Workload {
        let pid = self.next_pid.fetch_add(PID_STEP, Ordering::Relaxed);
        Workload::start(self.host(side), program, pid)
    }

    /// Starts a program with the pid that a workload of the other host has.
    pub fn start_in_place_of(&self, workload: &Workload, side: Side, program: Program) -> Workload {
        let taking = Workload::start(self.host(side), program, workload.pid - 1);
        assert_eq!(taking.pid, workload.pid, "the pid was free and is not now");
        taking
    }

    /// The state in which a run of that plan is, as `phaul runs` says; waits until it is the wanted one.
    pub fn wait_for_state(&self, side: Side, plan: &str, state: &str) -> String {
        let mut seen = Value::Null;
        let there = poll(MOMENT * 3, || {
            seen = self.phaul_json(side, &["runs"]);
            let runs = seen.as_array().unwrap();
            let mut fitting = runs.iter().filter(|run| run["plan"] == plan);
            let found = fitting.find(|run| run["state"] == state)?;
            found["run"].as_str().map(str::to_owned)
        });
        there.unwrap_or_else(|| panic!("no run of {plan} came to {state}: {seen}"))
    }

    /// Starts a counter whose ledger is named after `name`.
    pub fn counter(&self, side: Side, name: &str) -> Workload {
        self.start(side, Program::counter(name))
    }

    /// Starts a program as the first process of a container in the host's network, whose ledger lies
    /// where both hosts see it.
    pub fn start_in(&self, side: Side, container: &Container, program: Program) -> Workload {
        let host = self.host(side);
        let config = Config::new(program.argv()).host_network();
        container.make_thin(host, &config.bind("/shared", "/shared", "rw"));
        container.run(host);
        let pid = container.init_pid(host).unwrap();
        Workload::running(host, program, pid)
    }

    /// Has every runtime make on both hosts what it makes once and leaves there.
    pub fn warm_runtimes_up(&self) {
        let on = |side| Runtime::BOTH.map(|runtime| (self.host(side), runtime));
        for (host, runtime) in Side::BOTH.into_iter().flat_map(on) {
            let container = Container::named(runtime, "warm-up");
            container.make_thin(host, &Config::new(&["/usr/bin/sleep", "1000"]));
            container.run(host);
            container.remove(host);
            container.wipe(host);
        }
    }

    /// What is on both hosts now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::of(&self.lab)
    }

    /// Waits until nothing is left on either host that was not there before, beside journals, logs and workloads.
    pub fn nothing_left(&self, before: &Snapshot) -> Result<(), String> {
        self.nothing_left_but(before, &[])
    }

    /// The same, with further words of lines that may change: what else a workload takes along.
    pub fn nothing_left_but(&self, before: &Snapshot, moved: &[&str]) -> Result<(), String> {
        let mut left = Vec::new();
        let clean = poll(MOMENT * 2, || {
            left = before.left_over(&self.snapshot());
            left.retain(|line| !moved.iter().any(|word| line.contains(word)));
            left.is_empty().then_some(())
        });
        clean.ok_or_else(|| format!("left behind:\n    {}", left.join("\n    ")))
    }

    /// Sees that exactly one copy of the workload runs, that it runs on that host, and that its ledger has no gap and no
    /// repeat (I1, I2).
    pub fn runs_only_on(&self, side: Side, workload: &Workload) -> Result<(), String> {
        self.runs_only_on_within(side, workload, MOMENT)
    }

    /// The same with a limit of its own.
    pub fn runs_only_on_within(
        &self,
        side: Side,
        workload: &Workload,
        limit: Duration,
    ) -> Result<(), String> {
        let mut seen = String::new();
        let alone = poll(limit, || {
            let [a, b] = Side::BOTH.map(|side| workload.processes(self.host(side)));
            seen = format!("a has {a:?}, b has {b:?}");
            let (here, there) = if side == Side::A { (a, b) } else { (b, a) };
            let whole = here.len() == workload.size && there.is_empty();
            (whole && here.iter().all(|process| !"tTZ".contains(process.state))).then_some(())
        });
        alone.ok_or_else(|| format!("not exactly one copy on {side}: {seen}"))?;
        workload.advances(self.host(side))
    }
}

/// Makes each host know the other's key under the other's name.
fn exchange_keys(lab: &Lab) {
    let phaul = |side, arguments: &[&str]| {
        let argv = [&["/opt/phaul/phaul", "keys"], arguments].concat();
        lab.host(side).run(&argv).unwrap()
    };
    for side in Side::BOTH {
        phaul(side, &["init"]);
    }
    for side in Side::BOTH {
        let other = side.other();
        let key = phaul(other, &["show"]);
        phaul(side, &["trust", other.name(), key.trim()]);
    }
}

/// Asks again and again until there is an answer, or the time is up.
pub fn poll<T>(limit: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if Instant::now() >= deadline {
            return None;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
