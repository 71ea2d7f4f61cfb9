//! A container at the source.

use super::options;
use super::runtime::{Runtime, State, delete};
use super::spec::{self, Network, Spec};
use crate::cgroup;
use crate::checks;
use crate::criu::call::{self, Call, Called};
use crate::criu::config::{self, Besides};
use crate::criu::job::{Job, Work};
use crate::ledger;
use crate::left::Notes;
use crate::tasks::{Task, tree};
use crate::tree::kind::SourceKind;
use crate::trees;
use async_trait::async_trait;
use phaul_core::executor::ports::{FileSource, Inspection, Ledger, ProposedTree, Resource};
use phaul_core::failure::Failure;
use phaul_core::plan::{Container, Keep, Plan, Tcp};
use std::path::{Path, PathBuf};

/// Under this name the bundle is noted down: in the end the runtime does not know it any more.
const BUNDLE: &str = "bundle";

/// The source's half of the haulers of containers.
#[derive(Debug)]
pub(crate) struct ContainerSource {
    plan: Plan,
    runtime: Runtime,
    container: Container,
    notes: Notes,
    exe: PathBuf,
    about: Option<About>,
    /// The container's own cgroup, found out when an attempt is reserved.
    cgroup: Option<PathBuf>,
}

/// What is known of a container.
#[derive(Debug, Clone)]
pub(crate) struct About {
    pub(crate) bundle: PathBuf,
    pub(crate) config: String,
    pub(crate) spec: Spec,
}

impl ContainerSource {
    /// The kind of a run with this directory; `exe` is phaul itself.
    pub(crate) fn new(
        plan: &Plan,
        runtime: Runtime,
        container: &Container,
        directory: &Path,
        exe: PathBuf,
    ) -> Self {
        Self {
            plan: plan.clone(),
            runtime,
            container: container.clone(),
            notes: Notes::near(directory),
            exe,
            about: None,
            cgroup: None,
        }
    }

    async fn state(&self) -> Result<State, Failure> {
        let root = self.container.root.as_deref();
        let id = &self.container.id;
        let name = self.runtime.name();
        let missing = |cause: String| {
            Failure::new("workload-gone", cause).hint(format!("see what there is: {name} list"))
        };
        let state = self.runtime.state(root, id).await?;
        let state = state.ok_or_else(|| missing(format!("{name} has no container {id}")))?;
        match state.status.as_str() {
            "running" => Ok(state),
            status => Err(missing(format!(
                "the container {id} is {status}, not running"
            ))),
        }
    }

    /// What is known of the container; looked at once.
    async fn about(&mut self) -> Result<About, Failure> {
        if let Some(about) = &self.about {
            return Ok(about.clone());
        }
        let state = self.state().await?;
        let bundle = self.container.bundle.clone().unwrap_or(state.bundle);
        let config = spec::config(&bundle)?;
        let mut spec = Spec::read(&config)?;
        // Those with which it was made are those that the runtime goes by.
        spec.annotations.extend(state.annotations);
        let about = About {
            bundle,
            config,
            spec,
        };
        self.about = Some(about.clone());
        Ok(about)
    }

    /// runc marks a container whose checkpoint it has begun, and leaves the mark where that fails.
    fn account_for_marks(&self, ledger: &mut dyn Ledger) -> Result<(), Failure> {
        let states = self.runtime.root(self.container.root.as_deref());
        let path = states.join(&self.container.id).join("checkpoint");
        let resource = Resource::File { path: path.clone() };
        ledger::account(ledger, &path, resource)
    }

    /// Whether CRIU leaves the tasks to phaul: see [`config::dump`].
    fn leave_running(&self) -> bool {
        self.plan.network.tcp != Tcp::Keep
    }
}

/// The cgroup of a container, unless others are in it as well.
fn own_cgroup(root: Task) -> Option<PathBuf> {
    let path = cgroup::of(root.pid)?;
    let members = cgroup::all_members(&path);
    let there = tree(root.pid).ok()?;
    let own = !members.is_empty() && members.iter().all(|member| there.contains(member));
    own.then_some(path)
}

#[async_trait]
impl SourceKind for ContainerSource {
    async fn named_root(&self) -> Result<Task, Failure> {
        let state = self.state().await?;
        state.init().ok_or_else(|| {
            let cause = format!(
                "the first process of the container {} is gone",
                self.container.id
            );
            Failure::new("workload-gone", cause)
        })
    }

    async fn inspect(&mut self, root: Task, directory: &Path) -> Result<Inspection, Failure> {
        let about = match self.about().await {
            Ok(about) => about,
            Err(failure) => return Ok(checks::source::without_workload(&failure)),
        };
        checks::container_source::inspect(&self.plan, self.runtime, &about, root, directory).await
    }

