//! `phaul plan`: what a plan would do.

use super::plan_file;
use crate::arguments::{Format, PlanFile};
use crate::exit_code::{Done, Exit};
use crate::ui;
use phaul_planner::render;

pub(crate) fn plan(file: &PlanFile, format: Format) -> Done {
    let loaded = plan_file::loaded(file)?;
    ui::text(&match format {
        Format::Human => render::plan_human(&loaded),
        Format::Json => render::plan_json(&loaded),
    });
    Ok(Exit::Ok)
}
