//! The verdict at the source: kill, thaw, and finding out after a crash which of them it was.

use super::freeze::{STARTED, criu_of, unbroken};
use super::held::{self, Holding, TASKS};
use super::source::TreeSource;
use crate::attempt::{Attempt, Note, noted};
use crate::criu::hold::{Held, kill_all, thaw_all, unfreeze};
use crate::criu::rpc;
use crate::criu::verdict::{Verdict, decide, decided};
use crate::tasks::{Task, tree};
use phaul_core::executor::ports::{Fate, Ledger};
use phaul_core::failure::Failure;
use phaul_core::machine::cutover;
use std::io;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// Under this name it is noted down that an attempt is thawed for good.
const THAWED: &str = "thawed";
/// Under this name it is noted down that an attempt's workload ended by another's hand.
const DOUBT: &str = "doubt";
/// How long the hold may take to carry a verdict out.
const CARRY_OUT: Duration = Duration::from_secs(5);
/// How long CRIU may take to leave the tasks in good order before it is killed.
const LEAVE: Duration = Duration::from_secs(20);
/// How long signals may take to show.
const SHOW: Duration = Duration::from_secs(10);
/// How often is looked.
const LOOK: Duration = Duration::from_millis(1);

fn undecidable(error: &io::Error) -> Failure {
    Failure::new(
        "verdict",
        format!("the verdict cannot be made out: {error}"),
    )
}

impl TreeSource {
    /// See [`phaul_core::executor::ports::SourceHauler::kill`].
    pub(super) async fn kill_held(&mut self, ledger: &mut dyn Ledger) -> Result<Fate, Failure> {
        // Without a live hold the tasks run, or were killed before: find out which.
        let Some(live) = &mut self.live else {
            return self.settle_fate(ledger).await;
        };
        let holding = match unbroken(live).await {
            Ok(holding) => holding,
            Err(failure) => {
                tracing::warn!(cause = failure.cause, "nothing is killed");
                return self.settle_fate(ledger).await;
            }
        };
        let directory = live.attempt.directory.clone();
        let said = match &mut live.line {
            Some(line) => timeout(CARRY_OUT, line.verdict(Verdict::Kill)).await,
            None => return self.settle_fate(ledger).await,
        };
        // Whatever the hold said or failed to say, what was decided is in the directory. If
        // nothing was, the hold died before it could, and the harmless way is decided now.
        if !matches!(said, Ok(Ok(_))) {
            tracing::warn!("the hold broke while it was told to kill");
        }
        match decide(&directory, Verdict::Thaw).map_err(|error| undecidable(&error))? {
            Verdict::Kill => finish_kill(&holding.tasks).await,
            _ => {
                self.thaw_all(ledger).await?;
                Ok(Fate::Alive)
            }
        }
    }

    /// See [`phaul_core::executor::ports::SourceHauler::settle`].
    pub(super) async fn settle_fate(&mut self, ledger: &mut dyn Ledger) -> Result<Fate, Failure> {
        let root = self.root(ledger).await.ok().filter(Task::is_alive);
        let holding = noted::<Holding>(ledger, TASKS);
        let Some(attempt) = self.attempts.newest() else {
            return Ok(if root.is_some() {
                Fate::Alive
            } else {
                Fate::Unsure
            });
        };
        let holding = holding.filter(|note| note.attempt == attempt.number);
        let same_boot = holding.as_ref().is_none_or(Note::is_of_this_boot);
        if !same_boot {
            // Nothing that ran in another boot runs now. A kill stands; a workload that was
            // not killed ended with the host, maybe long after it was dumped.
            return match decided(&attempt.directory).map_err(|error| undecidable(&error))? {
                Some(Verdict::Kill) => Ok(Fate::Dead),
                _ => Ok(Fate::Unsure),
            };
        }
        if ledger.recall(DOUBT) == Some(attempt.number.into()) {
            return Ok(Fate::Unsure);
        }
        let started = noted::<Task>(ledger, STARTED);
        if started.is_none_or(|note| note.attempt != attempt.number) {
            // Nothing was frozen yet: whatever became of the workload, it was not the commit.
            self.thaw_all(ledger).await?;
            return Ok(Fate::Alive);
        }
        let before = decided(&attempt.directory).map_err(|error| undecidable(&error))?;
        // Whoever still waits for a verdict must find one now.
        let now = decide(&attempt.directory, Verdict::Thaw).map_err(|error| undecidable(&error))?;
        let known = match (now, before) {
            (Verdict::Kill, _) => Some(cutover::Verdict::Kill),
            (_, Some(_)) => Some(cutover::Verdict::Thaw),
            (_, None) => None,
        };
        match (cutover::settle(known, root.is_some()), holding) {
            (Fate::Dead, Some(note)) => finish_kill(&note.what.tasks).await,
            (Fate::Alive, _) => {
                self.thaw_all(ledger).await?;
                Ok(Fate::Alive)
            }
            // The root is gone and nobody had decided anything: somebody else ended it. From
            // now on there is a verdict, so the doubt is noted down.
            _ => {
                ledger.fact(DOUBT, attempt.number.into())?;
                Ok(Fate::Unsure)
            }
        }
    }

