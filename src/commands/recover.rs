//! `phaul resume` and `phaul rollback`: runs whose process is gone.

use super::run::{UnderWay, journal_stop, lock, write_report};
use crate::arguments::RunName;
use crate::exit_code::{Done, Exit, Stop};
use crate::state_dir::StateDir;
use crate::ui;
use jiff::Timestamp;
use phaul_core::executor::source::Start;
use phaul_core::journal::{Journal, JournalError, replay};
use phaul_core::report::{Outcome, Summary};
use std::path::Path;

pub(crate) async fn resume(state: &StateDir, name: &RunName, report: Option<&Path>) -> Done {
    recover(state, name, report, Start::Resume).await
}

pub(crate) async fn rollback(state: &StateDir, name: &RunName, report: Option<&Path>) -> Done {
    recover(state, name, report, Start::Rollback).await
}

async fn recover(state: &StateDir, name: &RunName, report: Option<&Path>, start: Start) -> Done {
    let runs = state.runs();
    let run = runs.find(&name.run)?;
    let journal = runs.journal(&run).map_err(|error| match error {
        JournalError::InUse { .. } => Stop::new(
            Exit::Busy,
            "run-busy",
            format!("the run {run} is under way in another process"),
        )
        .hint(format!("phaul cancel {run}")),
        other => journal_stop(other),
    })?;
    let entries = journal.entries().map_err(journal_stop)?;
    let known = replay(&entries).map_err(journal_stop)?;
    if let Some(machine) = &known.machine
        && machine.has_ended(&known.graph)
    {
        let outcome = Outcome::of(machine.state).unwrap_or(Outcome::Undecided);
        let migrated = start == Start::Rollback && outcome == Outcome::Migrated;
        if migrated {
            return Err(Stop::new(
                Exit::Other,
                "committed",
                format!("the run {run} has migrated its workload"),
            )
            .hint("to bring it back, run a plan on the target that hauls it here"));
        }
        ui::note(&format!("the run {run} has ended: {}", outcome.name()));
        if let Some(path) = report {
            write_report(path, &Summary::of(&entries).report(Timestamp::now()))?;
        }
        return Ok(outcome.into());
    }
    let graphs = phaul_planner::compile::compile(&known.plan).map_err(|_| {
        Stop::new(
            Exit::Other,
            "bad-graph",
            "the run's plan does not compile any more",
        )
    })?;
    if graphs.source.digest() != known.graph.digest() {
        return Err(Stop::new(
            Exit::Unfinished,
            "graph-changed",
            format!(
                "this phaul compiles the plan of {run} to another graph than the one it began with"
            ),
        )
        .hint("finish the run with the version of phaul that began it"));
    }
    let lock = lock(&known.workload)?;
    let under_way = UnderWay {
        state,
        dir: &runs.dir(&run),
        target_graph: graphs.target.parts().clone(),
        report,
        format: name.format,
    };
    let done = under_way.carry_out(Box::new(journal), start).await;
    drop(lock);
    done
}
