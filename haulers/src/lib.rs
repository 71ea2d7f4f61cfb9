//! How phaul freezes, dumps, holds, restores and releases each kind of workload.
//!
//! A hauler knows one kind of workload on both sides; [`source`] and [`target`] find it. What all
//! of them share is beside them: `criu` (talking to it, setting it up, being called by it),
//! `images` (reading CRIU's), `tasks` (who they are), `cgroup`, `checks` (preflight, one a file)
//! and `resources` (undoing what a run made).

mod attempt;
mod cgroup;
mod checks;
mod criu;
mod images;
mod kinds;
mod manifest;
mod registry;
mod resources;
mod tasks;

pub use checks::host::check as host_checks;
pub use criu::hold::hold_main;
pub use registry::{KINDS, identity, source, target};
pub use resources::HostUndo;
