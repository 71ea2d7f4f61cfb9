//! Freezing: CRIU stops and dumps the tree, the hold calls, and then every task is held.

use super::held::{self, Holding, TASKS};
use super::source::{Live, TreeSource};
use crate::attempt::{Attempt, note, noted};
use crate::cgroup;
use crate::criu::call;
use crate::criu::desk::{Desk, Line, criu_lost};
use crate::criu::verdict::decided;
use crate::images;
use crate::shared;
use crate::tasks::{Task, tree};
use phaul_core::executor::ports::{Frozen, Ledger, SourceHauler};
use phaul_core::failure::Failure;
use phaul_core::machine::cutover::{Hold, may_commit};
use std::path::Path;
use std::pin::pin;
use std::time::{Duration, Instant};
use tokio::time::{MissedTickBehavior, interval};

/// Under this name the process that phaul starts for a dump is noted down before it begins:
/// CRIU, or a runtime.
pub(super) const STARTED: &str = "started";

/// Freezes, dumps and holds. On an error the caller thaws.
pub(super) async fn freeze(
    source: &mut TreeSource,
    ledger: &mut dyn Ledger,
) -> Result<Frozen, Failure> {
    let attempt = fresh_attempt(source, ledger).await?;
    let root = source.root(ledger).await?;
    if !root.is_alive() {
        return Err(held::gone(root));
    }
    let images = attempt.directory.join("images");
    let desk = Desk::open(&attempt.directory)?;
    let job = source.kind.dump(&attempt.directory, root)?;
    note(ledger, STARTED, attempt.number, job.process())?;
    let cgroup = source.kind.cgroup();
    let live = source.live.insert(Live {
        attempt: attempt.clone(),
        job,
        line: None,
        holding: None,
    });
    let given = source.kind.given_network();
    source.wiring.keep(root, given.as_deref(), ledger).await?;
    shared::unmark(&source.plan, &source.run, ledger)?;
    let before = tree(root.pid).unwrap_or_default();
    let before: Vec<Task> = before.into_iter().filter_map(Task::find).collect();

    live.job.begin().await?;
    let (line, stops) = match called(&desk, live, root, cgroup.as_deref()).await {
        Ok(called) => called,
        Err(failure) => return Err(unless_harmed(failure, &before)),
    };
    let line = live.line.insert(line);

    let holding = Holding {
        tasks: held::collect(root, &images)?,
        criu: line.criu,
        hold: line.hold,
        cgroup,
    };
    note(ledger, TASKS, attempt.number, &holding)?;
    line.entrust(&holding.tasks).await?;
    holding.fix()?;
    live.holding = Some(holding);
    source.wiring.take(ledger).await?;

    let (files, pages) = images::list(&images)?;
    Ok(Frozen {
        images: files,
        freeze_ms: millis(stops.stands.saturating_duration_since(stops.begins)),
        dump_ms: millis(stops.stands.elapsed()),
        pages,
    })
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The reserved attempt, or a new one if that has come to its verdict already.
async fn fresh_attempt(
    source: &mut TreeSource,
    ledger: &mut dyn Ledger,
) -> Result<Attempt, Failure> {
    if let Some(attempt) = source.attempts.newest()
        && matches!(decided(&attempt.directory), Ok(None))
        && ledger
            .recall(STARTED)
            .is_none_or(|note| note["attempt"] != attempt.number)
    {
        return Ok(attempt);
    }
    source.reserve(ledger).await?;
    let newest = source.attempts.newest();
    newest.ok_or_else(|| Failure::new("attempt-directory", "the attempt's directory is gone"))
}

/// When the workload came to stand still. CRIU stops the rest of the tree right after the root.
#[derive(Debug, Clone, Copy)]
struct Stops {
    /// The cgroup is frozen, or CRIU has the root.
    begins: Instant,
    /// CRIU has the root.
    stands: Instant,
}

/// Waits until the hold calls, and finds out when the workload came to stand still.
async fn called(
    desk: &Desk,
    live: &mut Live,
    root: Task,
    cgroup: Option<&Path>,
) -> Result<(Line, Stops), Failure> {
    let witness = live.job.witness();
    let mut tick = interval(Duration::from_millis(1));
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let (mut begins, mut stands) = (None, None);
    {
        let mut call = pin!(desk.call(&witness));
        let mut answer = pin!(live.job.answer());
        loop {
            tokio::select! {
                biased;
                line = &mut call => {
                    let now = Instant::now();
                    let stands = stands.unwrap_or(now);
                    let begins = begins.unwrap_or(stands);
                    return line.map(|line| (line, Stops { begins, stands }));
                }
                answer = &mut answer => {
                    answer?;
                    break;
                }
                _ = tick.tick(), if stands.is_none() => {
                    let now = Instant::now();
                    stands = held::is_traced(root).then_some(now);
                    let frozen = cgroup.is_some_and(cgroup::is_frozen);
                    begins = begins.or(stands).or(frozen.then_some(now));
                }
            }
        }
    }
    Err(live.job.without_verdict())
}

/// A CRIU that is killed in the middle of a dump may take a task with it. A workload that has
/// lost one is not what is to be moved: it stays as it is, and its owner is told.
fn unless_harmed(failure: Failure, before: &[Task]) -> Failure {
    let gone: Vec<String> = before
        .iter()
        .filter(|task| failure.code == "criu-lost" && !task.is_alive())
        .map(|task| task.pid.to_string())
        .collect();
    if gone.is_empty() {
        return failure;
    }
    let cause = format!(
        "{}, and of the workload these processes ended with it: {}",
        failure.cause,
        gone.join(", ")
    );
    Failure::new("workload-harmed", cause)
        .hint("see whether the workload still does its work, and what ended CRIU")
        .log(failure.log)
}

/// CRIU, as far as it is known for an attempt of this boot.
pub(super) fn criu_of(ledger: &dyn Ledger, attempt: &Attempt) -> Option<Task> {
    let own = noted::<Task>(ledger, STARTED)
        .filter(|note| note.attempt == attempt.number && note.is_of_this_boot());
    call::criu_in(&attempt.directory).or(own.map(|note| note.what))
}

/// Sees that the hold was unbroken: nobody who holds has ended, and no task has run.
pub(super) async fn unbroken(live: &mut Live) -> Result<Holding, Failure> {
    let not_held = || Failure::lost("hold-broken", "the workload is not held");
    let holding = live.holding.clone().ok_or_else(not_held)?;
    let line = live.line.as_mut().ok_or_else(not_held)?;
    let line_broken = line.unbroken().await.err();
    let has_run = holding.has_run();
    let hold = Hold {
        hold_lives: line_broken.is_none(),
        criu_lives: live.job.criu_runs(),
        tasks_held: has_run.is_none(),
    };
    if may_commit(hold) {
        return Ok(holding);
    }
    Err(line_broken.unwrap_or_else(|| match has_run {
        Some(why) => Failure::lost("hold-broken", format!("the hold broke: {why}")),
        None => criu_lost(),
    }))
}
