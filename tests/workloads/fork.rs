//! A child process of a workload.
#![expect(unsafe_code, reason = "fork has no safe call")]

use nix::unistd::{ForkResult, fork};

/// Starts a child that does `work` and ends. The caller has no other thread yet.
pub fn start_child(work: impl FnOnce()) -> nix::Result<()> {
    // SAFETY: with one thread, no lock is held by a thread that the child lacks.
    if let ForkResult::Child = unsafe { fork()? } {
        work();
        std::process::exit(0);
    }
    Ok(())
}
