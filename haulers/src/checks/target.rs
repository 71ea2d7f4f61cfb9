//! The target's checks.

use super::{
    addresses, cgroup, cpu, criu_usable, criu_version, files_place, files_present, kernel,
    namespaces, off_runtime, pid_free, space, workload,
};
use crate::left::Notes;
use crate::manifest::Manifest;
use phaul_core::failure::Failure;
use phaul_core::graph::Side;
use phaul_core::plan::Plan;
use phaul_core::protocol::Manifest as Opaque;
use phaul_core::report::Check;
use std::path::Path;

/// Looks at this host for the workload. Touches nothing.
pub(crate) async fn check(
    plan: &Plan,
    manifest: &Opaque,
    directory: &Path,
) -> Result<Vec<Check>, Failure> {
    let manifest = Manifest::read(manifest)?;
    let (usable, version) = criu_usable::check(Side::Target).await;
    let addresses = addresses::check(Side::Target, plan).await;
    let (plan, directory) = (plan.clone(), directory.to_owned());
    let look = off_runtime(move || {
        vec![
            usable,
            criu_version::check(manifest.criu, version),
            kernel::check(&manifest),
            cpu::check(&manifest.cpu_features),
            workload::target(&manifest),
            namespaces::target(),
            cgroup::check(),
            pid_free::check(&manifest.ids),
            files_place::check(&plan, &manifest.trees, &Notes::near(&directory)),
            files_place::space(&plan, &manifest.trees),
            files_place::shared(&plan, &manifest),
            files_present::target(&plan, &manifest),
            space::check(Side::Target, manifest.image_bytes, &directory),
        ]
    });
    let mut checks = look.await?;
    checks.extend(addresses);
    Ok(checks)
}
