//! A process tree that is dumped and held at the source, restored and held at the target: the
//! part of a hauler that is the same for every kind of workload.
//!
//! Both sides hold the tasks with CRIU's action script ([`crate::criu::hold`]). At the source the
//! hold does not depend on CRIU's life: the workload's own cgroup is frozen, or, where it has
//! none, every held task has a SIGSTOP waiting, so that a task whose tracer is gone stops before
//! it gets back to its own code. At the target everything that is restored lives in cgroups of
//! the run, so that it can be killed whatever has died.

mod freeze;
mod held;
pub(crate) mod kind;
mod release;
mod settle;
#[cfg(test)]
mod settle_tests;
mod source;
mod target;

pub(crate) use source::TreeSource;
pub(crate) use target::TreeTarget;
