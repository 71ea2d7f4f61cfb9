//! What a plan means, beyond what each key can say: one rule a file.

pub mod available;
mod backoff;
mod compiled;
mod converge;
mod empty_argv;
mod hook_never_runs;
mod relative_tree;
mod waivers;

pub use available::NOT_AVAILABLE;
pub use backoff::BACKOFF_ORDER;
pub use compiled::GRAPH_REFUSED;
pub use converge::CONVERGE_BOUNDS;
pub use empty_argv::EMPTY_ARGV;
pub use hook_never_runs::HOOK_NEVER_RUNS;
pub use relative_tree::RELATIVE_TREE;
pub use waivers::{DUPLICATE_WAIVER, UNKNOWN_CHECK};

pub(crate) use compiled::refused_by_the_compiler;

use crate::compile::Graphs;
use crate::diagnostic::Rule;
use crate::keys::{Draft, Reader};
use phaul_core::plan::Plan;

/// Every rule of this module.
pub(crate) fn rules() -> [&'static Rule; 9] {
    [
        &NOT_AVAILABLE,
        &CONVERGE_BOUNDS,
        &BACKOFF_ORDER,
        &EMPTY_ARGV,
        &RELATIVE_TREE,
        &DUPLICATE_WAIVER,
        &UNKNOWN_CHECK,
        &HOOK_NEVER_RUNS,
        &GRAPH_REFUSED,
    ]
}

/// Checks what was read. A section that could not be read is passed over: it is reported.
pub(crate) fn read(draft: &Draft, reader: &mut Reader) {
    available::check(reader);
    converge::check(draft, reader);
    backoff::check(draft, reader);
    empty_argv::check(reader);
    relative_tree::check(draft, reader);
    waivers::check(reader);
}

/// Checks what the graphs make of the plan.
pub(crate) fn compiled(plan: &Plan, graphs: &Graphs, reader: &mut Reader) {
    hook_never_runs::check(plan, graphs, reader);
}
