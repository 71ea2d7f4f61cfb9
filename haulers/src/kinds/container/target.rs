//! A container at the target.

use super::bundle;
use super::cgroups;
use super::options;
use super::runtime::{Runtime, check_id, delete};
use super::spec::{Network, Spec};
use crate::attempt::{make_empty_directory, missing_above};
use crate::cgroup;
use crate::checks;
use crate::criu::call::{self, Call, Called, Home};
use crate::criu::config::{self, Besides};
use crate::criu::job::{Job, Work};
use crate::files::TargetTree;
use crate::ledger;
use crate::manifest::{self, Manifest};
use crate::places;
use crate::tasks::Task;
use crate::tree::kind::{OwnNetwork, TargetKind};
use async_trait::async_trait;
use phaul_core::executor::ports::{FileSink, Ledger, Resource};
use phaul_core::failure::Failure;
use phaul_core::plan::{Container, Plan};
use phaul_core::protocol::Manifest as Opaque;
use phaul_core::report::Check;
use phaul_core::run::RunId;
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Under this name what the source said of the container is noted down.
const ABOUT: &str = "container";

/// The target's half of the haulers of containers.
#[derive(Debug)]
pub(crate) struct ContainerTarget {
    plan: Plan,
    run: RunId,
    runtime: Runtime,
    container: Container,
    exe: PathBuf,
    /// Where the copied trees are put, from reserving on.
    trees: Vec<TargetTree>,
}

impl ContainerTarget {
    /// The kind of a run; `exe` is phaul itself.
    pub(crate) fn new(
        plan: &Plan,
        run: &RunId,
        runtime: Runtime,
        container: &Container,
        exe: PathBuf,
    ) -> Self {
        Self {
            plan: plan.clone(),
            run: run.clone(),
            runtime,
            container: container.clone(),
            exe,
            trees: Vec::new(),
        }
    }

    /// The container's id here.
    fn id(&self) -> &str {
        self.plan.to.id.as_ref().unwrap_or(&self.container.id)
    }

    /// The directory of the runtime's states here, where it is not the default.
    fn root(&self) -> Option<&Path> {
        self.container.root.as_deref()
    }

    fn resource(&self) -> Resource {
        Resource::Container {
            runtime: self.runtime.name().to_owned(),
            root: self.container.root.clone(),
            id: self.id().to_owned(),
        }
    }

    /// What the source said of the container.
    fn about(&self, ledger: &dyn Ledger) -> Result<manifest::Container, Failure> {
        ledger::recall(ledger, ABOUT).ok_or_else(|| {
            Failure::new("manifest", "what the source said of the container is lost")
        })
    }

    async fn nobody_is_there(&self, spec: &Spec) -> Result<(), Failure> {
        let taken = |what: String| Err(Failure::new("container-taken", what));
        if self.runtime.state(self.root(), self.id()).await?.is_some() {
            return taken(format!("there is a container {} here", self.id()));
        }
        match home(spec, self.id()) {
            Some(home) if !cgroup::all_members(&home).is_empty() => {
                taken(format!("there are processes in {}", home.display()))
            }
            _ => Ok(()),
        }
    }

    fn bundle(&self, about: &manifest::Container) -> PathBuf {
        bundle::mapped(&self.plan.to.paths, &about.bundle)
    }
}

#[async_trait]
impl TargetKind for ContainerTarget {
    async fn check(&mut self, manifest: &Opaque, directory: &Path) -> Result<Vec<Check>, Failure> {
        checks::container_target::check(
            &self.plan,
            self.runtime,
            self.id(),
            self.root(),
            manifest,
            directory,
        )
        .await
    }

    fn claims(&self, _manifest: &Manifest) -> Vec<String> {
        let root = self.runtime.root(self.root());
        vec![format!("the container {} in {}", self.id(), root.display())]
    }

