//! The source's checks of a container, and what it tells the target.

use super::look::Look;
use super::source::describe_tasks;
use super::{
    addresses, bundle, criu_options, criu_refuses, criu_usable, files_present, files_source, locks,
    off_runtime, peer_loopback, rlimits, runtime, space, tcp, unix_peers, workload,
};
use crate::cgroup;
use crate::criu::rpc::CriuVersion;
use crate::kinds::container::{About, Network, Runtime, limits};
use crate::manifest::{Container, Manifest, Tree};
use crate::network::{self, Described, Netns};
use crate::tasks::Task;
use phaul_core::executor::ports::Inspection;
use phaul_core::failure::Failure;
use phaul_core::graph::Side;
use phaul_core::plan::{Plan, Tcp};
use phaul_core::report::Check;
use std::path::{Path, PathBuf};

/// What is looked at.
struct Looked {
    plan: Plan,
    runtime: Runtime,
    about: About,
    root: Task,
    directory: PathBuf,
    version: String,
    network: Option<Described>,
}

/// Looks at the container and this host. Touches nothing.
pub(crate) async fn inspect(
    plan: &Plan,
    runtime: Runtime,
    about: &About,
    root: Task,
    directory: &Path,
) -> Result<Inspection, Failure> {
    let (usable, criu) = criu_usable::check(Side::Source).await;
    let network = match about.spec.network() {
        Network::Own | Network::At(_) => {
            let [own, host] = [Netns::of_task(root.pid)?, Netns::own()?];
            Some(network::describe(&own, &host).await?)
        }
        Network::Host => None,
    };
    let looked = Looked {
        plan: plan.clone(),
        runtime,
        about: about.clone(),
        root,
        directory: directory.to_owned(),
        version: runtime.version().await?,
        network,
    };
    let mut inspection = off_runtime(move || looked.inspection(usable, criu)).await??;
    inspection
        .checks
        .extend(addresses::check(Side::Source, plan).await);
    Ok(inspection)
}

impl Looked {
    fn inspection(self, usable: Check, criu: Option<CriuVersion>) -> Result<Inspection, Failure> {
        let look = Look::at(self.root.pid)?;
        let (trees, shared, files) = files_source::look(&self.plan, Some(&self.about.bundle));
        let mut manifest = self.describe(&look, &trees, criu);
        (manifest.trees, manifest.shared) = (trees, shared);
        let cgroup = cgroup::of(self.root.pid);
        let (plan, spec) = (&self.plan, &self.about.spec);
        let mut checks = vec![
            workload::source(self.root.pid, &look),
            files,
            usable,
            criu_options::check(plan),
            runtime::container(self.runtime, plan, spec),
            bundle::mounts_at_source(&self.about.bundle, spec),
            runtime::members(cgroup.as_deref(), &look.pids()),
            criu_refuses::check(&look),
            tcp::check(&look, plan.network.tcp),
            unix_peers::check(&look),
            locks::check(&look, &plan.files),
            rlimits::check(&look),
            files_present::source(&look, manifest.files.len()),
            space::check(Side::Source, manifest.image_bytes, &self.directory),
        ];
        if plan.network.tcp == Tcp::Keep {
            checks.push(peer_loopback::check(&look));
        }
        if let Some(described) = &self.network {
            checks.push(super::network::source(described));
        }
        Ok(Inspection {
            manifest: manifest.opaque()?,
            checks,
        })
    }

    fn describe(&self, look: &Look, trees: &[Tree], criu: Option<CriuVersion>) -> Manifest {
        let (bundle, spec) = (&self.about.bundle, &self.about.spec);
        let mut manifest = describe_tasks(look, criu);
        if spec.has("pid") {
            // They are numbers of its own namespace.
            manifest.ids.clear();
        }
        let rootfs = spec.rootfs(bundle);
        if !trees.iter().any(|tree| rootfs.starts_with(&tree.path)) {
            manifest.files = files_present::collect_below(look, &rootfs, &spec.mounts);
        }
        let cgroup = cgroup::of(self.root.pid);
        manifest.container = Some(Container {
            version: self.version.clone(),
            bundle: bundle.clone(),
            config: self.about.config.clone(),
            limits: cgroup.map(|cgroup| limits(&cgroup)).unwrap_or_default(),
            security: runtime::own_security(),
            network: self.network.clone(),
        });
        manifest
    }
}
