//! The target's half: receiving, restoring, and the hold until the word to run comes.

use super::kind::{OwnNetwork, TargetKind};
use super::release::{self, Became};
use crate::attempt::{Attempts, make_directory, note, noted};
use crate::cgroup;
use crate::claim::Claim;
use crate::criu::desk::{Desk, Line};
use crate::criu::hold::NAMESPACES;
use crate::criu::job::Job;
use crate::criu::verdict::{Verdict, decide};
use crate::criu::{cache, call, config, log, rpc};
use crate::images;
use crate::ledger;
use crate::manifest::Manifest;
use crate::network::Netns;
use crate::shared;
use crate::tasks::{Task, inner_pid, tree};
use crate::wiring::TargetWiring;
use async_trait::async_trait;
use phaul_core::executor::ports::{FileSink, Ledger, Resource, TargetHauler};
use phaul_core::failure::Failure;
use phaul_core::plan::Plan;
use phaul_core::protocol::Manifest as Opaque;
use phaul_core::report::Check;
use phaul_core::run::RunId;
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// Under this name the process that phaul starts for a restore is noted down before it begins:
/// CRIU, or a runtime.
const STARTED: &str = "started";
/// Under this name the restored tasks are noted down.
pub(super) const RESTORED: &str = "restored";
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

/// The target's half of a hauler.
#[derive(Debug)]
pub(crate) struct TreeTarget {
    pub(super) kind: Box<dyn TargetKind>,
    pub(super) wiring: TargetWiring,
    plan: Plan,
    run: RunId,
    pub(super) attempts: Attempts,
    /// The restore that is under way in this process.
    pub(super) live: Option<Live>,
    /// The lock on the workload, from reserving on.
    claim: Option<Claim>,
}

/// A restore that is under way.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) job: Job,
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

