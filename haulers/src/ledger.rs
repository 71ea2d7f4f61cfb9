//! What haulers do with their ledger again and again.

use phaul_core::executor::ports::{Ledger, Resource};
use phaul_core::failure::Failure;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::Path;

/// Records a resource before it is made, unless an earlier attempt of the run has done so.
pub(crate) fn make_once(ledger: &mut dyn Ledger, resource: Resource) -> Result<(), Failure> {
    match ledger.standing().contains(&resource) {
        true => Ok(()),
        false => ledger.make(resource),
    }
}

/// Records what another program will make at this path, unless something is there already: that
/// is not the run's.
pub(crate) fn account(
    ledger: &mut dyn Ledger,
    path: &Path,
    resource: Resource,
) -> Result<(), Failure> {
    match path.exists() {
        true => Ok(()),
        false => make_once(ledger, resource),
    }
}

/// Notes something down under a name.
pub(crate) fn fact<T: Serialize + ?Sized>(
    ledger: &mut dyn Ledger,
    name: &str,
    what: &T,
) -> Result<(), Failure> {
    let value = serde_json::to_value(what)
        .map_err(|error| Failure::new("ledger", format!("cannot note `{name}`: {error}")))?;
    ledger.fact(name, value)
}

/// What was noted down last under a name. Something that cannot be read counts as missing:
/// a hauler then goes by what it sees.
pub(crate) fn recall<T: DeserializeOwned>(ledger: &dyn Ledger, name: &str) -> Option<T> {
    let value = ledger.recall(name)?;
    serde_json::from_value(value)
        .inspect_err(|error| tracing::warn!(name, %error, "a note cannot be read"))
        .ok()
}
