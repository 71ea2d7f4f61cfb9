//! The heart of phaul: what a plan means, the graph it compiles to, the pure machine of
//! both sides, the executor that carries it out through ports, the journal and the report.
//!
//! No YAML, no network sockets and no CRIU in here: those come in through the ports of
//! [`executor::ports`].

pub mod executor;
pub mod failure;
pub mod graph;
pub mod journal;
pub mod machine;
pub mod plan;
pub mod protocol;
pub mod report;
pub mod resource;
pub mod run;
