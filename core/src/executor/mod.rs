//! Carries a graph out: the loop, the ports through which it meets the world, the deadlines.

pub mod agent;
pub mod deadlines;
mod driver;
mod hooks;
mod line;
pub mod ports;
mod receiving;
mod recorder;
pub mod source;
mod target;

pub use driver::{Command, Incoming};
pub use recorder::Recorder;
