//! The effective plan as a tree in the plan's own words, units and order.

use phaul_core::graph::StateName;
use phaul_core::plan::{
    Compression, Container, Criu, FileSet, Haul, Hooks, Memory, Network, Pid, PidSource, Plan,
    Retry, StateHooks, Target, Transport, Verify,
};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

/// A part of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shown {
    /// Text, which may need quotes.
    Text(String),
    /// A number, a quantity, a flag or a word of the plan's own, which needs none.
    Word(String),
    /// Nothing: the key is left out.
    Absent,
    List(Vec<Shown>),
    Map(Vec<(String, Shown)>),
}

/// The whole plan with every key.
pub(super) fn plan(plan: &Plan) -> Shown {
    map([
        ("version", word(plan.version)),
        ("name", text(&plan.name)),
        ("haul", haul(&plan.haul)),
        ("to", target(&plan.to)),
        ("transport", transport(&plan.transport)),
        ("memory", memory(&plan.memory)),
        ("files", list(&plan.files, file_set)),
        ("network", network(&plan.network)),
        ("criu", criu(&plan.criu)),
        (
            "checks",
            map([("waive", list(&plan.checks.waive, |waiver| text(&waiver.0)))]),
        ),
        ("gate", chosen(plan.gate)),
        ("verify", list(&plan.verify, verify)),
        ("hooks", hooks(&plan.hooks)),
        ("retry", retry(&plan.retry)),
        ("on_failure", chosen(plan.on_failure)),
        ("keep", chosen(plan.keep)),
    ])
}

fn haul(haul: &Haul) -> Shown {
    let inner = match haul {
        Haul::Pid(pid) => process(pid),
        Haul::Runc(container) | Haul::Crun(container) => by("id", container),
        Haul::Podman(container) | Haul::Docker(container) | Haul::Lxc(container) => {
            by("name", container)
        }
    };
    map([(haul.kind(), inner)])
}

fn process(pid: &Pid) -> Shown {
    let root = match &pid.root {
        PidSource::Pid(pid) => ("pid", word(pid)),
        PidSource::Pidfile(file) => ("pidfile", path(file)),
    };
    map([root, ("shell_job", word(pid.shell_job))])
}

fn by(key: &str, container: &Container) -> Shown {
    let optional = |value: &Option<_>| value.as_deref().map_or(Shown::Absent, path);
    let mut keys = vec![
        (key, text(&container.id)),
        ("root", optional(&container.root)),
    ];
    // Runtimes that know a container by its name know its bundle too.
    if key == "id" {
        keys.push(("bundle", optional(&container.bundle)));
    }
    map(keys)
}

fn target(to: &Target) -> Shown {
    let paths = to.paths.iter().map(|(here, there)| {
        let here = here.to_string_lossy().into_owned();
        (here, path(there))
    });
    map([
        ("agent", text(&to.agent)),
        ("identity", text(&to.identity)),
        ("id", to.id.as_deref().map_or(Shown::Absent, text)),
        ("paths", Shown::Map(paths.collect())),
    ])
}

fn transport(transport: &Transport) -> Shown {
    let Transport::Quic(quic) = transport;
    let compression = match quic.compression {
        // YAML 1.1 reads the word as a flag.
        Compression::Off => text("off"),
        other => chosen(other),
    };
    let quic = map([
        ("streams", word(quic.streams)),
        ("rate", quic.rate.map_or(Shown::Absent, word)),
        ("compression", compression),
    ]);
    map([("quic", quic)])
}

fn memory(memory: &Memory) -> Shown {
    let bounds = &memory.converge;
    let converge = map([
        ("downtime", word(bounds.downtime)),
        ("remaining", word(bounds.remaining)),
        ("rounds", word(bounds.rounds)),
        ("growth", word(bounds.growth)),
        ("within", word(bounds.within)),
        ("otherwise", chosen(bounds.otherwise)),
    ]);
    map([
        ("strategy", chosen(memory.strategy)),
        ("tracker", chosen(memory.tracker)),
        ("restore", chosen(memory.restore)),
        ("converge", converge),
    ])
}

fn file_set(set: &FileSet) -> Shown {
    match set {
        FileSet::Tree {
            path: root,
            exclude,
        } => {
            let exclude = list(exclude, |pattern| text(pattern));
            map([("tree", map([("path", path(root)), ("exclude", exclude)]))])
        }
        FileSet::Shared { path: root } => map([("shared", map([("path", path(root))]))]),
        FileSet::None => word("none"),
    }
}

fn network(network: &Network) -> Shown {
    let addresses = list(&network.addresses, |address| {
        map([
            ("ip", text(&address.ip)),
            ("from", text(&address.from)),
            ("to", text(&address.to)),
        ])
    });
    map([("tcp", chosen(network.tcp)), ("addresses", addresses)])
}

fn criu(criu: &Criu) -> Shown {
    map([
        ("cgroups", chosen(criu.cgroups)),
        ("options", list(&criu.options, |line| text(line))),
    ])
}

fn verify(verify: &Verify) -> Shown {
    match verify {
        Verify::Exec { argv, within } => {
            let argv = list(argv, |argument| text(argument));
            map([("exec", map([("argv", argv), ("within", word(within))]))])
        }
        Verify::Pages => word("pages"),
    }
}

fn hooks(hooks: &Hooks) -> Shown {
    let side = |by_state: &BTreeMap<StateName, StateHooks>| {
        let states = by_state.iter().map(|(state, hooks)| {
            let commands = |commands: &[Vec<String>]| {
                list(commands, |argv| list(argv, |argument| text(argument)))
            };
            let around = map([
                ("before", commands(&hooks.before)),
                ("after", commands(&hooks.after)),
            ]);
            (state.name().to_owned(), around)
        });
        Shown::Map(states.collect())
    };
    map([
        ("source", side(&hooks.source)),
        ("target", side(&hooks.target)),
    ])
}

fn retry(retry: &Retry) -> Shown {
    let backoff = format!("{}..{}", retry.backoff_first, retry.backoff_longest);
    map([
        ("attempts", word(retry.attempts)),
        ("backoff", word(backoff)),
    ])
}

fn map<'k>(entries: impl IntoIterator<Item = (&'k str, Shown)>) -> Shown {
    let entries = entries
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value));
    Shown::Map(entries.collect())
}

fn list<T>(items: &[T], show: impl Fn(&T) -> Shown) -> Shown {
    Shown::List(items.iter().map(show).collect())
}

fn text(text: &str) -> Shown {
    Shown::Text(text.to_owned())
}

fn path(path: &Path) -> Shown {
    Shown::Text(path.to_string_lossy().into_owned())
}

fn word(value: impl ToString) -> Shown {
    Shown::Word(value.to_string())
}

/// A word of the plan: the name of a variant, as the plan's type writes it.
fn chosen(value: impl Serialize) -> Shown {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => Shown::Word(word),
        other => unreachable!("a choice is written as one word, not as {other:?}"),
    }
}
