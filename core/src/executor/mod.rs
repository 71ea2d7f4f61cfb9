//! Carries a graph out: the loop, the ports through which it meets the world, the deadlines.

pub mod agent;
mod aside;
mod command;
pub mod deadlines;
mod driver;
mod hooks;
mod inbox;
mod judging;
mod line;
pub mod ports;
mod receiving;
mod recorder;
mod run_task;
mod sending;
pub mod source;
mod target;

pub use command::Command;
pub use driver::Incoming;
pub use recorder::Recorder;
