//! A container's cgroup: its limits, which may have been changed since it was started.

use crate::cgroup;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// What limits a cgroup, as far as the same words mean the same on another host: no devices.
const LIMITS: [&str; 14] = [
    "cpu.max",
    "cpu.max.burst",
    "cpu.weight",
    "cpu.idle",
    "cpuset.cpus",
    "cpuset.mems",
    "io.weight",
    "memory.high",
    "memory.low",
    "memory.max",
    "memory.min",
    "memory.oom.group",
    "memory.swap.max",
    "pids.max",
];
/// The longest value, in bytes.
const VALUE_MAX: usize = 256;

/// The limits of a cgroup by the names of their files; those of huge pages have their size in
/// the name.
pub(crate) fn limits(cgroup: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(cgroup).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let value = fs::read_to_string(entry.path())
                .ok()
                .filter(|_| is_limit(&name))?;
            Some((name, value.trim_end().to_owned()))
        })
        .filter(|(_, value)| is_value(value))
        .collect()
}

/// Whether a peer's limit is one that is known here.
pub(crate) fn is_known(name: &str, value: &str) -> bool {
    is_limit(name) && is_value(value)
}

fn is_limit(name: &str) -> bool {
    let pages = name
        .strip_prefix("hugetlb.")
        .and_then(|rest| rest.strip_suffix(".max"));
    let size = pages.is_some_and(|size| {
        let size = size.strip_suffix(".rsvd").unwrap_or(size);
        !size.is_empty() && size.chars().all(|letter| letter.is_ascii_alphanumeric())
    });
    size || LIMITS.contains(&name)
}

fn is_value(value: &str) -> bool {
    value.len() <= VALUE_MAX
        && value
            .chars()
            .all(|letter| letter == ' ' || letter.is_ascii_graphic())
}

/// Sets the limits that differ. One that cannot be set is named in what is returned.
pub(super) fn set(cgroup: &Path, limits: &BTreeMap<String, String>) -> Vec<String> {
    let mut failed = Vec::new();
    for (name, value) in limits.iter().filter(|(name, value)| is_known(name, value)) {
        let path = cgroup.join(name);
        let now = fs::read_to_string(&path).unwrap_or_default();
        if now.trim_end() != value
            && let Err(error) = fs::write(&path, value)
        {
            failed.push(format!("{name} {value}: {error}"));
        }
    }
    failed
}

/// The controllers that limit something in a cgroup: what the target needs as well.
pub(crate) fn controllers(limits: &BTreeMap<String, String>) -> BTreeSet<String> {
    let free = ["max", "max 100000", "100", "default 100", "0", ""];
    limits
        .iter()
        .filter(|(_, value)| !free.contains(&value.as_str()))
        .filter_map(|(name, _)| Some(name.split_once('.')?.0.to_owned()))
        .collect()
}

/// The controllers that can be had on this host.
pub(crate) fn available() -> BTreeSet<String> {
    let root = cgroup::mounted().map(|root| root.join("cgroup.controllers"));
    let text = root.and_then(|path| fs::read_to_string(path).ok());
    let text = text.unwrap_or_default();
    text.split_whitespace().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_compared_and_set() {
        let [one, two] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        fs::write(one.path().join("pids.max"), "7\n").unwrap();
        fs::write(one.path().join("hugetlb.2MB.max"), "4194304\n").unwrap();
        fs::write(one.path().join("memory.max"), "max\n").unwrap();
        fs::write(one.path().join("cgroup.procs"), "1\n").unwrap();
        let limits = limits(one.path());
        assert_eq!(limits.len(), 3);
        let expected = ["hugetlb", "pids"].map(str::to_owned);
        assert_eq!(controllers(&limits), BTreeSet::from(expected));
        assert_eq!(set(two.path(), &limits), Vec::<String>::new());
        assert_eq!(super::limits(two.path()), limits);
        let gone = set(Path::new("/nonexistent"), &limits);
        assert_eq!(gone.len(), 3);
    }

    #[test]
    fn a_limit_cannot_name_another_file() {
        assert!(is_known("cpu.max", "50000 100000"));
        for name in [
            "../x",
            "cgroup.procs",
            "hugetlb...max",
            "hugetlb./.max",
            "x",
        ] {
            assert!(!is_known(name, "1"), "{name}");
        }
        assert!(!is_known("cpu.max", "1\n2") && !is_known("cpu.max", &"1".repeat(1000)));
    }
}
