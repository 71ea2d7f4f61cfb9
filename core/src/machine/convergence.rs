//! After each round of copying: copy again, freeze, or give up? The first that holds decides.
//!
//! 1. Nothing is dirty, or no more than `remaining`: freeze.
//! 2. The estimated cut-over fits `downtime`: freeze.
//! 3. The rounds are spent, a round grew by more than `growth`, or `within` has passed:
//!    what `otherwise` says.
//! 4. Else: another round.

use crate::plan::{Converge, Otherwise};

/// What a round left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoundLeft {
    /// The round's number; the first is 1.
    pub number: u32,
    /// Bytes this round sent.
    pub sent: u64,
    /// Bytes the round before sent, if there was one.
    pub sent_before: Option<u64>,
    /// Bytes that are dirty now.
    pub dirty: u64,
    /// What the link carries, in bytes a second.
    pub bytes_per_second: u64,
    /// What freeze, dump, restore and resume take besides the memory, in milliseconds.
    pub fixed_ms: u64,
    /// Milliseconds since the first round began.
    pub elapsed_ms: u64,
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Another round.
    CopyAgain,
    /// Freeze.
    Freeze(Why),
    /// The rounds do not converge; the plan says what then.
    Otherwise(Otherwise, Why),
}

/// Why the rounds end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// So little is left.
    Remaining,
    /// The cut-over fits the budget.
    FitsBudget,
    /// All rounds were made.
    RoundsSpent,
    /// A round grew.
    Grew,
    /// The time has passed.
    TimeSpent,
}

impl Why {
    /// In words, for reports.
    pub fn text(self) -> &'static str {
        match self {
            Self::Remaining => "little is left to send",
            Self::FitsBudget => "what is left fits the downtime",
            Self::RoundsSpent => "all rounds were made",
            Self::Grew => "the round was larger than the one before",
            Self::TimeSpent => "the time for rounds has passed",
        }
    }
}

impl RoundLeft {
    /// The estimated downtime if the freeze came now, in milliseconds.
    pub fn downtime_ms(&self) -> u64 {
        let memory = self.dirty.saturating_mul(1000) / self.bytes_per_second.max(1);
        memory.saturating_add(self.fixed_ms)
    }
}

/// What follows a round.
pub fn verdict(round: &RoundLeft, rule: &Converge) -> Verdict {
    if round.dirty <= rule.remaining.0 {
        return Verdict::Freeze(Why::Remaining);
    }
    if round.downtime_ms() <= rule.downtime.0 {
        return Verdict::Freeze(Why::FitsBudget);
    }
    let allowed = |before: u64| before.saturating_add(before / 100 * u64::from(rule.growth.0));
    let why = if round.number >= rule.rounds {
        Why::RoundsSpent
    } else if round
        .sent_before
        .is_some_and(|before| round.sent > allowed(before))
    {
        Why::Grew
    } else if round.elapsed_ms >= rule.within.0 {
        Why::TimeSpent
    } else {
        return Verdict::CopyAgain;
    };
    Verdict::Otherwise(rule.otherwise, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// 100 MiB dirty on a link of 100 MiB/s: a second of downtime, the budget is 300 ms.
    fn round() -> RoundLeft {
        RoundLeft {
            number: 2,
            sent: 200 * MIB,
            sent_before: Some(1000 * MIB),
            dirty: 100 * MIB,
            bytes_per_second: 100 * MIB,
            fixed_ms: 50,
            elapsed_ms: 10_000,
        }
    }

    #[test]
    fn each_bound_ends_the_rounds_and_says_so() {
        use Verdict::{CopyAgain, Freeze, Otherwise as Else};
        let rule = Converge::default();
        let freeze = Otherwise::Freeze;
        type Case = (&'static str, fn(&mut RoundLeft), Verdict);
        let table: [Case; 9] = [
            ("none", |_| (), CopyAgain),
            ("nothing dirty", |r| r.dirty = 0, Freeze(Why::Remaining)),
            ("remaining", |r| r.dirty = 256 << 10, Freeze(Why::Remaining)),
            ("just fits", |r| r.dirty = 25 * MIB, Freeze(Why::FitsBudget)),
            ("just not", |r| r.dirty = 26 * MIB, CopyAgain),
            ("rounds", |r| r.number = 8, Else(freeze, Why::RoundsSpent)),
            ("grew", |r| r.sent = 1101 * MIB, Else(freeze, Why::Grew)),
            ("grew little", |r| r.sent = 1099 * MIB, CopyAgain),
            (
                "time",
                |r| r.elapsed_ms = 600_000,
                Else(freeze, Why::TimeSpent),
            ),
        ];
        for (name, change, expected) in table {
            let mut left = round();
            change(&mut left);
            assert_eq!(verdict(&left, &rule), expected, "{name}");
        }
    }

    #[test]
    fn a_dead_link_is_no_division_by_zero() {
        let mut left = round();
        left.bytes_per_second = 0;
        assert_eq!(verdict(&left, &Converge::default()), Verdict::CopyAgain);
    }
}
