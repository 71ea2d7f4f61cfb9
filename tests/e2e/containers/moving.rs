//! A container arrives with all its files, goes on where it was, and can be used as before.

use phaul_tests::lab::Side;
use phaul_tests::rig::{
    Config, Container, Plan, Runtime, USER_NAMESPACE, advance, carried_on, judge, ticks,
};

use super::{LEDGER, Scene, arrived, for_both, runs, same_trees};

for_both!(
    a_tree_moves_with_its_files,
    it_goes_there_and_back_ten_times,
    it_gets_another_id_in_another_place,
    the_stopped_source_is_kept,
    a_user_namespace_moves_where_it_can,
);

/// How much the container may have in huge pages.
const HUGE: u64 = 6 << 20;

fn a_tree_moves_with_its_files(runtime: Runtime) {
    let scene = Scene::up("files", runtime);
    let (a, b) = (scene.a(), scene.b());
    a.run(&["mkdir", "-p", "/srv/volume/beside"]).unwrap();
    a.write("/srv/volume/beside/note", "one").unwrap();
    let (program, in_memory) = ("/opt/phaul/wl-tree", "/scratch/ticks");
    let args = [program, LEDGER, "/volume/ticks", in_memory];
    let config = Config::new(&args)
        .host_network()
        .bind("/srv/volume", "/volume", "rw")
        .tmpfs("/scratch")
        .huge_pages(HUGE)
        .annotation("org.test.kept", "yes");
    scene.start(&config, program);
    for ledger in [&*scene.ledger(), "/srv/volume/ticks"] {
        advance(a, ledger).unwrap();
    }
    let before = scene.rig.snapshot();
    let plan = scene.plan("files").and_tree("/srv/volume");
    let run = scene.migrate(&plan);
    assert!(run.states("source").contains(&"copy-files".to_owned()));
    scene.has_arrived();
    for ledger in [&*scene.ledger(), "/srv/volume/ticks"] {
        carried_on((a, ledger), (b, ledger)).unwrap();
    }
    // What was in memory went with it: as many ticks as were written elsewhere, each once.
    let left = ticks(a, &scene.ledger()).unwrap();
    let said = scene.container.exec(b, &["cat", in_memory]).stdout;
    let moved = judge(&said).unwrap();
    assert!(left.len() > 5, "{left:?}");
    for (part, last) in &left {
        // A thread writes there last.
        assert!(moved[part] + 1 >= *last, "{part}: {moved:?} after {left:?}");
    }
    let rootfs = format!("{}/rootfs", scene.container.bundle);
    same_trees((a, &rootfs), (b, &rootfs), &[&LEDGER[1..]]);
    same_trees((a, "/srv/volume"), (b, "/srv/volume"), &["ticks"]);
    let limit = b.cgroup().join(&scene.container.id).join("hugetlb.2MB.max");
    assert_eq!(std::fs::read_to_string(limit).unwrap(), format!("{HUGE}\n"));
    // It sees its own cgroup and no other.
    let cgroups = scene.container.exec(b, &["cat", "/proc/1/cgroup"]).stdout;
    assert!(cgroups.lines().any(|line| line == "0::/"), "{cgroups}");
    let state = scene.container.state(b).unwrap();
    assert_eq!(state["annotations"]["org.test.kept"], "yes", "{state}");
    scene
        .nothing_left(&before, &["/srv/volume".to_owned()])
        .unwrap();
    scene.ends_well();
}

fn it_goes_there_and_back_ten_times(runtime: Runtime) {
    let scene = Scene::up("turns", runtime);
    scene.start_tree();
    let before = scene.rig.snapshot();
    let mut here = Side::A;
    for turn in 1..=10 {
        let there = here.other();
        let name = format!("turn-{turn}");
        let plan = Plan::container(&name, &scene.container, scene.rig.agent(there));
        let run = scene.rig.run(here, &plan);
        run.ended(0, "migrated")
            .unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
        let (from, to) = (scene.rig.host(here), scene.rig.host(there));
        arrived(from, to, &scene.container);
        let ledger = scene.ledger();
        carried_on((from, &ledger), (to, &ledger))
            .unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
        let rootfs = format!("{}/rootfs", scene.container.bundle);
        same_trees((from, &rootfs), (to, &rootfs), &[&LEDGER[1..]]);
        here = there;
    }
    scene.nothing_left(&before, &[]).unwrap();
}

