//! The durable record of a run on one side.
//!
//! Every transition is recorded before it is acted on, every resource before it is made. What a
//! run is after a restart, and what its report says, are folds over the records.

mod record;
mod replay;
mod store;

pub use record::{Entry, Record, VERSION};
pub use replay::{Replay, replay};
pub(crate) use store::now;
pub use store::{Journal, JournalError, MemoryJournal, RedbJournal};
