//! Tests on two hosts of the lab: root, and the programs built before (`cargo lab test` does both).
#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

mod by_hand;
mod containers;
mod hooks;
mod lab;
mod moving;
mod peers;
mod refused;
mod report;
mod resolve;
mod steering;
mod usage;
mod workloads;
