//! CRIU is killed, on either host, in every state of either side.
//!
//! Where it holds tasks the hold breaks: the source must not commit on it, the target must restore again (I1, I2).
//! Elsewhere nobody may notice.

use phaul_tests::lab::Side;
use phaul_tests::rig::Rig;

use super::cell::Cell;
use super::play::Play;

#[test]
fn a_killed_criu_costs_no_workload() {
    kill("criu", false);
}

#[test]
fn a_killed_criu_costs_no_container() {
    kill("criu-ct", true);
}

fn kill(fault: &'static str, containers: bool) {
    let rig = Rig::up(&format!("fault-{fault}"));
    let play = Play {
        fault,
        at_once: 4,
        own_agents: true,
        containers,
    };
    play.all(&rig, &Cell::everywhere(), |scene| {
        let run = scene.rig.run(Side::A, &scene.plan("criu"));
        scene.has_struck()?;
        scene.is_true(&run).map(drop)
    });
}
