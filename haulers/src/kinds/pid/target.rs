//! The target's half: receiving, restoring, and the hold until the word to run comes.

use super::claim::Claim;
use super::release::{self, Became};
use crate::attempt::{Attempt, Attempts, make_directory, note, noted};
use crate::cgroup;
use crate::checks;
use crate::criu::desk::{Desk, Line};
use crate::criu::proto::{Answer, RequestType};
use crate::criu::rpc::{self, Worker};
use crate::criu::verdict::{Verdict, decide};
use crate::criu::{cache, config, log};
use crate::images;
use crate::tasks::Task;
use async_trait::async_trait;
use phaul_core::executor::ports::{Ledger, Resource, TargetHauler};
use phaul_core::failure::Failure;
use phaul_core::plan::Plan;
use phaul_core::protocol::Manifest;
use phaul_core::run::RunId;
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// Under this name CRIU's process is noted down before it is asked for anything.
const CRIU: &str = "criu";
/// Under this name the restored tasks are noted down.
const RESTORED: &str = "restored";
/// Under this name the cgroup of the run is noted down.
const CGROUP: &str = "cgroup";
/// How long the hold may take to carry a verdict out.
const CARRY_OUT: Duration = Duration::from_secs(5);
/// How long a restored task may take to begin to wait.
const SETTLE: Duration = Duration::from_secs(10);
/// How long CRIU may take to remove what it restored before it is killed.
const LEAVE: Duration = Duration::from_secs(20);
/// How long killed tasks may keep their pids.
const FREE: Duration = Duration::from_secs(30);

/// The target's half of the hauler `pid`.
#[derive(Debug)]
pub(crate) struct PidTarget {
    plan: Plan,
    run: RunId,
    exe: PathBuf,
    pub(super) attempts: Attempts,
    /// The restore that is under way in this process.
    pub(super) live: Option<Live>,
    /// The lock on the workload, from reserving on.
    claim: Option<Claim>,
}

/// A restore that is under way.
#[derive(Debug)]
pub(super) struct Live {
    attempt: Attempt,
    pub(super) worker: Worker,
    /// The line to the hold, once it has called.
    pub(super) line: Option<Line>,
}

/// What was restored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Restored {
    /// The tasks, the root first.
    pub(super) tasks: Vec<Task>,
    /// The address at which the root waited for CRIU while it was held.
    pub(super) root_waits_at: u64,
}

impl PidTarget {
    /// The hauler of a run whose own directory exists; `exe` is phaul itself.
    pub(crate) fn new(plan: &Plan, run: &RunId, directory: &Path, exe: PathBuf) -> Self {
        Self {
            plan: plan.clone(),
            run: run.clone(),
            exe,
            attempts: Attempts::new(directory, "restore"),
            live: None,
            claim: None,
        }
    }

    /// The cgroup of the run: the one noted down, or the one it would get.
    fn cgroup(&self, ledger: &dyn Ledger) -> Result<PathBuf, Failure> {
        match ledger
            .recall(CGROUP)
            .as_ref()
            .and_then(|path| path.as_str())
        {
            Some(path) => Ok(PathBuf::from(path)),
            None => Ok(cgroup::own()?.join(format!("phaul-{}", self.run))),
        }
    }

    /// Restores from the images and holds. On an error the caller sweeps.
    pub(super) async fn bring_back(&mut self, ledger: &mut dyn Ledger) -> Result<(), Failure> {
        let cgroup = self.cgroup(ledger)?;
        let attempt = self.attempts.begin(ledger)?;
        let directory = &attempt.directory;
        config::write(directory, &self.exe, &self.plan)?;
        let images = self.images();
        let desk = Desk::open(directory)?;
        // CRIU opens both through our own descriptors, by their numbers.
        let opened = [open(&images)?, open(directory)?];
        let [images_fd, work_fd] = opened.each_ref().map(AsRawFd::as_raw_fd);
        let worker = Worker::spawn(directory)?;
        let criu = worker.task();
        let live = self.live.insert(Live {
            attempt: attempt.clone(),
            worker,
            line: None,
        });
        note(ledger, CRIU, attempt.number, criu)?;
        // CRIU and all that it makes can be killed through the cgroup from here on.
        cgroup::enter(&cgroup, criu.pid).map_err(|error| {
            let cause = format!("CRIU cannot be put into {}: {error}", cgroup.display());
            Failure::new("cgroup-missing", cause)
        })?;
        let options = config::restore(&self.plan, images_fd, work_fd);
        live.worker
            .request(RequestType::Restore, Some(options))
            .await?;
        let line = called(&desk, live).await?;
        let root = line.root;
        live.line = Some(line);
        let restored = restored(&images, root).await?;
        note(ledger, RESTORED, attempt.number, &restored)
    }

