//! Preflight checks.
pub(crate) mod source;
pub(crate) mod target;
