//! The agent is killed in every state of the target, and started again after a second.
//!
//! The run takes notice by itself: it tries again, rolls back, or goes forward after the commit, and never needs a
//! person (I2). What the killed agent had made is gone in the end (I3).

use std::thread;
use std::time::Duration;

use phaul_tests::lab::Side;
use phaul_tests::rig::{Rig, Run};

use super::cell::Cell;
use super::play::Play;
use super::scene::Scene;

/// How long a service manager takes to start the agent again.
const DOWN: Duration = Duration::from_secs(1);

#[test]
fn a_killed_agent_costs_no_workload() {
    kill("agent", false);
}

#[test]
fn a_killed_agent_costs_no_container() {
    kill("agent-ct", true);
}

fn kill(fault: &'static str, containers: bool) {
    let rig = Rig::up(&format!("fault-{fault}"));
    let play = Play {
        fault,
        at_once: if containers { 4 } else { 7 },
        own_agents: true,
        containers,
    };
    play.all(&rig, &Cell::at_target(), |scene| {
        let run = run_with_keeper(scene);
        scene.has_struck()?;
        scene.is_true(&run).map(drop)
    });
}

/// Carries the plan out while somebody starts the agent again when it is gone.
fn run_with_keeper(scene: &Scene<'_>) -> Run {
    let plan = scene.plan("executor");
    thread::scope(|scope| {
        let run = scope.spawn(|| scene.rig.run(Side::A, &plan));
        let keep = || {
            if !scene.agent().is_running() {
                thread::sleep(DOWN);
                scene.agent().start_again();
            }
        };
        while !run.is_finished() {
            keep();
            thread::sleep(Duration::from_millis(20));
        }
        keep();
        run.join().unwrap()
    })
}
