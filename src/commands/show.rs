//! `phaul show`: what happened in a run.

use super::run::journal_stop;
use super::runs::{entries, live};
use crate::arguments::{Format, RunName};
use crate::control::of_run;
use crate::exit_code::{Done, Exit};
use crate::state_dir::StateDir;
use crate::ui;
use jiff::Timestamp;
use phaul_core::journal::{JournalError, replay};
use phaul_core::report::Summary;
use serde_json::json;

pub(crate) async fn show(state: &StateDir, name: &RunName) -> Done {
    let runs = state.runs();
    let run = runs.find(&name.run)?;
    let entries = match entries(&runs, &run) {
        Ok(entries) => entries,
        Err(JournalError::InUse { .. }) => {
            let (plan, state) = live(&of_run(&run), &run).await;
            match name.format {
                Format::Human => ui::line(&format!("{run} is under way, in `{state}`")),
                Format::Json => {
                    ui::json(&json!({ "run": run, "plan": plan, "state": state, "outcome": null }))
                }
            }
            return Ok(Exit::Ok);
        }
        Err(error) => return Err(journal_stop(error)),
    };
    let target = replay(&entries).map_err(journal_stop)?.peer;
    let report = Summary::of(&entries).report(Timestamp::now());
    match name.format {
        Format::Json => ui::json(&report),
        Format::Human => {
            ui::report(&report);
            for log in logs(&runs.dir(&run)) {
                ui::line(&format!("  log {log}"));
            }
            ui::summary(&report, &target);
        }
    }
    Ok(Exit::Ok)
}

/// The logs that are kept with the run.
fn logs(dir: &std::path::Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(dir.join("logs")) else {
        return Vec::new();
    };
    let mut paths: Vec<String> = entries
        .filter_map(|entry| Some(entry.ok()?.path().display().to_string()))
        .collect();
    paths.sort();
    paths
}
