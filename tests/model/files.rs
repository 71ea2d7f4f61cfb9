//! What can happen to files on their way.

use crate::moves::{Move, Play};
use crate::world::{Files, Here, World};
use phaul_core::graph::{AskKind, Side, StateName, Work};
use phaul_core::machine::{Doing, Input, Machine, Worked};
use phaul_core::protocol::AnswerKind;

/// So many rounds are made while the workload runs: more are more of the same.
const LIVE_ROUNDS: u8 = 2;

type Ends = Vec<(&'static str, Worked, World)>;

/// The ends of sending a round. It can only arrive where the target receives this attempt.
pub(crate) fn send_files(world: &World, machine: &Machine) -> Ends {
    let live = machine.doing == Doing::Work(Work::CopyFiles);
    let again = |again| Worked::Failed { again };
    let mut ends = vec![("lost", again(true), world.clone())];
    if live {
        ends.push(("does not converge", again(false), world.clone()));
    }
    let receives = world.target.live.as_ref().is_some_and(|target| {
        target.state == StateName::Receive && target.attempt == machine.attempt
    });
    if !receives {
        return ends;
    }
    let mut next = world.clone();
    next.round += 1;
    next.arrived = Some(Files {
        attempt: machine.attempt,
        round: next.round,
        fresh: world.here == Here::Held,
    });
    if live && next.round < LIVE_ROUNDS {
        ends.push(("well, and more", Worked::More, next.clone()));
    }
    ends.push(("well", Worked::Well, next));
    ends
}

/// The ends of putting a round in place: once it was taken, it is so however often it is asked.
pub(crate) fn take_files(world: &World, machine: &Machine) -> Ends {
    let asked = (machine.attempt, world.asked);
    let is_at_least = |files: Option<Files>| {
        files.is_some_and(|files| files.attempt == asked.0 && files.round >= asked.1)
    };
    if is_at_least(world.files) {
        return vec![("taken before", Worked::Well, world.clone())];
    }
    let again = |again| Worked::Failed { again };
    let mut ends = vec![
        ("lost", again(true), world.clone()),
        ("failed", again(false), world.clone()),
    ];
    if is_at_least(world.arrived) {
        let mut next = world.clone();
        next.files = world.arrived;
        ends.push(("well", Worked::Well, next));
    }
    ends
}

impl Play<'_> {
    /// What takes files in fails while they arrive.
    pub(crate) fn sink_fails(&self, world: &World, machine: &Machine, moves: &mut Vec<Move>) {
        for again in [false, true] {
            let attempt = machine.attempt;
            let trouble = Input::Trouble { again, attempt };
            let next = self.input(world.clone(), Side::Target, trouble);
            moves.push((format!("the sink fails, {again}"), next));
        }
    }

    /// The source asks about a round.
    pub(crate) fn files_asked(&self, world: &World, attempt: u32, round: u8) -> Option<World> {
        let mut next = world.clone();
        if !world.agent_lives() || world.target.live.is_none() {
            return None;
        }
        let idle = |machine: &Machine| machine.doing != Doing::Work(Work::TakeFiles);
        // What is asked while it works is not heard.
        if world.target.live.as_ref().is_some_and(idle) {
            next.asked = round;
        }
        Some(self.input(next, Side::Target, Input::Asked(AskKind::Files, attempt)))
    }

    /// The target has taken a round; of one that was not asked about just now, nothing follows.
    pub(crate) fn files_taken(&self, world: &World, attempt: u32, round: u8) -> Option<World> {
        if world.source.live.is_none() || round != world.round {
            return None;
        }
        let input = Input::Answered(AnswerKind::Yes(AskKind::Files), attempt);
        Some(self.input(world.clone(), Side::Source, input))
    }
}
