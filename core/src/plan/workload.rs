//! What is hauled, where to, and its surroundings: files, network, CRIU, checks.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The workload of a plan: exactly one hauler.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Haul {
    /// A process with all its descendants.
    Pid(Pid),
    /// A container of runc.
    Runc(Container),
    /// A container of crun.
    Crun(Container),
    /// A container of podman.
    Podman(Container),
    /// A container of docker.
    Docker(Container),
    /// A container of LXC.
    Lxc(Container),
}

/// A process tree, by the pid of its root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Pid {
    /// Where the pid comes from.
    #[serde(flatten)]
    pub root: PidSource,
    /// The tree shares its session and terminal with a shell outside it.
    pub shell_job: bool,
}

/// Where the root's pid comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PidSource {
    /// Given in the plan.
    Pid(i32),
    /// Read from a file when the run starts.
    Pidfile(PathBuf),
}

/// A container, by id (`runc`, `crun`) or name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// Id or name.
    pub id: String,
    /// The runtime's state root, where it is not the default.
    pub root: Option<PathBuf>,
    /// The bundle's directory, where the runtime does not know it.
    pub bundle: Option<PathBuf>,
}

impl Haul {
    /// The hauler's name, as plans write it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Pid(_) => "pid",
            Self::Runc(_) => "runc",
            Self::Crun(_) => "crun",
            Self::Podman(_) => "podman",
            Self::Docker(_) => "docker",
            Self::Lxc(_) => "lxc",
        }
    }
}

/// The section `to` of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// `host:port` of the target's agent.
    pub agent: String,
    /// The trusted peer that the agent must prove to be.
    pub identity: String,
    /// The workload's id there, where it differs.
    pub id: Option<String>,
    /// Where host paths live there, where they differ.
    pub paths: BTreeMap<PathBuf, PathBuf>,
}

/// One entry of the section `files`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileSet {
    /// A tree that is copied in rounds.
    Tree {
        /// Its root.
        path: PathBuf,
        /// Patterns of what is left out.
        exclude: Vec<String>,
    },
    /// A tree that both hosts mount.
    Shared {
        /// Its root.
        path: PathBuf,
    },
    /// Nothing.
    None,
}

/// The section `network` of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Network {
    /// What happens to established connections.
    pub tcp: Tcp,
    /// Addresses that move at the cut-over.
    pub addresses: Vec<Address>,
}

/// What happens to established TCP connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum Tcp {
    /// They move with the workload.
    Keep,
    /// They are closed.
    Close,
    /// A workload that has one is not moved.
    #[default]
    Refuse,
}

/// An address that moves at the cut-over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// Address and prefix length.
    pub ip: String,
    /// The interface at the source.
    pub from: String,
    /// The interface at the target.
    pub to: String,
}

/// The section `criu` of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Criu {
    /// What CRIU does about cgroups.
    pub cgroups: Cgroups,
    /// Further lines for CRIU's configuration.
    pub options: Vec<String>,
}

/// What CRIU does about cgroups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum Cgroups {
    /// phaul chooses.
    #[default]
    Auto,
    /// Made and set as they were.
    Full,
    /// Properties are set only where CRIU made the cgroup.
    Soft,
    /// They must exist.
    Strict,
    /// Left alone.
    Ignore,
}

/// The section `checks` of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Checks {
    /// Ids of checks that are passed over.
    pub waive: Vec<Waiver>,
}

/// A check that is passed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Waiver(pub String);

impl Checks {
    /// Whether the check with this id is passed over.
    pub fn waives(&self, id: &str) -> bool {
        self.waive.iter().any(|waiver| waiver.0 == id)
    }
}
