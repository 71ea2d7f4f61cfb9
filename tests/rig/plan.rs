//! The plans of the tests.

use crate::lab::Host;

use super::{Agent, Container, Workload};

/// The states of the source that such a plan passes, in order: a contract.
pub const SOURCE: [&str; 10] = [
    "connect",
    "preflight",
    "reserve",
    "freeze",
    "final-memory",
    "restore",
    "commit",
    "resume",
    "clean",
    "done",
];

/// The states of the target that such a plan passes, in order: a contract.
pub const TARGET: [&str; 8] = [
    "accept", "reserve", "receive", "restore", "prepared", "resume", "clean", "done",
];

/// A plan, as text.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Its name: its file and its report have it, too.
    pub name: String,
    text: String,
}

impl Plan {
    /// Moves a workload to the host of an agent: stop, copy, go on. Losses are tried again soon, and once.
    pub fn new(name: &str, workload: &Workload, to: &Agent) -> Self {
        let (pid, agent, identity) = (workload.pid, to.address(), to.side());
        Self::of(
            name,
            &format!(
                "version: 1\n\
                 name: {name}\n\
                 haul: {{ pid: {{ pid: {pid} }} }}\n\
                 to: {{ agent: \"{agent}\", identity: {identity} }}\n\
                 memory: {{ strategy: stop-copy }}\n\
                 retry: {{ attempts: 2, backoff: 100ms..500ms }}\n"
            ),
        )
    }

    /// Moves a container with its connections and its root file system to the host of an agent. Its last lines are a
    /// list of what files are moved.
    pub fn container(name: &str, container: &Container, to: &Agent) -> Self {
        let (agent, identity) = (to.address(), to.side());
        let (runtime, id) = (container.runtime, &container.id);
        Self::of(
            name,
            &format!(
                "version: 1\n\
                 name: {name}\n\
                 haul: {{ {runtime}: {{ id: {id} }} }}\n\
                 to: {{ agent: \"{agent}\", identity: {identity} }}\n\
                 memory: {{ strategy: stop-copy }}\n\
                 retry: {{ attempts: 2, backoff: 100ms..500ms }}\n\
                 network: {{ tcp: keep }}\n\
                 files:\n\
                 \x20 - tree: {{ path: rootfs }}\n"
            ),
        )
    }

    /// The same, with one more directory of files at the end of the list that ends it.
    #[must_use]
    pub fn and_tree(self, path: &str) -> Self {
        self.with(&format!("  - tree: {{ path: {path} }}"))
    }

    /// A plan of any text.
    pub fn of(name: &str, text: &str) -> Self {
        Self {
            name: name.to_owned(),
            text: text.to_owned(),
        }
    }

    /// The same with further lines.
    #[must_use]
    pub fn with(mut self, lines: &str) -> Self {
        self.text.push_str(lines);
        self.text.push('\n');
        self
    }

    /// The same with one piece of its text replaced, which must be there.
    #[must_use]
    pub fn but(mut self, old: &str, new: &str) -> Self {
        assert!(self.text.contains(old), "no `{old}` in:\n{}", self.text);
        self.text = self.text.replace(old, new);
        self
    }

    /// The same with one hook.
    #[must_use]
    pub fn hook(self, side: &str, state: &str, when: &str, argv: &[&str]) -> Self {
        let words: Vec<String> = argv.iter().map(|word| format!("{word:?}")).collect();
        self.with(&format!(
            "hooks: {{ {side}: {{ {state}: {{ {when}: [[{}]] }} }} }}",
            words.join(", ")
        ))
    }

    /// Writes it into the directory that both hosts share; gives its path there.
    pub fn write(&self, host: &Host) -> String {
        let path = format!("/shared/{}.yaml", self.name);
        host.write(&path, &self.text).unwrap();
        path
    }
}
