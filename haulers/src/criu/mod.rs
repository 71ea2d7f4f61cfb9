//! CRIU: talking to it, setting it up, being called by it, and saying what it complains of.

pub mod cache;
pub mod config;
pub mod desk;
pub mod hold;
pub mod log;
pub mod meanings;
pub mod rpc;
pub mod verdict;

/// CRIU's own messages, as far as phaul speaks them.
#[expect(missing_docs, unreachable_pub, reason = "generated from proto/criu.proto")]
pub mod proto {
    include!(concat!(env!("OUT_DIR"), "/criu.rs"));
}
