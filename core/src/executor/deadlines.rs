//! How long work and answers may take. What has no bound here is bounded elsewhere: sending by
//! the transport's own timeout, taking in by [`STALL`], the gate by a person.

use crate::graph::{AskKind, Work};
use crate::plan::Plan;
use std::time::Duration;

/// How long a target waits for a source that is gone before it drops what is not prepared.
pub const GRACE: Duration = Duration::from_secs(20);

/// How long a target waits for images or files that were announced and do not arrive.
pub const STALL: Duration = Duration::from_secs(20);

/// How long a hauler may take for its farewell, while nothing runs anywhere.
pub const FAREWELL: Duration = Duration::from_secs(1);

/// How long a hook may take.
pub const HOOK: Duration = Duration::from_secs(600);

/// The bound of a piece of work.
pub fn of_work(work: Work) -> Option<Duration> {
    let seconds = match work {
        Work::Connect | Work::Reach => 15,
        Work::Inspect | Work::Check | Work::Reserve | Work::Accept => 120,
        Work::Freeze | Work::Restore => 900,
        // Bounded by what they do; given up half way they would leave the workload in between.
        Work::Kill | Work::Release | Work::Thaw | Work::Undo | Work::Clean => return None,
        Work::Gate | Work::Send | Work::CopyFiles | Work::FinalFiles | Work::TakeFiles => {
            return None;
        }
    };
    Some(Duration::from_secs(seconds))
}

/// The bound of the wait for an answer. The target's hooks take their time besides its work.
pub fn of_answer(ask: AskKind, plan: &Plan) -> Duration {
    let seconds = match ask {
        AskKind::Open => 15,
        AskKind::Preflight | AskKind::Reserve => 120,
        AskKind::Files | AskKind::Restore => 900,
        AskKind::Resume => 120,
        AskKind::Drop | AskKind::Finish => 60,
    };
    let around = plan.hooks.target.values();
    let hooks: usize = around.map(|of| of.before.len() + of.after.len()).sum();
    Duration::from_secs(seconds) + HOOK * u32::try_from(hooks).unwrap_or(u32::MAX)
}
