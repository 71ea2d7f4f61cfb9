//! `phaul run` is killed in every state of the source.
//!
//! Before the commit the workload runs on where it is, with nobody typing anything (I5); `phaul resume` then moves it
//! after all, `phaul rollback` leaves it. After the commit only the target may run it, and `phaul resume` makes it.

use phaul_tests::lab::Side;
use phaul_tests::rig::Rig;

use super::cell::Cell;
use super::scene::{LET_GO, Scene, play};

#[test]
fn a_killed_run_is_resumed() {
    let rig = Rig::up("fault-resume");
    play(&rig, "resume", &Cell::at_source(), |scene| {
        let run = strike(scene)?;
        let resumed = scene.rig.recover(Side::A, "resume", &run);
        resumed.ended(0, "migrated")?;
        scene.is_true(&resumed).map(drop)
    });
}

#[test]
fn a_killed_run_is_rolled_back() {
    let rig = Rig::up("fault-rollback");
    play(&rig, "rollback", &Cell::at_source(), |scene| {
        let run = strike(scene)?;
        let rolled_back = scene.rig.recover(Side::A, "rollback", &run);
        if !scene.cell.is_committed() {
            rolled_back.ended(4, "rolled-back")?;
            return scene.is_true(&rolled_back).map(drop);
        }
        // Too late: it says so, changes nothing, and the run still goes forward.
        if rolled_back.code == 0 || rolled_back.code == 4 {
            return Err(format!("rolled back after the commit: {rolled_back:?}"));
        }
        let resumed = scene.rig.recover(Side::A, "resume", &run);
        resumed.ended(0, "migrated")?;
        scene.is_true(&resumed).map(drop)
    });
}

/// Lets the run be killed; gives its id.
fn strike(scene: &Scene<'_>) -> Result<String, String> {
    let killed = scene.rig.run(Side::A, &scene.plan("executor"));
    if !scene.has_struck() {
        return Err(format!("the fault did not strike: {killed:?}"));
    }
    if killed.code != 137 {
        return Err(format!("the run was not killed: {killed:?}"));
    }
    if !scene.cell.is_committed() {
        let host = scene.rig.host(Side::A);
        let deadline = std::time::Instant::now() + LET_GO;
        scene.workload.advances(host)?;
        if std::time::Instant::now() > deadline {
            return Err("the workload was let go late".to_owned());
        }
    }
    scene.run_id()
}
