//! Messages on the control stream.

mod decode;
mod encode;

pub use decode::{Decoded, decode};
pub use encode::encode;

#[cfg(test)]
mod strategies;
#[cfg(test)]
mod tests;
