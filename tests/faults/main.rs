//! The fault matrix: in every state of both sides, before and after its work, something dies or breaks.
//!
//! Each test strikes with one kind of fault at every place, in many runs at once, each of which has a workload and an
//! agent of its own. In every cell exactly one copy of the workload must run in the end (I1, I2), with a ledger that has
//! no gap and no repeat (I5), on the host that the exit code and the report name (I4), and nothing else may be left on
//! either host (I3). A test that fails names every cell that did.
#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

mod agent;
mod cell;
mod criu;
mod cut;
mod executor;
mod play;
mod scene;
