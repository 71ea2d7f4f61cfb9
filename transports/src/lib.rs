//! How phaul's two sides reach each other.

mod codec;
pub mod keys;
pub mod wire;
