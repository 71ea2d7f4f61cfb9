//! The two calls on sockets for which nix, rustix and socket2 have no safe form.
#![allow(
    unsafe_code,
    reason = "options and addresses of sockets that no safe library covers; each call is below"
)]

use nix::errno::Errno;
use nix::libc;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsFd, AsRawFd};

/// `ETH_P_ALL`: frames of every protocol, those that go out among them.
pub(super) const EVERY_PROTOCOL: u16 = 0x0003;

/// Sets an option of a socket whose value is an integer.
///
/// # Errors
///
/// The kernel's.
pub(super) fn set_option(socket: &impl AsFd, level: i32, name: i32, value: i32) -> nix::Result<()> {
    // SAFETY: the value is an integer that lives on this stack, and its true size is given.
    let result = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            size_of::<i32>() as libc::socklen_t,
        )
    };
    Errno::result(result).map(drop)
}

/// Binds a packet socket to a link; it receives the frames of this protocol only, none if the
/// protocol is 0.
///
/// # Errors
///
/// The kernel's.
pub(super) fn bind_to_link(socket: &impl AsFd, index: u32, protocol: u16) -> nix::Result<()> {
    // SAFETY: all zeroes is a value of this plain structure of integers.
    let mut address: libc::sockaddr_ll = unsafe { zeroed() };
    address.sll_family = libc::AF_PACKET as libc::sa_family_t;
    address.sll_protocol = protocol.to_be();
    address.sll_ifindex = i32::try_from(index).map_err(|_| Errno::ENODEV)?;
    // SAFETY: the address lives on this stack, and its true size is given.
    let result = unsafe {
        libc::bind(
            socket.as_fd().as_raw_fd(),
            (&raw const address).cast(),
            size_of::<libc::sockaddr_ll>() as libc::socklen_t,
        )
    };
    Errno::result(result).map(drop)
}
