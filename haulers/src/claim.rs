//! The lock on a workload at the target: one run at a time may bring it into being.

use phaul_core::failure::{Failure, FailureKind};
use phaul_core::run::RunId;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What runs of this process have claimed: pids, containers. Another process's claims show as
/// pids or names that are taken, at the latest when CRIU or a runtime asks for them.
static CLAIMED: Mutex<BTreeMap<String, RunId>> = Mutex::new(BTreeMap::new());

fn claimed() -> MutexGuard<'static, BTreeMap<String, RunId>> {
    // Only whole entries are put in and taken out: a panic elsewhere leaves the map right.
    CLAIMED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A claim; it ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Claim {
    run: RunId,
}

impl Claim {
    /// Claims the names for a run, unless another run has one of them.
    pub(crate) fn new(run: &RunId, names: Vec<String>) -> Result<Self, Failure> {
        let mut claimed = claimed();
        let taken = names.iter().find_map(|name| {
            let other = claimed.get(name).filter(|other| *other != run)?;
            Some((name, other))
        });
        if let Some((name, other)) = taken {
            let cause = format!("the run {other} is about to restore {name} here");
            return Err(Failure::new("workload-busy", cause)
                .hint("wait until that run has ended; see on the target: phaul agent runs")
                .kind(FailureKind::Busy));
        }
        claimed.extend(names.into_iter().map(|name| (name, run.clone())));
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
    fn one_run_at_a_time_has_a_name() {
        let run = |name: &str| name.parse::<RunId>().unwrap();
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let first = Claim::new(&run("one"), names(&["a", "b"])).unwrap();
        let failure = Claim::new(&run("two"), names(&["b", "c"])).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Busy);
        assert!(Claim::new(&run("two"), names(&["c"])).is_ok());
        drop(first);
        assert!(Claim::new(&run("two"), names(&["b", "c"])).is_ok());
    }
}
