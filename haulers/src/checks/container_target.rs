//! The target's checks of a container.

use super::{
    addresses, bundle, cgroup, cpu, criu_usable, criu_version, files_place, files_present, kernel,
    namespaces, network, off_runtime, pid_free, runtime, space,
};
use crate::kinds::container::{Runtime, Spec};
use crate::left::Notes;
use crate::manifest::Manifest;
use phaul_core::failure::Failure;
use phaul_core::graph::Side;
use phaul_core::plan::Plan;
use phaul_core::protocol::Manifest as Opaque;
use phaul_core::report::Check;
use std::path::Path;

/// Looks at this host for the container, which will have this id. Touches nothing.
pub(crate) async fn check(
    plan: &Plan,
    kind: Runtime,
    id: &str,
    root: Option<&Path>,
    manifest: &Opaque,
    directory: &Path,
) -> Result<Vec<Check>, Failure> {
    let manifest = Manifest::read(manifest)?;
    let container = manifest.container()?.clone();
    let spec = Spec::read(&container.config)?;
    let (usable, version) = criu_usable::check(Side::Target).await;
    let mut checks = vec![
        usable,
        criu_version::check(manifest.criu, version),
        runtime::check(kind, &container.version).await,
        runtime::id(kind, root, id, &spec).await,
    ];
    if let Some(described) = &container.network {
        checks.push(network::target(plan, &spec, described).await);
    }
    checks.extend(addresses::check(Side::Target, plan).await);
    let (plan, directory) = (plan.clone(), directory.to_owned());
    let look = off_runtime(move || {
        let notes = Notes::near(&directory);
        let trees = &manifest.trees;
        vec![
            kernel::check(&manifest),
            cpu::check(&manifest.cpu_features),
            namespaces::target(),
            cgroup::check(),
            runtime::cgroups(&container),
            runtime::security(&container, &spec),
            pid_free::check(&manifest.ids),
            bundle::check(&plan, &container, &spec, trees, &notes),
            bundle::mounts(&plan, &container, &spec, trees),
            files_place::check(&plan, trees, &notes),
            files_place::space(&plan, trees),
            files_place::shared(&plan, &manifest),
            files_present::target(&plan, &manifest),
            space::check(Side::Target, manifest.image_bytes, &directory),
        ]
    });
    checks.extend(look.await?);
    Ok(checks)
}
