//! The two hosts of the lab, workloads on them, and probes that drive a half of the hauler.

use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long anything may take that a test waits for.
const SOON: Duration = Duration::from_secs(20);

fn programs() -> PathBuf {
    // target/debug/deps/contract-xyz
    let own = std::env::current_exe().unwrap();
    own.ancestors().nth(2).unwrap().to_owned()
}

fn lab(words: &[&str]) -> Command {
    let name = std::env::var("PHAUL_LAB").expect("PHAUL_LAB names a lab that is up");
    let mut command = Command::new(programs().join("lab"));
    command.args(["--name", &name]).args(words);
    command
}

/// The directory that both hosts see as /shared, as this machine sees it.
pub(crate) fn shared() -> &'static Path {
    static SHARED: OnceLock<PathBuf> = OnceLock::new();
    SHARED.get_or_init(|| {
        let name = std::env::var("PHAUL_LAB").unwrap();
        let status = lab(&["status"]).output().unwrap();
        let text = String::from_utf8(status.stdout).unwrap();
        let line = text
            .lines()
            .find(|line| line.starts_with(&format!("{name}:")));
        let shared = line.and_then(|line| line.split("/shared is ").nth(1));
        let shared = PathBuf::from(shared.expect("the lab is up").trim());
        let probe = programs().join("examples/haul-probe");
        fs::copy(probe, shared.join("haul-probe.new")).unwrap();
        fs::rename(shared.join("haul-probe.new"), shared.join("haul-probe")).unwrap();
        shared
    })
}

/// Runs a line of shell on a host and returns what it prints.
pub(crate) fn on(host: &str, line: &str) -> String {
    let mut command = lab(&["exec", host, "sh", "-c", line]);
    let output = command.stdin(Stdio::null()).output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Waits for something to come true.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < SOON, "not within {SOON:?}: {what}");
        sleep(Duration::from_millis(20));
    }
}

/// A probe on a host.
pub(crate) struct Probe {
    host: &'static str,
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    pub(crate) pid: i64,
}

impl Probe {
    fn start(host: &'static str, words: &[&str]) -> Self {
        shared();
        let mut all = vec!["exec", host, "/shared/haul-probe"];
        all.extend(words);
        let mut command = lab(&all);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut probe = Self {
            host,
            input: child.stdin.take().unwrap(),
            output: BufReader::new(child.stdout.take().unwrap()),
            child,
            pid: 0,
        };
        probe.pid = probe.ok("pid").as_i64().unwrap();
        probe
    }

    /// The source's half, for a workload on host a.
    pub(crate) fn source(workload: &Workload, directory: &str) -> Self {
        Self::start("a", &["source", &workload.pid.to_string(), directory])
    }

    /// The target's half, on host b.
    pub(crate) fn target(directory: &str) -> Self {
        Self::start("b", &["target", directory])
    }

    /// Gives a command; the answer comes later.
    pub(crate) fn send(&mut self, command: &str) {
        writeln!(self.input, "{command}").unwrap();
    }

    /// The next answer; none if the probe has ended.
    pub(crate) fn answer(&mut self) -> Option<Value> {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).ok()
    }

    /// Gives a command that has to succeed.
    pub(crate) fn ok(&mut self, command: &str) -> Value {
        self.send(command);
        let answer = self.answer().expect("the probe answers");
        assert!(answer["ok"] != Value::Null, "{command}: {answer}");
        answer["ok"].clone()
    }

    /// Gives a command that has to fail; returns the failure.
    pub(crate) fn fails(&mut self, command: &str) -> Value {
        self.send(command);
        let answer = self.answer().expect("the probe answers");
        assert!(answer["ok"] == Value::Null, "{command}: {answer}");
        answer["failure"].clone()
    }

    /// Kills the probe.
    pub(crate) fn kill(mut self) {
        on(self.host, &format!("kill -9 {}", self.pid));
        self.child.wait().unwrap();
    }

    /// Waits for the end of a probe that kills itself.
    pub(crate) fn died(mut self) {
        self.child.wait().unwrap();
    }

    /// Finishes in good order: everything that was made is undone.
    pub(crate) fn finish(mut self) {
        self.ok("clean");
        self.undo();
    }

    /// Undoes everything that was made.
    pub(crate) fn undo(mut self) {
        self.ok("undo");
        assert_eq!(self.ok("standing"), serde_json::json!([]));
        drop(self.input);
        self.child.wait().unwrap();
    }

    /// A pid that the probe noted down.
    pub(crate) fn noted(&mut self, note: &str, path: &str) -> i64 {
        let facts = self.ok("facts");
        facts[note]["what"].pointer(path).unwrap().as_i64().unwrap()
    }
}

