//! What is found out after a crash, with a sleeper for the workload and no CRIU.

use super::TreeSource;
use super::freeze::STARTED;
use super::held::{self, Holding, TASKS};
use crate::attempt::tests::Book;
use crate::attempt::{note, noted};
use crate::criu::hold::Held;
use crate::criu::verdict::{Verdict, decide};
use crate::kinds::pid::PidSource;
use crate::tasks::Task;
use phaul_core::executor::ports::Fate;
use phaul_core::plan::{Haul, Pid, PidSource as RootFrom, Plan, Target};
use std::collections::BTreeMap;
use std::process::{Child, Command};

struct Scene {
    directory: tempfile::TempDir,
    child: Child,
    book: Book,
    source: TreeSource,
}

/// A run at the source of a sleeping process, with an attempt but no CRIU.
fn scene() -> Scene {
    let directory = tempfile::tempdir().unwrap();
    let child = Command::new("sleep").arg("60").spawn().unwrap();
    let pid = Pid {
        root: RootFrom::Pid(i32::try_from(child.id()).unwrap()),
        shell_job: false,
    };
    let to = Target {
        agent: "b:1".to_owned(),
        identity: "b".to_owned(),
        id: None,
        paths: BTreeMap::new(),
    };
    let plan = Plan::new("p", Haul::Pid(pid.clone()), to);
    let mut book = Book::default();
    let run = "20260101-000000-settle".parse().unwrap();
    let kind = PidSource::new(&plan, &pid, directory.path(), "/bin/true".into());
    let source = TreeSource::new(Box::new(kind), &plan, &run, directory.path());
    source.attempts.begin(&mut book).unwrap();
    Scene {
        directory,
        child,
        book,
        source,
    }
}

impl Scene {
    fn held(&mut self) -> Task {
        let task = Task::find(i32::try_from(self.child.id()).unwrap()).unwrap();
        let nobody = Task {
            pid: task.pid,
            start_ticks: 1,
        };
        let holding = Holding {
            tasks: vec![Held {
                task,
                was_stopped: false,
            }],
            criu: nobody,
            hold: nobody,
            cgroup: None,
        };
        note(&mut self.book, STARTED, 1, nobody).unwrap();
        note(&mut self.book, TASKS, 1, &holding).unwrap();
        held::stop(&holding.tasks);
        task
    }

    fn verdict(&self, verdict: Verdict) {
        decide(&self.directory.path().join("attempt-1"), verdict).unwrap();
    }

    async fn settle(&mut self) -> Fate {
        self.source.settle_fate(&mut self.book).await.unwrap()
    }

    fn end(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[tokio::test]
async fn without_a_verdict_the_workload_is_thawed_and_alive() {
    let mut scene = scene();
    let task = scene.held();
    assert_eq!(scene.settle().await, Fate::Alive);
    assert!(task.is_alive() && !held::is_stopped(task));
    assert_eq!(scene.settle().await, Fate::Alive, "and again");
    scene.end();
}

#[tokio::test]
async fn a_kill_is_finished_and_cannot_be_thawed() {
    let mut scene = scene();
    let task = scene.held();
    scene.verdict(Verdict::Kill);
    assert_eq!(scene.settle().await, Fate::Dead);
    assert!(!task.can_run());
    assert!(scene.source.thaw_all(&mut scene.book).await.is_err());
    assert_eq!(scene.settle().await, Fate::Dead, "and again");
    scene.end();
}

#[tokio::test]
async fn a_root_that_is_gone_without_a_verdict_leaves_doubt() {
    let mut scene = scene();
    scene.held();
    scene.source.root(&mut scene.book).await.unwrap();
    scene.child.kill().unwrap();
    scene.child.wait().unwrap();
    assert_eq!(scene.settle().await, Fate::Unsure);
    assert_eq!(scene.settle().await, Fate::Unsure, "and again");
}

#[tokio::test]
async fn another_boot_leaves_doubt_unless_it_was_killed() {
    for (verdict, fate) in [
        (None, Fate::Unsure),
        (Some(Verdict::Thaw), Fate::Unsure),
        (Some(Verdict::Kill), Fate::Dead),
    ] {
        let mut scene = scene();
        scene.held();
        scene.book.facts.get_mut(TASKS).unwrap()["boot"] = "another".into();
        if let Some(verdict) = verdict {
            scene.verdict(verdict);
        }
        assert_eq!(scene.settle().await, fate, "{verdict:?}");
        scene.end();
    }
}

#[tokio::test]
async fn a_task_that_was_stopped_before_stays_so() {
    let mut scene = scene();
    let task = scene.held();
    let mut holding = noted::<Holding>(&scene.book, TASKS).unwrap().what;
    holding.tasks[0].was_stopped = true;
    note(&mut scene.book, TASKS, 1, &holding).unwrap();
    scene.source.thaw_all(&mut scene.book).await.unwrap();
    assert!(held::is_stopped(task));
    scene.end();
}

#[tokio::test]
async fn what_ends_before_anything_was_frozen_is_no_commit() {
    let mut scene = scene();
    scene.source.root(&mut scene.book).await.unwrap();
    scene.child.kill().unwrap();
    scene.child.wait().unwrap();
    assert_eq!(scene.settle().await, Fate::Alive);
}