    /// Whether a restored workload is held, as far as can be seen.
    async fn is_held(&mut self) -> bool {
        match &mut self.live {
            Some(Live {
                line: Some(line),
                worker,
                ..
            }) => line.unbroken().await.is_ok() && worker.runs(),
            _ => false,
        }
    }

    /// Ends CRIU and whatever it has restored, and waits until the pids are free again. Only
    /// for what was not released.
    pub(super) async fn sweep(&mut self, ledger: &mut dyn Ledger) -> Result<(), Failure> {
        let cgroup = self.cgroup(ledger);
        let restored = noted::<Restored>(ledger, RESTORED)
            .filter(|note| note.is_of_this_boot())
            .map_or_else(Vec::new, |note| note.what.tasks);
        self.sweep_these(cgroup, restored).await
    }

    async fn sweep_these(
        &mut self,
        cgroup: Result<PathBuf, Failure>,
        restored: Vec<Task>,
    ) -> Result<(), Failure> {
        if let Some(mut live) = self.live.take() {
            // Without its line the hold goes the harmless way, and CRIU cleans up after itself.
            live.line = None;
            if !live.worker.ended(LEAVE).await {
                live.worker.kill().await;
            }
        }
        if let Ok(cgroup) = cgroup {
            cgroup::kill(&cgroup).await?;
        }
        // Where the plan lets CRIU manage cgroups, the tasks are in others.
        for restored in &restored {
            restored.signal(Signal::KILL);
        }
        let reaped = async {
            while restored.iter().any(|restored| restored.stat().is_some()) {
                sleep(Duration::from_millis(2)).await;
            }
        };
        timeout(FREE, reaped).await.map_err(|_| {
            Failure::lost(
                "resource-stuck",
                "the restored tasks do not come to their end",
            )
        })
    }

    /// What became of the newest restore, after everybody who could change it has ended.
    pub(super) async fn became(&mut self, ledger: &mut dyn Ledger) -> Result<Became, Failure> {
        if let Some(live) = &mut self.live {
            // A hold that still waits goes the harmless way.
            live.line = None;
        }
        let attempt = self.attempts.newest();
        let criu = noted::<Task>(ledger, CRIU);
        let restored = noted::<Restored>(ledger, RESTORED);
        let released_before = ledger.recall(release::RELEASED).is_some();
        release::became(attempt, criu, restored, released_before).await
    }
}

fn open(directory: &Path) -> Result<File, Failure> {
    File::open(directory).map_err(|error| {
        let cause = format!("cannot open {}: {error}", directory.display());
        Failure::new("attempt-directory", cause)
    })
}

/// Waits until the hold calls.
async fn called(desk: &Desk, live: &mut Live) -> Result<Line, Failure> {
    let mut call = pin!(desk.call(live.worker.task()));
    let mut answer = pin!(live.worker.answer(RequestType::Restore));
    tokio::select! {
        biased;
        line = &mut call => line,
        answer = &mut answer => Err(refused(answer, &live.attempt.directory)),
    }
}

/// Why CRIU answered before the hold called.
fn refused(answer: Result<Answer, Failure>, directory: &Path) -> Failure {
    let explained = |text: &str| {
        let path = directory.join(config::RESTORE_LOG);
        log::failure("criu-restore", "restore the workload", &path, text)
    };
    match answer {
        Ok(answer) if answer.success() => Failure::new(
            "criu-restore",
            "CRIU restored the workload without asking for the verdict",
        )
        .hint("see whether a configuration of CRIU on this host takes its action script away"),
        Ok(answer) => explained(answer.cr_errmsg()),
        Err(lost) => Failure {
            log: explained("").log,
            ..lost
        },
    }
}

