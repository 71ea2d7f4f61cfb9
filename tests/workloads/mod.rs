//! What the workloads share, and what the tests use to judge what they left.
//!
//! A workload keeps a ledger: a file to which it appends one line for every tick. From the ledger
//! alone one sees whether a moved workload lost a tick, did one twice, ran on two hosts at once, or
//! found its own state changed.

pub mod arguments;
pub mod echo;
pub mod fork;
pub mod ledger;
pub mod pattern;
