//! The network between the hosts is cut in every state of either side: for a moment, for longer than a link lives, and
//! until the run has ended or has been killed, too.
//!
//! A lost reply is never taken for a failure (I4), and whatever one side believes meanwhile, one copy runs in the end
//! (I1, I2).

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use phaul_tests::lab::Side;
use phaul_tests::rig::{Rig, poll};

use super::cell::Cell;
use super::play::Play;
use super::scene::Scene;

/// How long all runs together may take to get to where the fault strikes.
const GATHERED: Duration = Duration::from_secs(120);

/// How long a run may take to give up without the other host.
const GIVEN_UP: Duration = Duration::from_secs(150);

#[test]
fn a_moment_without_network_is_not_noticed() {
    let time = Duration::from_millis(1500);
    for_some_time("moment", false, time, |scene| {
        let run = scene.rig.run(Side::A, &scene.plan("cut"));
        scene.has_struck()?;
        run.ended(0, "migrated")?;
        if run.report()["attempts"] != 1 {
            return Err(format!("it took {} attempts", run.report()["attempts"]));
        }
        scene.is_true(&run).map(drop)
    });
}

#[test]
fn a_lost_link_is_made_anew() {
    lose_the_link("while", false);
}

#[test]
fn a_link_that_a_container_loses_is_made_anew() {
    lose_the_link("while-ct", true);
}

fn lose_the_link(fault: &'static str, containers: bool) {
    for_some_time(fault, containers, Duration::from_secs(15), |scene| {
        let plan = scene.plan("cut").but("attempts: 2", "attempts: 5");
        let run = scene.rig.run(Side::A, &plan);
        scene.has_struck()?;
        run.ended(0, "migrated")?;
        scene.is_true(&run).map(drop)
    });
}

#[test]
fn without_network_the_run_ends_and_is_taken_up_later() {
    let rig = Rig::up("fault-cut");
    let cells = Cell::everywhere();
    let (ended, mended) = (AtomicUsize::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            cut(&rig, "cut", &cells);
            let all = || (ended.load(Ordering::SeqCst) == cells.len()).then_some(());
            let all = poll(GIVEN_UP * 2, all);
            rig.lab.mend().unwrap();
            mended.store(true, Ordering::SeqCst);
            all.expect("every run ends, or is killed, without the other host");
        });
        all_at_once("cut", false).all(&rig, &cells, |scene| {
            let without = end_without_network(scene);
            ended.fetch_add(1, Ordering::SeqCst);
            poll(GIVEN_UP * 3, || mended.load(Ordering::SeqCst).then_some(()))
                .ok_or("the network was not mended")?;
            without?;
            let resumed = scene.rig.recover(Side::A, "resume", &scene.run_id()?);
            scene.is_true(&resumed).map(drop)
        });
    });
}

/// Carries the plan out until it ends without the other host. A run that has committed tries for a quarter of an hour:
/// once it has lost its link it is killed.
fn end_without_network(scene: &Scene<'_>) -> Result<(), String> {
    let host = scene.rig.host(Side::A);
    let path = scene.plan("cut").write(host);
    let mut run = host
        .spawn(&["/opt/phaul/phaul", "run", &path, "--format", "json"])
        .map_err(|error| error.to_string())?;
    let forward = scene.cell.goes_forward();
    let noticed = |log: &str| scene.is_cut() && log.contains("\"level\":\"error\"");
    let over = poll(GATHERED + GIVEN_UP, || {
        let done = !run.is_running() || forward && noticed(&run.log());
        done.then_some(())
    });
    over.ok_or_else(|| format!("the run goes on: {}", run.log()))?;
    scene.has_struck()?;
    if run.is_running() {
        host.kill(run.pid().unwrap_or_default(), "KILL")
            .map_err(|error| error.to_string())?;
    } else if !forward {
        // The source decides alone, before it has committed.
        scene.workload.advances(host)?;
    }
    run.wait_within(phaul_tests::rig::MOMENT)
        .map_err(|error| error.to_string())?;
    Ok(())
}

/// Plays all cells with one cut, which lasts for some time.
fn for_some_time(
    fault: &'static str,
    containers: bool,
    time: Duration,
    act: impl Fn(&Scene<'_>) -> Result<(), String> + Sync,
) {
    let rig = Rig::up(&format!("fault-{fault}"));
    let cells = Cell::everywhere();
    thread::scope(|scope| {
        scope.spawn(|| {
            cut(&rig, fault, &cells);
            thread::sleep(time);
            rig.lab.mend().unwrap();
        });
        all_at_once(fault, containers).all(&rig, &cells, act);
    });
}

fn all_at_once(fault: &'static str, containers: bool) -> Play {
    Play {
        fault,
        at_once: usize::MAX,
        // One agent would turn some of so many callers away.
        own_agents: true,
        containers,
    }
}

/// Waits until every run is where its fault strikes, cuts the network, and lets the hooks go on.
fn cut(rig: &Rig, fault: &str, cells: &[Cell]) {
    let mark = |cell: &Cell| rig.lab.shared().join(format!("{fault}-{cell}.mark"));
    let gathered = || cells.iter().all(|cell| mark(cell).exists()).then_some(());
    // Whoever did not get there says so itself.
    let _ = poll(GATHERED, gathered);
    rig.lab.cut().unwrap();
    for cell in cells {
        if mark(cell).exists() {
            std::fs::write(mark(cell).join("cut"), "").unwrap();
        }
    }
}
