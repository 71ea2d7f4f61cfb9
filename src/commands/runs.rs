//! `phaul runs` and `phaul agent runs`: which runs there are.

use crate::arguments::Format;
use crate::control::{Reply, Request, ask, of_agent, of_run};
use crate::exit_code::{Done, Exit};
use crate::state_dir::{Runs, StateDir};
use crate::ui;
use jiff::Timestamp;
use phaul_core::graph::StateName;
use phaul_core::journal::{Entry, Journal, JournalError};
use phaul_core::report::{Outcome, Summary};
use phaul_core::run::RunId;
use serde::Serialize;

/// A run in a list; the keys are a contract.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    run: RunId,
    plan: Option<String>,
    state: String,
    outcome: Option<Outcome>,
    started: Option<Timestamp>,
}

pub(crate) async fn of_source(state: &StateDir, format: Format) -> Done {
    list(&state.runs(), of_run, format).await
}

pub(crate) async fn of_agent_here(state: &StateDir, format: Format) -> Done {
    let name = of_agent(state.root());
    list(&state.agent_runs(), move |_| name.clone(), format).await
}

async fn list(runs: &Runs, socket: impl Fn(&RunId) -> String, format: Format) -> Done {
    let mut lines = Vec::new();
    for run in runs.all() {
        lines.push(one(runs, run, &socket).await);
    }
    match format {
        Format::Json => ui::json(&lines),
        Format::Human if lines.is_empty() => ui::line("no runs"),
        Format::Human => {
            for line in &lines {
                let outcome = line.outcome.map_or("-", Outcome::name);
                let started = line
                    .started
                    .map_or_else(|| "-".into(), |time| time.to_string());
                let plan = line.plan.as_deref().unwrap_or("-");
                ui::line(&format!(
                    "{:24}  {plan:20}  {:12}  {outcome:12}  {started}",
                    line.run, line.state
                ));
            }
        }
    }
    Ok(Exit::Ok)
}

async fn one(runs: &Runs, run: RunId, socket: &impl Fn(&RunId) -> String) -> Line {
    let asked = ask(&socket(&run), &Request::Status { run: run.clone() }).await;
    if let Ok(Some(Reply::Status { plan, state })) = asked
        && is_under_way(&state)
    {
        return Line {
            plan: Some(plan),
            state,
            outcome: None,
            started: started(&run),
            run,
        };
    }
    match entries(runs, &run) {
        Ok(entries) => {
            let summary = Summary::of(&entries);
            let state = summary
                .state()
                .map_or_else(|| "-".into(), |state| state.to_string());
            Line {
                plan: Some(summary.plan().to_owned()),
                state,
                outcome: summary.outcome(),
                started: summary.started(),
                run,
            }
        }
        Err(error) => {
            let (plan, state) = match error {
                // Its process has the journal, and can be asked.
                JournalError::InUse { .. } => live(&socket(&run), &run).await,
                other => (None, format!("unreadable: {other}")),
            };
            Line {
                plan,
                state,
                outcome: None,
                started: started(&run),
                run,
            }
        }
    }
}

/// Whether a state is one that a run passes through: its process has the journal, and waiting
/// for that would take long.
fn is_under_way(state: &str) -> bool {
    let state = state.parse::<StateName>().ok();
    state.is_some_and(|state| Outcome::of(state).is_none())
}

/// The records of a run that no process carries out.
pub(super) fn entries(runs: &Runs, run: &RunId) -> Result<Vec<Entry>, JournalError> {
    runs.journal(run)?.entries()
}

/// The plan and the state of a run that a process carries out.
pub(super) async fn live(socket: &str, run: &RunId) -> (Option<String>, String) {
    match ask(socket, &Request::Status { run: run.clone() }).await {
        Ok(Some(Reply::Status { plan, state })) => (Some(plan), state),
        _ => (None, "under way".into()),
    }
}

/// A run's id begins with its time, in UTC.
fn started(run: &RunId) -> Option<Timestamp> {
    let digits = run.as_str().get(..15)?;
    let time = jiff::civil::DateTime::strptime("%Y%m%d-%H%M%S", digits).ok()?;
    time.to_zoned(jiff::tz::TimeZone::UTC)
        .ok()
        .map(|zoned| zoned.timestamp())
}
