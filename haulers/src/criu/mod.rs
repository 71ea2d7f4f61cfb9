//! CRIU: talking to it, setting it up, being called by it, and saying what it complains of.

pub(crate) mod cache;
pub(crate) mod call;
pub(crate) mod config;
pub(crate) mod desk;
pub(crate) mod hold;
#[cfg(test)]
mod hold_tests;
pub(crate) mod job;
pub(crate) mod log;
pub(crate) mod meanings;
pub(crate) mod rpc;
pub(crate) mod verdict;
pub(crate) mod watch;

/// CRIU's own messages, as far as phaul speaks them.
#[expect(unreachable_pub, reason = "generated from proto/criu.proto")]
pub mod proto {
    include!(concat!(env!("OUT_DIR"), "/criu.rs"));
}
