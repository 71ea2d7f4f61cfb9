//! May the source commit, and what does a restart find? The one rule of *never two*.
//!
//! The verdict is a file that is created exactly once, by whoever decides first: the hold, the
//! executor, or a later executor that recovers the run. The tasks confirm it.
//!
//! | verdict | the tasks | then |
//! | --- | --- | --- |
//! | kill | any | dead: whatever still lives of them is killed; they never ran after the dump |
//! | thaw | any | alive: they run, or have run and ended by themselves |
//! | none | root task alive, same boot | alive: nobody began to kill (the root is killed first) |
//! | none | root task gone, or another boot | unsure |

use serde::{Deserialize, Serialize};

/// What became of the held tasks at the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// They are dead for good: the commit stands.
    Dead,
    /// They are alive and were never ended by the commit.
    Alive,
    /// It cannot be told.
    Unsure,
}

/// What was decided about held tasks at the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// They end: the commit.
    Kill,
    /// They run on.
    Thaw,
}

/// What became of the workload, from the verdict and whether its root task lives.
pub fn settle(verdict: Option<Verdict>, root_lives: bool) -> Fate {
    match (verdict, root_lives) {
        (Some(Verdict::Kill), _) => Fate::Dead,
        (Some(Verdict::Thaw), _) | (None, true) => Fate::Alive,
        (None, false) => Fate::Unsure,
    }
}

/// How unbroken the hold is, just before the commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hold {
    /// The hold's process answers.
    pub hold_lives: bool,
    /// CRIU lives.
    pub criu_lives: bool,
    /// Every task that was dumped is still stopped by CRIU, and would stay stopped without it.
    pub tasks_held: bool,
}

/// Whether the tasks have surely not run since the dump, so that they may be killed for good.
pub fn may_commit(hold: Hold) -> bool {
    hold.hold_lives && hold.criu_lives && hold.tasks_held
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_the_page() {
        assert_eq!(settle(Some(Verdict::Kill), true), Fate::Dead);
        assert_eq!(settle(Some(Verdict::Kill), false), Fate::Dead);
        assert_eq!(settle(Some(Verdict::Thaw), true), Fate::Alive);
        assert_eq!(settle(Some(Verdict::Thaw), false), Fate::Alive);
        assert_eq!(settle(None, true), Fate::Alive);
        assert_eq!(settle(None, false), Fate::Unsure);
    }

    #[test]
    fn one_break_in_the_hold_forbids_the_commit() {
        for broken in 0..8_u8 {
            let hold = Hold {
                hold_lives: broken & 1 == 0,
                criu_lives: broken & 2 == 0,
                tasks_held: broken & 4 == 0,
            };
            assert_eq!(may_commit(hold), broken == 0, "{hold:?}");
        }
    }
}
