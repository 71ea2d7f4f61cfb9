//! The effective plan: every key with its value, defaults filled in. No text, no spans.
//!
//! The planner makes it from YAML; it travels to the target and into the journal as JSON.

mod cutover;
mod memory;
mod units;
mod workload;

pub use cutover::{Gate, Hooks, Keep, OnFailure, Retry, StateHooks, Verify};
pub use memory::{Converge, Memory, Otherwise, RestoreMode, Strategy, Tracker};
pub use units::{Bytes, Millis, Percent, Rate};
pub use workload::{
    Address, Cgroups, Checks, Container, Criu, FileSet, Haul, Network, Pid, PidSource, Target, Tcp,
    Waiver,
};

use serde::{Deserialize, Serialize};

/// One migration, as reviewed: what is hauled, where to, how, and what to do when it fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Version of the plan's schema; 1.
    pub version: u32,
    /// The plan's name, for people and reports.
    pub name: String,
    /// The workload.
    pub haul: Haul,
    /// Where it goes.
    pub to: Target,
    /// How the bytes travel.
    pub transport: Transport,
    /// How its memory is moved.
    pub memory: Memory,
    /// Which files are moved with it.
    pub files: Vec<FileSet>,
    /// What happens to its connections and addresses.
    pub network: Network,
    /// How CRIU is set up.
    pub criu: Criu,
    /// Which preflight checks are passed over.
    pub checks: Checks,
    /// Whether a person is asked before the freeze.
    pub gate: Gate,
    /// What must hold on the target before the run counts as done.
    pub verify: Vec<Verify>,
    /// Commands around states.
    pub hooks: Hooks,
    /// How often a lost attempt is repeated.
    pub retry: Retry,
    /// What a failure before the commit leads to.
    pub on_failure: OnFailure,
    /// What stays after success.
    pub keep: Keep,
}

/// The transport of a plan: exactly one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// QUIC with mutual raw public keys.
    Quic(Quic),
}

/// Settings of the QUIC transport.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quic {
    /// Bulk streams in parallel, 1 to 64.
    pub streams: u32,
    /// Upper limit for all bulk streams together.
    pub rate: Option<Rate>,
    /// Compression of bulk data.
    pub compression: Compression,
}

/// Compression of bulk data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compression {
    /// Chunk by chunk: compressed where that makes the chunk smaller.
    Auto,
    /// Never.
    Off,
    /// LZ4.
    Lz4,
    /// Zstandard.
    Zstd,
}

impl Default for Quic {
    fn default() -> Self {
        Self {
            streams: 4,
            rate: None,
            compression: Compression::Auto,
        }
    }
}

impl Plan {
    /// A plan with every default, for the given workload and target.
    pub fn new(name: impl Into<String>, haul: Haul, to: Target) -> Self {
        Self {
            version: 1,
            name: name.into(),
            haul,
            to,
            transport: Transport::Quic(Quic::default()),
            memory: Memory::default(),
            files: Vec::new(),
            network: Network::default(),
            criu: Criu::default(),
            checks: Checks::default(),
            gate: Gate::None,
            verify: Vec::new(),
            hooks: Hooks::default(),
            retry: Retry::default(),
            on_failure: OnFailure::Rollback,
            keep: Keep::None,
        }
    }
}
