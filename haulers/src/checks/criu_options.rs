//! Do the plan's own lines for CRIU leave the hold in phaul's hands?

use super::{failed, passed};
use crate::criu::config::refused_option;
use phaul_core::graph::Side;
use phaul_core::plan::Plan;
use phaul_core::report::Check;

const ID: &str = "criu-options";

pub(super) fn check(plan: &Plan) -> Check {
    match refused_option(plan) {
        Some(failure) => failed(
            ID,
            Side::Source,
            failure.cause,
            &failure.hint.unwrap_or_default(),
        ),
        None => passed(
            ID,
            Side::Source,
            format!("{} lines for CRIU's configuration", plan.criu.options.len()),
        ),
    }
}
