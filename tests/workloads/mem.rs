//! `wl-mem [LEDGER] [--mib N] [--rate PAGES_PER_SECOND]`: memory that changes at a given rate and
//! is checked all the time.

use std::thread::sleep;
use std::time::{Duration, Instant};

use phaul_tests::workloads::arguments::Arguments;
use phaul_tests::workloads::ledger::Ledger;
use phaul_tests::workloads::pattern::{PatternMemory, Xorshift};

const TICK: Duration = Duration::from_millis(10);

/// In so many ticks all pages are checked once.
const CHECK_TICKS: usize = 300;

fn main() {
    let usage = "wl-mem [LEDGER] [--mib N] [--rate PAGES_PER_SECOND]";
    let arguments = Arguments::or_exit(usage, &[("mib", 64), ("rate", 1000)]);
    let ledger = Ledger::open_or_exit(
        arguments
            .path
            .as_deref()
            .unwrap_or_else(|| "/dev/null".as_ref()),
    );
    let mut memory = PatternMemory::new(arguments.number("mib"));
    let mut pages = Xorshift::new(0);
    let mut writes = Writes::new(arguments.number("rate"));
    for number in 1.. {
        for _ in 0..writes.due() {
            memory.rewrite(pages.below(memory.pages()));
        }
        if let Err(page) = memory.check_next(memory.pages().div_ceil(CHECK_TICKS)) {
            ledger.corrupt(&format!("page {page}"));
        }
        ledger.tick(number);
        sleep(TICK);
    }
}

/// How many pages are to be written, by the time that has passed.
struct Writes {
    per_second: u64,
    since: Instant,
}

impl Writes {
    fn new(per_second: u64) -> Self {
        Self {
            per_second,
            since: Instant::now(),
        }
    }

    /// Those that have become due since the last call. A pause (being frozen is one) is not caught
    /// up with.
    fn due(&mut self) -> u64 {
        let now = Instant::now();
        self.since = self.since.max(now.checked_sub(10 * TICK).unwrap_or(now));
        let passed_us = u64::try_from((now - self.since).as_micros()).unwrap_or(u64::MAX);
        let due = passed_us * self.per_second / 1_000_000;
        // What is less than a page is due the next time.
        self.since += Duration::from_micros(
            (due * 1_000_000)
                .checked_div(self.per_second)
                .unwrap_or(passed_us),
        );
        due
    }
}
