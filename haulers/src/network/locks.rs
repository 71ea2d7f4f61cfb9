//! The tables of nftables with which CRIU keeps connections still, where it left one behind.

use super::netlink::Connection;
use super::netns::Netns;
use super::nftables::{Family, delete_all, tables};
use phaul_core::failure::Failure;

/// Whether a table's name is one that CRIU gives.
pub(super) fn is_criu_lock(name: &str) -> bool {
    name.starts_with("CRIU-")
}

/// The locks of CRIU in a namespace, by their tables' names.
///
/// # Errors
///
/// `network-nftables` if the kernel does not say.
pub(super) fn locks(netns: &Netns) -> Result<Vec<String>, Failure> {
    let mut names = tables(&mut Connection::netfilter(netns)?, Family::Inet)?;
    names.retain(|name| is_criu_lock(name));
    Ok(names)
}

/// Deletes the locks of a CRIU that is dead or done, but for those of others, which were there
/// before it. The names of those that went.
///
/// # Errors
///
/// `network-nftables` if one cannot be deleted.
pub(super) fn unlock_leftovers(netns: &Netns, others: &[String]) -> Result<Vec<String>, Failure> {
    let connection = &mut Connection::netfilter(netns)?;
    let mut names = tables(connection, Family::Inet)?;
    names.retain(|name| is_criu_lock(name) && !others.contains(name));
    delete_all(connection, Family::Inet, &names)?;
    Ok(names)
}
