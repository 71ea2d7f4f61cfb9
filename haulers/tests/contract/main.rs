//! What a hauler promises, seen on the two hosts of a lab: `PHAUL_LAB=NAME cargo test -p
//! phaul-haulers --features contract --test contract -- --test-threads 1`, after the programs
//! and the example `haul-probe` were built and the lab was brought up.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may panic and talk"
)]

mod lab;
mod source;
mod target;
