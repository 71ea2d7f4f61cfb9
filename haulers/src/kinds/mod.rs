//! One module a kind of workload.

pub(crate) mod container;
pub(crate) mod pid;
