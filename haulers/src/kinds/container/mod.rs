//! A container of an OCI runtime: `runc` or `crun`, known by its id.
//!
//! The runtime's own commands dump and restore, so that its state is its own doing: `list`,
//! `exec`, `kill` and `delete` work on the target afterwards. Its CRIU is set up through CRIU's
//! configuration ([`crate::criu::call`]), with phaul's action script to hold it.

mod bundle;
mod cgroups;
mod options;
mod runtime;
mod source;
mod spec;
mod target;

pub(crate) use bundle::{config as mapped_config, mapped};
pub(crate) use cgroups::{
    available as controllers_here, controllers, is_known as is_limit, limits,
};
pub(crate) use runtime::{Runtime, check_id, delete};
pub(crate) use source::{About, ContainerSource};
pub(crate) use spec::{CONFIG_MAX, Mount, Network, Spec};
pub(crate) use target::{ContainerTarget, home};

use phaul_core::plan::Container;

/// A text that names the container: the same for two plans exactly when they haul the same one.
pub(crate) fn identity(runtime: Runtime, container: &Container) -> String {
    let root = runtime.root(container.root.as_deref());
    format!("{} {} in {}", runtime.name(), container.id, root.display())
}
