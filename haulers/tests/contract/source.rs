//! The source: whatever ends the hold before the verdict, the workload runs on unharmed.

use crate::lab::{Probe, Workload, eventually, nothing_left, on};
use serde_json::json;

fn directory(name: &str) -> String {
    let directory = format!("/run/phaul-test/{name}");
    on("a", "mkdir -p /run/phaul-test");
    on("a", &format!("rm -rf {directory} {directory}.ledger"));
    directory
}

/// A counter and a probe that has frozen it.
fn frozen(name: &str) -> (Workload, Probe) {
    let workload = Workload::start("wl-counter", name);
    let mut probe = Probe::source(&workload, &directory(name));
    probe.ok("reserve");
    probe.ok("freeze");
    workload.stands_still();
    (workload, probe)
}

/// Ends a test: nothing of the run is left at the source.
fn over(workload: Workload, probe: Probe) {
    probe.finish();
    nothing_left("a");
    workload.end();
}

#[test]
fn a_frozen_workload_is_thawed_and_can_be_frozen_again() {
    let (workload, mut probe) = frozen("thaw");
    probe.ok("thaw");
    workload.goes_on();
    probe.ok("thaw");
    // Without another `reserve`: a fresh attempt is begun.
    probe.ok("freeze");
    workload.stands_still();
    probe.ok("thaw");
    workload.goes_on();
    assert_eq!(probe.ok("settle"), json!("alive"));
    probe.finish();
    nothing_left("a");
    workload.goes_on();
    workload.end();
}

#[test]
fn a_killed_workload_is_dead_for_good() {
    let (workload, mut probe) = frozen("kill");
    assert_eq!(probe.ok("kill"), json!("dead"));
    assert_eq!(probe.ok("settle"), json!("dead"));
    assert_eq!(probe.fails("thaw")["code"], "workload-gone");
    assert!(!workload.lives_on("a"));
    over(workload, probe);
}

#[test]
fn criu_killed_while_it_holds_leaves_the_tasks_stopped_until_thawed() {
    let (workload, mut probe) = frozen("criu");
    let criu = probe.noted("started", "/pid");
    on("a", &format!("kill -9 {criu}"));
    workload.stands_still();
    assert_eq!(probe.ok("kill"), json!("alive"), "the hold was broken");
    workload.goes_on();
    over(workload, probe);
}

#[test]
fn criu_killed_while_it_holds_and_then_thawed() {
    let (workload, mut probe) = frozen("criu-thaw");
    let criu = probe.noted("started", "/pid");
    on("a", &format!("kill -9 {criu}"));
    probe.ok("thaw");
    workload.goes_on();
    assert_eq!(probe.ok("settle"), json!("alive"));
    over(workload, probe);
}

#[test]
fn a_killed_hold_refuses_the_kill() {
    let (workload, mut probe) = frozen("hold");
    let hold = probe.noted("tasks", "/hold/pid");
    on("a", &format!("kill -9 {hold}"));
    workload.stands_still();
    assert_eq!(probe.ok("kill"), json!("alive"));
    workload.goes_on();
    over(workload, probe);
}

#[test]
fn a_killed_executor_lets_the_workload_run_within_a_second() {
    let (workload, probe) = frozen("executor");
    probe.kill();
    let begin = std::time::Instant::now();
    workload.goes_on();
    assert!(begin.elapsed().as_millis() < 1000, "{:?}", begin.elapsed());
    eventually("no CRIU and no hold is left", || {
        on("a", "pgrep 'criu|haul-probe' || true").is_empty()
    });
    let mut next = Probe::source(&workload, "/run/phaul-test/executor");
    assert_eq!(next.ok("settle"), json!("alive"));
    next.ok("thaw");
    next.undo();
    nothing_left("a");
    workload.goes_on();
    workload.end();
}

#[test]
fn an_executor_that_dies_anywhere_in_the_freeze_harms_nobody() {
    let workload = Workload::start("wl-zoo", "midway");
    for us in (0..14).map(|step| 500 + step * 12_000) {
        let directory = directory("midway");
        let mut probe = Probe::source(&workload, &directory);
        probe.ok("reserve");
        probe.ok(&format!("kill-later self {us}"));
        probe.send("freeze");
        probe.died();
        workload.goes_on();
        let mut next = Probe::source(&workload, &directory);
        assert_eq!(next.ok("settle"), json!("alive"), "after {us} us");
        next.ok("thaw");
        next.undo();
        nothing_left("a");
    }
    workload.goes_on();
    workload.end();
}

#[test]
fn a_freeze_that_is_given_up_midway_harms_nobody() {
    let workload = Workload::start("wl-zoo", "given-up");
    let mut probe = Probe::source(&workload, &directory("given-up"));
    for ms in (0..14).map(|step| step * 12) {
        probe.ok("reserve");
        probe.ok(&format!("within {ms} freeze"));
        probe.ok("thaw");
        workload.goes_on();
    }
    over(workload, probe);
}

#[test]
fn an_executor_that_dies_around_the_kill_finds_the_truth() {
    let mut seen = std::collections::BTreeSet::new();
    for us in [200, 400, 600, 900, 1200, 1500, 2000, 3000] {
        let (workload, mut probe) = frozen("verdict");
        probe.ok(&format!("kill-later self {us}"));
        probe.send("kill");
        probe.died();
        let mut next = Probe::source(&workload, "/run/phaul-test/verdict");
        let fate = next.ok("settle");
        if fate == json!("dead") {
            assert!(!workload.lives_on("a"));
        } else {
            assert_eq!(fate, json!("alive"));
            workload.goes_on();
        }
        assert_eq!(next.ok("settle"), fate, "and again");
        seen.insert(fate.to_string());
        next.undo();
        nothing_left("a");
        workload.end();
    }
    println!("fates seen: {seen:?}");
}

#[test]
fn a_process_that_was_stopped_before_stays_stopped() {
    let workload = Workload::start("wl-counter", "stopped");
    on("a", &format!("kill -STOP {}", workload.pid));
    let mut probe = Probe::source(&workload, &directory("stopped"));
    for end in ["", "criu"] {
        probe.ok("reserve");
        probe.ok("freeze");
        if end == "criu" {
            let criu = probe.noted("started", "/pid");
            on("a", &format!("kill -9 {criu}"));
        }
        probe.ok("thaw");
        workload.stands_still();
        let state = on("a", &format!("grep State /proc/{}/status", workload.pid));
        assert!(state.contains('T'), "{state}");
    }
    on("a", &format!("kill -CONT {}", workload.pid));
    workload.goes_on();
    probe.finish();
    workload.end();
}

#[test]
fn everybody_killed_at_once_leaves_the_tasks_stopped_for_the_next_executor() {
    let (workload, mut probe) = frozen("everybody");
    let [hold, criu] = ["/hold/pid", "/criu/pid"].map(|path| probe.noted("tasks", path));
    on("a", &format!("kill -9 {hold} {criu} {}", probe.pid));
    probe.died();
    workload.stands_still();
    let mut next = Probe::source(&workload, "/run/phaul-test/everybody");
    assert_eq!(next.ok("settle"), json!("alive"));
    workload.goes_on();
    next.undo();
    nothing_left("a");
    workload.end();
}
