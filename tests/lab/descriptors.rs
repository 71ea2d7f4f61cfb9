//! Keeping descriptors from leaking into a workload.
#![expect(unsafe_code, reason = "nix has no safe call for close_range")]

use nix::errno::Errno;
use nix::libc;

use super::error::{Error, Result};

/// Marks every descriptor but the three standard ones to be closed when a program is started.
///
/// Rust's own are marked already. Those that a shell, cargo or a test runner passed on are not, and
/// CRIU refuses a workload with a descriptor that leads out of its mount namespace.
pub(crate) fn close_all_on_exec() -> Result<()> {
    // SAFETY: the call takes no pointer, and with this flag it closes nothing now: every owned
    // descriptor stays valid.
    let done = unsafe {
        libc::close_range(
            3,
            libc::c_uint::MAX,
            libc::CLOSE_RANGE_CLOEXEC.cast_signed(),
        )
    };
    Errno::result(done)
        .map(drop)
        .map_err(Error::call("mark descriptors to be closed"))
}
