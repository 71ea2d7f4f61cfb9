//! Connections go with a container: nobody who talks to it notices more than a pause.

use phaul_tests::lab::{Client, Host, Side};
use phaul_tests::rig::{
    Bridges, Config, MOMENT, Plan, Run, Runtime, Talk, Told, Wire, advance, carried_on, poll,
};

use super::{LEDGER, PORT, Scene, for_both};

for_both!(
    a_network_of_its_own_goes_along,
    a_network_by_its_path_goes_along_and_comes_back,
    an_address_of_the_host_goes_along,
    an_address_that_cannot_move_stays,
    a_database_under_load_keeps_its_data,
);

/// How far what phaul reports may be from what a client sees. The client's clock runs on while its
/// packets wait to be sent again, which the report knows nothing of.
const APART_MS: f64 = 1000.0;

#[expect(clippy::print_stdout, reason = "people want to read it")]
fn the_report_is_true(run: &Run, told: &[Told]) {
    let reported = run.report()["downtime_ms"].as_f64().unwrap();
    for told in told {
        told.is_whole().unwrap();
        let seen = told.longest_pause_ms();
        println!("downtime: {reported} ms reported, {seen} ms seen");
        assert!(
            (reported - seen).abs() < APART_MS,
            "{reported} is not {seen}"
        );
    }
}

/// Talks to a wire's end in both families while the plan is carried out.
fn talk_meanwhile(scene: &Scene, wire: &Wire) -> Run {
    let addresses = [
        format!("{}:{PORT}", wire.ip()),
        format!("[{}]:{PORT}", wire.ipv6()),
    ];
    let talks = addresses.map(|address| Talk::begin(&scene.rig.lab, &address, 3));
    let run = scene.migrate(&scene.plan(&scene.container.id));
    the_report_is_true(&run, &talks.map(Talk::end));
    run
}

/// Sees that the wire's end is plugged in on `b`, and is not on `a`.
fn is_laid_again(scene: &Scene, wire: &Wire) {
    assert!(wire.is_plugged(scene.b()));
    poll(MOMENT, || (!wire.is_there(scene.a())).then_some(())).expect("it is gone from a");
}

fn a_network_of_its_own_goes_along(runtime: Runtime) {
    let scene = Scene::up("own", runtime);
    let wire = scene.start_server();
    let before = scene.rig.snapshot();
    talk_meanwhile(&scene, &wire);
    scene.has_arrived();
    is_laid_again(&scene, &wire);
    let ledger = scene.ledger();
    carried_on((scene.a(), &ledger), (scene.b(), &ledger)).unwrap();
    let inside = scene
        .container
        .exec(scene.b(), &["ip", "address", "show", "eth0"]);
    for word in [wire.ip(), wire.ipv6(), wire.mac()] {
        assert!(inside.stdout.contains(&word), "no {word} in {inside:?}");
    }
    let routes = scene.container.exec(scene.b(), &["ip", "route"]).stdout;
    assert!(routes.contains("default via 10.77.0.3"), "{routes}");
    scene.nothing_left(&before, &wire.moved()).unwrap();
    // New connections find it, too.
    let address = format!("{}:{PORT}", wire.ip());
    Talk::begin(&scene.rig.lab, &address, 1)
        .end()
        .is_whole()
        .unwrap();
    scene.ends_well();
    poll(MOMENT, || (!wire.is_there(scene.b())).then_some(())).expect("the wire goes with it");
}

fn a_network_by_its_path_goes_along_and_comes_back(runtime: Runtime) {
    const PATH: &str = "/run/netns/apart";
    let scene = Scene::up("apart", runtime);
    scene.a().run(&["ip", "netns", "add", "apart"]).unwrap();
    let wire = scene.start_server_of(|config| config.network_at(PATH));
    talk_meanwhile(&scene, &wire);
    scene.has_arrived();
    assert!(wire.is_plugged(scene.b()) && !wire.is_plugged(scene.a()));
    // What somebody made is not phaul's to remove; it must only be out of the way.
    assert!(wire.is_there(scene.a()));
    let agent = scene.rig.agent(Side::A);
    let back = Plan::container(&scene.container.id, &scene.container, agent);
    let address = format!("{}:{PORT}", wire.ip());
    let talk = Talk::begin(&scene.rig.lab, &address, 1);
    let run = scene.rig.run(Side::B, &back);
    run.ended(0, "migrated").unwrap();
    the_report_is_true(&run, &[talk.end()]);
    assert!(wire.is_plugged(scene.a()) && !wire.is_plugged(scene.b()));
    let ledger = scene.ledger();
    carried_on((scene.b(), &ledger), (scene.a(), &ledger)).unwrap();
}

/// The address of the service that a container in the host's network offers.
const ADDRESS: &str = "10.77.0.50";

fn has_address(host: &Host) -> bool {
    let shown = host.run(&["ip", "-brief", "address", "show", "dev", "eth0"]);
    shown.unwrap().contains(&format!("{ADDRESS}/24"))
}

/// Gives `a` the address, and starts a server there in the host's network.
fn start_at_address(scene: &Scene) {
    let address = format!("{ADDRESS}/24");
    let add = ["ip", "address", "add", &address, "dev", "eth0"];
    scene.a().run(&add).unwrap();
    let args = ["/opt/phaul/wl-echo", LEDGER];
    scene.start(&Config::new(&args).host_network(), args[0]);
    advance(scene.a(), &scene.ledger()).unwrap();
}