impl TreeTarget {
    /// The hauler of a run whose own directory exists.
    pub(crate) fn new(
        kind: Box<dyn TargetKind>,
        plan: &Plan,
        run: &RunId,
        directory: &Path,
    ) -> Self {
        Self {
            kind,
            wiring: TargetWiring::new(plan, run),
            plan: plan.clone(),
            run: run.clone(),
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
        let images = self.images();
        let desk = Desk::open(directory)?;
        // CRIU and all that it makes can be killed through the cgroup from its beginning on.
        self.wiring.give(ledger).await?;
        let network = self.kind.network(&*ledger)?;
        if let Some(OwnNetwork {
            described,
            given: Some(path),
        }) = &network
        {
            self.wiring.build_given(path, described, ledger).await?;
        }
        let job = self.kind.restore(directory, &images, &cgroup, ledger);
        let job = job.await?;
        note(ledger, STARTED, attempt.number, job.process())?;
        let live = self.live.insert(Live { job, line: None });
        live.job.begin().await?;
        let mut line = called(&desk, live).await?;
        while line.stage == NAMESPACES {
            let root = line.root.and_then(Task::find);
            let gone = || Failure::lost("hold-broken", "the restored workload is gone");
            if let Some(OwnNetwork { described, .. }) = &network {
                let own = Netns::of_task(root.ok_or_else(gone)?.pid)?;
                self.wiring.build(own, described, ledger).await?;
            }
            line.proceed().await?;
            line = called(&desk, live).await?;
        }
        let root = line.root;
        live.line = Some(line);
        let restored = restored(&images, root).await?;
        note(ledger, RESTORED, attempt.number, &restored)?;
        self.kind.held(&restored.tasks, ledger).await
    }

    /// Whether a restored workload is held, as far as can be seen.
    async fn is_held(&mut self) -> bool {
        match &mut self.live {
            Some(Live {
                line: Some(line),
                job,
            }) => line.unbroken().await.is_ok() && job.criu_runs(),
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
        let started = noted::<Task>(ledger, STARTED).filter(|note| note.is_of_this_boot());
        self.sweep_these(cgroup, restored).await?;
        if let Some(started) = started {
            // A runtime: CRIU was ended with its job, or ends with the container.
            rpc::end(started.what, Duration::ZERO).await;
        }
        self.kind.sweep(ledger).await
    }

    async fn sweep_these(
        &mut self,
        cgroup: Result<PathBuf, Failure>,
        restored: Vec<Task>,
    ) -> Result<(), Failure> {
        if let Some(mut live) = self.live.take() {
            // Without its line the hold goes the harmless way, and CRIU cleans up after itself.
            live.line = None;
            if !live.job.ended(LEAVE).await {
                live.job.kill().await;
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
        let started = noted::<Task>(ledger, STARTED);
        let criu = attempt
            .as_ref()
            .and_then(|attempt| call::criu_in(&attempt.directory));
        let restored = noted::<Restored>(ledger, RESTORED);
        let released_before = ledger.recall(release::RELEASED).is_some();
        release::became(attempt, started, criu, restored, released_before).await
    }
}

/// Waits until the hold calls, whatever the stage.
async fn called(desk: &Desk, live: &mut Live) -> Result<Line, Failure> {
    let witness = live.job.witness();
    {
        let mut call = pin!(desk.call(&witness));
        let mut answer = pin!(live.job.answer());
        tokio::select! {
            biased;
            line = &mut call => return line,
            answer = &mut answer => answer?,
        }
    }
    Err(live.job.without_verdict())
}

/// The tasks that stand there restored, and where the root waits for CRIU.
async fn restored(images: &Path, root: Option<i32>) -> Result<Restored, Failure> {
    let lost = |cause| Failure::lost("hold-broken", cause);
    let expected: BTreeSet<i32> = images::processes(images)?
        .iter()
        .map(|process| process.pid)
        .collect();
    let pids = root.and_then(|root| tree(root).ok()).unwrap_or_default();
    // In the images a process has the pid that it has in its own namespace.
    let there: BTreeSet<i32> = pids.iter().filter_map(|pid| inner_pid(*pid)).collect();
    let tasks: Vec<Task> = pids.into_iter().filter_map(Task::find).collect();
    let root = tasks
        .first()
        .filter(|_| there == expected)
        .ok_or_else(|| lost("the restored workload is not what its images say"))?;
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
impl TargetHauler for TreeTarget {
    async fn check(&mut self, manifest: &Opaque) -> Result<Vec<Check>, Failure> {
        let directory = self.attempts.run_directory().to_owned();
        self.kind.check(manifest, &directory).await
    }

    async fn reserve(&mut self, manifest: &Opaque, ledger: &mut dyn Ledger) -> Result<(), Failure> {
        let manifest = Manifest::read(manifest)?;
        self.claim = None;
        self.claim = Some(Claim::new(&self.run, self.kind.claims(&manifest))?);
        shared::prove(&self.plan, &manifest.shared, &self.run)?;
        make_directory(&self.images(), ledger)?;
        let cgroup = self.cgroup(ledger)?;
        ledger.fact(CGROUP, cgroup.to_string_lossy().into())?;
        let resource = Resource::Cgroup {
            path: cgroup.clone(),
        };
        ledger::make_once(ledger, resource)?;
        cgroup::make(&cgroup)?;
        // CRIU's look at the kernel is done before the workload waits for it.
        cache::account(ledger)?;
        rpc::check().await?;
        self.kind.reserve(&manifest, ledger).await
    }

    fn files(&mut self) -> Result<Option<Box<dyn FileSink>>, Failure> {
        self.kind.files()
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
        farewell: &Opaque,
        ledger: &mut dyn Ledger,
    ) -> Result<u64, Failure> {
        self.let_run(farewell, ledger).await
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
            live.job.ended(LEAVE).await;
        }
        self.live = None;
        if self.became(ledger).await? == Became::Running {
            // The cgroup is undone next, with every task that is in it.
            self.move_out(ledger)?;
        }
        self.wiring.keep(ledger);
        self.kind.clean(ledger).await
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

impl TreeTarget {
    /// Moves the workload out of the run's cgroup, to where it would be without phaul.
    pub(super) fn move_out(&self, ledger: &dyn Ledger) -> Result<(), Failure> {
        let cgroup = self.cgroup(ledger)?;
        cgroup::empty_into(&cgroup, &cgroup::own()?).map_err(|error| {
            let cause = format!("the workload cannot leave {}: {error}", cgroup.display());
            Failure::lost("resource-stuck", cause)
        })
    }
}
