//! Containers of the rig, checkpointed and restored with their runtimes alone: what phaul's tests of
//! containers rely on.

use phaul_tests::lab::{Host, Lab, Side};
use phaul_tests::ledger;
use phaul_tests::rig::{Bridges, Config, Container, MOMENT, Runtime, Wire, poll};
use serde_json::Value;

const IMAGES: &str = "/var/tmp/images";

/// What CRIU is told whatever the runtime says. The hierarchies of version 1 that the lab's hosts
/// still see are none of theirs.
const CRIU: &str = "manage-cgroups=ignore\n\
                    tcp-established\n\
                    network-lock nftables\n\
                    action-script /etc/criu/act\n";

fn configure(host: &Host, runtime: Runtime) {
    // crun has CRIU restore the network namespace, which knows nothing of the bridge.
    let empty = match runtime {
        Runtime::Crun => "empty-ns net\n",
        Runtime::Runc => "",
    };
    let path = format!("/etc/criu/{runtime}.conf");
    host.write(&path, &format!("{CRIU}{empty}")).unwrap();
}

/// Has CRIU run a script at each of its stages.
fn act(host: &Host, script: &str) {
    host.run(&["mkdir", "-p", "/etc/criu"]).unwrap();
    host.write("/etc/criu/act", &format!("#!/bin/sh -e\n{script}\n"))
        .unwrap();
    host.run(&["chmod", "755", "/etc/criu/act"]).unwrap();
}

const AT_IMAGES: [&str; 4] = ["--image-path", IMAGES, "--work-path", IMAGES];

fn checkpoint(host: &Host, container: &Container) -> Result<(), String> {
    let runtime = container.runtime.name();
    configure(host, container.runtime);
    host.run(&["rm", "-rf", IMAGES]).unwrap();
    let argv = [&[runtime, "checkpoint"], &AT_IMAGES[..], &[&*container.id]].concat();
    let output = host.exec(&argv).unwrap();
    let why = || format!("{output:?} {}", errors(host, "dump.log"));
    output.status.success().then_some(()).ok_or_else(why)
}