    /// See [`phaul_core::executor::ports::SourceHauler::thaw`].
    pub(super) async fn thaw_all(&mut self, ledger: &mut dyn Ledger) -> Result<(), Failure> {
        let Some(attempt) = self.attempts.newest() else {
            self.live = None;
            return Ok(());
        };
        let thawed = ledger.recall(THAWED) == Some(attempt.number.into());
        if thawed && self.live.is_none() {
            return Ok(());
        }
        let decided = decide(&attempt.directory, Verdict::Thaw);
        if decided.map_err(|error| undecidable(&error))? == Verdict::Kill {
            return Err(Failure::new(
                "workload-gone",
                "the workload cannot be thawed: it was killed by the commit",
            ));
        }
        let holding = noted::<Holding>(ledger, TASKS)
            .filter(|note| note.attempt == attempt.number && note.is_of_this_boot())
            .map(|note| note.what);
        let started = noted::<Task>(ledger, STARTED)
            .filter(|note| note.attempt == attempt.number && note.is_of_this_boot())
            .map(|note| note.what);
        let criu = criu_of(ledger, &attempt);
        self.wiring.give_back(ledger).await?;
        let mut in_order = criu.is_some_and(|criu| criu.is_alive());
        if let Some(started) = started {
            in_order &= self
                .end_hold(&attempt, started, criu, holding.as_ref())
                .await;
        }
        let root = self.root(ledger).await.ok().filter(Task::is_alive);
        let tasks = held_or_there(holding.as_ref(), root);
        if let Some(criu) = criu {
            let free = || !tasks.iter().any(|task| held::is_traced_by(*task, criu));
            until(free, "CRIU does not let go of the workload").await?;
        }
        if criu.is_some() && !in_order {
            self.wiring.mend(&tasks).await?;
        }
        match &holding {
            Some(holding) => run_on(holding, &attempt).await?,
            None => thaw_cgroup(&attempt)?,
        }
        self.wiring.replay().await;
        self.live = None;
        ledger.fact(THAWED, attempt.number.into())
    }

    /// Ends whoever holds, each in good order if it can be had. False if CRIU had to be killed.
    async fn end_hold(
        &mut self,
        attempt: &Attempt,
        started: Task,
        criu: Option<Task>,
        holding: Option<&Holding>,
    ) -> bool {
        let mut live = self.live.as_mut().filter(|live| live.attempt == *attempt);
        if let Some(line) = live.as_mut().and_then(|live| live.line.as_mut())
            && !matches!(
                timeout(CARRY_OUT, line.verdict(Verdict::Thaw)).await,
                Ok(Ok(_))
            )
        {
            tracing::warn!("the hold did not answer; its tasks are thawed without it");
        }
        if holding.is_none()
            && let Some(criu) = criu
        {
            // It may be in the middle of the dump.
            rpc::stop_writing(criu);
        }
        let in_order = match live {
            Some(live) => {
                // The line is closed, so a hold that was not heard yet goes the harmless way.
                live.line = None;
                let ended = live.job.ended(LEAVE).await;
                if !ended {
                    live.job.kill().await;
                }
                ended
            }
            None => {
                let mut ended = true;
                for process in criu.into_iter().chain([started]) {
                    ended &= rpc::gone(process, LEAVE).await;
                    rpc::end(process, Duration::ZERO).await;
                }
                ended
            }
        };
        rpc::end_helpers(started);
        if let Some(holding) = holding {
            rpc::end(holding.hold, CARRY_OUT).await;
        }
        in_order
    }
}

/// The tasks that were held, or else those that are there.
fn held_or_there(holding: Option<&Holding>, root: Option<Task>) -> Vec<Task> {
    match (holding, root) {
        (Some(holding), _) => holding.tasks.iter().map(|held| held.task).collect(),
        (None, Some(root)) => {
            let pids = tree(root.pid).unwrap_or_default();
            pids.into_iter().filter_map(Task::find).collect()
        }
        (None, None) => Vec::new(),
    }
}

/// Makes tasks run on that stand still because they were held.
async fn run_on(holding: &Holding, attempt: &Attempt) -> Result<(), Failure> {
    let standing = || -> Vec<Held> {
        let stopped = |held: &&Held| !held.was_stopped && held::is_stopped(held.task);
        holding.tasks.iter().filter(stopped).copied().collect()
    };
    thaw_cgroup(attempt)?;
    if holding.cgroup.is_some() {
        return Ok(());
    }
    // A task that runs gets no signal: its own handler of SIGCONT would be called for nothing.
    thaw_all(&standing());
    until(|| standing().is_empty(), "the workload does not run on").await
}

/// Lets the workload's cgroup run on, if it was frozen for this attempt.
fn thaw_cgroup(attempt: &Attempt) -> Result<(), Failure> {
    unfreeze(&attempt.directory).map_err(|error| {
        let cause = format!("the workload's cgroup cannot be thawed: {error}");
        Failure::lost("resource-stuck", cause)
    })
}

/// Kills what is left of the tasks after the verdict, and sees that none can run again.
async fn finish_kill(tasks: &[Held]) -> Result<Fate, Failure> {
    kill_all(tasks);
    until(
        || held::can_run(tasks).is_empty(),
        "a killed process still runs",
    )
    .await?;
    Ok(Fate::Dead)
}

async fn until(mut holds: impl FnMut() -> bool, otherwise: &str) -> Result<(), Failure> {
    let look = async {
        while !holds() {
            sleep(LOOK).await;
        }
    };
    timeout(SHOW, look)
        .await
        .map_err(|_| Failure::lost("resource-stuck", otherwise))
}
