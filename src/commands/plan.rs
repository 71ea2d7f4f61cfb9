//! `phaul plan`: what a plan would do, and what both hosts say to it.

use super::plan_file;
use crate::arguments::{Format, PlanFile};
use crate::exit_code::{Done, Exit, Stop};
use crate::state_dir::StateDir;
use crate::{host, ui};
use jiff::Timestamp;
use phaul_core::executor::ports::ProposedTree;
use phaul_core::executor::probe::{Probed, probe};
use phaul_core::report::{Check, CheckResult};
use phaul_core::run::RunId;
use phaul_planner::render;
use serde_json::{Value, json};
use std::fmt::Write;
use std::time::Duration;

/// How long the last words to the target may take.
const FAREWELL: Duration = Duration::from_secs(3);

pub(crate) async fn plan(
    state: &StateDir,
    file: &PlanFile,
    asks_hosts: bool,
    format: Format,
) -> Done {
    let loaded = plan_file::loaded(file)?;
    let probed = match asks_hosts {
        true => Some(ask_hosts(state, file).await?),
        false => None,
    };
    ui::text(&match format {
        Format::Human => {
            let said = probed.as_ref().map(human).unwrap_or_default();
            render::plan_human(&loaded) + &said
        }
        Format::Json => with_probe(&render::plan_json(&loaded), probed.as_ref())?,
    });
    let refused = probed.is_some_and(|probed| probed.checks.iter().any(Check::stops));
    Ok(if refused { Exit::Refused } else { Exit::Ok })
}

async fn ask_hosts(state: &StateDir, file: &PlanFile) -> Result<Probed, Stop> {
    let ready = plan_file::ready(file)?;
    let run = RunId::new(Timestamp::now(), super::run::chance());
    let target_graph = ready.graphs.target.parts().clone();
    let directory = state.root();
    let (mut source, dialer) =
        host::source(state, &ready.plan, &run, directory, target_graph.clone())?;
    let asked = probe(
        &mut *source.hauler,
        &*source.dial,
        &ready.plan,
        &target_graph,
        &run,
    );
    let probed = asked.await;
    let _ = tokio::time::timeout(FAREWELL, dialer.finished()).await;
    Ok(probed?)
}

fn human(probed: &Probed) -> String {
    let mut text = String::from("\nprobe\n");
    for check in &probed.checks {
        let result = match (check.result, check.waived) {
            (CheckResult::Passed, _) => "passed",
            (CheckResult::Warned, _) => "warning",
            (CheckResult::Failed, true) => "waived",
            (CheckResult::Failed, false) => "failed",
        };
        let (id, side) = (&check.id, check.side);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {result:<8} {side}  {id:<18} {}", check.text);
        if let Some(hint) = check
            .hint
            .as_ref()
            .filter(|_| check.result != CheckResult::Passed)
        {
            let _ = writeln!(text, "           help: {hint}");
        }
    }
    if let Some(failure) = &probed.unreached {
        let _ = writeln!(text, "  the target could not be asked: {failure}");
    }
    if !probed.proposed.is_empty() {
        text.push_str("\nfiles of the workload that the plan does not name\nfiles:\n");
        for ProposedTree { path, why } in &probed.proposed {
            let path = json!(path.to_string_lossy());
            let _ = writeln!(text, "  - tree: {{ path: {path} }}  # {why}");
        }
    }
    text
}

fn with_probe(plan: &str, probed: Option<&Probed>) -> Result<String, Stop> {
    let Some(probed) = probed else {
        return Ok(plan.to_owned());
    };
    let garbled = |error: serde_json::Error| Stop::new(Exit::Other, "json", error.to_string());
    let mut value: Value = serde_json::from_str(plan).map_err(garbled)?;
    let proposed: Vec<Value> = probed
        .proposed
        .iter()
        .map(|proposed| json!({ "path": proposed.path.to_string_lossy(), "why": proposed.why }))
        .collect();
    value["probe"] = json!({
        "checks": probed.checks,
        "files": proposed,
        "unreached": probed.unreached.as_ref().map(|failure| &failure.cause),
    });
    serde_json::to_string_pretty(&value)
        .map(|text| text + "\n")
        .map_err(garbled)
}
