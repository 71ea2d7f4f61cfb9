//! The section `haul`: the workload, by exactly one hauler.

use super::key::{Key, Kind};
use super::reader::{Choice, Fields, Reader, Value};
use super::{named, section, value};
use crate::diagnostic::codes::EXACTLY_ONE;
use phaul_core::plan::{Container, Haul, Pid, PidSource};

section! {
    pub(super) HAUL = "The workload, by the hauler that knows its kind.";
    PID = Key::required("pid", Kind::Section(&PROCESS), "a process with all its descendants"),
    RUNC = Key::required("runc", Kind::Section(&BY_ID), "a container of runc"),
    CRUN = Key::required("crun", Kind::Section(&BY_ID), "a container of crun"),
    PODMAN = Key::required("podman", Kind::Section(&BY_NAME), "a container of podman"),
    DOCKER = Key::required("docker", Kind::Section(&BY_NAME), "a container of docker"),
    LXC = Key::required("lxc", Kind::Section(&BY_NAME), "a container of LXC"),
}

/// The largest pid that Linux gives.
const PID_MAX: u32 = 4_194_304;

section! {
    PROCESS = "A process with all its descendants: `pid` or `pidfile`.";
    ROOT_PID = Key::optional(
        "pid",
        Kind::Whole(2, PID_MAX),
        "`pidfile` is given",
        "the pid of the root of the tree",
    ),
    PIDFILE = Key::optional(
        "pidfile",
        Kind::AbsolutePath,
        "`pid` is given",
        "a file from which the pid is read when the run starts",
    ),
    SHELL_JOB = Key::or(
        "shell_job",
        Kind::Flag,
        "false",
        "the tree shares its session and terminal with a shell outside it",
    ),
}

section! {
    BY_ID = "A container by its id.";
    ID = Key::required("id", Kind::Name, "the container's id"),
    ROOT = Key::optional(
        "root",
        Kind::AbsolutePath,
        "the runtime's default",
        "the runtime's state directory",
    ),
    BUNDLE = Key::optional(
        "bundle",
        Kind::AbsolutePath,
        "where the runtime says it is",
        "the bundle's directory",
    ),
}

section! {
    BY_NAME = "A container by its name.";
    NAME = Key::required("name", Kind::Name, "the container's name"),
    NAMED_ROOT = Key::optional(
        "root",
        Kind::AbsolutePath,
        "the runtime's default",
        "the runtime's state directory",
    ),
}

pub(super) fn read(reader: &mut Reader, value: &Value<'_>) -> Option<Haul> {
    reader.one_of(value, |reader, choice| {
        let Choice::Key(hauler, value) = choice else {
            return None;
        };
        match hauler {
            "pid" => process(reader, &value).map(Haul::Pid),
            "runc" => by_id(reader, &value).map(Haul::Runc),
            "crun" => by_id(reader, &value).map(Haul::Crun),
            "podman" => by_name(reader, &value).map(Haul::Podman),
            "docker" => by_name(reader, &value).map(Haul::Docker),
            "lxc" => by_name(reader, &value).map(Haul::Lxc),
            _ => None,
        }
    })
}

fn process(reader: &mut Reader, value: &Value<'_>) -> Option<Pid> {
    let fields = Fields::open(reader, value)?;
    let pid = fields
        .get(reader, &ROOT_PID, value::whole)
        .map(PidSource::Pid);
    let pidfile = fields
        .get(reader, &PIDFILE, named::absolute_path)
        .map(PidSource::Pidfile);
    let shell_job = fields.get(reader, &SHELL_JOB, value::flag);
    let name = value.name();
    match (fields.value(&ROOT_PID), fields.value(&PIDFILE)) {
        (Some(pid), Some(pidfile)) => {
            let message = format!("{name} has both `pid` and `pidfile`");
            let found = pidfile
                .wrong(&EXACTLY_ONE, message)
                .label("one too many")
                .related(&pid.spot(), "first here")
                .help(Some("keep one of them".to_owned()));
            reader.report.push(found);
            return None;
        }
        (None, None) => {
            let message = format!("{name} has neither `pid` nor `pidfile`");
            let found = fields
                .lacks(&EXACTLY_ONE, message)
                .label("one of them is needed here")
                .help(Some(
                    "add `pid: 4242`, or `pidfile: /run/web.pid`".to_owned(),
                ));
            reader.report.push(found);
        }
        _ => {}
    }
    Some(Pid {
        root: pid.or(pidfile)?,
        shell_job: shell_job?,
    })
}

fn by_id(reader: &mut Reader, value: &Value<'_>) -> Option<Container> {
    let fields = Fields::open(reader, value)?;
    let id = fields.get(reader, &ID, named::id);
    let root = fields.get(reader, &ROOT, named::absolute_path);
    let bundle = fields.get(reader, &BUNDLE, named::absolute_path);
    Some(Container {
        id: id?,
        root,
        bundle,
    })
}

fn by_name(reader: &mut Reader, value: &Value<'_>) -> Option<Container> {
    let fields = Fields::open(reader, value)?;
    let name = fields.get(reader, &NAME, named::name);
    let root = fields.get(reader, &NAMED_ROOT, named::absolute_path);
    Some(Container {
        id: name?,
        root,
        bundle: None,
    })
}
