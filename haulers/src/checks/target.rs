//! The checks of the target.
use crate::manifest::Manifest;
use phaul_core::failure::Failure;
use phaul_core::plan::Plan;
use phaul_core::protocol::Manifest as Opaque;
use phaul_core::report::Check;
use std::path::Path;

/// Looks at this host.
pub(crate) async fn check(
    _plan: &Plan,
    manifest: &Opaque,
    _directory: &Path,
) -> Result<Vec<Check>, Failure> {
    Manifest::read(manifest)?;
    Ok(vec![])
}
