//! The target: a workload that is held never runs by mistake, and one that was released is
//! never started twice.

use crate::lab::{Probe, Workload, eventually, nothing_left, on, shared};
use serde_json::json;
use std::fs;

struct Move {
    workload: Workload,
    source: Probe,
    target: Probe,
    directory: String,
}

/// A workload that is held on both hosts.
fn held(program: &str, name: &str) -> Move {
    let workload = Workload::start(program, name);
    let directory = format!("/run/phaul-test/{name}");
    for host in ["a", "b"] {
        on(host, "mkdir -p /run/phaul-test");
        on(host, &format!("rm -rf {directory} {directory}.ledger"));
    }
    let mut source = Probe::source(&workload, &directory);
    let mut target = Probe::target(&directory);
    let manifest = source.ok("inspect")["manifest"].to_string();
    fs::write(shared().join("manifest"), manifest).unwrap();
    source.ok("reserve");
    target.ok("reserve /shared/manifest");
    source.ok("freeze");
    let from = source.ok("images");
    on(
        "a",
        &format!("rm -rf /shared/images; cp -r {from} /shared/images"),
    );
    on("b", &format!("cp /shared/images/* {}", target.ok("images")));
    target.ok("restore");
    workload.stands_still();
    Move {
        workload,
        source,
        target,
        directory,
    }
}

impl Move {
    /// Commits and sees that the workload runs on host b, and that nothing is left.
    fn arrives(mut self) {
        assert_eq!(self.source.ok("kill"), json!("dead"));
        self.target.ok("release");
        self.has_arrived();
    }

    /// Discards and thaws, and sees that the workload runs on at host a, and that nothing is left.
    fn gives_up(mut self) {
        self.target.ok("discard");
        assert!(!self.workload.lives_on("b"));
        self.source.ok("thaw");
        self.workload.goes_on();
        self.target.undo();
        nothing_left("b");
        self.source.finish();
        self.workload.end();
    }

    fn has_arrived(mut self) {
        self.workload.goes_on();
        assert!(self.workload.lives_on("b"));
        self.target.ok("release");
        assert_eq!(self.target.fails("discard")["code"], "workload-released");
        self.source.finish();
        self.target.finish();
        nothing_left("a");
        nothing_left("b");
        self.workload.goes_on();
        self.workload.end();
    }

    /// Goes on with another agent in the place of the target's.
    fn agent_again(&mut self) {
        self.target = Probe::target(&self.directory);
    }
}

#[test]
fn a_counter_moves() {
    held("wl-counter", "move").arrives();
}

#[test]
fn threads_children_and_a_zombie_move() {
    held("wl-zoo", "zoo").arrives();
}

#[test]
fn what_is_discarded_is_gone_and_can_be_restored_again() {
    let mut all = held("wl-zoo", "discard");
    all.target.ok("discard");
    assert!(!all.workload.lives_on("b"));
    all.target.ok("discard");
    all.target.ok("restore");
    all.target.ok("restore");
    all.workload.stands_still();
    all.target.ok("discard");
    all.source.ok("thaw");
    all.workload.goes_on();
    all.target.undo();
    nothing_left("b");
    all.source.finish();
    all.workload.end();
}

#[test]
fn criu_killed_while_it_holds_is_made_good_by_the_release() {
    let mut all = held("wl-zoo", "criu-lost");
    let criu = all.target.noted("started", "/pid");
    on("b", &format!("kill -9 {criu}"));
    all.workload.stands_still();
    all.arrives();
}

#[test]
fn a_hold_killed_while_it_holds_is_made_good_by_the_release() {
    let all = held("wl-counter", "hold-lost");
    on("b", "kill -9 $(pgrep -f 'haul-probe hold')");
    eventually("CRIU removes what it restored", || {
        !all.workload.lives_on("b")
    });
    all.arrives();
}

#[test]
fn criu_and_hold_killed_leave_nothing_after_the_discard() {
    let mut all = held("wl-zoo", "both-lost");
    let criu = all.target.noted("started", "/pid");
    on(
        "b",
        &format!("kill -9 {criu} $(pgrep -f 'haul-probe hold')"),
    );
    all.gives_up();
}

#[test]
fn an_agent_killed_while_it_holds_never_runs_the_workload_by_itself() {
    let mut all = held("wl-zoo", "agent");
    on("b", &format!("kill -9 {}", all.target.pid));
    eventually("the held tasks are removed", || !all.workload.lives_on("b"));
    all.workload.stands_still();
    all.agent_again();
    // The executor of the next life is told to release.
    all.arrives();
}

#[test]
fn an_agent_killed_while_it_holds_can_be_told_to_discard() {
    let mut all = held("wl-zoo", "agent-drop");
    on("b", &format!("kill -9 {}", all.target.pid));
    all.agent_again();
    all.gives_up();
}

#[test]
fn an_agent_that_dies_in_the_release_starts_the_workload_once() {
    for us in [200, 500, 1000, 2000, 3000, 4000, 6000, 9000] {
        let mut all = held("wl-zoo", "agent-release");
        assert_eq!(all.source.ok("kill"), json!("dead"));
        all.target.ok(&format!("kill-later self {us}"));
        all.target.send("release");
        all.agent_again();
        all.target.ok("release");
        all.has_arrived();
    }
}

#[test]
fn criu_that_is_killed_in_the_release_starts_the_workload_once() {
    for us in [0, 500, 1000, 1500, 2000, 2500, 3000, 4000, 5000, 6000, 8000] {
        let mut all = held("wl-zoo", "criu-release");
        assert_eq!(all.source.ok("kill"), json!("dead"));
        let criu = all.target.noted("started", "/pid");
        all.target.ok(&format!("kill-later {criu} {us}"));
        all.target.ok("release");
        // See release.rs: if CRIU dies in the midst of its work inside the tasks, they crash.
        all.workload.may_repeat = all.target.ok("facts")["restore"] != json!(1);
        all.has_arrived();
    }
}

#[test]
fn a_restore_that_gives_up_midway_leaves_nothing() {
    let mut all = held("wl-zoo", "given-up");
    for ms in (0..12).map(|step| step * 12) {
        all.target.ok("discard");
        all.target.ok(&format!("within {ms} restore"));
        all.target.ok("discard");
        assert!(!all.workload.lives_on("b"), "after {ms} ms");
    }
    all.target.ok("restore");
    all.arrives();
}
