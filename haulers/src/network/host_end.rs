//! The host's ends of containers' links: their names, plugging, removing.

use super::links;
use super::names::LinkName;
use super::netlink::{Connection, unless};
use super::netns::Netns;
use nix::errno::Errno;
use phaul_core::failure::Failure;

/// How many names are tried until one is free.
const TRIES: u32 = 16;

/// A free name for a host's end: the one that it had on the source if nobody has it here, or
/// `ph` and 8 digits made from the seed.
///
/// # Errors
///
/// `network-name` if all that were tried are taken.
pub(super) fn free_name(
    host: &Netns,
    at_source: &LinkName,
    seed: &str,
) -> Result<LinkName, Failure> {
    let connection = &mut Connection::route(host)?;
    if links::find(connection, at_source)?.is_none() {
        return Ok(at_source.clone());
    }
    for attempt in 0..TRIES {
        let hash = blake3::hash(format!("{attempt} {at_source} {seed}").as_bytes());
        let digits = hash.to_hex();
        let name = format!("ph{}", digits.get(..8).unwrap_or_default());
        if let Ok(name) = name.parse()
            && links::find(connection, &name)?.is_none()
        {
            return Ok(name);
        }
    }
    Err(Failure::lost(
        "network-name",
        format!("no free name was found for the host's end of a link ({at_source} at the source)"),
    ))
}

/// Whether there is a link of this name.
///
/// # Errors
///
/// `network-links` if the kernel does not say.
pub(super) fn exists(host: &Netns, name: &LinkName) -> Result<bool, Failure> {
    Ok(links::find(&mut Connection::route(host)?, name)?.is_some())
}

/// Removes a veth with its other end. One that is not there counts as removed.
///
/// # Errors
///
/// `network-link-foreign` if a link of another kind has this name, `network-link` if the
/// kernel does not remove it.
pub(super) fn remove_link(host: &Netns, name: &LinkName) -> Result<(), Failure> {
    let connection = &mut Connection::route(host)?;
    let Some(link) = links::find(connection, name)? else {
        return Ok(());
    };
    if !link.is_veth() {
        return Err(Failure::new(
            "network-link-foreign",
            format!("the network link {name} is not one that phaul made"),
        ));
    }
    unless(links::remove(connection, link.index), &[Errno::ENODEV])
        .map_err(|refusal| refusal.failure("network-link", format!("remove the link {name}")))
}

/// Plugs a host's end into a bridge. One that is plugged in there already is fine.
///
/// # Errors
///
/// `network-link-missing` if one of the two is not there, `network-plug` if the kernel refuses.
pub(super) fn plug(host: &Netns, name: &LinkName, bridge: &LinkName) -> Result<(), Failure> {
    let connection = &mut Connection::route(host)?;
    let into = links::need(connection, bridge)?.index;
    let link = links::need(connection, name)?;
    if link.plugged_into == Some(into) {
        return Ok(());
    }
    links::plug(connection, link.index, into).map_err(|refusal| {
        let what = format!("plug the link {name} into {bridge}");
        refusal.failure("network-plug", what)
    })
}

/// Unplugs a host's end. One that is not there, or plugged into nothing, counts as unplugged.
///
/// # Errors
///
/// `network-plug` if the kernel refuses.
pub(super) fn unplug(host: &Netns, name: &LinkName) -> Result<(), Failure> {
    let connection = &mut Connection::route(host)?;
    let Some(link) = links::find(connection, name)? else {
        return Ok(());
    };
    if link.plugged_into.is_none() {
        return Ok(());
    }
    unless(links::plug(connection, link.index, 0), &[Errno::ENODEV])
        .map_err(|refusal| refusal.failure("network-plug", format!("unplug the link {name}")))
}