/// The tasks that stand there restored, and where the root waits for CRIU.
async fn restored(images: &Path, root: Option<i32>) -> Result<Restored, Failure> {
    let lost = |cause| Failure::lost("hold-broken", cause);
    let processes = images::processes(images)?;
    let pids = processes.iter().map(|process| process.pid);
    let tasks: Vec<Task> = pids.filter_map(Task::find).collect();
    let first = tasks
        .first()
        .filter(|first| root.is_none_or(|root| root == first.pid));
    let root = first.ok_or_else(|| lost("the restored workload is not where its images say"))?;
    // CRIU calls when the tasks are done with their part; they still have to begin to wait.
    let waits = async {
        loop {
            match release::waits_at(root.pid) {
                Some(address) => return address,
                None => sleep(Duration::from_millis(1)).await,
            }
        }
    };
    let root_waits_at = timeout(SETTLE, waits).await;
    Ok(Restored {
        root_waits_at: root_waits_at.map_err(|_| lost("the restored workload does not wait"))?,
        tasks,
    })
}

#[async_trait]
impl TargetHauler for PidTarget {
    async fn check(
        &mut self,
        manifest: &Manifest,
    ) -> Result<Vec<phaul_core::report::Check>, Failure> {
        let directory = self.attempts.run_directory().to_owned();
        checks::target::check(&self.plan, manifest, &directory).await
    }

    async fn reserve(
        &mut self,
        manifest: &Manifest,
        ledger: &mut dyn Ledger,
    ) -> Result<(), Failure> {
        let manifest = crate::manifest::Manifest::read(manifest)?;
        self.claim = None;
        self.claim = Some(Claim::new(&self.run, &manifest.ids)?);
        make_directory(&self.images(), ledger)?;
        let cgroup = self.cgroup(ledger)?;
        ledger.fact(CGROUP, cgroup.to_string_lossy().into())?;
        let resource = Resource::Cgroup {
            path: cgroup.clone(),
        };
        if !ledger.standing().contains(&resource) {
            ledger.make(resource)?;
        }
        cgroup::make(&cgroup)?;
        // CRIU's look at the kernel is done before the workload waits for it.
        cache::account(ledger)?;
        rpc::check().await
    }

    fn images(&self) -> PathBuf {
        self.attempts.run_directory().join("images")
    }

    async fn restore(&mut self, ledger: &mut dyn Ledger) -> Result<(), Failure> {
        if self.is_held().await {
            return Ok(());
        }
        if self.became(ledger).await? == Became::Running {
            return Err(released());
        }
        self.sweep(ledger).await?;
        match self.bring_back(ledger).await {
            Ok(()) => Ok(()),
            Err(failure) => {
                self.sweep(ledger).await?;
                Err(failure)
            }
        }
    }

    async fn release(
        &mut self,
        _farewell: &Manifest,
        ledger: &mut dyn Ledger,
    ) -> Result<u64, Failure> {
        self.let_run(ledger).await
    }

    async fn discard(&mut self, ledger: &mut dyn Ledger) -> Result<(), Failure> {
        if let Some(line) = self.live.as_mut().and_then(|live| live.line.as_mut())
            && !matches!(
                timeout(CARRY_OUT, line.verdict(Verdict::Discard)).await,
                Ok(Ok(_))
            )
        {
            tracing::warn!("the hold did not answer; its tasks are removed without it");
        }
        if let Some(attempt) = self.attempts.newest() {
            // A restore that is not at its hold yet must not find another verdict there.
            let _ = decide(&attempt.directory, Verdict::Discard);
        }
        if self.became(ledger).await? == Became::Running {
            return Err(released());
        }
        self.sweep(ledger).await
    }

    async fn clean(&mut self, ledger: &mut dyn Ledger) -> Result<(), Failure> {
        if let Some(live) = &mut self.live {
            live.worker.ended(LEAVE).await;
        }
        self.live = None;
        if self.became(ledger).await? == Became::Running {
            // The cgroup is undone next, with every task that is in it.
            self.move_out(ledger)?;
        }
        Ok(())
    }

    fn logs(&self) -> Vec<(String, String)> {
        let newest = self.attempts.newest();
        newest.map_or_else(Vec::new, |attempt| {
            log::excerpts(&attempt.directory, config::RESTORE_LOG)
        })
    }
}

fn released() -> Failure {
    Failure::new("workload-released", "the workload was let run here already")
}

impl PidTarget {
    /// Moves the workload out of the run's cgroup, to where it would be without phaul.
    pub(super) fn move_out(&self, ledger: &dyn Ledger) -> Result<(), Failure> {
        let cgroup = self.cgroup(ledger)?;
        cgroup::empty_into(&cgroup, &cgroup::own()?).map_err(|error| {
            let cause = format!("the workload cannot leave {}: {error}", cgroup.display());
            Failure::lost("resource-stuck", cause)
        })
    }
}
