//! Shared by the lab, the workloads and the tests that need more than one crate.

pub mod lab;
pub mod rig;
pub mod workloads;

pub use workloads::ledger;
