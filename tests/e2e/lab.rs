//! The lab itself: the hosts meet, can be parted, tell what changed on them, and leave nothing.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use phaul_tests::lab::{Error, Host, Lab, Side};
use phaul_tests::rig::Bridges;

fn reaches(host: &Host, address: &str) -> bool {
    host.exec(&["ping", "-c", "1", "-W", "1", address])
        .unwrap()
        .status
        .success()
}

#[test]
fn hosts_meet_and_can_be_parted() {
    let lab = Lab::up("test-network").unwrap();
    let (a, b) = (lab.host(Side::A), lab.host(Side::B));
    assert_eq!(a.run(&["hostname"]).unwrap(), "a\n");
    assert_eq!(b.run(&["hostname"]).unwrap(), "b\n");
    assert!(reaches(a, b.address()) && reaches(b, a.address()));
    assert!(reaches(a, "b") && reaches(b, "a"));

    lab.cut().unwrap();
    assert!(lab.is_cut().unwrap());
    assert!(!reaches(a, b.address()) && !reaches(b, a.address()));
    lab.mend().unwrap();
    assert!(!lab.is_cut().unwrap());
    assert!(reaches(a, b.address()) && reaches(b, a.address()));

    assert_eq!(lab.rate().unwrap(), None);
    lab.shape(Some("100mbit")).unwrap();
    assert_eq!(lab.rate().unwrap().as_deref(), Some("100Mbit"));
    assert!(reaches(a, b.address()));
    lab.shape(None).unwrap();
    assert_eq!(lab.rate().unwrap(), None);
}

#[test]
fn a_client_is_a_third_place() {
    let lab = Lab::up("test-client").unwrap();
    let client = lab.client().unwrap();
    let reached = |address: &str| {
        let ping = client.exec(&["ping", "-c", "1", "-W", "1", address]);
        ping.unwrap().status.success()
    };
    assert!(reached("10.77.0.1") && reached("10.77.0.2"));
    assert!(reaches(lab.host(Side::B), "10.77.0.3"));
    // Joined already, it is the same one.
    assert!(
        lab.client()
            .unwrap()
            .exec(&["true"])
            .unwrap()
            .status
            .success()
    );
    let own = |argv: &[&str]| client.exec(argv).unwrap().stdout;
    assert!(!own(&["ip", "-brief", "address"]).contains("10.77.0.1"));

    let bridges = Bridges::on(&lab);
    let (a, b) = (lab.host(Side::A), lab.host(Side::B));
    assert!(reaches(a, b.address()) && reaches(b, a.address()));
    let apart = ["unshare", "--net", "sleep", "1000"];
    let pid = a.start_workload(&apart).unwrap();
    let wire = bridges.wire("apart", 90);
    wire.lay(a, pid);
    assert!(wire.is_plugged(a) && !wire.is_there(b));
    assert!(reached(&wire.ip()) && reached(&wire.ipv6()) && reaches(b, &wire.ip()));
    a.kill(pid, "KILL").unwrap();
}

#[test]
fn hosts_share_one_directory_and_the_programs() {
    let lab = Lab::up("test-files").unwrap();
    let (a, b) = (lab.host(Side::A), lab.host(Side::B));
    a.write("/shared/word", "hello").unwrap();
    assert_eq!(b.read("/shared/word").unwrap(), "hello");
    a.write("/tmp/word", "hello").unwrap();
    assert!(b.read("/tmp/word").is_err());
    // An absolute link is the host's, not the machine's.
    assert_eq!(a.read("/var/run/../etc/hostname").unwrap(), "a\n");

    let sum = |host: &Host| host.run(&["sh", "-c", "sha256sum /opt/phaul/*"]).unwrap();
    assert!(sum(a).contains("/opt/phaul/wl-counter"));
    assert_eq!(sum(a), sum(b));
    assert!(a.write("/opt/phaul/new", "").is_err());
}

