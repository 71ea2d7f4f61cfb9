//! Freezing: CRIU stops and dumps the tree, the hold calls, and then every task is held.

use super::held::{self, Holding, TASKS};
use super::source::{Live, PidSource};
use crate::attempt::{Attempt, note};
use crate::criu::desk::{Desk, Line, criu_lost};
use crate::criu::proto::{Answer, RequestType};
use crate::criu::rpc::Worker;
use crate::criu::verdict::decided;
use crate::criu::{config, log};
use crate::images;
use crate::tasks::Task;
use phaul_core::executor::ports::{Frozen, Ledger, SourceHauler};
use phaul_core::failure::Failure;
use phaul_core::machine::cutover::{Hold, may_commit};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::pin::pin;
use std::time::{Duration, Instant};
use tokio::time::{MissedTickBehavior, interval};

/// Under this name CRIU's process is noted down before it is asked for anything.
pub(super) const CRIU: &str = "criu";

/// Freezes, dumps and holds. On an error the caller thaws.
pub(super) async fn freeze(
    source: &mut PidSource,
    ledger: &mut dyn Ledger,
) -> Result<Frozen, Failure> {
    let attempt = fresh_attempt(source, ledger).await?;
    let root = source.root(ledger)?;
    if !root.is_alive() {
        return Err(held::gone(root));
    }
    let images = attempt.directory.join("images");
    let desk = Desk::open(&attempt.directory)?;
    // CRIU opens both through our own descriptors, by their numbers.
    let opened = [open(&images)?, open(&attempt.directory)?];
    let [images_fd, work_fd] = opened.each_ref().map(AsRawFd::as_raw_fd);
    let worker = Worker::spawn(&attempt.directory)?;
    let criu = worker.task();
    let live = source.live.insert(Live {
        attempt: attempt.clone(),
        worker,
        line: None,
        holding: None,
    });
    note(ledger, CRIU, attempt.number, criu)?;

    let begin = Instant::now();
    let options = config::dump(&source.plan, root.pid, images_fd, work_fd);
    live.worker
        .request(RequestType::Dump, Some(options))
        .await?;
    let (line, freeze) = called(&desk, live, root).await?;
    let line = live.line.insert(line);

    let holding = Holding {
        tasks: held::collect(root, &images)?,
        criu,
        hold: line.hold,
    };
    note(ledger, TASKS, attempt.number, &holding)?;
    line.entrust(&holding.tasks).await?;
    held::stop(&holding.tasks);
    live.holding = Some(holding);

    let (files, pages) = images::list(&images)?;
    Ok(Frozen {
        images: files,
        freeze_ms: millis(freeze),
        dump_ms: millis(begin.elapsed().saturating_sub(freeze)),
        pages,
    })
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The reserved attempt, or a new one if that has come to its verdict already.
async fn fresh_attempt(
    source: &mut PidSource,
    ledger: &mut dyn Ledger,
) -> Result<Attempt, Failure> {
    if let Some(attempt) = source.attempts.newest()
        && matches!(decided(&attempt.directory), Ok(None))
        && ledger
            .recall(CRIU)
            .is_none_or(|note| note["attempt"] != attempt.number)
    {
        return Ok(attempt);
    }
    source.reserve(ledger).await?;
    let newest = source.attempts.newest();
    newest.ok_or_else(|| Failure::new("attempt-directory", "the attempt's directory is gone"))
}

fn open(directory: &Path) -> Result<File, Failure> {
    File::open(directory).map_err(|error| {
        Failure::new(
            "attempt-directory",
            format!("cannot open {}: {error}", directory.display()),
        )
    })
}

/// Waits until the hold calls, and finds out when the root stood still. CRIU stops the rest of
/// the tree right after the root, so the freeze is taken to end there.
async fn called(desk: &Desk, live: &mut Live, root: Task) -> Result<(Line, Duration), Failure> {
    let begin = Instant::now();
    let criu = live.worker.task();
    let mut call = pin!(desk.call(criu));
    let mut answer = pin!(live.worker.answer(RequestType::Dump));
    let mut tick = interval(Duration::from_millis(1));
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut frozen = None;
    loop {
        tokio::select! {
            biased;
            line = &mut call => {
                let freeze = frozen.unwrap_or_else(|| begin.elapsed());
                return line.map(|line| (line, freeze));
            }
            answer = &mut answer => return Err(refused(answer, &live.attempt.directory)),
            _ = tick.tick(), if frozen.is_none() => {
                frozen = held::is_traced_by(root, criu).then(|| begin.elapsed());
            }
        }
    }
}

/// Why CRIU answered before the hold called.
fn refused(answer: Result<Answer, Failure>, directory: &Path) -> Failure {
    let explained = |text: &str| {
        let path = directory.join(config::DUMP_LOG);
        log::failure("criu-dump", "dump the workload", &path, text)
    };
    match answer {
        Ok(answer) if answer.success() => Failure::new(
            "criu-dump",
            "CRIU dumped the workload without asking for the verdict; it runs on",
        )
        .hint("see whether a configuration of CRIU on this host takes its action script away"),
        Ok(answer) => explained(answer.cr_errmsg()),
        Err(lost) => Failure {
            log: explained("").log,
            ..lost
        },
    }
}

/// Sees that the hold was unbroken: nobody who holds has ended, and no task has run.
pub(super) async fn unbroken(live: &mut Live) -> Result<Holding, Failure> {
    let not_held = || Failure::lost("hold-broken", "the workload is not held");
    let holding = live.holding.clone().ok_or_else(not_held)?;
    let line = live.line.as_mut().ok_or_else(not_held)?;
    let line_broken = line.unbroken().await.err();
    let has_run = held::has_run(&holding.tasks, holding.criu);
    let hold = Hold {
        hold_lives: line_broken.is_none(),
        criu_lives: live.worker.runs(),
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
