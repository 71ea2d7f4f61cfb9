//! The lock on a workload at the target: one run at a time may bring these pids into being.

use phaul_core::failure::{Failure, FailureKind};
use phaul_core::run::RunId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The pids that runs of this process have claimed. Another process's claims show as pids that
/// are taken, at the latest when CRIU asks for them.
static CLAIMED: Mutex<BTreeMap<i32, RunId>> = Mutex::new(BTreeMap::new());

fn claimed() -> MutexGuard<'static, BTreeMap<i32, RunId>> {
    // Only whole entries are put in and taken out: a panic elsewhere leaves the map right.
    CLAIMED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A claim; it ends when it is dropped.
#[derive(Debug)]
pub(super) struct Claim {
    run: RunId,
}

impl Claim {
    /// Claims the pids for a run, unless another run has one of them.
    pub(super) fn new(run: &RunId, pids: &BTreeSet<i32>) -> Result<Self, Failure> {
        let mut claimed = claimed();
        let taken = pids.iter().find_map(|pid| Some((pid, claimed.get(pid)?)));
        if let Some((pid, other)) = taken.filter(|(_, other)| *other != run) {
            let cause = format!("the run {other} is about to restore process {pid} here");
            return Err(Failure::new("workload-busy", cause)
                .hint("wait until that run has ended; see on the target: phaul agent runs")
                .kind(FailureKind::Busy));
        }
        claimed.extend(pids.iter().map(|pid| (*pid, run.clone())));
        Ok(Self { run: run.clone() })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        claimed().retain(|_, run| *run != self.run);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_run_at_a_time_has_a_pid() {
        let run = |name: &str| name.parse::<RunId>().unwrap();
        let pids = |pids: &[i32]| pids.iter().copied().collect::<BTreeSet<i32>>();
        let first = Claim::new(&run("one"), &pids(&[-1, -2])).unwrap();
        let failure = Claim::new(&run("two"), &pids(&[-2, -3])).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Busy);
        assert!(Claim::new(&run("two"), &pids(&[-3])).is_ok());
        drop(first);
        assert!(Claim::new(&run("two"), &pids(&[-2, -3])).is_ok());
    }
}
