//! Does the tree hold something that CRIU is known to refuse?

use super::look::{Descriptor, Look};
use super::none_of;
use nix::sys::stat::{SFlag, major, minor};
use phaul_core::graph::Side;
use phaul_core::report::Check;

const ID: &str = "criu-refuses";

/// Files without a name that CRIU can carry; it refuses all others.
const CARRIED: [&str; 8] = [
    "[eventfd]",
    "[eventpoll]",
    "[fanotify]",
    "[pidfd]",
    "[signalfd]",
    "[timerfd]",
    "inotify",
    "bpf-map",
];

/// Why CRIU refuses a descriptor, if it does.
fn refused(descriptor: &Descriptor) -> Option<&'static str> {
    if let Some(what) = descriptor.target.strip_prefix("anon_inode:") {
        return match what {
            "[io_uring]" => Some("an io_uring"),
            "[userfaultfd]" => Some("a userfaultfd"),
            "[perf_event]" => Some("a performance counter"),
            _ if what.starts_with("bpf-prog") || what.starts_with("bpf_link") => {
                Some("an eBPF program")
            }
            _ if CARRIED.contains(&what) => None,
            _ => Some("a file of a kind that CRIU does not know"),
        };
    }
    if descriptor.is_queue {
        return Some("a POSIX message queue");
    }
    if descriptor.target.starts_with("/secretmem") {
        return Some("secret memory");
    }
    if descriptor.kind == SFlag::S_IFBLK {
        return Some("a block device");
    }
    let number = (major(descriptor.device), minor(descriptor.device));
    let carried = match number {
        // Memory devices, terminals, pseudo terminals, /dev/net/tun.
        (1 | 4 | 5 | 128..=143, _) | (10, 200) => true,
        _ => false,
    };
    (descriptor.kind == SFlag::S_IFCHR && !carried).then_some("a device")
}

pub(super) fn check(look: &Look) -> Check {
    let traced = look.processes.iter().filter_map(|process| {
        let tracer = process.pending.tracer;
        (tracer != 0).then(|| format!("{} is traced by process {tracer}", process.name()))
    });
    let open = look.descriptors().filter_map(|(process, descriptor)| {
        let what = refused(descriptor)?;
        let (name, number, target) = (process.name(), descriptor.number, &descriptor.target);
        Some(format!(
            "{name} has {what} open: descriptor {number}, {target}"
        ))
    });
    let found: Vec<String> = traced.chain(open).collect();
    none_of(
        ID,
        Side::Source,
        &found,
        "nothing is open that CRIU is known to refuse",
        "let the workload close it, or end the tracer, before the move",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::stat::makedev;

    fn descriptor(target: &str, kind: SFlag, device: u64) -> Descriptor {
        Descriptor {
            number: 3,
            target: target.to_owned(),
            kind,
            device,
            links: 1,
            writes: false,
            mount: 0,
            locks: Vec::new(),
            is_queue: false,
        }
    }

    #[test]
    fn what_criu_carries_passes_and_what_it_does_not_is_named() {
        let none = SFlag::empty();
        for (target, kind, device, expected) in [
            ("anon_inode:[eventpoll]", none, 0, None),
            ("anon_inode:inotify", none, 0, None),
            ("anon_inode:[io_uring]", none, 0, Some("an io_uring")),
            ("anon_inode:bpf-prog", none, 0, Some("an eBPF program")),
            ("anon_inode:bpf-map", none, 0, None),
            (
                "anon_inode:kvm-vm",
                none,
                0,
                Some("a file of a kind that CRIU does not know"),
            ),
            ("/etc/passwd", SFlag::S_IFREG, 0, None),
            ("/dev/null", SFlag::S_IFCHR, makedev(1, 3), None),
            ("/dev/pts/3", SFlag::S_IFCHR, makedev(136, 3), None),
            (
                "/dev/kvm",
                SFlag::S_IFCHR,
                makedev(10, 232),
                Some("a device"),
            ),
            (
                "/dev/sda",
                SFlag::S_IFBLK,
                makedev(8, 0),
                Some("a block device"),
            ),
            ("socket:[12]", SFlag::S_IFSOCK, 0, None),
        ] {
            assert_eq!(
                refused(&descriptor(target, kind, device)),
                expected,
                "{target}"
            );
        }
    }
}
