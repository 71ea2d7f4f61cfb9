//! The section `to`: where the workload goes.

use super::key::{Key, Kind};
use super::reader::{Fields, Reader, Value};
use super::{named, section};
use crate::diagnostic::codes::BAD_VALUE;
use crate::diagnostic::{Diagnostic, shown};
use crate::yaml::NodeKind;
use phaul_core::plan::Target;
use std::collections::BTreeMap;
use std::path::PathBuf;

section! {
    pub(super) TO = "Where the workload goes.";
    AGENT = Key::required("agent", Kind::Agent, "`host:port` of the target's agent"),
    IDENTITY = Key::required(
        "identity",
        Kind::Name,
        "the trusted peer that the agent must prove to be",
    ),
    ID = Key::optional("id", Kind::Name, "the same as at the source", "the workload's id there"),
    PATHS = Key::or("paths", Kind::Paths, "{}", "where host paths live there, where they differ"),
}

pub(super) fn read(reader: &mut Reader, value: &Value<'_>) -> Option<Target> {
    let fields = Fields::open(reader, value)?;
    let agent = fields.get(reader, &AGENT, named::agent);
    let identity = fields.get(reader, &IDENTITY, named::name);
    let id = fields.get(reader, &ID, named::id);
    let paths = fields.get(reader, &PATHS, paths);
    Some(Target {
        agent: agent?,
        identity: identity?,
        id,
        paths: paths?,
    })
}

fn paths(reader: &mut Reader, value: &Value<'_>) -> Option<BTreeMap<PathBuf, PathBuf>> {
    let NodeKind::Map(entries) = &value.node.kind else {
        reader.wrong_type(value, Some("write `/here: /there`".to_owned()));
        return None;
    };
    let read: Vec<Option<(PathBuf, PathBuf)>> = entries
        .iter()
        .map(|entry| {
            let absolute = entry.key.starts_with('/');
            if !absolute {
                let message = format!("{} must be an absolute path", shown(&entry.key));
                let found = Diagnostic::at(&BAD_VALUE, &entry.place, message)
                    .label("expected a path that begins with `/`");
                reader.report.push(found);
            }
            let there = named::absolute_path(reader, &value.entry(&Kind::AbsolutePath, entry));
            there
                .filter(|_| absolute)
                .map(|there| (PathBuf::from(&entry.key), there))
        })
        .collect();
    read.into_iter().collect()
}
