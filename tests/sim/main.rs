//! The real executors of both sides over an in-process link, with doubles for tasks and disk:
//! every step fails, every step is cut off, either process dies in every step (I1 to I4).

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod doubles;
mod files;
mod hosts;
mod rig;
mod tree;

use doubles::{Fault, Tasks, look};
use phaul_core::executor::source::Start;
use phaul_core::executor::{Command, Incoming};
use phaul_core::graph::Side;
use phaul_core::plan::Gate;
use phaul_core::report::Outcome;
use rig::{Rig, multi, plan};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Steps before the kill, and steps after it.
const BEFORE: [&str; 8] = [
    "inspect",
    "check",
    "reserve here",
    "reserve there",
    "freeze",
    "restore",
    "kill",
    "thaw",
];
const AFTER: [&str; 4] = ["release", "released", "clean here", "clean there"];

#[test]
fn a_run_without_faults_migrates_and_says_what_it_did() {
    let rig = Rig::new(plan());
    multi().block_on(async {
        let report = rig.run(Start::New).await;
        assert_eq!(report.outcome, Outcome::Migrated);
        assert_eq!(report.attempts, 1);
        assert_eq!(report.pages.sent, 600);
        assert!(report.bytes_sent > 0 && report.downtime_ms.is_some());
        assert_eq!(report.error, None);
        let target = |trail: &&phaul_core::report::Trail| trail.side == Side::Target;
        let passed: Vec<&str> = report
            .states
            .iter()
            .filter(target)
            .map(|t| t.state.name())
            .collect();
        assert_eq!(
            passed,
            [
                "accept", "reserve", "receive", "restore", "prepared", "resume", "clean", "done"
            ]
        );
        let said = look(&rig.stage).farewell.clone();
        assert_eq!(said.map(|farewell| farewell.0), Some("good luck".into()));
        rig.assert_sound(Outcome::Migrated, "no fault").await;
    });
}

#[test]
fn every_step_fails_once() {
    for fault in [Fault::Fails, Fault::Lost, Fault::Cut] {
        for step in BEFORE.iter().chain(&AFTER).filter(|step| **step != "thaw") {
            let rig = Rig::new(plan());
            look(&rig.stage).faults.insert(step, fault);
            let report = multi().block_on(async {
                let report = rig.run(Start::New).await;
                let what = format!("{step} {fault:?}");
                rig.assert_sound(report.outcome, &what).await;
                report
            });
            let recovers = fault != Fault::Fails || AFTER.contains(step);
            let expected = if recovers {
                Outcome::Migrated
            } else {
                Outcome::RolledBack
            };
            assert_eq!(
                report.outcome, expected,
                "{step} {fault:?}: {:?}",
                report.error
            );
            assert_eq!(report.error.is_some(), !recovers, "{step} {fault:?}");
        }
    }
}

#[test]
fn the_source_dies_in_every_step_and_is_resumed_or_rolled_back() {
    let steps = BEFORE
        .iter()
        .filter(|step| **step != "thaw")
        .chain(&["killed", "clean here"]);
    for step in steps {
        for start in [Start::Resume, Start::Rollback] {
            let rig = Rig::new(plan());
            look(&rig.stage).faults.insert(step, Fault::Hangs);
            let process = multi();
            let (run, _commands) = rig.source(Start::New);
            process.spawn(run);
            multi().block_on(rig.hangs(step));
            process.shutdown_timeout(Duration::from_secs(5));
            let committed = ["killed", "clean here"].contains(step);
            let alone = look(&rig.stage).here;
            let expected = if committed {
                Tasks::None
            } else {
                Tasks::Running
            };
            assert_eq!(alone, expected, "{step}: nobody has typed anything yet");
            if *step == "clean here" && start == Start::Rollback {
                continue; // refused: it has committed
            }
            multi().block_on(async {
                let report = rig.run(start).await;
                rig.assert_sound(report.outcome, &format!("{step}, {start:?}"))
                    .await;
                let migrates = committed || start == Start::Resume;
                let expected = if migrates {
                    Outcome::Migrated
                } else {
                    Outcome::RolledBack
                };
                assert_eq!(report.outcome, expected, "{step}, {start:?}");
            });
        }
    }
}

#[test]
fn the_agent_dies_in_every_step_and_is_started_again() {
    for step in [
        "check",
        "reserve there",
        "restore",
        "release",
        "released",
        "clean there",
    ] {
        let mut rig = Rig::new(plan());
        look(&rig.stage).faults.insert(step, Fault::Hangs);
        let process = multi();
        let (run, _commands) = rig.source(Start::New);
        let run = process.spawn(run);
        multi().block_on(rig.hangs(step));
        rig.kill_agent();
        rig.start_agent();
        let report = multi().block_on(async {
            tokio::time::timeout(Duration::from_secs(30), run)
                .await
                .expect("an end")
                .unwrap()
        });
        assert_eq!(
            report.outcome,
            Outcome::Migrated,
            "{step}: {:?}",
            report.error
        );
        multi().block_on(rig.assert_sound(Outcome::Migrated, step));
    }
}

#[test]
fn preflight_that_says_no_touches_nothing() {
    for waived in [false, true] {
        let mut plan = plan();
        if waived {
            plan.checks.waive = vec![phaul_core::plan::Waiver("pid-free".into())];
        }
        let rig = Rig::new(plan);
        look(&rig.stage).refuses = true;
        multi().block_on(async {
            let report = rig.run(Start::New).await;
            let expected = if waived {
                Outcome::Migrated
            } else {
                Outcome::Refused
            };
            assert_eq!(report.outcome, expected);
            assert_eq!(report.checks[0].waived, waived);
            rig.assert_sound(report.outcome, "refused").await;
        });
    }
}

async fn command(inbox: &mpsc::Sender<Incoming>, command: Command) -> Result<(), String> {
    let (answer, said) = oneshot::channel();
    inbox
        .send(Incoming::Command(command, answer))
        .await
        .unwrap();
    said.await.unwrap()
}

#[test]
fn a_person_cancels_before_the_commit_and_not_after_it() {
    for step in ["inspect", "freeze", "restore", "kill", "killed"] {
        let rig = Rig::new(plan());
        look(&rig.stage).faults.insert(step, Fault::Hangs);
        let process = multi();
        let (run, commands) = rig.source(Start::New);
        let run = process.spawn(run);
        multi().block_on(async {
            rig.hangs(step).await;
            let said = command(&commands, Command::Cancel).await;
            if step.starts_with("kill") {
                assert!(said.unwrap_err().contains("committed"), "{step}");
                return;
            }
            assert_eq!(said, Ok(()), "{step}");
            let report = run.await.unwrap();
            assert_eq!(report.outcome, Outcome::RolledBack, "{step}");
            assert_eq!(
                report.error.map(|error| error.code),
                Some("cancelled".into())
            );
            rig.assert_sound(Outcome::RolledBack, step).await;
        });
    }
}

#[test]
fn the_gate_waits_for_its_word() {
    let mut plan = plan();
    plan.gate = Gate::Ask;
    let rig = Rig::new(plan);
    let process = multi();
    let (run, commands) = rig.source(Start::New);
    let run = process.spawn(run);
    multi().block_on(async {
        // Until the gate is come to there is nothing to pass.
        while command(&commands, Command::Continue).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(run.await.unwrap().outcome, Outcome::Migrated);
        rig.assert_sound(Outcome::Migrated, "gate").await;
    });
}
