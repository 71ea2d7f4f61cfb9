//! A hook is tied to a state that the run passes through.

use crate::compile::Graphs;
use crate::diagnostic::{Diagnostic, rule};
use crate::keys::Reader;
use phaul_core::graph::Graph;
use phaul_core::graph::StateName;
use phaul_core::plan::{Plan, StateHooks};
use std::collections::BTreeMap;

rule! {
    HOOK_NEVER_RUNS = "hook-never-runs", Warning;
    means "A hook is tied to a state that the graph of this plan does not have.";
    why "The plan's settings leave the state out, so the hook never runs.";
    example "hooks: { source: { copy-memory: { before: [[/usr/local/bin/drain]] } } }";
}

pub(super) fn check(plan: &Plan, graphs: &Graphs, reader: &mut Reader) {
    for (graph, hooks) in [
        (&graphs.source, &plan.hooks.source),
        (&graphs.target, &plan.hooks.target),
    ] {
        for state in unused(graph, hooks) {
            let side = graph.side();
            let Some(setting) = reader.settings.get(&format!("hooks.{side}.{state}")) else {
                continue;
            };
            let way: Vec<&str> = graph.main_path().iter().map(|state| state.name()).collect();
            let message =
                format!("the hooks of `{state}` never run: this plan's {side} has no such state");
            let found = Diagnostic::at(&HOOK_NEVER_RUNS, &setting.key, message)
                .label("never entered")
                .help(Some(format!("the {side} passes {}", way.join(" > "))));
            reader.report.push(found);
        }
    }
}

fn unused(graph: &Graph, hooks: &BTreeMap<StateName, StateHooks>) -> Vec<StateName> {
    hooks
        .keys()
        .copied()
        .filter(|state| graph.node(*state).is_none())
        .collect()
}