#[test]
fn programs_run_in_the_hosts_and_are_ended() {
    let lab = Lab::up("test-programs").unwrap();
    let host = lab.host(Side::A);
    let output = host
        .exec(&["sh", "-c", "echo out; echo err >&2; exit 7"])
        .unwrap();
    assert_eq!(
        (output.code(), &*output.stdout, &*output.stderr),
        (7, "out\n", "err\n")
    );
    assert_eq!(
        host.run(&["cat", "/proc/self/cgroup"])
            .unwrap()
            .lines()
            .last(),
        Some("0::/init")
    );

    let late = host.exec_within(&["sleep", "1000"], Duration::from_millis(200));
    assert!(matches!(late, Err(Error::TooLong { .. })), "{late:?}");
    let mut child = host.spawn(&["sh", "-c", "echo begun; sleep 1000"]).unwrap();
    let pid = child.pid().unwrap();
    assert!(host.process(pid).unwrap().cmdline.starts_with("sh -c"));
    host.kill(pid, "TERM").unwrap();
    assert!(child.wait_within(Duration::from_secs(5)).unwrap().is_some());
    assert_eq!(child.log(), "begun\n");
    drop(host.spawn(&["sleep", "2000"]).unwrap());

    let workload = host.start_workload(&["sleep", "3000"]).unwrap();
    let process = host.process(workload).unwrap();
    assert_eq!((process.ppid, &*process.cmdline), (1, "sleep 3000"));
    let descriptors = host
        .run(&["sh", "-c", &format!("readlink /proc/{workload}/fd/*")])
        .unwrap();
    assert_eq!(descriptors, "/dev/null\n/dev/null\n/dev/null\n");
    assert!(host.start_workload(&["/none"]).is_err());

    host.kill(workload, "KILL").unwrap();
    host.wait_for_end(workload).unwrap();
    let left = host.ps().unwrap();
    let left: Vec<_> = left
        .iter()
        .filter(|process| process.cmdline.contains("sleep"))
        .collect();
    // The shell's own sleep outlives its shell: that is what a test has to see.
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn traces_tell_what_was_left() {
    let lab = Lab::up("test-traces").unwrap();
    let host = lab.host(Side::A);
    let before = host.traces().unwrap();
    host.run(&["true"]).unwrap();
    assert_eq!(before.difference(&host.traces().unwrap(), &[]), [""; 0]);

    let script = "touch /tmp/x
        mkdir /sys/fs/cgroup/left /mnt/m
        mount -t tmpfs none /mnt/m
        ip address add 10.0.0.5/24 dev eth0
        nft add table inet left";
    host.run(&["sh", "-e", "-c", script]).unwrap();
    let _listener = host
        .spawn(&["redis-server", "--port", "7777", "--save", ""])
        .unwrap();
    host.run(&[
        "sh",
        "-c",
        "until redis-cli -p 7777 ping; do sleep 0.1; done",
    ])
    .unwrap();
    let found = before.difference(&host.traces().unwrap(), &[]).join("\n");
    for expected in [
        "+ file f /tmp/x",
        "+ cgroup /left",
        "+ mount /mnt/m tmpfs none root /",
        "10.0.0.5/24",
        "+ firewall table inet left {",
        "+ port tcp 7777 on 00000000",
        "+ process live redis-server",
    ] {
        assert!(found.contains(expected), "no `{expected}` in:\n{found}");
    }
    let after = host.traces().unwrap();
    assert!(
        !before
            .difference(&after, &["/tmp/x"])
            .join("\n")
            .contains("/tmp/x")
    );
}

/// What of the lab `name` is on this machine: cgroups, mounts, processes, files, network
/// namespaces.
fn remains(name: &str, networks: &[PathBuf]) -> Vec<String> {
    let mut found = Vec::new();
    let mut note = |what: &str| found.push(what.to_owned());
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    mounts
        .lines()
        .filter(|line| line.contains(name))
        .for_each(&mut note);
    let cgroups = lab_cgroups();
    cgroups
        .iter()
        .filter(|cgroup| cgroup.contains(name))
        .for_each(|cgroup| note(cgroup));
    for process in fs::read_dir("/proc").unwrap().flatten() {
        let path = process.path();
        let cmdline = fs::read_to_string(path.join("cmdline")).unwrap_or_default();
        let network = fs::read_link(path.join("ns/net")).unwrap_or_default();
        // This test's own name is in its own arguments.
        let own = process.file_name() == *std::process::id().to_string();
        if !own && (cmdline.contains(name) || networks.contains(&network)) {
            note(&format!("process {}", path.display()));
        }
    }
    for directory in Lab::names().iter().filter(|lab| *lab == name) {
        note(&format!("state of {directory}"));
    }
    found
}

fn lab_cgroups() -> Vec<String> {
    ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]
        .iter()
        .flat_map(|mount| fs::read_dir(mount).into_iter().flatten().flatten())
        .map(|entry| entry.path().display().to_string())
        .collect()
}

fn network_of(host: &Host) -> PathBuf {
    fs::read_link(format!("/proc/{}/ns/net", host.init_pid())).unwrap()
}

#[test]
fn down_leaves_nothing() {
    let name = "test-remains";
    let links = || fs::read_dir("/sys/class/net").unwrap().count();
    let links_before = links();
    let lab = Lab::up(name).unwrap();
    let data = lab.shared().parent().unwrap().to_path_buf();
    let networks = Side::BOTH.map(|side| network_of(lab.host(side)));
    lab.client().unwrap();
    // The mounts of switch and client, two cgroups, two first processes, the state: what is looked
    // for is there.
    let up = remains(name, &networks);
    assert_eq!(up.len(), 7, "{up:?}");
    lab.host(Side::A).start_workload(&["wl-mem"]).unwrap();
    let _child = lab.host(Side::B).spawn(&["sleep", "1000"]).unwrap();
    drop(lab);
    assert_eq!(remains(name, &networks), [""; 0]);
    assert_eq!(links(), links_before);
    assert!(!data.exists());
}

#[test]
fn a_broken_lab_is_replaced() {
    let name = "test-broken";
    let lab = Lab::up(name).unwrap();
    let first = lab.host(Side::A).init_pid();
    // As if this process had been killed.
    std::mem::forget(lab);
    fs::remove_file(format!("/run/phaul-lab/{name}/ready")).unwrap();
    assert!(matches!(Lab::open(name), Err(Error::NotUp(_))));
    let lab = Lab::up(name).unwrap();
    assert_ne!(lab.host(Side::A).init_pid(), first);
    assert_eq!(lab.host(Side::B).run(&["hostname"]).unwrap(), "b\n");
}
