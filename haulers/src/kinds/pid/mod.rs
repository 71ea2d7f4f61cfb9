//! A process with all its descendants, known by the pid of its root.
//!
//! Both sides hold the tasks with CRIU's action script ([`crate::criu::hold`]). At the source
//! every held task also has a SIGSTOP waiting, so that the hold does not depend on CRIU's
//! life: a task whose tracer is gone stops before it gets back to its own code. At the target
//! everything that is restored lives in a cgroup of the run, so that it can be killed whatever
//! has died.

mod claim;
mod freeze;
mod held;
mod identity;
mod release;
mod settle;
mod source;
mod target;

pub(crate) use identity::identity;
pub(crate) use source::PidSource;
pub(crate) use target::PidTarget;
