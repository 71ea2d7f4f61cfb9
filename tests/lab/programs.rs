//! The binaries that the hosts run: copies of those built, so that a build does not change what a
//! lab runs.

use std::fs;
use std::path::{Path, PathBuf};

use super::error::{Error, Result};
use super::layout::Layout;

/// The lab's own binary: it is the first process of each host, and starts workloads in them.
const LAB: &str = "lab";

/// The product. A lab without it is of use, too.
const PHAUL: &str = "phaul";

/// What the names of workloads begin with.
const WORKLOAD: &str = "wl-";

/// Copies phaul, the workloads and the lab itself into the lab `layout`; gives the lab's own copy.
pub(crate) fn copy(layout: &Layout) -> Result<PathBuf> {
    let built = directory()?;
    let programs = layout.programs();
    fs::create_dir_all(&programs).map_err(Error::file("create", &programs))?;
    for entry in fs::read_dir(&built)
        .map_err(Error::file("read", &built))?
        .flatten()
    {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let wanted =
            name == LAB || name == PHAUL || name.starts_with(WORKLOAD) && !name.contains('.');
        if wanted {
            let to = programs.join(name);
            fs::copy(entry.path(), &to).map_err(Error::file("copy a program to", to))?;
        }
    }
    let own = programs.join(LAB);
    if own.exists() {
        return Ok(own);
    }
    Err(Error::Unfit(format!(
        "no `{LAB}` in {}: `cargo build --package phaul-tests --bins`",
        built.display()
    )))
}

/// Where cargo put the binaries: beside this one, or one up when this is a test.
fn directory() -> Result<PathBuf> {
    let own = std::env::current_exe().map_err(Error::file("read", "/proc/self/exe"))?;
    let beside = own.parent().unwrap_or(Path::new("/"));
    let above = beside
        .file_name()
        .is_some_and(|name| name == "deps")
        .then(|| beside.parent())
        .flatten();
    Ok(above.unwrap_or(beside).to_path_buf())
}
