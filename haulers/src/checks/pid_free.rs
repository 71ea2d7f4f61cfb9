//! Are the process ids of the workload free here?

use super::none_of;
use crate::tasks::command;
use phaul_core::graph::Side;
use phaul_core::report::Check;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const ID: &str = "pid-free";

/// Looks at every id: of processes, threads, process groups and sessions.
pub(super) fn check(ids: &BTreeSet<i32>) -> Check {
    let most = fs::read_to_string("/proc/sys/kernel/pid_max").unwrap_or_default();
    let most: i32 = most.trim().parse().unwrap_or(i32::MAX);
    let taken: Vec<String> = ids
        .iter()
        .filter_map(|id| {
            if *id >= most {
                return Some(format!(
                    "{id} is more than this host's `kernel.pid_max` {most}"
                ));
            }
            // A thread id has a directory too, though no list shows it.
            let there = Path::new(&format!("/proc/{id}")).exists();
            there.then(|| format!("{id} ({})", command(*id)))
        })
        .collect();
    none_of(
        ID,
        Side::Target,
        &taken,
        "every process id of the workload is free here",
        "end these processes here, or run the agent in a pid namespace of its own",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taken_and_impossible_ids_are_named() {
        let own = i32::try_from(std::process::id()).unwrap();
        let check = check(&BTreeSet::from([own, i32::MAX]));
        assert!(check.stops());
        assert!(check.text.contains(&own.to_string()) && check.text.contains("pid_max"));
        assert!(!super::check(&BTreeSet::new()).stops());
    }
}
