//! The section `hooks`: commands around states.

use super::key::{Key, Kind};
use super::reader::{Fields, Reader, Value};
use super::{section, value};
use crate::diagnostic::codes::{UNKNOWN_STATE, WRONG_TYPE};
use crate::diagnostic::{Diagnostic, alternatives, nearest, shown};
use crate::yaml::{Entry, NodeKind};
use phaul_core::graph::{Side, StateName};
use phaul_core::plan::{Hooks, StateHooks};
use std::collections::BTreeMap;

section! {
    pub(super) HOOKS = "Commands around states, by side and state.";
    SOURCE = Key::or("source", Kind::States(&AROUND), "{}", "commands at the source"),
    TARGET = Key::or("target", Kind::States(&AROUND), "{}", "commands at the target"),
}

section! {
    AROUND = "Commands around one state; a failure is the state's failure.";
    BEFORE = Key::or("before", Kind::List(&Kind::Argv), "[]", "commands before the state's work"),
    AFTER = Key::or("after", Kind::List(&Kind::Argv), "[]", "commands after it succeeded"),
}

type ByState = BTreeMap<StateName, StateHooks>;

pub(super) fn read(reader: &mut Reader, value: &Value<'_>) -> Option<Hooks> {
    let fields = Fields::open(reader, value)?;
    let source = fields.get(reader, &SOURCE, |reader, value| {
        side(reader, value, Side::Source)
    });
    let target = fields.get(reader, &TARGET, |reader, value| {
        side(reader, value, Side::Target)
    });
    Some(Hooks {
        source: source?,
        target: target?,
    })
}

fn side(reader: &mut Reader, value: &Value<'_>, side: Side) -> Option<ByState> {
    let NodeKind::Map(entries) = &value.node.kind else {
        let help = "write `freeze: { before: [[/usr/local/bin/drain]] }`";
        reader.wrong_type(value, Some(help.to_owned()));
        return None;
    };
    let read: Vec<Option<(StateName, StateHooks)>> = entries
        .iter()
        .map(|entry| {
            let state = state(reader, side, entry);
            let inner = value.entry(value.kind, entry);
            reader.note(&inner);
            let hooks = around(reader, &inner);
            state.zip(hooks)
        })
        .collect();
    read.into_iter().collect()
}

fn state(reader: &mut Reader, side: Side, entry: &Entry) -> Option<StateName> {
    let states = || StateName::ALL.iter().filter(|state| state.belongs_to(side));
    if let Some(state) = states().find(|state| state.name() == entry.key) {
        return Some(*state);
    }
    let names = || states().map(|state| state.name());
    let known = format!("the states of the {side} are {}", alternatives(names()));
    let help = match nearest(&entry.key, names()) {
        Some(meant) => format!("did you mean `{meant}`? {known}"),
        None => known,
    };
    let message = format!("the {side} has no state {}", shown(&entry.key));
    let found = Diagnostic::at(&UNKNOWN_STATE, &entry.place, message)
        .label("unknown state")
        .help(Some(help));
    reader.report.push(found);
    None
}

fn around(reader: &mut Reader, value: &Value<'_>) -> Option<StateHooks> {
    let fields = Fields::open(reader, value)?;
    let before = fields.get(reader, &BEFORE, commands);
    let after = fields.get(reader, &AFTER, commands);
    Some(StateHooks {
        before: before?,
        after: after?,
    })
}

/// A list of commands, each a list: `[[drain]]`. One level too few is the usual mistake.
fn commands(reader: &mut Reader, value: &Value<'_>) -> Option<Vec<Vec<String>>> {
    let NodeKind::List(items) = &value.node.kind else {
        return value::list(reader, value, value::argv);
    };
    if items.is_empty() || items.iter().any(|item| item.text().is_none()) {
        return value::list(reader, value, value::argv);
    }
    let written = value.node.place.text();
    let help = match written.contains('\n') || written.len() > 60 {
        true => "each command is a list of its own".to_owned(),
        false => format!("did you mean `[{written}]`?"),
    };
    let message = format!("{} must be a list of commands", value.name());
    let found = value.wrong(&WRONG_TYPE, message);
    reader
        .report
        .push(found.label("each item must be a list").help(Some(help)));
    None
}
