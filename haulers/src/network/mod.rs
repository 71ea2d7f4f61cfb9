//! Networks of workloads: a container's namespace made anew on another host, addresses of a
//! host that move, connections that go on.
//!
//! All work of the kernel's goes by netlink and packet sockets that are opened within the
//! namespace concerned, for as long as one piece of work lasts; no external program is run.
//! Each undo may be repeated: what is not there counts as removed.

mod address;
mod announce;
mod build;
mod capture;
mod describe;
mod described;
mod frames;
mod host_end;
mod hush;
mod links;
mod locks;
mod mend;
mod moving;
mod names;
mod netlink;
mod netns;
mod nftables;
mod packet;
mod raw;
mod replay;
mod route;
mod sysctls;
#[cfg(test)]
mod tests;
mod wire;

pub(crate) use build::HostEnd;
pub(crate) use capture::Capture;
pub(crate) use described::{Described, HostLink, Link};
pub(crate) use frames::Frames;
pub(crate) use mend::Mended;
pub(crate) use moving::Taken;
pub(crate) use names::{LinkName, Mac};
pub(crate) use netns::Netns;
pub(crate) use packet::Towards;
pub(crate) use replay::Replayed;

use phaul_core::failure::Failure;
use std::net::IpAddr;

/// Does work that waits for the kernel on a thread where it holds up nobody.
async fn off_runtime<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(Failure::new("network-work", error.to_string())))
}

/// Gives each function of a piece of work its form for the runtime; what it does, and its
/// errors, are said there.
macro_rules! off_the_runtime {
    ($($(#[$doc:meta])* $name:ident = $inner:path, ($($arg:ident: $type:ty),*) -> $result:ty;)*) => {$(
        $(#[$doc])*
        pub(crate) async fn $name($($arg: &$type),*) -> Result<$result, Failure> {
            $(let $arg = $arg.to_owned();)*
            off_runtime(move || $inner($(std::borrow::Borrow::<$type>::borrow(&$arg)),*)).await
        }
    )*};
}

off_the_runtime! {
    /// Describes a container's namespace.
    describe = describe::describe, (netns: Netns, host: Netns) -> Described;
    /// Makes an empty namespace like one that was described; the host's ends are not plugged in.
    build = build::build,
        (netns: Netns, host: Netns, described: Described, host_ends: [HostEnd]) -> ();
    /// A free name for a host's end.
    free_name = host_end::free_name, (host: Netns, at_source: LinkName, seed: str) -> LinkName;
    /// Whether there is a link of this name.
    exists = host_end::exists, (host: Netns, name: LinkName) -> bool;
    /// Removes a host's end with its other end.
    remove_link = host_end::remove_link, (host: Netns, name: LinkName) -> ();
    /// Plugs a host's end into a bridge.
    plug = host_end::plug, (host: Netns, name: LinkName, bridge: LinkName) -> ();
    /// Unplugs a host's end.
    unplug = host_end::unplug, (host: Netns, name: LinkName) -> ();
    /// Takes an address that was looked at.
    take = moving::take, (netns: Netns, taken: Taken) -> Taken;
    /// Gives an address back as it was.
    give_back = moving::give_back, (netns: Netns, taken: Taken) -> ();
    /// Ends the quiet of an id.
    unhush = hush::unhush, (netns: Netns, id: str) -> ();
    /// Whether addresses could be kept quiet here.
    can_hush = hush::can_hush, (netns: Netns) -> ();
    /// The locks of CRIU in a namespace.
    locks = locks::locks, (netns: Netns) -> Vec<String>;
    /// Deletes the locks of a CRIU that is dead or done, but for those of others.
    unlock_leftovers = locks::unlock_leftovers, (netns: Netns, others: [String]) -> Vec<String>;
    /// Deletes such locks and takes the tasks' connections out of repair.
    mend = mend::mend, (tasks: [i32], netns: Netns, others: [String]) -> Mended;
    /// Sends kept frames out by a link.
    replay_out_of = replay::out_of,
        (netns: Netns, link: LinkName, frames: Frames, towards: Towards) -> Replayed;
    /// Sends the packets of kept frames to this host's own sockets.
    replay_into_host = replay::into_host,
        (netns: Netns, frames: Frames, towards: Towards) -> Replayed;
}

/// Looks at an address that is to be taken.
pub(crate) async fn look(netns: &Netns, link: &LinkName, ip: IpAddr) -> Result<Taken, Failure> {
    let (netns, link) = (netns.clone(), link.clone());
    off_runtime(move || moving::look(&netns, &link, ip)).await
}

/// Gives an address to a link here.
pub(crate) async fn give(
    netns: &Netns,
    link: &LinkName,
    ip: IpAddr,
    prefix: u8,
) -> Result<(), Failure> {
    let (netns, link) = (netns.clone(), link.clone());
    off_runtime(move || moving::give(&netns, &link, ip, prefix)).await
}

/// Removes an address from a link here.
pub(crate) async fn drop_address(
    netns: &Netns,
    link: &LinkName,
    ip: IpAddr,
) -> Result<(), Failure> {
    let (netns, link) = (netns.clone(), link.clone());
    off_runtime(move || moving::drop_address(&netns, &link, ip)).await
}

/// Whether a link has an address.
pub(crate) async fn holds(netns: &Netns, link: &LinkName, ip: IpAddr) -> Result<bool, Failure> {
    let (netns, link) = (netns.clone(), link.clone());
    off_runtime(move || moving::holds(&netns, &link, ip)).await
}

/// Keeps addresses quiet until the quiet of this id ends.
pub(crate) async fn hush(netns: &Netns, ips: &[IpAddr], id: &str) -> Result<(), Failure> {
    let (netns, ips, id) = (netns.clone(), ips.to_owned(), id.to_owned());
    off_runtime(move || hush::hush(&netns, &ips, &id)).await
}

/// Tells the network where addresses are now.
pub(crate) async fn announce(
    netns: &Netns,
    link: &LinkName,
    ips: &[IpAddr],
    mac: Option<Mac>,
) -> Result<(), Failure> {
    let (netns, link, ips) = (netns.clone(), link.clone(), ips.to_owned());
    off_runtime(move || announce::announce(&netns, &link, &ips, mac)).await
}