fn it_gets_another_id_in_another_place(runtime: Runtime) {
    let scene = Scene::up("old", runtime);
    scene.start_tree();
    let renamed = Container {
        bundle: "/srv/elsewhere/deep".to_owned(),
        ..Container::named(runtime, "new")
    };
    let paths = format!("{{ {}: {} }}", scene.container.bundle, renamed.bundle);
    let to = format!("identity: b, id: new, paths: {paths}");
    let before = scene.rig.snapshot();
    scene.migrate(&scene.plan("renamed").but("identity: b", &to));
    scene.container.is_gone(scene.a()).unwrap();
    scene.container.is_gone(scene.b()).unwrap();
    runs(scene.b(), &renamed);
    let there = format!("{}/rootfs", renamed.bundle);
    let left = (scene.a(), &*scene.ledger());
    carried_on(left, (scene.b(), &format!("{there}{LEDGER}"))).unwrap();
    let here = format!("{}/rootfs", scene.container.bundle);
    same_trees((scene.a(), &here), (scene.b(), &there), &[&LEDGER[1..]]);
    let moved = [renamed.moved(), vec!["/srv/elsewhere".to_owned()]].concat();
    scene.nothing_left(&before, &moved).unwrap();
    assert!(scene.b().read(format!("{here}/etc/passwd")).is_err());
    renamed.remove(scene.b());
    renamed.is_gone(scene.b()).unwrap();
}

fn the_stopped_source_is_kept(runtime: Runtime) {
    let scene = Scene::up("kept", runtime);
    scene.start_tree();
    // With connections it would not be that: they are gone with it.
    let plan = scene.plan("kept").with("keep: source");
    scene.migrate(&plan.but("tcp: keep", "tcp: refuse"));
    runs(scene.b(), &scene.container);
    let ledger = scene.ledger();
    carried_on((scene.a(), &ledger), (scene.b(), &ledger)).unwrap();
    // A runtime may forget a container that was checkpointed; its files are all there.
    assert_ne!(scene.container.status(scene.a()), "running");
    let rootfs = format!("{}/rootfs", scene.container.bundle);
    let (here, there) = ((scene.a(), &*rootfs), (scene.b(), &*rootfs));
    same_trees(here, there, &[&LEDGER[1..]]);
    let delete = [runtime.name(), "delete", "--force", "kept"];
    scene.a().run(&delete).unwrap();
    scene.container.is_gone(scene.a()).unwrap();
    scene.ends_well();
}

fn a_user_namespace_moves_where_it_can(runtime: Runtime) {
    let scene = Scene::up("user", runtime);
    let args = ["/opt/phaul/wl-tree", LEDGER];
    scene.start(&Config::new(&args).user_namespace(), args[0]);
    let ledger = scene.ledger();
    advance(scene.a(), &ledger).unwrap();
    let before = scene.rig.snapshot();
    let run = scene.rig.run(Side::A, &scene.plan("user"));
    if runtime == Runtime::Crun {
        // What crun binds there in place of devices CRIU does not take: that is known before.
        run.ended(3, "refused").unwrap();
        runs(scene.a(), &scene.container);
        advance(scene.a(), &ledger).unwrap();
        scene.rig.nothing_left(&before).unwrap();
        return;
    }
    run.ended(0, "migrated").unwrap();
    scene.has_arrived();
    carried_on((scene.a(), &ledger), (scene.b(), &ledger)).unwrap();
    let rootfs = format!("{}/rootfs", scene.container.bundle);
    same_trees((scene.a(), &rootfs), (scene.b(), &rootfs), &[&LEDGER[1..]]);
    let map = scene
        .container
        .exec(scene.b(), &["cat", "/proc/self/uid_map"]);
    let map: Vec<u32> = map
        .stdout
        .split_whitespace()
        .map(|number| number.parse().unwrap())
        .collect();
    assert_eq!(map, [0, USER_NAMESPACE.0, USER_NAMESPACE.1]);
    scene.nothing_left(&before, &[]).unwrap();
}