    async fn reserve(
        &mut self,
        manifest: &Manifest,
        ledger: &mut dyn Ledger,
    ) -> Result<(), Failure> {
        check_id(self.id())?;
        let about = manifest.container()?;
        ledger::fact(ledger, ABOUT, about)?;
        places::prepare(&self.plan, &self.run, &manifest.trees, ledger)?;
        let config = bundle::config(&about.config, &self.plan.to.paths)?;
        let bundle = self.bundle(about);
        places::put_config(
            &self.plan,
            &self.run,
            &bundle,
            &config,
            &manifest.trees,
            ledger,
        )?;
        self.trees = places::targets(&self.plan, &manifest.trees, Some(&about.bundle));
        Ok(())
    }

    async fn restore(
        &mut self,
        attempt: &Path,
        images: &Path,
        cgroup: &Path,
        ledger: &mut dyn Ledger,
    ) -> Result<Job, Failure> {
        let about = self.about(ledger)?;
        let spec = Spec::read(&about.config)?;
        let besides = Besides {
            cgroup: None,
            network: spec.network() == Network::Own,
        };
        config::write(attempt, &self.exe, &self.plan, besides)?;
        call::claim_configs(attempt, ledger)?;
        let resource = self.resource();
        if !ledger.standing().contains(&resource) {
            // Whatever is there now is somebody else's, and is not to be swept away with ours.
            self.nobody_is_there(&spec).await?;
            ledger.make(resource)?;
        }
        self.runtime.account_for_first_things(self.root(), ledger)?;
        let home = home(&spec, self.id());
        if let Some(home) = &home {
            for above in missing_above(home) {
                make_empty_directory(&above, ledger)?;
            }
            cgroup::make(home)?;
        }
        let place = Home {
            cgroup: home.as_deref().unwrap_or(cgroup),
            is_root: home.is_some() && spec.has("cgroup"),
        };
        if spec.has("user") {
            open_up(images)?;
        }
        let bundle = self.bundle(&about);
        // A tree may have brought the source's, in which no path is mapped.
        let config = bundle::config(&about.config, &self.plan.to.paths)?;
        places::correct_config(&bundle, &config)?;
        let mut arguments = self.runtime.global_options(self.root(), attempt);
        let options = [
            "restore".as_ref(),
            "--detach".as_ref(),
            "--image-path".as_ref(),
            images.as_os_str(),
            "--work-path".as_ref(),
            attempt.as_os_str(),
            "--bundle".as_ref(),
            bundle.as_os_str(),
            self.id().as_ref(),
        ];
        arguments.extend(options.map(Into::into));
        let mut called = Called::new(self.runtime.find()?, arguments, &bundle)?;
        let needed = [images, &self.exe, &called.program, &*bundle];
        called.own_tmp = !uses_tmp(&spec, &bundle, &self.plan.to.paths, &needed);
        let lines = options::lines(self.runtime, &self.plan, &spec);
        let config = self.runtime.criu_config();
        call::prepare(attempt, &called, config, &lines, Some((&self.exe, place)))?;
        let call = Call::start(&self.exe, attempt, self.runtime.name())?;
        Ok(Job::runtime(Work::Restore, attempt, call))
    }

    async fn held(&mut self, tasks: &[Task], ledger: &mut dyn Ledger) -> Result<(), Failure> {
        let about = self.about(ledger)?;
        let spec = Spec::read(&about.config)?;
        let Some(home) = home(&spec, self.id()) else {
            return Ok(());
        };
        // crun puts only the first process there, and only at the end.
        cgroup::make(&home)?;
        for task in tasks {
            let entered = cgroup::enter(&home, task.pid);
            entered.map_err(|error| {
                let cause = format!("a process cannot enter {}: {error}", home.display());
                Failure::lost("cgroup-missing", cause)
            })?;
        }
        for failed in cgroups::set(&home, &about.limits) {
            tracing::warn!(
                limit = failed,
                "a limit of the container cannot be set here"
            );
        }
        Ok(())
    }

    async fn sweep(&mut self, ledger: &mut dyn Ledger) -> Result<(), Failure> {
        let resource = self.resource();
        if ledger.standing().contains(&resource) {
            delete(self.runtime, self.root(), self.id()).await?;
            if let Ok(about) = self.about(ledger)
                && let Ok(spec) = Spec::read(&about.config)
                && let Some(home) = home(&spec, self.id())
            {
                cgroup::remove(&home).await?;
            }
            ledger.gone(&resource)?;
        }
        Ok(())
    }

