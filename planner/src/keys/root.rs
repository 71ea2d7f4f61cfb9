//! The plan as a whole.

use super::key::{Key, Kind, Word};
use super::reader::{Fields, Reader, Value};
use super::{checks, criu, files, haul, hooks, memory, named, network, retry, section, target};
use super::{transport, value, verify};
use crate::yaml::Node;
use phaul_core::plan::{
    Checks, Criu, FileSet, Gate, Haul, Hooks, Keep, Memory, Network, OnFailure, Plan, Retry,
    Target, Transport, Verify,
};

section! {
    pub PLAN = "One migration: what is hauled, where to, how, and what to do when it goes wrong.";
    VERSION = Key::required("version", Kind::Whole(1, 1), "the version of this format, 1"),
    NAME = Key::optional(
        "name",
        Kind::Name,
        "the file's name without its ending",
        "the plan's name, for people and reports",
    ),
    HAUL = Key::required("haul", Kind::OneOf(&haul::HAUL, &[]), "the workload"),
    TO = Key::required("to", Kind::Section(&target::TO), "where it goes"),
    TRANSPORT = Key::or(
        "transport",
        Kind::OneOf(&transport::TRANSPORT, &[]),
        "{ quic: {} }",
        "how the bytes travel",
    ),
    MEMORY = Key::or("memory", Kind::Section(&memory::MEMORY), "{}", "how its memory is moved"),
    FILES = Key::or(
        "files",
        Kind::ListOr(&files::ENTRY, files::NONE),
        "[]",
        "which files are moved with it",
    ),
    NETWORK = Key::or(
        "network",
        Kind::Section(&network::NETWORK),
        "{}",
        "what happens to its connections and addresses",
    ),
    CRIU = Key::or("criu", Kind::Section(&criu::CRIU), "{}", "how CRIU is set up"),
    CHECKS = Key::or(
        "checks",
        Kind::Section(&checks::CHECKS),
        "{}",
        "which preflight checks are passed over",
    ),
    GATE = Key::or("gate", Kind::Words(GATES), "none", "whether a person is asked before the freeze"),
    VERIFY = Key::or(
        "verify",
        Kind::List(&verify::CHECK),
        "[]",
        "what must hold on the target before the run counts as done",
    ),
    HOOKS = Key::or("hooks", Kind::Section(&hooks::HOOKS), "{}", "commands around states"),
    RETRY = Key::or(
        "retry",
        Kind::Section(&retry::RETRY),
        "{}",
        "how often an attempt is repeated after a loss",
    ),
    ON_FAILURE = Key::or(
        "on_failure",
        Kind::Words(FAILURES),
        "rollback",
        "what a failure before the commit leads to",
    ),
    KEEP = Key::or("keep", Kind::Words(KEEPS), "none", "what stays after success"),
}

const GATES: &[Word] = &[
    Word::new("none", "nobody is asked"),
    Word::new(
        "ask",
        "the run waits before the freeze for `phaul continue`",
    ),
];

const FAILURES: &[Word] = &[
    Word::new(
        "rollback",
        "the workload runs on at the source, the target is cleaned",
    ),
    Word::new("hold", "the workload stays frozen for a person"),
];

const KEEPS: &[Word] = &[
    Word::new("none", "only the workload stays"),
    Word::new("images", "the images stay on the target"),
    Word::new("source", "the stopped workload stays at the source"),
];

static ROOT: Kind = Kind::Section(&PLAN);

/// A plan section by section: one that could not be read is missing, the others can be checked.
#[derive(Debug)]
pub(crate) struct Draft {
    version: Option<u32>,
    name: Option<String>,
    pub(crate) haul: Option<Haul>,
    to: Option<Target>,
    transport: Option<Transport>,
    pub(crate) memory: Option<Memory>,
    pub(crate) files: Option<Vec<FileSet>>,
    network: Option<Network>,
    criu: Option<Criu>,
    checks: Option<Checks>,
    gate: Option<Gate>,
    verify: Option<Vec<Verify>>,
    hooks: Option<Hooks>,
    pub(crate) retry: Option<Retry>,
    on_failure: Option<OnFailure>,
    keep: Option<Keep>,
}

/// Reads every section; all that is wrong is in the reader's report.
pub(crate) fn draft(reader: &mut Reader, root: &Node) -> Option<Draft> {
    let fields = Fields::open(reader, &Value::root(&ROOT, root))?;
    Some(Draft {
        version: fields.get(reader, &VERSION, value::whole),
        name: fields.get(reader, &NAME, named::name),
        haul: fields.get(reader, &HAUL, haul::read),
        to: fields.get(reader, &TO, target::read),
        transport: fields.get(reader, &TRANSPORT, transport::read),
        memory: fields.get(reader, &MEMORY, memory::read),
        files: fields.get(reader, &FILES, files::read),
        network: fields.get(reader, &NETWORK, network::read),
        criu: fields.get(reader, &CRIU, criu::read),
        checks: fields.get(reader, &CHECKS, checks::read),
        gate: fields.get(reader, &GATE, value::chosen),
        verify: fields.get(reader, &VERIFY, verify::read),
        hooks: fields.get(reader, &HOOKS, hooks::read),
        retry: fields.get(reader, &RETRY, retry::read),
        on_failure: fields.get(reader, &ON_FAILURE, value::chosen),
        keep: fields.get(reader, &KEEP, value::chosen),
    })
}

impl Draft {
    /// The plan, if every section could be read; `name` is used when it names itself nowhere.
    pub(crate) fn plan(self, name: &str) -> Option<Plan> {
        Some(Plan {
            version: self.version?,
            name: self.name.unwrap_or_else(|| name.to_owned()),
            haul: self.haul?,
            to: self.to?,
            transport: self.transport?,
            memory: self.memory?,
            files: self.files?,
            network: self.network?,
            criu: self.criu?,
            checks: self.checks?,
            gate: self.gate?,
            verify: self.verify?,
            hooks: self.hooks?,
            retry: self.retry?,
            on_failure: self.on_failure?,
            keep: self.keep?,
        })
    }
}
