//! The source's half: who the workload is, and the life of an attempt.

use super::freeze::{self, STARTED};
use super::held::{Holding, TASKS};
use super::kind::SourceKind;
use crate::attempt::{Attempt, Attempts, Note, note, noted};
use crate::checks;
use crate::criu::desk::Line;
use crate::criu::job::Job;
use crate::criu::verdict::{Verdict, decided};
use crate::criu::{cache, config, log, rpc};
use crate::images;
use crate::shared;
use crate::tasks::Task;
use crate::wiring::SourceWiring;
use async_trait::async_trait;
use phaul_core::executor::ports::{
    Fate, FileSource, Frozen, Inspection, Ledger, ProposedTree, SourceHauler,
};
use phaul_core::failure::Failure;
use phaul_core::plan::Plan;
use phaul_core::protocol::Manifest;
use phaul_core::run::RunId;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Under this name the workload's root is noted down.
const ROOT: &str = "root";
/// How long the killed tasks may take to end: the kernel takes their memory apart meanwhile.
const END: Duration = Duration::from_secs(120);

/// The source's half of a hauler.
#[derive(Debug)]
pub(crate) struct TreeSource {
    pub(super) kind: Box<dyn SourceKind>,
    pub(super) wiring: SourceWiring,
    pub(super) plan: Plan,
    pub(super) run: RunId,
    pub(super) attempts: Attempts,
    pub(super) root: Option<Task>,
    /// The attempt that is under way in this process.
    pub(super) live: Option<Live>,
}

/// An attempt that is under way.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) attempt: Attempt,
    pub(super) job: Job,
    /// The line to the hold, once it has called.
    pub(super) line: Option<Line>,
    /// What is held, once everything is.
    pub(super) holding: Option<Holding>,
}

impl TreeSource {
    /// The hauler of a run whose own directory exists.
    pub(crate) fn new(
        kind: Box<dyn SourceKind>,
        plan: &Plan,
        run: &RunId,
        directory: &Path,
    ) -> Self {
        Self {
            kind,
            wiring: SourceWiring::new(plan),
            plan: plan.clone(),
            run: run.clone(),
            attempts: Attempts::new(directory, "attempt"),
            root: None,
            live: None,
        }
    }

    /// The root that this run is about: the one that was looked at or noted down first. A
    /// later process with the same pid is not it.
    pub(super) async fn root(&mut self, ledger: &mut dyn Ledger) -> Result<Task, Failure> {
        if let Some(root) = self.root {
            return Ok(root);
        }
        let root = match noted::<Task>(ledger, ROOT) {
            Some(note) if note.is_of_this_boot() => note.what,
            Some(note) => return Err(super::held::gone(note.what)),
            None => self.kind.named_root().await?,
        };
        self.root = Some(root);
        Ok(root)
    }
}

impl TreeSource {
    /// Removes the links that CRIU made in a dump for files without a name of their own. Where
    /// connections moved along it does not do so itself.
    fn remove_links(&self, ledger: &dyn Ledger) {
        let links = images::links(&self.images()).unwrap_or_else(|failure| {
            tracing::warn!(cause = failure.cause, "links that CRIU made may be left");
            Vec::new()
        });
        for path in links
            .iter()
            .filter_map(|link| self.kind.host_path(link, ledger))
        {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tracing::warn!(%error, path = %path.display(), "a link of CRIU's is left");
                }
                _ => {}
            }
        }
    }
}

/// Makes the directory of the images; undoing that of the attempt takes it along.
fn make_images(attempt: &Path) -> Result<(), Failure> {
    fs::create_dir(attempt.join("images")).map_err(|error| {
        let cause = format!("cannot make a directory in {}: {error}", attempt.display());
        Failure::new("attempt-directory", cause)
    })
}

