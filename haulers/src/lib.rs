//! How phaul freezes, dumps, holds, restores and releases each kind of workload.
//!
//! A hauler knows one kind of workload on both sides; [`registry`] finds it. What all of them
//! share is here too: CRIU ([`criu`]), its images ([`images`]), tasks and their identity
//! ([`tasks`]), cgroups, preflight checks ([`checks`]) and the undoing of resources.

mod attempt;
mod cgroup;
pub mod checks;
pub mod criu;
pub mod images;
mod kinds;
mod manifest;
pub mod registry;
mod resources;
pub mod tasks;

pub use criu::hold::hold_main;
pub use registry::{source, target};
pub use resources::HostUndo;