/// The plan that takes the address along.
fn with_address(plan: Plan) -> Plan {
    let addresses = format!("[{{ ip: {ADDRESS}/24, from: eth0, to: eth0 }}]");
    let network = format!("network: {{ tcp: keep, addresses: {addresses} }}");
    plan.but("network: { tcp: keep }", &network)
}

fn an_address_of_the_host_goes_along(runtime: Runtime) {
    let scene = Scene::up("address", runtime);
    let (a, b) = (scene.a(), scene.b());
    start_at_address(&scene);
    let before = scene.rig.snapshot();
    let talk = Talk::begin(&scene.rig.lab, &format!("{ADDRESS}:{PORT}"), 3);
    let run = scene.migrate(&with_address(scene.plan("address")));
    the_report_is_true(&run, &[talk.end()]);
    scene.has_arrived();
    let ledger = scene.ledger();
    carried_on((a, &ledger), (b, &ledger)).unwrap();
    assert!(has_address(b) && !has_address(a));
    let port = format!("port tcp6 {PORT}");
    // The address is in the line of its interface.
    scene
        .nothing_left(&before, &[port, "address eth0".to_owned()])
        .unwrap();
    scene.ends_well();
}

fn an_address_that_cannot_move_stays(runtime: Runtime) {
    let scene = Scene::up("stays", runtime);
    start_at_address(&scene);
    let before = scene.rig.snapshot();
    let talk = Talk::begin(&scene.rig.lab, &format!("{ADDRESS}:{PORT}"), 3);
    for (side, state, when) in [
        ("target", "restore", "after"),
        ("source", "commit", "before"),
    ] {
        let name = format!("{side}-{state}-{when}");
        let plan = with_address(scene.plan(&name)).hook(side, state, when, &["false"]);
        scene
            .rig
            .run(Side::A, &plan)
            .ended(4, "rolled-back")
            .unwrap();
        assert!(has_address(scene.a()) && !has_address(scene.b()), "{name}");
        advance(scene.a(), &scene.ledger()).unwrap();
        scene.rig.nothing_left(&before).unwrap();
    }
    talk.end().is_whole().unwrap();
}

/// How many values are stored before the move.
const VALUES: u32 = 5000;

/// Stores them, in the words of `redis-cli --pipe`.
const FILL: &str = "for i in $(seq $2); do echo SET mine:$i $i-$((i * 7919)); done \
                    | redis-cli -h $1 --pipe";

/// Prints what is stored.
const DUMP: &str = "for i in $(seq $2); do echo GET mine:$i; done | redis-cli -h $1";

fn shell(client: &Client, script: &str, ip: &str) -> String {
    let argv = ["sh", "-c", script, "sh", ip, &VALUES.to_string()];
    let output = client.exec(&argv).unwrap();
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

fn a_database_under_load_keeps_its_data(runtime: Runtime) {
    let scene = Scene::up("redis", runtime);
    let wire = Bridges::on(&scene.rig.lab).wire("redis", 102);
    let program = "/usr/bin/redis-server";
    let options = ["--save", "", "--dir", "/tmp", "--protected-mode", "no"];
    let args = [&[program], &options[..]].concat();
    scene.start(&Config::new(&args), program);
    wire.lay(scene.a(), scene.container.init_pid(scene.a()).unwrap());
    let client = scene.rig.lab.client().unwrap();
    let ip = wire.ip();
    let pong = || {
        let said = client.exec(&["redis-cli", "-h", &ip, "ping"]).unwrap();
        (said.stdout.trim() == "PONG").then_some(())
    };
    poll(MOMENT, pong).expect("redis answers");
    shell(&client, FILL, &ip);
    let stored: Vec<String> = (1..=VALUES).map(|i| format!("{i}-{}", i * 7919)).collect();
    assert!(shell(&client, DUMP, &ip).lines().eq(&stored));
    let endless = ["-t", "set,get", "-r", "1000", "-n", "100000000", "-c", "10"];
    let benchmark = ["redis-benchmark", "-h", &ip, "-l", "-q"];
    let mut load = client.spawn(&[&benchmark, &endless[..]].concat()).unwrap();
    let served = || {
        let said = shell(&client, "redis-cli -h $1 info stats", &ip);
        let count = said
            .lines()
            .find_map(|line| line.strip_prefix("total_commands_processed:"));
        count.unwrap().trim().parse::<u64>().unwrap()
    };
    let beginning = served();
    poll(MOMENT, || (served() > beginning + 10_000).then_some(())).expect("there is load");
    let before = served();
    scene.migrate(&scene.plan("redis"));
    scene.has_arrived();
    is_laid_again(&scene, &wire);
    assert!(served() >= before, "it counts on where it was");
    let arrived = served();
    poll(MOMENT, || (served() > arrived + 10_000).then_some(())).expect("the load goes on");
    // A connection that had broken would have ended it.
    assert!(load.is_running(), "{}", load.log());
    load.kill();
    assert!(shell(&client, DUMP, &ip).lines().eq(&stored));
    scene.ends_well();
    assert_eq!(scene.container.status(scene.rig.host(Side::A)), "");
}
