//! `phaul graph`: the state machines that a plan compiles to.

use super::plan_file;
use crate::arguments::{GraphFormat, PlanFile};
use crate::exit_code::{Done, Exit};
use crate::ui;
use phaul_planner::render::{Format, render};

pub(crate) fn graph(file: &PlanFile, format: GraphFormat) -> Done {
    let ready = plan_file::ready(file)?;
    let format = match format {
        GraphFormat::Text => Format::Text,
        GraphFormat::Dot => Format::Dot,
        GraphFormat::Mermaid => Format::Mermaid,
        GraphFormat::Json => Format::Json,
    };
    ui::text(&render(&ready.graphs, format));
    Ok(Exit::Ok)
}
