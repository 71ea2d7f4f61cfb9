//! Messages on the control stream.

pub use super::decode::{Decoded, decode};
pub use super::encode::encode;

#[cfg(test)]
mod tests;