#[async_trait]
impl SourceHauler for TreeSource {
    async fn inspect(&mut self) -> Result<Inspection, Failure> {
        let root = match self.kind.named_root().await {
            Ok(root) => root,
            Err(failure) => return Ok(checks::source::without_workload(&failure)),
        };
        self.root = Some(root);
        let directory = self.attempts.run_directory().to_owned();
        self.kind.inspect(root, &directory).await
    }

    async fn reserve(&mut self, ledger: &mut dyn Ledger) -> Result<(), Failure> {
        let root = self.root(ledger).await?;
        let attempt = self.attempts.begin(ledger)?;
        note(ledger, ROOT, attempt.number, root)?;
        make_images(&attempt.directory)?;
        self.kind.reserve(&attempt.directory, root, ledger).await?;
        shared::mark(&self.plan, &self.run, ledger)?;
        // CRIU's look at the kernel takes longer than many a dump: it is done before the
        // freeze, and what it leaves behind is accounted for.
        cache::account(ledger)?;
        rpc::check().await
    }

    async fn freeze(&mut self, ledger: &mut dyn Ledger) -> Result<Frozen, Failure> {
        match freeze::freeze(self, ledger).await {
            Ok(frozen) => Ok(frozen),
            Err(failure) => {
                // On an error the workload runs on.
                self.thaw(ledger).await.map_err(|worse| Failure {
                    cause: format!("{}; then: {}", failure.cause, worse.cause),
                    ..failure.clone()
                })?;
                Err(failure)
            }
        }
    }

    fn images(&self) -> PathBuf {
        let newest = self.attempts.newest().map(|attempt| attempt.directory);
        newest
            .unwrap_or_else(|| self.attempts.run_directory().to_owned())
            .join("images")
    }

    async fn kill(&mut self, ledger: &mut dyn Ledger) -> Result<Fate, Failure> {
        self.kill_held(ledger).await
    }

    async fn settle(&mut self, ledger: &mut dyn Ledger) -> Result<Fate, Failure> {
        self.settle_fate(ledger).await
    }

    async fn thaw(&mut self, ledger: &mut dyn Ledger) -> Result<(), Failure> {
        self.thaw_all(ledger).await
    }

    async fn clean(&mut self, ledger: &mut dyn Ledger) -> Result<(), Failure> {
        if let Some(live) = &mut self.live {
            live.job.ended(END).await;
        }
        self.live = None;
        let newest = self.attempts.newest();
        let killed = newest
            .is_some_and(|attempt| matches!(decided(&attempt.directory), Ok(Some(Verdict::Kill))));
        let note = noted::<Holding>(ledger, TASKS).filter(Note::is_of_this_boot);
        let Some(note) = note.filter(|_| killed) else {
            return Ok(());
        };
        let started = noted::<Task>(ledger, STARTED).filter(Note::is_of_this_boot);
        let Holding {
            tasks, criu, hold, ..
        } = note.what;
        let held = tasks.into_iter().map(|held| held.task);
        let others = [criu, hold]
            .into_iter()
            .chain(started.map(|note| note.what));
        for task in held.chain(others) {
            if !rpc::gone(task, END).await {
                return Err(Failure::lost(
                    "resource-stuck",
                    format!("process {} does not come to its end", task.pid),
                ));
            }
        }
        self.wiring.clean(ledger).await?;
        self.remove_links(&*ledger);
        self.kind.clean(ledger).await
    }

    async fn farewell(&mut self) -> Manifest {
        self.wiring.farewell().await
    }

    fn proposed_trees(&self) -> Vec<ProposedTree> {
        self.kind.proposed_trees()
    }

    fn files(&mut self) -> Result<Option<Box<dyn FileSource>>, Failure> {
        let root = self
            .root
            .ok_or_else(|| Failure::new("workload-gone", "the workload was not looked at"))?;
        self.kind.files(root)
    }

    fn logs(&self) -> Vec<(String, String)> {
        let newest = self.attempts.newest();
        newest.map_or_else(Vec::new, |attempt| {
            log::excerpts(&attempt.directory, config::DUMP_LOG)
        })
    }
}
