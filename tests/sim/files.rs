//! Files in rounds: what the target ends with is what the source had, whatever is lost between.

use crate::doubles::{Fault, look};
use crate::rig::{Rig, multi, plan_with_files};
use phaul_core::executor::source::Start;
use phaul_core::graph::StateName;
use phaul_core::plan::{Bytes, Millis, Otherwise, Plan, StateHooks};
use phaul_core::report::{Outcome, Report, Round};
use std::time::Duration;

/// A plan whose live rounds go on until all are made: the workload never pauses.
fn restless() -> Plan {
    let mut plan = plan_with_files();
    plan.memory.converge.remaining = Bytes(0);
    plan.memory.converge.downtime = Millis(0);
    plan.memory.converge.rounds = 3;
    plan
}

fn rounds(report: &Report) -> Vec<Round> {
    let files = report.rounds.iter().filter(|round| round.kind == "files");
    files.cloned().collect()
}

fn run(rig: &Rig, start: Start, what: &str) -> Report {
    multi().block_on(async {
        let report = rig.run(start).await;
        rig.assert_sound(report.outcome, what).await;
        report
    })
}

/// The fault of a step, after so many times that it goes well.
fn faulty(step: &'static str, turns: u32, fault: Fault) -> Rig {
    let rig = Rig::new(restless());
    let mut stage = look(&rig.stage);
    stage.faults.insert(step, fault);
    stage.turns.insert(step, turns);
    drop(stage);
    rig
}

#[test]
fn a_short_first_round_is_the_only_one_before_the_freeze() {
    let rig = Rig::new(plan_with_files());
    let report = run(&rig, Start::New, "short");
    assert_eq!(report.outcome, Outcome::Migrated, "{:?}", report.error);
    assert_eq!(look(&rig.stage).given, [false, true]);
    let made = rounds(&report);
    let numbers: Vec<u32> = made.iter().map(|round| round.number).collect();
    assert_eq!(numbers, [1, 2]);
    assert_eq!(made[0].why, "what is left fits the downtime");
    assert_eq!(made[1].why, "the workload is frozen");
    assert!(made[1].bytes < made[0].bytes, "only what has changed");
    let all: u64 = report.rounds.iter().map(|round| round.bytes).sum();
    assert_eq!(report.bytes_sent, all);
}

#[test]
fn a_workload_that_never_pauses_is_frozen_after_the_last_round_or_left_alone() {
    let rig = Rig::new(restless());
    let report = run(&rig, Start::New, "restless");
    assert_eq!(report.outcome, Outcome::Migrated, "{:?}", report.error);
    let why: Vec<String> = rounds(&report).into_iter().map(|round| round.why).collect();
    let expected = [
        "another round is worth it",
        "another round is worth it",
        "all rounds were made",
        "the workload is frozen",
    ];
    assert_eq!(why, expected);

    let mut plan = restless();
    plan.memory.converge.otherwise = Otherwise::Fail;
    let report = run(&Rig::new(plan), Start::New, "otherwise: fail");
    assert_eq!(report.outcome, Outcome::RolledBack);
    let error = report.error.unwrap();
    assert_eq!(error.code, "files-do-not-converge");
    assert!(error.cause.contains("round 3"), "{}", error.cause);
}

