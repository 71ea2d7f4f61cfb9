//! Carries a graph out: the loop, the ports through which it meets the world, the deadlines.

pub mod agent;
mod aside;
mod command;
pub mod deadlines;
mod driver;
mod feeding;
mod hooks;
mod inbox;
mod judging;
mod line;
mod ordered;
pub mod ports;
pub mod probe;
mod reading_files;
mod receiving;
mod receiving_files;
mod recorder;
mod run_task;
mod sending;
mod sending_files;
pub mod source;
mod target;

pub use command::Command;
pub use driver::Incoming;
pub use recorder::Recorder;
