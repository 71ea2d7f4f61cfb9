//! `wl-zoo LEDGER [--port P] [--mib N] [--every MS]`: something of everything that a migration must
//! carry over.
//!
//! ```text
//! parent    memory   pages rewritten and all of them checked
//!           file     a file read on and on at the offset where the last read ended
//!           pipe     <- two pipes ->              child "echo"
//!           shared   <- shared anonymous memory ->
//!           memfd    <- a memfd, mapped twice ->  child "partner"
//!           a listening TCP socket: `ping` is answered with the counter of `memory`
//!           a zombie: a child that has ended and that nobody waits for
//! ```
//! Every part ticks in the ledger under its name, and writes `corrupt` there when it finds
//! something changed.

mod listener;
mod partner;
mod parts;
mod sys;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::thread;
use std::time::Duration;

use phaul_tests::workloads::arguments::Arguments;
use phaul_tests::workloads::ledger::Ledger;

/// What every part knows.
#[derive(Debug)]
struct Zoo {
    ledger: Ledger,
    every: Duration,
    /// The last tick of `memory`.
    counter: AtomicU64,
}

fn main() {
    let usage = "wl-zoo LEDGER [--port P] [--mib N] [--every MS]";
    let arguments = Arguments::or_exit(usage, &[("port", 7000), ("mib", 64), ("every", 10)]);
    let path = arguments
        .path
        .clone()
        .unwrap_or_else(|| "/tmp/zoo.ledger".into());
    let zoo = Arc::new(Zoo {
        ledger: Ledger::open_or_exit(&path),
        every: Duration::from_millis(arguments.number("every")),
        counter: AtomicU64::new(0),
    });

    // The children first: a process with threads must not be forked.
    let children =
        partner::start(&zoo).unwrap_or_else(|error| zoo.ledger.corrupt(&format!("start: {error}")));
    let listener = listener::bind(arguments.number("port"))
        .unwrap_or_else(|error| zoo.ledger.corrupt(&format!("port: {error}")));
    let story = parts::Story::create(&path.with_extension("story"))
        .unwrap_or_else(|error| zoo.ledger.corrupt(&format!("file: {error}")));

    let partner::Children {
        pipes,
        shared,
        memfd,
    } = children;
    let run = |part: fn(&Zoo, partner::Region), region| {
        let zoo = Arc::clone(&zoo);
        thread::spawn(move || part(&zoo, region));
    };
    run(|zoo, region| parts::region(zoo, "shared", &region), shared);
    run(|zoo, region| parts::region(zoo, "memfd", &region), memfd);
    thread::spawn({
        let zoo = Arc::clone(&zoo);
        move || parts::pipe(&zoo, pipes)
    });
    thread::spawn({
        let zoo = Arc::clone(&zoo);
        move || parts::file(&zoo, story)
    });
    thread::spawn({
        let zoo = Arc::clone(&zoo);
        move || listener::answer(&zoo, &listener)
    });
    parts::memory(&zoo, arguments.number("mib"))
}