#[test]
fn hooks_run_around_all_rounds_and_not_around_each() {
    let dir = std::env::temp_dir().join(format!("phaul-sim-hooks-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let note = |word: &str| {
        let script = format!("echo {word} >> {}", dir.join("noted").display());
        vec![["/bin/sh", "-c", &script].map(str::to_owned).to_vec()]
    };
    let mut plan = restless();
    let hooks = StateHooks {
        before: note("before"),
        after: note("after"),
    };
    plan.hooks.source.insert(StateName::CopyFiles, hooks);
    let report = run(&Rig::new(plan), Start::New, "hooks");
    let noted = std::fs::read_to_string(dir.join("noted")).unwrap();
    std::fs::remove_dir_all(&dir).unwrap();
    assert_eq!(rounds(&report).len(), 4);
    assert_eq!(noted, "before\nafter\n");
}

#[test]
fn the_time_of_the_last_round_is_a_part_of_the_downtime() {
    let rig = Rig::new(plan_with_files());
    look(&rig.stage).slowness = Duration::from_millis(20);
    let report = run(&rig, Start::New, "slow");
    let last = rounds(&report).pop().unwrap();
    assert!(last.ms >= 20, "{last:?}");
    assert!(report.downtime.files >= last.ms, "{:?}", report.downtime);
    assert!(report.downtime_ms.unwrap() >= report.downtime.files);
}

/// In the first round, a later one, the frozen one; at its beginning and its end.
#[test]
fn the_link_is_lost_within_a_round_and_the_next_attempt_goes_on() {
    for step in ["give", "take", "take first", "take last"] {
        for turns in [0, 1, 3, 20, 40, 43, 44, 47, 48] {
            let rig = faulty(step, turns, Fault::Cut);
            let what = format!("{step} {turns}");
            let report = run(&rig, Start::New, &what);
            assert_eq!(
                report.outcome,
                Outcome::Migrated,
                "{what}: {:?}",
                report.error
            );
            let cut = look(&rig.stage).faults.is_empty();
            assert_eq!(report.attempts, 1 + u32::from(cut), "{what}");
        }
    }
}

#[test]
fn what_was_taken_before_the_loss_is_not_sent_again() {
    let rig = faulty("give", 38, Fault::Cut);
    let report = run(&rig, Start::New, "late in the first round");
    assert_eq!(report.attempts, 2);
    let planted = crate::tree::planted();
    let whole: u64 = planted.values().map(|data| data.len() as u64).sum();
    let second = rounds(&report).first().unwrap().bytes;
    assert!(second < whole, "{second} of {whole} were sent again");
}

#[test]
fn a_sink_that_fails_is_heard_of_and_nothing_is_left() {
    for step in ["take first", "take", "take last"] {
        for turns in [0, 1, 2] {
            let what = format!("{step} {turns}");
            let report = run(&faulty(step, turns, Fault::Fails), Start::New, &what);
            assert_eq!(report.outcome, Outcome::RolledBack, "{what}");
            let error = report.error.unwrap();
            assert_eq!(error.code, "double", "{what}: {}", error.cause);
            let report = run(&faulty(step, turns, Fault::Lost), Start::New, &what);
            assert_eq!(
                report.outcome,
                Outcome::Migrated,
                "{what}: {:?}",
                report.error
            );
        }
    }
}

#[test]
fn a_sink_that_fails_early_is_heard_of_before_the_round_is_sent() {
    let rig = faulty("take", 0, Fault::Fails);
    look(&rig.stage).slowness = Duration::from_millis(50);
    let report = run(&rig, Start::New, "early");
    assert_eq!(report.outcome, Outcome::RolledBack);
    assert_eq!(report.error.as_ref().unwrap().code, "double");
    assert_eq!(rounds(&report), [], "no round came to its end");
}

#[test]
fn files_that_cannot_be_read_leave_everything_as_it_was() {
    for turns in [0, 5, 43] {
        let rig = faulty("give", turns, Fault::Fails);
        let report = run(&rig, Start::New, &format!("give {turns}"));
        assert_eq!(report.outcome, Outcome::RolledBack, "{turns}");
    }
}

#[test]
fn the_target_starts_again_within_a_round() {
    for (step, turns) in [("take", 5), ("take last", 0), ("take last", 3)] {
        let what = format!("{step} {turns}");
        let mut rig = faulty(step, turns, Fault::Hangs);
        let process = multi();
        let (run, _commands) = rig.source(Start::New);
        let run = process.spawn(run);
        multi().block_on(rig.hangs(step));
        rig.kill_agent();
        rig.start_agent();
        let report = multi().block_on(async {
            let ended = tokio::time::timeout(Duration::from_secs(30), run).await;
            let report = ended.expect("an end").unwrap();
            rig.assert_sound(Outcome::Migrated, &what).await;
            report
        });
        assert_eq!(
            report.outcome,
            Outcome::Migrated,
            "{what}: {:?}",
            report.error
        );
    }
}

#[test]
fn the_source_starts_again_within_a_round() {
    for turns in [5, 43] {
        for start in [Start::Resume, Start::Rollback] {
            let rig = faulty("give", turns, Fault::Hangs);
            let process = multi();
            let (first, _commands) = rig.source(Start::New);
            process.spawn(first);
            multi().block_on(rig.hangs("give"));
            look(&rig.stage).dying = true;
            process.shutdown_timeout(Duration::from_secs(5));
            look(&rig.stage).dying = false;
            let report = run(&rig, start, &format!("{turns} {start:?}"));
            let expected = match start {
                Start::Resume => Outcome::Migrated,
                _ => Outcome::RolledBack,
            };
            assert_eq!(report.outcome, expected, "{turns}: {:?}", report.error);
        }
    }
}

#[test]
fn what_the_sink_has_before_it_is_put_in_place_before_the_undo_or_never() {
    let rig = Rig::new(restless());
    look(&rig.stage).slowness_there = Duration::from_millis(20);
    let process = multi();
    let (run, commands) = rig.source(Start::New);
    let run = process.spawn(run);
    multi().block_on(async {
        while look(&rig.stage).tree_there.is_empty() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let cancel = phaul_core::executor::Command::Cancel;
        crate::command(&commands, cancel).await.unwrap();
        assert_eq!(run.await.unwrap().outcome, Outcome::RolledBack);
        // Whatever was still on its way would be written now.
        tokio::time::sleep(Duration::from_millis(300)).await;
        rig.assert_sound(Outcome::RolledBack, "slow sink").await;
    });
}

#[test]
fn a_person_cancels_while_files_are_copied() {
    for step in ["give", "take"] {
        let rig = faulty(step, 5, Fault::Hangs);
        let process = multi();
        let (run, commands) = rig.source(Start::New);
        let run = process.spawn(run);
        multi().block_on(async {
            rig.hangs(step).await;
            crate::command(&commands, phaul_core::executor::Command::Cancel)
                .await
                .unwrap();
            // A thread at work is waited for where files are written, and only there.
            look(&rig.stage).dying = true;
            let report = run.await.unwrap();
            assert_eq!(report.outcome, Outcome::RolledBack, "{step}");
            rig.assert_sound(Outcome::RolledBack, step).await;
        });
    }
}
