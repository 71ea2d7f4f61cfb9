//! How phaul freezes, dumps, holds, restores and releases each kind of workload.
//!
//! A hauler knows one kind of workload on both sides; [`source`] and [`target`] find it. What all
//! of them share is beside them: `criu` (talking to it, setting it up, being called by it),
//! `images` (reading CRIU's), `tasks` (who they are), `cgroup`, `checks` (preflight, one a file)
//! and `resources` (undoing what a run made).

mod attempt;
mod cgroup;
mod checks;
mod claim;
mod criu;
mod files;
mod images;
mod kinds;
mod ledger;
mod left;
mod manifest;
mod network;
mod places;
mod programs;
mod registry;
mod resources;
mod shared;
mod tasks;
mod tree;
mod trees;
mod wiring;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

pub use checks::host::check as host_checks;
pub use registry::{KINDS, identity, source, target};
pub use resources::HostUndo;

/// What phaul does when it is started by CRIU (`phaul hold DIRECTORY`, `phaul watch DIRECTORY`)
/// or by itself to become a container runtime (`phaul call DIRECTORY`) or a CRIU that has its own
/// cgroup namespace (`phaul confine PROGRAM…`); none if the words, without the program's name,
/// say something else. No runtime, no options, nothing that takes time: the workload stands
/// still meanwhile.
pub fn called_back(words: &mut dyn Iterator<Item = OsString>) -> Option<ExitCode> {
    let called = words.next()?;
    if called == "confine" {
        return Some(criu::call::confine_main(words));
    }
    let main: fn(&Path) -> ExitCode = match called.to_str()? {
        "hold" => criu::hold::hold_main,
        "call" => criu::call::call_main,
        "watch" => criu::watch::watch_main,
        _ => return None,
    };
    match (words.next(), words.next()) {
        (Some(directory), None) => Some(main(directory.as_ref())),
        _ => None,
    }
}
