//! Where a lab lives: every path and name follows from the lab's name.
//!
//! `/run/phaul-lab/NAME` knows what `down` needs (it is gone after a reboot, like everything it
//! speaks of), the data directory beneath the cache holds what is big.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use super::Side;
use super::error::{Error, Result};

/// Holds one directory for each lab that is up.
const STATE_ROOT: &str = "/run/phaul-lab";

/// The paths of one lab.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(crate) name: String,
    /// Small, lost at a reboot: pids, the switch's namespace.
    pub(crate) state: PathBuf,
    /// Big, on a real file system: overlays, the shared directory, the programs, logs.
    pub(crate) data: PathBuf,
}

impl Layout {
    /// Of a lab that is to come up.
    pub(crate) fn new(name: &str) -> Result<Self> {
        let valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty() || name.len() > 32 || !name.chars().all(valid) {
            return Err(Error::BadName(name.to_owned()));
        }
        let state = Path::new(STATE_ROOT).join(name);
        Ok(Self {
            name: name.to_owned(),
            state,
            data: cache()?.join("labs").join(name),
        })
    }

    /// Of a lab that is up, or was left half up: its data may lie beneath another cache than this
    /// process would use.
    pub(crate) fn existing(name: &str) -> Result<Self> {
        let mut layout = Self::new(name)?;
        if let Ok(text) = fs::read_to_string(layout.data_note()) {
            layout.data = PathBuf::from(text);
        }
        Ok(layout)
    }

    /// The names of all labs that have state on this machine.
    pub(crate) fn names() -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(STATE_ROOT)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        names.sort();
        names
    }

    /// Says where [`Layout::data`] is.
    pub(crate) fn data_note(&self) -> PathBuf {
        self.state.join("data")
    }

    /// Exists once the lab is wholly up.
    pub(crate) fn ready_note(&self) -> PathBuf {
        self.state.join("ready")
    }

    /// The process that the lab belongs to, when a test made it.
    pub(crate) fn owner_note(&self) -> PathBuf {
        self.state.join("owner.pid")
    }

    /// The first process of a host.
    pub(crate) fn init_note(&self, side: Side) -> PathBuf {
        self.state.join(format!("{side}.pid"))
    }

    /// The network namespace between the hosts, mounted on this file.
    pub(crate) fn switch(&self) -> PathBuf {
        self.state.join("switch")
    }

    /// The client's network namespace, mounted on this file.
    pub(crate) fn client(&self) -> PathBuf {
        self.state.join("client")
    }

    /// The programs as they were when the lab came up: `/opt/phaul` in the hosts.
    pub(crate) fn programs(&self) -> PathBuf {
        self.data.join("programs")
    }

    /// `/shared` in the hosts.
    pub(crate) fn shared(&self) -> PathBuf {
        self.data.join("shared")
    }

    /// What belongs to one host alone.
    pub(crate) fn host(&self, side: Side) -> PathBuf {
        self.data.join(side.name())
    }

    /// What a host's first process says before it is ready.
    pub(crate) fn init_log(&self, side: Side) -> PathBuf {
        self.host(side).join("init.log")
    }

    /// The name of a host's cgroup.
    pub(crate) fn cgroup_name(&self, side: Side) -> String {
        format!("phaul-lab-{}-{side}", self.name)
    }
}

/// Where rootfs and lab data are kept: `PHAUL_LAB_DIR`, else `phaul-lab` beneath the user's cache
/// directory.
pub(crate) fn cache() -> Result<PathBuf> {
    let set = |name: &str| {
        env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let directory = set("PHAUL_LAB_DIR")
        .or_else(|| set("XDG_CACHE_HOME").map(|cache| cache.join("phaul-lab")))
        .or_else(|| set("HOME").map(|home| home.join(".cache/phaul-lab")))
        .ok_or_else(|| {
            Error::Unfit("set HOME or PHAUL_LAB_DIR: the lab must keep its rootfs somewhere".into())
        })?;
    let directory = std::path::absolute(&directory).map_err(Error::file("resolve", &directory))?;
    // The paths become options of an overlay mount, where these characters separate.
    if directory.to_string_lossy().contains([',', ':', '\\']) {
        return Err(Error::Unfit(format!(
            "{} holds one of `,` `:` `\\`: set PHAUL_LAB_DIR to another directory",
            directory.display()
        )));
    }
    Ok(directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_leave_their_directory_are_refused() {
        for name in ["", "..", "a/b", "A", "a b", "x".repeat(33).as_str()] {
            assert!(
                matches!(Layout::new(name), Err(Error::BadName(_))),
                "{name:?}"
            );
        }
        assert!(Layout::new("dev-2").is_ok());
    }

    #[test]
    fn two_labs_share_no_name() {
        let (one, two) = (Layout::new("one").unwrap(), Layout::new("two").unwrap());
        assert_ne!(one.data, two.data);
        assert_ne!(one.state, two.state);
        assert_ne!(one.cgroup_name(Side::A), two.cgroup_name(Side::A));
        assert_ne!(one.cgroup_name(Side::A), one.cgroup_name(Side::B));
    }
}
