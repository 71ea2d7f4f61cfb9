//! One module a kind of workload.

pub mod pid;
