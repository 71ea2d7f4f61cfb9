//! The report as a fold over the records of a run: the same while it runs, at its end, and later.

use super::{Check, Downtime, Outcome, Pages, Report, ReportError, Round, Trail};
use crate::graph::{Side, StateName};
use crate::journal::{Entry, Record};
use jiff::Timestamp;

/// What the records of a run come to so far.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    run: String,
    plan: String,
    side: Option<Side>,
    started: Option<Timestamp>,
    ended: Option<Timestamp>,
    outcome: Option<Outcome>,
    attempts: u32,
    /// When the workload began to stand still, in the present or last attempt.
    frozen_since: Option<Timestamp>,
    /// How long the workload had run when it was recorded that it runs.
    runs_ago_ms: u64,
    downtime_ms: Option<u64>,
    downtime: Downtime,
    bytes_sent: u64,
    pages: Pages,
    rounds: Vec<Round>,
    checks: Vec<Check>,
    states: Vec<Trail>,
    error: Option<ReportError>,
}

impl Summary {
    /// Folds all records.
    pub fn of(entries: &[Entry]) -> Self {
        let mut summary = Self::default();
        for entry in entries {
            summary.add(entry);
        }
        summary
    }

    /// Adds one record.
    pub fn add(&mut self, entry: &Entry) {
        match &entry.record {
            Record::Begun {
                run, side, plan, ..
            } => {
                self.run = run.to_string();
                self.plan.clone_from(&plan.name);
                self.side = Some(*side);
                self.started = Some(entry.at);
            }
            Record::Entered { machine, event, .. } => {
                self.leave(entry.at, *event);
                self.attempts = machine.attempt;
                // The state says how the run ended, even if the process did not get to say it too.
                self.outcome = Outcome::of(machine.state);
                self.ended = self.outcome.map(|_| entry.at);
                self.states.push(Trail {
                    state: machine.state,
                    side: machine.side,
                    entered: entry.at,
                    left: None,
                    event: None,
                });
            }
            Record::Checked { checks } => {
                for check in checks {
                    self.checks
                        .retain(|other| (&other.id, other.side) != (&check.id, check.side));
                    self.checks.push(check.clone());
                }
            }
            Record::Frozen {
                since,
                freeze_ms,
                dump_ms,
                pages,
            } => {
                self.frozen_since = Some(*since);
                self.downtime_ms = None;
                self.downtime = Downtime {
                    freeze: *freeze_ms,
                    dump: *dump_ms,
                    ..Downtime::default()
                };
                self.pages.total = *pages;
            }
            Record::Copied { round } => {
                self.bytes_sent += round.bytes;
                self.pages.sent += round.pages;
                self.rounds.push(round.clone());
            }
            Record::Runs { ago_ms, .. } => {
                if let (Some(since), None) = (self.frozen_since, self.downtime_ms) {
                    self.downtime_ms = Some(millis(since, entry.at).saturating_sub(*ago_ms));
                    self.runs_ago_ms = *ago_ms;
                }
            }
            Record::Wrong { error } => self.error = Some(error.clone()),
            Record::Passed { trail } => self.passed(trail),
            Record::Ended { outcome } => {
                self.outcome = Some(*outcome);
                self.ended = Some(entry.at);
            }
            Record::Made { .. } | Record::Gone { .. } | Record::Fact { .. } => {}
        }
    }

    /// Closes the state that this side was in, and counts it into the downtime.
    fn leave(&mut self, at: Timestamp, event: Option<crate::graph::EventKind>) {
        let side = self.side;
        let open = |trail: &&mut Trail| trail.left.is_none() && Some(trail.side) == side;
        let Some(last) = self.states.iter_mut().rev().find(open) else {
            return;
        };
        last.left = Some(at);
        last.event = event;
        let took = millis(last.entered, at);
        match last.state {
            StateName::FinalMemory => self.downtime.memory = took,
            StateName::FinalFiles => self.downtime.files = took,
            StateName::Restore => self.downtime.restore = took,
            StateName::Commit => self.downtime.commit = took,
            StateName::Resume => {
                self.downtime.resume = took.saturating_sub(self.runs_ago_ms);
            }
            _ => {}
        }
    }

    fn passed(&mut self, trail: &Trail) {
        let mut states = self.states.iter_mut();
        match states.find(|known| known.is_same_stay(trail)) {
            Some(known) => *known = trail.clone(),
            None => self.states.push(trail.clone()),
        }
    }

    /// The state in which this side is, if any was entered.
    pub fn state(&self) -> Option<StateName> {
        let mine = |trail: &&Trail| Some(trail.side) == self.side;
        self.states.iter().rev().find(mine).map(|trail| trail.state)
    }

    /// The plan's name.
    pub fn plan(&self) -> &str {
        &self.plan
    }

    /// The states passed so far, as they were recorded.
    pub fn states(&self) -> &[Trail] {
        &self.states
    }

    /// How the run ended, if it has.
    pub fn outcome(&self) -> Option<Outcome> {
        self.outcome
    }

    /// The downtime, if the workload was frozen and runs again.
    pub fn downtime_ms(&self) -> Option<u64> {
        self.downtime_ms
    }

    /// What went wrong last, if anything did. After success it is what an earlier attempt met.
    pub fn error(&self) -> Option<&ReportError> {
        self.error.as_ref()
    }

    /// When the run began.
    pub fn started(&self) -> Option<Timestamp> {
        self.started
    }

    /// The report, as of `now`.
    pub fn report(&self, now: Timestamp) -> Report {
        let started = self.started.unwrap_or(now);
        let ended = self.ended.unwrap_or(now);
        let outcome = self.outcome.unwrap_or(Outcome::Undecided);
        let mut states = self.states.clone();
        states.sort_by_key(|trail| trail.entered);
        let migrated = outcome == Outcome::Migrated;
        Report {
            run: self.run.clone(),
            plan: self.plan.clone(),
            outcome,
            started,
            ended,
            attempts: self.attempts,
            downtime_ms: self.downtime_ms,
            downtime: self.downtime,
            total_ms: millis(started, ended),
            bytes_sent: self.bytes_sent,
            pages: self.pages,
            rounds: self.rounds.clone(),
            predicted: None,
            checks: self.checks.clone(),
            states,
            error: if migrated { None } else { self.error.clone() },
        }
    }
}

fn millis(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.as_millisecond() - from.as_millisecond()).unwrap_or(0)
}
