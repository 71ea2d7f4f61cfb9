//! `wl-iouring`: holds an io_uring, which CRIU refuses to dump, and sleeps.
#![expect(unsafe_code, reason = "there is no safe call for io_uring_setup")]

use std::io::Write;
use std::thread::sleep;
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;

/// `struct io_uring_params`, of which only zeros are passed in.
const PARAMS_BYTES: usize = 120;

fn main() {
    let mut params = [0_u64; PARAMS_BYTES / 8];
    // SAFETY: the kernel writes at most `struct io_uring_params`, which is as long as `params` and
    // not stricter aligned.
    let ring = unsafe { libc::syscall(libc::SYS_io_uring_setup, 8, params.as_mut_ptr()) };
    if let Err(errno) = Errno::result(ring) {
        let _ = writeln!(std::io::stderr(), "cannot set up an io_uring: {errno}");
        std::process::exit(1);
    }
    // The descriptor is kept by nobody closing it.
    loop {
        sleep(Duration::from_secs(3600));
    }
}
