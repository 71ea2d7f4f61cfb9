//! Tests on two hosts of the lab: root, and the programs built before (`cargo lab test` does both).
#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

mod lab;
mod workloads;
