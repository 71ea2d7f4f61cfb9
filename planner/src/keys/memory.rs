//! The section `memory`: how the memory of the workload is moved.

use super::key::{Key, Kind, Word};
use super::reader::{Fields, Reader, Value};
use super::{section, value};
use phaul_core::plan::{Converge, Memory};

section! {
    pub(super) MEMORY = "How the memory of the workload is moved.";
    STRATEGY = Key::or("strategy", Kind::Words(STRATEGIES), "auto", "when the memory is copied"),
    TRACKER = Key::or("tracker", Kind::Words(TRACKERS), "auto", "how changed pages are found"),
    RESTORE = Key::or("restore", Kind::Words(RESTORES), "auto", "how the target restores"),
    CONVERGE = Key::or(
        "converge",
        Kind::Section(&BOUNDS),
        "{}",
        "when the rounds end: the first of these that holds",
    ),
}

const STRATEGIES: &[Word] = &[
    Word::new("auto", "phaul chooses"),
    Word::new(
        "restart",
        "nothing is copied: the workload is stopped and started anew",
    ),
    Word::new("stop-copy", "all of it, while the workload is frozen"),
    Word::new("pre-copy", "in rounds before the freeze"),
    Word::new("post-copy", "after the workload runs on the target"),
    Word::new("hybrid", "rounds before, the rest after"),
];

const TRACKERS: &[Word] = &[
    Word::new("auto", "phaul chooses"),
    Word::new("uffd-wp", "write protection by userfaultfd"),
    Word::new("soft-dirty", "the kernel's soft-dirty bits"),
    Word::new("content", "comparing sums"),
];

const RESTORES: &[Word] = &[
    Word::new("auto", "phaul chooses"),
    Word::new("full", "from a whole set of images"),
    Word::new(
        "warm",
        "at once, with pages served from the target's own store",
    ),
];

section! {
    BOUNDS = "When the rounds end: the first of these that holds.";
    DOWNTIME = Key::or("downtime", Kind::Duration(1), "300ms", "the estimated cut-over fits"),
    REMAINING = Key::or("remaining", Kind::Bytes, "256KiB", "so little is left to send"),
    ROUNDS = Key::or("rounds", Kind::Whole(1, 10_000), "8", "so many rounds were made"),
    GROWTH = Key::or("growth", Kind::Percent(1_000), "10%", "a round grew by more than this"),
    WITHIN = Key::or("within", Kind::Duration(1), "10m", "so much time has passed"),
    OTHERWISE = Key::or(
        "otherwise",
        Kind::Words(OTHERWISES),
        "freeze",
        "what happens when rounds, growth or time end it",
    ),
}

const OTHERWISES: &[Word] = &[
    Word::new("freeze", "freeze all the same"),
    Word::new("throttle", "slow the workload down"),
    Word::new("post-copy", "send the rest after the cut-over"),
    Word::new("fail", "give up and roll back"),
];

pub(super) fn read(reader: &mut Reader, value: &Value<'_>) -> Option<Memory> {
    let fields = Fields::open(reader, value)?;
    let strategy = fields.get(reader, &STRATEGY, value::chosen);
    let tracker = fields.get(reader, &TRACKER, value::chosen);
    let restore = fields.get(reader, &RESTORE, value::chosen);
    let converge = fields.get(reader, &CONVERGE, bounds);
    Some(Memory {
        strategy: strategy?,
        tracker: tracker?,
        restore: restore?,
        converge: converge?,
    })
}

fn bounds(reader: &mut Reader, value: &Value<'_>) -> Option<Converge> {
    let fields = Fields::open(reader, value)?;
    let downtime = fields.get(reader, &DOWNTIME, value::duration);
    let remaining = fields.get(reader, &REMAINING, value::bytes);
    let rounds = fields.get(reader, &ROUNDS, value::whole);
    let growth = fields.get(reader, &GROWTH, value::percent);
    let within = fields.get(reader, &WITHIN, value::duration);
    let otherwise = fields.get(reader, &OTHERWISE, value::chosen);
    Some(Converge {
        downtime: downtime?,
        remaining: remaining?,
        rounds: rounds?,
        growth: growth?,
        within: within?,
        otherwise: otherwise?,
    })
}
