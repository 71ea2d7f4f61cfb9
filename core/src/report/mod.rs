//! What a run did: events as they happen, and the report at the end. Both are contracts.

mod document;
mod event;
mod summary;

pub use document::{
    Check, CheckResult, Downtime, Outcome, Pages, Predicted, Report, ReportError, Round, Trail,
};
pub use event::{Event, EventBody};
pub use summary::Summary;