    fn network(&self, ledger: &dyn Ledger) -> Result<Option<OwnNetwork>, Failure> {
        let about = self.about(ledger)?;
        let given = match Spec::read(&about.config)?.network() {
            Network::At(path) => Some(bundle::mapped(&self.plan.to.paths, &path)),
            Network::Own | Network::Host => None,
        };
        let network = about
            .network
            .map(|described| OwnNetwork { described, given });
        Ok(network)
    }

    fn released(&mut self, ledger: &mut dyn Ledger) -> Result<(), Failure> {
        ledger.gone(&self.resource())
    }

    async fn clean(&mut self, ledger: &mut dyn Ledger) -> Result<(), Failure> {
        ledger.gone(&self.resource())?;
        self.runtime.keep_first_things(self.root(), ledger)?;
        places::keep(ledger).await
    }

    fn files(&mut self) -> Result<Option<Box<dyn FileSink>>, Failure> {
        places::sink(&self.trees)
    }
}

/// Whether a restore needs something that is in the host's `/tmp`: what the container has of the
/// host, or one of these paths.
fn uses_tmp(
    spec: &Spec,
    bundle: &Path,
    paths: &BTreeMap<PathBuf, PathBuf>,
    besides: &[&Path],
) -> bool {
    let binds = spec.binds(bundle).into_iter().map(|(_, source)| source);
    let of_container = binds
        .chain([spec.rootfs(bundle)])
        .map(|path| bundle::mapped(paths, &path));
    let besides = besides.iter().map(|path| path.to_path_buf());
    of_container.chain(besides).any(|path| {
        let real = path.canonicalize().unwrap_or_else(|_| path.clone());
        path.starts_with("/tmp") || real.starts_with("/tmp")
    })
}

/// Lets the first process of a container's own user namespace read the images: it opens some of
/// them before it has any id. Nobody else gets there: the run's directory is root's alone.
fn open_up(images: &Path) -> Result<(), Failure> {
    let opened = || -> io::Result<()> {
        fs::set_permissions(images, Permissions::from_mode(0o755))?;
        for entry in fs::read_dir(images)? {
            fs::set_permissions(entry?.path(), Permissions::from_mode(0o644))?;
        }
        Ok(())
    };
    opened().map_err(|error| {
        let cause = format!("{} cannot be made readable: {error}", images.display());
        Failure::new("images-broken", cause)
    })
}

/// The container's cgroup here.
pub(crate) fn home(spec: &Spec, id: &str) -> Option<PathBuf> {
    let root = cgroup::mounted()?;
    let path = Path::new(&spec.linux.cgroups_path);
    if spec.linux.cgroups_path.contains(':') {
        // systemd's to make.
        return None;
    }
    let below = path.strip_prefix("/").unwrap_or(path);
    Some(match below.as_os_str().is_empty() {
        true => root.join(id),
        false => root.join(below),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_needed_of_tmp_is_seen() {
        let spec = |source: &str| {
            let text = format!(
                r#"{{"root": {{"path": "rootfs"}},
                    "mounts": [{{"destination": "/d", "type": "bind", "source": "{source}"}}]}}"#
            );
            Spec::read(&text).unwrap()
        };
        let [bundle, images] = ["/srv/web", "/var/lib/phaul"].map(Path::new);
        let moved = BTreeMap::from([("/data".into(), "/tmp/data".into())]);
        let none = BTreeMap::new();
        assert!(!uses_tmp(&spec("/data"), bundle, &none, &[images]));
        assert!(uses_tmp(&spec("/data"), bundle, &moved, &[images]));
        assert!(uses_tmp(&spec("/tmp/x"), bundle, &none, &[images]));
        assert!(uses_tmp(&spec("/data"), Path::new("/tmp/web"), &none, &[]));
        assert!(uses_tmp(
            &spec("/data"),
            bundle,
            &none,
            &[Path::new("/tmp/phaul")]
        ));
    }
}
