//! Where the programs are that haulers call.

use std::path::PathBuf;

/// Where one is looked for besides `PATH`: a service's `PATH` may lack these.
const SUPERUSER_PATH: [&str; 4] = ["/usr/sbin", "/usr/local/sbin", "/sbin", "/usr/bin"];

/// The program of this name, if it is installed.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(SUPERUSER_PATH.iter().map(PathBuf::from))
        .map(|directory| directory.join(name))
        .find(|program| program.is_file())
}
