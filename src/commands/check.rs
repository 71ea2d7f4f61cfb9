//! `phaul check`: whether plans are right.

use super::plan_file;
use crate::arguments::CheckFormat;
use crate::exit_code::{Done, Exit};
use crate::ui;
use phaul_planner::diagnostic;
use std::path::PathBuf;

pub(crate) fn check(plans: &[PathBuf], format: CheckFormat) -> Done {
    let mut all = Vec::new();
    let mut errors = 0;
    for path in plans {
        let loaded = plan_file::load(path, &[]);
        errors += usize::from(loaded.has_errors());
        all.extend(loaded.diagnostics);
    }
    match format {
        CheckFormat::Human => {
            if !all.is_empty() {
                ui::note(&diagnostic::human(&all, ui::colour()));
            }
            ui::line(&format!(
                "{} plan(s) checked, {errors} with errors",
                plans.len()
            ));
        }
        CheckFormat::Json => ui::text(&diagnostic::json(&all)),
        CheckFormat::Github => {
            if !all.is_empty() {
                ui::text(&diagnostic::github(&all));
            }
        }
        CheckFormat::Sarif => ui::text(&diagnostic::sarif(&all)),
    }
    Ok(if errors == 0 { Exit::Ok } else { Exit::Usage })
}
