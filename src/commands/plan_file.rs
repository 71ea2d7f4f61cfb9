//! Reading a plan from the command line, for every command that takes one.

use crate::arguments::PlanFile;
use crate::exit_code::{Exit, Stop};
use crate::ui;
use phaul_core::plan::Plan;
use phaul_planner::compile::Graphs;
use phaul_planner::diagnostic::{self, Diagnostic};
use phaul_planner::{Loaded, Set};
use std::path::Path;

/// A plan that can be carried out.
pub(crate) struct Ready {
    pub(crate) plan: Plan,
    pub(crate) graphs: Graphs,
}

/// Loads the plan with its overrides; all that is wrong with it is in the result.
pub(crate) fn load(path: &Path, sets: &[String]) -> Loaded {
    let name = path.display().to_string();
    let mut wrong: Vec<Diagnostic> = Vec::new();
    let mut overrides = Vec::new();
    for set in sets {
        match Set::parse(set) {
            Ok(set) => overrides.push(set),
            Err(found) => wrong.extend(found),
        }
    }
    let mut loaded = match phaul_planner::read(path) {
        Ok(text) => phaul_planner::load(&name, &text, &overrides),
        Err(found) => {
            let mut nothing = phaul_planner::load(&name, b"", &[]);
            nothing.diagnostics = vec![*found];
            nothing
        }
    };
    if !wrong.is_empty() {
        loaded.plan = None;
        loaded.graphs = None;
        loaded.diagnostics.extend(wrong);
    }
    loaded
}

/// Loads the plan and says on standard error what is wrong with it.
pub(crate) fn loaded(file: &PlanFile) -> Result<Loaded, Stop> {
    let loaded = load(&file.plan, &file.sets);
    if !loaded.diagnostics.is_empty() {
        ui::note(&diagnostic::human(&loaded.diagnostics, ui::colour()));
    }
    if loaded.has_errors() {
        let message = format!("{} cannot be carried out", file.plan.display());
        return Err(Stop::new(Exit::Usage, "bad-plan", message));
    }
    Ok(loaded)
}

/// The plan with its graphs, ready to be carried out.
pub(crate) fn ready(file: &PlanFile) -> Result<Ready, Stop> {
    let loaded = loaded(file)?;
    match (loaded.plan, loaded.graphs) {
        (Some(plan), Some(graphs)) => Ok(Ready { plan, graphs }),
        _ => Err(Stop::new(
            Exit::Usage,
            "bad-plan",
            format!("{} gives no plan", file.plan.display()),
        )),
    }
}