    fn cgroup(&self) -> Option<PathBuf> {
        self.cgroup.clone()
    }

    async fn reserve(
        &mut self,
        attempt: &Path,
        root: Task,
        ledger: &mut dyn Ledger,
    ) -> Result<(), Failure> {
        let about = self.about().await?;
        ledger.fact(BUNDLE, about.bundle.to_string_lossy().into())?;
        self.cgroup = own_cgroup(root);
        let besides = Besides {
            cgroup: self.cgroup.as_deref(),
            network: false,
        };
        config::write(attempt, &self.exe, &self.plan, besides)?;
        call::claim_configs(attempt, ledger)?;
        self.account_for_marks(ledger)?;
        let images = attempt.join("images");
        let mut arguments = self
            .runtime
            .global_options(self.container.root.as_deref(), attempt);
        arguments.push("checkpoint".into());
        if self.leave_running() {
            arguments.push("--leave-running".into());
        }
        let options = [
            "--image-path".as_ref(),
            images.as_os_str(),
            "--work-path".as_ref(),
            attempt.as_os_str(),
            self.container.id.as_ref(),
        ];
        arguments.extend(options.map(Into::into));
        let called = Called::new(self.runtime.find()?, arguments, attempt)?;
        let lines = options::lines(self.runtime, &self.plan, &about.spec);
        call::prepare(attempt, &called, self.runtime.criu_config(), &lines, None)
    }

    fn dump(&mut self, attempt: &Path, _root: Task) -> Result<Job, Failure> {
        let call = Call::start(&self.exe, attempt, self.runtime.name())?;
        Ok(Job::runtime(Work::Dump, attempt, call))
    }

    fn given_network(&self) -> Option<PathBuf> {
        match self.about.as_ref()?.spec.network() {
            Network::At(path) => Some(path),
            Network::Own | Network::Host => None,
        }
    }

    fn host_path(&self, inside: &Path, ledger: &dyn Ledger) -> Option<PathBuf> {
        let bundle: PathBuf = ledger::recall(ledger, BUNDLE)?;
        let spec = Spec::read(&spec::config(&bundle).ok()?).ok()?;
        let inside = Path::new("/").join(inside);
        let mut mounts = spec.mounts.iter();
        // What is mounted over the root is not the root's.
        match mounts.any(|mount| inside.starts_with(&mount.destination)) {
            true => spec
                .binds(&bundle)
                .into_iter()
                .filter_map(|(at, source)| Some((source, inside.strip_prefix(at).ok()?.to_owned())))
                .map(|(source, rest)| source.join(rest))
                .next(),
            false => Some(spec.rootfs(&bundle).join(inside.strip_prefix("/").ok()?)),
        }
    }

    async fn clean(&mut self, ledger: &mut dyn Ledger) -> Result<(), Failure> {
        if self.plan.keep == Keep::Source {
            return Ok(());
        }
        let (root, id) = (self.container.root.as_deref(), &self.container.id);
        let state = self.runtime.state(root, id).await.unwrap_or(None);
        if state.is_some_and(|state| state.init().is_some()) {
            // The run's container is dead: this is another one, which took its id.
            tracing::warn!(id, "a container of the same id was started here since");
            return Ok(());
        }
        delete(self.runtime, root, id).await?;
        let bundle: Option<PathBuf> = ledger::recall(&*ledger, BUNDLE);
        trees::leave(&self.plan, bundle.as_deref(), &self.notes)
    }

    fn proposed_trees(&self) -> Vec<ProposedTree> {
        let Some(About { bundle, spec, .. }) = &self.about else {
            return Vec::new();
        };
        let rootfs = (spec.rootfs(bundle), "its root file system".to_owned());
        let binds = spec.binds(bundle).into_iter().map(|(inside, path)| {
            let why = format!("mounted on {}", inside.display());
            (path, why)
        });
        let covered = trees::covered(&self.plan, Some(bundle));
        std::iter::once(rootfs)
            .chain(binds)
            .filter(|(path, _)| !covered.iter().any(|covered| path.starts_with(covered)))
            // Every host has these of its own.
            .filter(|(path, _)| {
                !["/proc", "/sys", "/dev"]
                    .iter()
                    .any(|own| path.starts_with(own))
            })
            .map(|(path, why)| {
                let inside = path.strip_prefix(bundle).ok();
                let inside = inside.filter(|inside| !inside.as_os_str().is_empty());
                let path = inside.map_or_else(|| path.clone(), Path::to_owned);
                ProposedTree { path, why }
            })
            .collect()
    }

    fn files(&mut self, root: Task) -> Result<Option<Box<dyn FileSource>>, Failure> {
        let bundle = self.about.as_ref().map(|about| about.bundle.as_path());
        trees::source(&self.plan, bundle, root)
    }
}