/// A workload that was started on host a.
pub(crate) struct Workload {
    pub(crate) pid: i64,
    /// It was broken in the one moment in which it cannot be told from one that never ran:
    /// a few numbers may be there twice, none may be missing.
    pub(crate) may_repeat: bool,
    ledger: PathBuf,
}

impl Workload {
    /// Starts a workload of the lab, with a ledger that both hosts see.
    pub(crate) fn start(program: &str, name: &str) -> Self {
        let ledger = format!("/shared/{name}.ledger");
        let _ = fs::remove_file(shared().join(format!("{name}.ledger")));
        let line =
            format!("setsid /opt/phaul/{program} {ledger} </dev/null >/dev/null 2>&1 & echo $!");
        let workload = Self {
            pid: on("a", &line).parse().unwrap(),
            may_repeat: false,
            ledger: shared().join(format!("{name}.ledger")),
        };
        workload.goes_on();
        workload
    }

    fn lines(&self) -> Vec<String> {
        let text = fs::read_to_string(&self.ledger).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Sees that it counts on, without a gap and without anything twice.
    pub(crate) fn goes_on(&self) {
        let before = self.lines().len();
        eventually("the workload counts on", || self.lines().len() > before + 3);
        self.is_whole();
    }

    /// Sees that it stands still.
    pub(crate) fn stands_still(&self) {
        let before = self.lines().len();
        sleep(Duration::from_millis(200));
        assert_eq!(self.lines().len(), before, "it stands still");
        self.is_whole();
    }

    /// Sees that no number is missing or there twice, in any of the ledger's parts.
    pub(crate) fn is_whole(&self) {
        let mut last = std::collections::BTreeMap::new();
        for line in self.lines() {
            let (part, number) = line.rsplit_once(' ').unwrap_or(("", &line));
            let Ok(number) = number.parse::<u64>() else {
                panic!("a line of the ledger: {line}");
            };
            if let Some(before) = last.insert(part.to_owned(), number) {
                let repeats =
                    self.may_repeat && (before.saturating_sub(9)..=before).contains(&number);
                assert!(repeats || number == before + 1, "{line} after {before}");
            }
        }
    }

    /// Whether its root lives on a host.
    pub(crate) fn lives_on(&self, host: &str) -> bool {
        let line = format!("grep -s '^State:' /proc/{}/status", self.pid);
        let state = on(host, &line);
        !state.is_empty() && !state.contains('Z')
    }

    /// Ends it.
    pub(crate) fn end(self) {
        for host in ["a", "b"] {
            let line = format!(
                "kill -9 $(cat /proc/{0}/task/*/children 2>/dev/null) {0} 2>/dev/null",
                self.pid
            );
            on(host, &line);
        }
        eventually("the workload's end", || {
            !self.lives_on("a") && !self.lives_on("b")
        });
    }
}

/// Sees that nothing of a run is left on a host: no CRIU, no hold, no cgroup, no cache.
pub(crate) fn nothing_left(host: &str) {
    let left = || {
        let processes = on(host, "pgrep -l 'criu|haul-probe' || true");
        let files = "/run/phaul-test/*/* /run/criu* /sys/fs/cgroup/init/phaul-*";
        processes + &on(host, &format!("ls -d {files} 2>/dev/null || true"))
    };
    let begin = Instant::now();
    while !left().is_empty() {
        assert!(begin.elapsed() < SOON, "left on {host}: {}", left());
        sleep(Duration::from_millis(50));
    }
}
