//! The section `checks`: which preflight checks are passed over.

use super::key::{Key, Kind};
use super::reader::{Fields, Reader, Value};
use super::{section, value};
use crate::yaml::NodeKind;
use phaul_core::plan::{Checks, Waiver};

section! {
    pub(super) CHECKS = "Which preflight checks are passed over.";
    WAIVE = Key::or(
        "waive",
        Kind::List(&ENTRY),
        "[]",
        "ids of preflight checks to pass over; the report names them",
    ),
}

section! {
    WAIVER = "A check that is passed over.";
    ID = Key::required("id", Kind::Text, "the check's id"),
    REASON = Key::optional("reason", Kind::Text, "no reason is given", "why it may be passed over"),
}

static ENTRY: Kind = Kind::Brief(&WAIVER);

/// The ids of the checks that preflight makes.
pub const KNOWN_CHECKS: &[&str] = &[
    "criu-usable",
    "criu-version",
    "kernel",
    "cpu",
    "pid-free",
    "files-present",
    "namespaces",
    "criu-refuses",
    "tcp",
    "space",
    "session",
    "rlimits",
    "workload",
    "peer-loopback",
    "locks",
    "criu-options",
    "unix-peers",
    "cgroup",
    "runtime",
    "container",
    "container-id",
    "container-members",
    "container-cgroup",
    "container-mounts",
    "bundle",
    "files-place",
    "files-shared",
    "files-source",
    "files-space",
    "network",
    "addresses",
    "security",
];

pub(super) fn read(reader: &mut Reader, value: &Value<'_>) -> Option<Checks> {
    let fields = Fields::open(reader, value)?;
    let waive = fields.get(reader, &WAIVE, |reader, value| {
        value::list(reader, value, waiver)
    });
    Some(Checks { waive: waive? })
}

fn waiver(reader: &mut Reader, value: &Value<'_>) -> Option<Waiver> {
    if !matches!(value.node.kind, NodeKind::Map(_)) {
        return value::text(reader, value).map(Waiver);
    }
    let fields = Fields::open(reader, value)?;
    let id = fields.get(reader, &ID, value::text);
    // The effective plan has no place for the reason: it is for those who review the plan.
    fields.get(reader, &REASON, value::text);
    id.map(Waiver)
}
