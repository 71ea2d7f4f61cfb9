//! One module a kind of workload.

pub(crate) mod pid;
