//! A process with all its descendants, known by the pid of its root.

mod identity;
mod source;
mod target;

pub(crate) use identity::identity;
pub(crate) use source::PidSource;
pub(crate) use target::PidTarget;
