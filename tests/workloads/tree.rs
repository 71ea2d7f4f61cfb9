//! `wl-tree LEDGER... [--children N] [--threads N] [--every MS]`: a tree of processes with threads,
//! each of which ticks in every ledger.
//!
//! Part `1.2` is the third thread of the second process; process 0 is the root. A child ends with
//! its parent. Where the ledgers are says what a move must carry over: the container's own files, a
//! volume, memory.

use std::io::Write;
use std::sync::Arc;
use std::thread;
use std::thread::sleep;
use std::time::Duration;

use nix::unistd::{Pid, getpid, getppid};

use phaul_tests::workloads::arguments::Arguments;
use phaul_tests::workloads::fork::start_child;
use phaul_tests::workloads::ledger::Ledger;

/// More ledgers than any test has file systems.
const LEDGERS_MAX: usize = 8;

fn main() {
    let usage = "wl-tree LEDGER... [--children N] [--threads N] [--every MS]";
    let defaults = [("children", 2), ("threads", 2), ("every", 20)];
    let arguments = Arguments::with_paths_or_exit(usage, &defaults, LEDGERS_MAX);
    let root = getpid();
    for process in 1..=arguments.number("children") {
        let started = start_child(|| tick(&arguments, process, Some(root)));
        if let Err(errno) = started {
            let _ = writeln!(std::io::stderr(), "cannot start a child: {errno}");
            std::process::exit(1);
        }
    }
    tick(&arguments, 0, None);
}

/// Lets the threads of a process tick, the last of them its first thread.
fn tick(arguments: &Arguments, process: u64, parent: Option<Pid>) {
    let open = |path: &std::path::PathBuf| Ledger::open_or_exit(path);
    let ledgers: Arc<[Ledger]> = arguments.paths.iter().map(open).collect();
    let every = Duration::from_millis(arguments.number("every"));
    let threads = arguments.number("threads").max(1);
    for thread in 1..threads {
        let ledgers = Arc::clone(&ledgers);
        thread::spawn(move || tick_on(&ledgers, &format!("{process}.{thread}"), every, None));
    }
    tick_on(&ledgers, &format!("{process}.0"), every, parent);
}

fn tick_on(ledgers: &[Ledger], part: &str, every: Duration, parent: Option<Pid>) {
    for number in 1.. {
        if parent.is_some_and(|parent| getppid() != parent) {
            return;
        }
        for ledger in ledgers {
            ledger.tick_of(part, number);
        }
        sleep(every);
    }
}
