//! `wl-counter [LEDGER] [--every MS]`: counts, and writes down every number.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::sleep;
use std::time::Duration;

use phaul_tests::workloads::arguments::Arguments;
use phaul_tests::workloads::ledger::Ledger;

/// The counter, in the program's data.
static COUNTER: AtomicU64 = AtomicU64::new(0);

fn main() {
    let usage = "wl-counter [LEDGER] [--every MS]";
    let arguments = Arguments::or_exit(usage, &[("every", 10)]);
    let every = Duration::from_millis(arguments.number("every"));
    let ledger = Ledger::open_or_exit(
        arguments
            .path
            .as_deref()
            .unwrap_or_else(|| "/dev/null".as_ref()),
    );
    // The copy is on the heap: a move that mixes up pages will hardly change both alike.
    let mut copy = Box::new(0);
    loop {
        let number = COUNTER.fetch_add(1, Relaxed) + 1;
        *black_box(&mut copy).as_mut() += 1;
        if number != *copy {
            ledger.corrupt(&format!("counter: {number} in data, {copy} on the heap"));
        }
        ledger.tick(number);
        sleep(every);
    }
}
