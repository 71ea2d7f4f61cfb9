//! The workloads, moved by hand with CRIU alone: what phaul's tests rely on.

use std::time::Duration;

use phaul_tests::lab::{Host, Lab, Output, Side};
use phaul_tests::ledger;

const IMAGES: &str = "/shared/images";

fn criu(host: &Host, arguments: &str) -> Output {
    let command =
        format!("mkdir -p {IMAGES} && criu {arguments} -D {IMAGES} --manage-cgroups=ignore -v4");
    host.exec(&["sh", "-c", &command]).unwrap()
}

fn move_by_hand(lab: &Lab, pid: i32) {
    let dump = criu(lab.host(Side::A), &format!("dump -t {pid} -o dump.log"));
    assert!(dump.status.success(), "{dump:?}");
    lab.host(Side::A).wait_for_end(pid).unwrap();
    let restore = criu(lab.host(Side::B), "restore -d -o restore.log");
    assert!(restore.status.success(), "{restore:?}");
    assert!(lab.host(Side::B).process(pid).is_some());
}

fn wait() {
    std::thread::sleep(Duration::from_secs(2));
}

#[test]
fn a_counter_counts_on_after_a_move() {
    let lab = Lab::up("test-counter").unwrap();
    let pid = lab
        .host(Side::A)
        .start_workload(&["wl-counter", "/shared/ledger"])
        .unwrap();
    wait();
    move_by_hand(&lab, pid);
    let moved = ledger::check(&lab.host(Side::A).read("/shared/ledger").unwrap()).unwrap();
    wait();
    let last = ledger::check(&lab.host(Side::B).read("/shared/ledger").unwrap()).unwrap();
    assert!(moved > 0 && last > moved, "{moved}, then {last}");
}

#[test]
fn a_zoo_lives_on_after_a_move() {
    let lab = Lab::up("test-zoo").unwrap();
    let (a, b) = (lab.host(Side::A), lab.host(Side::B));
    let pid = a
        .start_workload(&["wl-zoo", "/shared/ledger", "--port", "7001"])
        .unwrap();
    wait();
    move_by_hand(&lab, pid);
    let moved = ledger::check_parts(&a.read("/shared/ledger").unwrap()).unwrap();
    wait();
    let last = ledger::check_parts(&b.read("/shared/ledger").unwrap()).unwrap();
    assert_eq!(
        moved.keys().collect::<Vec<_>>(),
        ["file", "memfd", "memory", "pipe", "shared"]
    );
    for (part, moved) in &moved {
        assert!(last[part] > *moved, "{part}: {moved}, then {}", last[part]);
    }
    let ask = format!(
        "exec 3<>/dev/tcp/{}/7001; echo ping >&3; head -n 1 <&3",
        b.address()
    );
    let answer: u64 = a
        .run(&["bash", "-c", &ask])
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    assert!(answer >= last["memory"], "{answer}");
    b.kill(pid, "KILL").unwrap();
}

#[test]
fn memory_is_whole_after_a_move() {
    let lab = Lab::up("test-mem").unwrap();
    let mem = ["wl-mem", "/shared/ledger", "--mib", "32", "--rate", "5000"];
    let pid = lab.host(Side::A).start_workload(&mem).unwrap();
    wait();
    move_by_hand(&lab, pid);
    // Long enough for every page to be checked.
    std::thread::sleep(Duration::from_secs(4));
    ledger::check(&lab.host(Side::B).read("/shared/ledger").unwrap()).unwrap();
    assert!(lab.host(Side::B).process(pid).is_some());
}

#[test]
fn an_io_uring_is_refused_by_criu() {
    let lab = Lab::up("test-iouring").unwrap();
    let pid = lab.host(Side::A).start_workload(&["wl-iouring"]).unwrap();
    let dump = criu(lab.host(Side::A), &format!("dump -t {pid} -o dump.log"));
    assert!(!dump.status.success());
    assert!(lab.host(Side::A).process(pid).is_some());
}
