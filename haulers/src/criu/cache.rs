//! What CRIU leaves behind on a host: its cache of what the kernel can do.
//!
//! CRIU writes `/run/criu.kdat` when it first has to know what the kernel can do. A run that
//! made it takes it away again; one that was there before stays.

use crate::ledger;
use phaul_core::executor::ports::{Ledger, Resource};
use phaul_core::failure::Failure;
use std::fs;
use std::path::{Path, PathBuf};

/// Where CRIU keeps it, and the name under which it writes it first.
const CACHE: [&str; 2] = ["/run/criu.kdat", "/run/criu.kdat.tmp"];

/// Records CRIU's cache as made by this run, if it is not there yet.
pub(crate) fn account(ledger: &mut dyn Ledger) -> Result<(), Failure> {
    for path in CACHE.map(PathBuf::from) {
        let resource = Resource::File { path: path.clone() };
        ledger::account(ledger, &path, resource)?;
    }
    Ok(())
}

/// Takes CRIU's cache away at the end of a look that must leave nothing behind, unless it was
/// there when the look began.
#[derive(Debug)]
pub(crate) struct Untouched {
    missing: Vec<&'static Path>,
}

impl Untouched {
    /// Remembers what is there.
    pub(crate) fn remember() -> Self {
        let paths = CACHE.into_iter().map(Path::new);
        Self {
            missing: paths.filter(|path| !path.exists()).collect(),
        }
    }
}

impl Drop for Untouched {
    fn drop(&mut self) {
        for path in &self.missing {
            // Not there is as good as removed.
            let _ = fs::remove_file(path);
        }
    }
}
