//! What is on both hosts, and what of it a run must not leave behind (I3).

use crate::lab::{Lab, Side, Traces};

/// Both hosts at one moment.
#[derive(Debug)]
pub struct Snapshot {
    hosts: [Traces; 2],
}

impl Snapshot {
    pub(super) fn of(lab: &Lab) -> Self {
        Self {
            hosts: Side::BOTH.map(|side| lab.host(side).traces().unwrap()),
        }
    }

    /// What has come and gone since, except what may.
    pub(super) fn left_over(&self, later: &Self) -> Vec<String> {
        let pairs = Side::BOTH
            .into_iter()
            .zip(self.hosts.iter().zip(&later.hosts));
        pairs
            .flat_map(|(side, (before, after))| {
                let all = before.difference(after, &[]);
                let wrong = all.into_iter().filter(|line| !may_change(line));
                wrong.map(move |line| format!("{side}: {line}"))
            })
            .collect()
    }
}

/// The record of a run stays, and workloads are where they are.
fn may_change(line: &str) -> bool {
    let Some(path) = line
        .split(' ')
        .nth(3)
        .filter(|path| path.starts_with("/var/lib/phaul/"))
    else {
        return line.contains(" process live /opt/phaul/wl-");
    };
    let mut parts = path["/var/lib/phaul/".len()..].split('/');
    let side = parts.next().unwrap_or_default();
    let (_run, rest) = (parts.next(), parts.next());
    matches!(side, "runs" | "agent") && matches!(rest, None | Some("journal.redb" | "logs"))
}

#[cfg(test)]
mod tests {
    use super::may_change;

    #[test]
    fn only_the_record_of_a_run_may_stay() {
        for kept in [
            "+ file d /var/lib/phaul/runs",
            "+ file d /var/lib/phaul/runs/1",
            "+ file f /var/lib/phaul/agent/1/journal.redb",
            "+ file f /var/lib/phaul/runs/1/logs/dump.log",
            "- process live /opt/phaul/wl-counter /shared/x",
        ] {
            assert!(may_change(kept), "{kept}");
        }
        for left in [
            "+ file d /var/lib/phaul/runs/1/attempt-1",
            "+ file f /var/lib/phaul/agent/1/images/pages-1.img",
            "+ file f /tmp/x",
            "+ process live criu swrk 3",
            "+ cgroup /init/phaul-1",
        ] {
            assert!(!may_change(left), "{left}");
        }
    }
}
