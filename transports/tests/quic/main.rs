//! The QUIC transport over loopback: it keeps the contract of links, and whatever a caller or
//! an agent does wrong is refused in the right words and harms nobody else.

#![expect(clippy::unwrap_used, reason = "in helpers of tests as in tests")]

mod agent;
mod contract;
mod fixture;
mod link;
mod raw;
mod relay;
mod rogue;
mod trust;