fn restore(host: &Host, container: &Container) {
    // Root of a user namespace is nobody here, and reads them itself.
    host.run(&["chmod", "-R", "a+rX", IMAGES]).unwrap();
    let log = "/tmp/restore.log";
    let runtime = [container.runtime.name(), "--log", log, "restore"];
    let bundle = ["--detach", "--bundle", &*container.bundle, &*container.id];
    // The streams of the runtime would become the container's.
    let quiet = ["sh", "-c", r#"exec "$@" </dev/null >/dev/null 2>&1"#, "sh"];
    let argv = [&quiet, &runtime[..], &AT_IMAGES, &bundle].concat();
    let output = host.exec(&argv).unwrap();
    let said = host.read(log).unwrap_or_default();
    assert!(
        output.status.success(),
        "{output:?} {said} {}",
        errors(host, "restore.log")
    );
}

fn errors(host: &Host, log: &str) -> String {
    let grep = format!("grep -i error {IMAGES}/{log}");
    host.exec(&["sh", "-c", &grep]).unwrap().stdout
}

/// Checkpoints and restores on one host.
fn there_and_back(host: &Host, container: &Container) {
    checkpoint(host, container).unwrap();
    restore(host, container);
}

fn ticks(host: &Host, path: &str) -> u64 {
    let text = host.read(path).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
    let parts = ledger::check_parts(whole).unwrap();
    parts.values().sum()
}

fn goes_on(host: &Host, path: &str) {
    let before = ticks(host, path);
    poll(MOMENT, || (ticks(host, path) > before).then_some(()))
        .unwrap_or_else(|| panic!("{path} does not go on after {before}"));
}

#[test]
fn a_tree_in_the_hosts_network_is_restored() {
    let lab = Lab::up("test-by-hand-tree").unwrap();
    let host = lab.host(Side::A);
    host.run(&["mkdir", "-p", "/srv/data"]).unwrap();
    act(host, "");
    for runtime in Runtime::BOTH {
        let container = Container::named(runtime, &format!("tree-{runtime}"));
        let args = [
            "/opt/phaul/wl-tree",
            "/root/ticks",
            "/data/ticks",
            "/scratch/ticks",
        ];
        let config = Config::new(&args)
            .host_network()
            .bind("/srv/data", "/data", "rw")
            .tmpfs("/scratch")
            .huge_pages(4 << 20);
        container.make(host, &config, &args[..1]);
        container.run(host);
        let own = format!("{}/rootfs/root/ticks", container.bundle);
        for path in [&*own, "/srv/data/ticks"] {
            goes_on(host, path);
        }
        let before = container.init_pid(host).unwrap();
        there_and_back(host, &container);
        assert_eq!(container.status(host), "running");
        assert_ne!(container.init_pid(host).unwrap(), before);
        for path in [&*own, "/srv/data/ticks"] {
            goes_on(host, path);
        }
        let said = container.exec(host, &["cat", "/scratch/ticks"]).stdout;
        assert!(ledger::check_parts(&said).unwrap().len() > 5, "{said}");
        let limit = host.cgroup().join(&container.id).join("hugetlb.2MB.max");
        assert_eq!(std::fs::read_to_string(limit).unwrap(), "4194304\n");
        container.remove(host);
        container.is_gone(host).unwrap();
        container.wipe(host);
        host.run(&["rm", "/srv/data/ticks"]).unwrap();
    }
}

/// The client's last words.
fn ended(lab: &Lab, mut child: phaul_tests::lab::Child) -> Value {
    lab.client()
        .unwrap()
        .kill(child.pid().unwrap(), "TERM")
        .unwrap();
    child.wait_within(MOMENT).unwrap().expect("the client ends");
    serde_json::from_str(&child.log()).unwrap()
}

/// Lays the wire anew into what CRIU is about to restore.
fn rewire(wire: &Wire) -> String {
    format!(
        "[ \"$CRTOOLS_SCRIPT_ACTION\" = setup-namespaces ] || exit 0\n\
         ip link del {} 2>/dev/null || true\n{}",
        wire.port,
        wire.script("$CRTOOLS_INIT_PID")
    )
}

#[test]
fn a_server_with_a_network_of_its_own_keeps_its_clients() {
    let lab = Lab::up("test-by-hand-net").unwrap();
    let bridges = Bridges::on(&lab);
    let host = lab.host(Side::A);
    for (runtime, number) in Runtime::BOTH.into_iter().zip([100, 101]) {
        let container = Container::named(runtime, &format!("net-{runtime}"));
        let wire = bridges.wire(&container.id, number);
        act(host, &rewire(&wire));
        let args = ["/opt/phaul/wl-echo", "/root/ticks"];
        container.make(host, &Config::new(&args), &args[..1]);
        container.run(host);
        wire.lay(host, container.init_pid(host).unwrap());
        let own = format!("{}/rootfs/root/ticks", container.bundle);
        goes_on(host, &own);
        let client = lab.client().unwrap();
        let [four, six] = [
            format!("{}:7100", wire.ip()),
            format!("[{}]:7100", wire.ipv6()),
        ]
        .map(|address| client.spawn(&["/opt/phaul/wl-client", &address, "--connections", "3"]));
        std::thread::sleep(std::time::Duration::from_secs(1));
        there_and_back(host, &container);
        assert!(wire.is_plugged(host));
        goes_on(host, &own);
        std::thread::sleep(std::time::Duration::from_secs(1));
        for talk in [four, six] {
            let said = ended(&lab, talk.unwrap());
            assert_eq!(said["alive"], 3, "{said}");
            assert!(said["fewest"].as_u64().unwrap() > 20, "{said}");
        }
        container.remove(host);
        container.wipe(host);
        poll(MOMENT, || (!wire.is_there(host)).then_some(())).expect("the wire goes with it");
    }
}

#[test]
fn containers_of_every_shape_are_restored() {
    let lab = Lab::up("test-by-hand-shapes").unwrap();
    let host = lab.host(Side::A);
    act(host, "");
    host.run(&["ip", "netns", "add", "apart"]).unwrap();
    let args = ["/opt/phaul/wl-tree", "/shared/ticks", "--children", "1"];
    let plain = Config::new(&args).bind("/shared", "/shared", "rw");
    let shapes = [
        ("user", plain.clone().user_namespace()),
        ("path", plain.clone().network_at("/run/netns/apart")),
        ("cgroup", plain.clone().host_network().cgroup("/pods/one")),
        (
            "own",
            plain.annotation("org.test", "yes").env("NAME", "value"),
        ),
    ];
    for runtime in Runtime::BOTH {
        for (shape, config) in &shapes {
            let ticks = ["install", "-m", "666", "/dev/null", "/shared/ticks"];
            host.run(&ticks).unwrap();
            let container = Container::named(runtime, &format!("{shape}-{runtime}"));
            container.make_thin(host, config);
            container.run(host);
            goes_on(host, "/shared/ticks");
            if (runtime, *shape) == (Runtime::Crun, "user") {
                // What crun binds there in place of devices that it may not make, CRIU does not take.
                let refused = checkpoint(host, &container).unwrap_err();
                assert!(refused.contains("proper root mount"), "{refused}");
            } else {
                there_and_back(host, &container);
            }
            goes_on(host, "/shared/ticks");
            container.remove(host);
            container.wipe(host);
        }
    }
}
