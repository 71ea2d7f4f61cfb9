//! `phaul run` is killed in every state of the source.
//!
//! Before the commit the workload runs on where it is, with nobody typing anything (I5); `phaul resume` then moves it
//! after all, `phaul rollback` leaves it. After the commit only the target may run it, and `phaul resume` makes it.

use phaul_tests::lab::Side;
use phaul_tests::rig::Rig;

use super::cell::Cell;
use super::play::Play;
use super::scene::Scene;

#[test]
fn a_killed_run_is_resumed() {
    resume("resume", false);
}

#[test]
fn a_killed_run_of_a_container_is_resumed() {
    resume("resume-ct", true);
}

#[test]
fn a_killed_run_is_rolled_back() {
    roll_back("rollback", false);
}

#[test]
fn a_killed_run_of_a_container_is_rolled_back() {
    roll_back("rollback-ct", true);
}

fn resume(fault: &'static str, containers: bool) {
    let rig = Rig::up(&format!("fault-{fault}"));
    kill(fault, containers).all(&rig, &cells(containers), |scene| {
        let run = strike(scene)?;
        let resumed = scene.rig.recover(Side::A, "resume", &run);
        resumed.ended(0, "migrated")?;
        scene.is_true(&resumed).map(drop)
    });
}

fn roll_back(fault: &'static str, containers: bool) {
    let rig = Rig::up(&format!("fault-{fault}"));
    kill(fault, containers).all(&rig, &cells(containers), |scene| {
        let run = strike(scene)?;
        let rolled_back = scene.rig.recover(Side::A, "rollback", &run);
        if !scene.cell.is_committed() {
            rolled_back.ended(4, "rolled-back")?;
            return scene.is_true(&rolled_back).map(drop);
        }
        if rolled_back.outcome() == "migrated" {
            // Killed before it could note down that it had committed: that is found out, and the run goes forward.
            return scene.is_true(&rolled_back).map(drop);
        }
        // Too late: it says so, changes nothing, and the run still goes forward.
        if rolled_back.code != 5 || !rolled_back.stderr.contains("committed") {
            return Err(format!("rolled back after the commit: {rolled_back:?}"));
        }
        let resumed = scene.rig.recover(Side::A, "resume", &run);
        resumed.ended(0, "migrated")?;
        scene.is_true(&resumed).map(drop)
    });
}

fn cells(containers: bool) -> Vec<Cell> {
    if containers {
        Cell::at_source_with_files()
    } else {
        Cell::at_source()
    }
}

fn kill(fault: &'static str, containers: bool) -> Play {
    Play {
        fault,
        at_once: 4,
        own_agents: false,
        containers,
    }
}

/// Lets the run be killed, and sees that the workload is let go; gives the run's id.
fn strike(scene: &Scene<'_>) -> Result<String, String> {
    let killed = scene.rig.run(Side::A, &scene.plan("executor"));
    scene.has_struck()?;
    if killed.code != 137 {
        return Err(format!("the run was not killed: {killed:?}"));
    }
    if !scene.cell.is_committed() {
        scene.workload.advances(scene.rig.host(Side::A))?;
    }
    scene.run_id()
}
