//! What must hold in every state of the world that can be reached.

use crate::world::{Here, There, World};
use phaul_core::graph::{Graph, StateName};

/// The invariant that the state breaks, if it breaks one.
pub(crate) fn broken(world: &World, source: &Graph, target: &Graph) -> Option<&'static str> {
    let runs_here = world.here == Here::Running;
    let runs_there = world.there == There::Running;
    if runs_there && world.stale {
        return Some("rewound"); // the target runs from images that the source ran past
    }
    let left_behind = world.has_files && !world.files.is_some_and(|files| files.fresh);
    if runs_there && left_behind {
        return Some("rewound"); // or with files that it wrote to since
    }
    if runs_there && world.here != Here::Dead {
        return Some("I1");
    }
    if let Some(machine) = &world.source.journal
        && world.source.live.is_none()
        && machine.has_ended(source)
    {
        if world.source.made {
            return Some("I3");
        }
        let truthful = match machine.state {
            StateName::Done => runs_there && world.here == Here::Dead,
            StateName::RolledBack => runs_here && !world.target.made && world.there == There::None,
            StateName::Refused => runs_here && world.there == There::None,
            _ => true,
        };
        if !truthful {
            return Some("I4");
        }
    }
    if let Some(machine) = &world.target.live
        && machine.has_ended(target)
    {
        let clean = !world.target.made && (machine.state == StateName::Done) == runs_there;
        if !clean {
            return Some("I3");
        }
    }
    None
}

/// Whether the run is over on both hosts, with exactly one workload (I2).
pub(crate) fn is_good_end(world: &World, source: &Graph, target: &Graph) -> bool {
    let source_over = world
        .source
        .journal
        .as_ref()
        .is_some_and(|machine| machine.has_ended(source));
    let target_over = match &world.target.journal {
        None => true,
        Some(machine) => machine.has_ended(target) && !world.target.made,
    };
    let one = (world.here == Here::Running) != (world.there == There::Running);
    source_over && target_over && one
}
