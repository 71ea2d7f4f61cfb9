//! A run that fails before its commit: the container goes on where it is, with its addresses and
//! connections, and the other host has nothing of it (I2, I3, I5).

use phaul_tests::lab::Side;
use phaul_tests::rig::{Runtime, Talk, advance};

use super::{PORT, Scene, for_both, runs};

for_both!(a_server_that_could_not_move_serves_on);

/// Where a hook fails: before the target has restored, with both copies held, and just before the
/// point of no return.
const FAILS: [(&str, &str, &str); 6] = [
    ("source", "freeze", "after"),
    ("target", "restore", "before"),
    ("target", "restore", "after"),
    ("target", "prepared", "before"),
    ("source", "restore", "after"),
    ("source", "commit", "before"),
];

fn a_server_that_could_not_move_serves_on(runtime: Runtime) {
    let scene = Scene::up("back", runtime);
    let wire = scene.start_server();
    let before = scene.rig.snapshot();
    let pid = scene.container.init_pid(scene.a());
    let address = format!("{}:{PORT}", wire.ip());
    let talk = Talk::begin(&scene.rig.lab, &address, 3);
    for (side, state, when) in FAILS {
        let name = format!("{side}-{state}-{when}");
        let plan = scene.plan(&name).hook(side, state, when, &["false"]);
        let run = scene.rig.run(Side::A, &plan);
        run.ended(4, "rolled-back")
            .unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
        assert_eq!(run.error(), "hook", "{name}");
        runs(scene.a(), &scene.container);
        assert_eq!(scene.container.init_pid(scene.a()), pid, "{name}");
        advance(scene.a(), &scene.ledger()).unwrap();
        assert!(wire.is_plugged(scene.a()), "{name}");
        assert!(!wire.is_there(scene.b()), "{name}");
        scene.container.is_gone(scene.b()).unwrap();
        scene
            .rig
            .nothing_left(&before)
            .unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
    }
    talk.end().is_whole().unwrap();
    // None of this keeps it from moving later.
    let talk = Talk::begin(&scene.rig.lab, &address, 3);
    scene.migrate(&scene.plan("at-last"));
    talk.end().is_whole().unwrap();
    scene.has_arrived();
}
