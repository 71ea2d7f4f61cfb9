//! Preflight says no: nothing was touched, and the container runs on (I3, I5).

use phaul_tests::lab::Side;
use phaul_tests::rig::{Config, Container, Plan, Run, Runtime, advance};
use serde_json::Value;

use super::{LEDGER, Scene, for_both, runs};

for_both!(
    an_id_that_is_taken,
    a_bundle_that_is_anothers,
    a_volume_that_stays_behind,
    a_host_without_the_runtime,
    a_file_that_is_open_from_outside,
    a_container_that_is_none,
);

/// Carries out a plan that must be refused by a check on that side, and sees that the container
/// goes on; gives the ids of the checks.
fn refuse(scene: &Scene, plan: &Plan, side: &str) -> Vec<String> {
    let before = scene.rig.snapshot();
    let run = scene.rig.run(Side::A, plan);
    run.ended(3, "refused").unwrap();
    assert_eq!(run.error(), "refused");
    assert_eq!(run.report()["downtime_ms"], Value::Null);
    assert!(!run.states("source").contains(&"freeze".to_owned()));
    scene.rig.nothing_left(&before).unwrap();
    runs(scene.a(), &scene.container);
    advance(scene.a(), &scene.ledger()).unwrap();
    let failed = failed(&run, side);
    assert!(!failed.is_empty(), "{}", run.report()["checks"]);
    failed
}

fn failed(run: &Run, side: &str) -> Vec<String> {
    let checks = run.report()["checks"].as_array().unwrap();
    let failed = checks.iter().filter(|check| check["result"] == "failed");
    failed
        .filter(|check| check["side"] == side)
        .map(|check| check["id"].as_str().unwrap().to_owned())
        .collect()
}

fn an_id_that_is_taken(runtime: Runtime) {
    let scene = Scene::up("taken", runtime);
    scene.start_tree();
    let other = Container {
        bundle: "/srv/another".to_owned(),
        ..scene.container.clone()
    };
    let config = Config::new(&["/usr/bin/sleep", "100000"]);
    other.make_thin(scene.b(), &config);
    other.run(scene.b());
    let pid = other.init_pid(scene.b());
    refuse(&scene, &scene.plan("taken"), "target");
    assert_eq!(other.status(scene.b()), "running");
    assert_eq!(other.init_pid(scene.b()), pid);
}

fn a_bundle_that_is_anothers(runtime: Runtime) {
    let scene = Scene::up("bundle", runtime);
    scene.start_tree();
    let config = Config::new(&["/usr/bin/sleep", "100000"]);
    scene.container.make_thin(scene.b(), &config);
    let path = format!("{}/config.json", scene.container.bundle);
    let text = scene.b().read(&path).unwrap();
    refuse(&scene, &scene.plan("bundle"), "target");
    assert_eq!(scene.b().read(&path).unwrap(), text);
}

fn a_volume_that_stays_behind(runtime: Runtime) {
    let scene = Scene::up("volume", runtime);
    scene.a().run(&["mkdir", "-p", "/srv/behind"]).unwrap();
    let args = ["/opt/phaul/wl-tree", LEDGER, "/volume/ticks"];
    let config = Config::new(&args).host_network();
    let config = config.bind("/srv/behind", "/volume", "rw");
    scene.start(&config, args[0]);
    advance(scene.a(), "/srv/behind/ticks").unwrap();
    let plan = scene.plan("volume");
    assert_eq!(refuse(&scene, &plan, "target"), ["container-mounts"]);
    advance(scene.a(), "/srv/behind/ticks").unwrap();
    proposed(&scene, &plan);
    let named = plan.and_tree("/srv/behind");
    run_probe(&scene, &named, 0);
    scene.migrate(&named);
}

/// Sees that a probe of the plan names the check that refuses it and the tree that it lacks.
fn proposed(scene: &Scene, plan: &Plan) {
    let before = scene.rig.snapshot();
    let said = run_probe(scene, plan, 3);
    let paths = said["files"].as_array().unwrap();
    let paths: Vec<&str> = paths
        .iter()
        .map(|tree| tree["path"].as_str().unwrap())
        .collect();
    assert!(paths.contains(&"/srv/behind"), "{paths:?}");
    assert!(!paths.contains(&"rootfs"), "{paths:?}");
    let checks = said["checks"].as_array().unwrap();
    let failed = checks.iter().filter(|check| check["result"] == "failed");
    let failed: Vec<&Value> = failed.map(|check| &check["id"]).collect();
    assert_eq!(failed, ["container-mounts"]);
    scene.rig.nothing_left(&before).unwrap();
    runs(scene.a(), &scene.container);
}

fn run_probe(scene: &Scene, plan: &Plan, code: i32) -> Value {
    let path = plan.write(scene.a());
    let words = ["plan", &path, "--probe", "--format", "json"];
    let output = scene.rig.phaul(Side::A, &words);
    assert_eq!(output.code(), code, "{output:?}");
    let said: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(said["probe"]["unreached"], Value::Null);
    said["probe"].clone()
}

fn a_host_without_the_runtime(runtime: Runtime) {
    let scene = Scene::up("without", runtime);
    scene.start_tree();
    let hide = format!("path=$(command -v {runtime}) && mv \"$path\" \"$path.away\"");
    scene.b().run(&["sh", "-c", &hide]).unwrap();
    refuse(&scene, &scene.plan("without"), "target");
}

fn a_file_that_is_open_from_outside(runtime: Runtime) {
    let scene = Scene::up("outside", runtime);
    let args = ["/opt/phaul/wl-tree", LEDGER];
    let config = Config::new(&args).host_network();
    scene.container.make(scene.a(), &config, &args[..1]);
    scene.a().write("/srv/secret", "of the host").unwrap();
    scene.container.run_with_open(scene.a(), "/srv/secret");
    let pid = scene.container.init_pid(scene.a()).unwrap();
    let open = ["readlink", &format!("/proc/{pid}/fd/3")];
    assert_eq!(scene.a().run(&open).unwrap(), "/srv/secret\n");
    refuse(&scene, &scene.plan("outside"), "source");
}

fn a_container_that_is_none(runtime: Runtime) {
    let scene = Scene::up("none", runtime);
    scene.start_tree();
    let haul = format!("{runtime}: {{ id: none }}");
    let wrong = format!("{runtime}: {{ id: nobody }}");
    refuse(&scene, &scene.plan("nobody").but(&haul, &wrong), "source");
    // That of the other runtime is none, either.
    let other = match runtime {
        Runtime::Runc => Runtime::Crun,
        Runtime::Crun => Runtime::Runc,
    };
    let wrong = format!("{other}: {{ id: none }}");
    refuse(&scene, &scene.plan("others").but(&haul, &wrong), "source");
}
