//! How phaul's two sides reach each other.
//!
//! [`quic`] is the real thing, with the identities of [`keys`]; [`in_process`] has the same
//! ports over channels, for tests. Both pass the same suite, `contract` (a feature). [`wire`]
//! has the bytes.

mod codec;
#[cfg(feature = "contract")]
pub mod contract;
pub mod in_process;
pub mod keys;
mod life;
pub mod quic;
mod rate;
pub mod wire;
