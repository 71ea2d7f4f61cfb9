//! Writes the journal, keeps the summary, and tells whoever listens what happens.

use super::ports::{Ledger, Resource};
use crate::failure::Failure;
use crate::graph::{EventKind, Side, StateName};
use crate::journal::{Entry, Journal, JournalError, Record, Replay, now, replay};
use crate::machine::{Machine, rollback};
use crate::report::{Event, EventBody, Outcome, ReportError, Summary, Trail};
use crate::run::RunId;
use jiff::Timestamp;
use std::collections::BTreeMap;
use tokio::sync::mpsc;

/// The journal of a run with what is derived from it.
pub struct Recorder {
    run: RunId,
    side: Side,
    journal: Box<dyn Journal>,
    summary: Summary,
    facts: BTreeMap<String, serde_json::Value>,
    made: Vec<Resource>,
    gone: Vec<Resource>,
    events: mpsc::UnboundedSender<Event>,
    told: Vec<Trail>,
}

impl Recorder {
    /// Takes up a journal that has its beginning; returns what it tells, too.
    pub fn open(
        journal: Box<dyn Journal>,
        events: mpsc::UnboundedSender<Event>,
    ) -> Result<(Self, Replay), JournalError> {
        let entries = journal.entries()?;
        let replay = replay(&entries)?;
        let recorder = Self {
            run: replay.run.clone(),
            side: replay.side,
            journal,
            summary: Summary::of(&entries),
            facts: replay.facts.clone(),
            made: replay.standing.iter().rev().cloned().collect(),
            gone: Vec::new(),
            events,
            told: Vec::new(),
        };
        Ok((recorder, replay))
    }

    /// The summary so far.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// What is left to undo, in the order of undoing.
    pub fn to_undo(&self) -> Vec<Resource> {
        rollback::order(&self.made, &self.gone)
    }

    pub(crate) fn write(&mut self, record: Record) -> Result<Entry, Failure> {
        let entry = self.journal.write(record).map_err(|error| {
            Failure::new("journal", error.to_string())
                .hint("the state directory must be writable and have room")
        })?;
        self.summary.add(&entry);
        Ok(entry)
    }

    pub(crate) fn entered(
        &mut self,
        machine: &Machine,
        from: Option<StateName>,
        event: Option<EventKind>,
    ) -> Result<(), Failure> {
        let entry = self.write(Record::Entered {
            machine: machine.clone(),
            from,
            event,
        })?;
        let body = EventBody::State {
            state: machine.state,
            attempt: machine.attempt,
            from,
            event,
        };
        self.emit_at(entry.at, self.side, body);
        Ok(())
    }

    /// Records a state that the target passed, and tells of it.
    pub(crate) fn passed(&mut self, trail: Trail, attempt: u32) -> Result<(), Failure> {
        let states = self.summary.states();
        if !states.iter().any(|known| known.is_same_stay(&trail)) {
            let body = EventBody::State {
                state: trail.state,
                attempt,
                from: None,
                event: None,
            };
            self.emit_at(trail.entered, trail.side, body);
        }
        self.write(Record::Passed { trail }).map(drop)
    }

    pub(crate) fn wrong(&mut self, failure: &Failure, state: StateName) -> Result<(), Failure> {
        // What the target reports happened there.
        let error = ReportError::at(failure, self.side, state);
        self.wrong_at(error)
    }

    pub(crate) fn wrong_at(&mut self, error: ReportError) -> Result<(), Failure> {
        self.log(
            "error",
            format!("{} ({}): {}", error.state, error.side, error.cause),
        );
        self.write(Record::Wrong { error }).map(drop)
    }

    pub(crate) fn ended(&mut self, outcome: Outcome) -> Result<(), Failure> {
        self.write(Record::Ended { outcome })?;
        let error = match outcome {
            Outcome::Migrated => None,
            _ => self.summary.error().cloned(),
        };
        self.emit(EventBody::End {
            outcome,
            downtime_ms: self.summary.downtime_ms(),
            error,
        });
        Ok(())
    }

    /// Tells whoever listens.
    pub(crate) fn emit(&self, body: EventBody) {
        self.emit_at(now(), self.side, body);
    }

    pub(crate) fn log(&self, level: &str, message: String) {
        self.emit(EventBody::Log {
            level: level.into(),
            message,
        });
    }

    fn emit_at(&self, time: Timestamp, side: Side, body: EventBody) {
        // Nobody may be listening, and that is fine.
        let _ = self.events.send(Event {
            time,
            run: self.run.clone(),
            side,
            body,
        });
    }

    /// The states that the peer was not told of yet, as they are now.
    pub(crate) fn untold(&mut self) -> Vec<Trail> {
        let states = self.summary.states();
        let new: Vec<Trail> = states
            .iter()
            .filter(|trail| !self.told.contains(trail))
            .cloned()
            .collect();
        self.told = states.to_vec();
        new
    }

    /// The peer may have missed what it was told.
    pub(crate) fn tell_again(&mut self) {
        self.told.clear();
    }

    pub(crate) fn events(&self) -> Progress {
        Progress {
            run: self.run.clone(),
            side: self.side,
            events: self.events.clone(),
        }
    }
}

/// Tells of progress while the recorder itself is in use.
#[derive(Clone)]
pub(crate) struct Progress {
    run: RunId,
    side: Side,
    events: mpsc::UnboundedSender<Event>,
}

impl Progress {
    pub(crate) fn tell(&self, what: &str, done: u64, total: u64) {
        let _ = self.events.send(Event {
            time: now(),
            run: self.run.clone(),
            side: self.side,
            body: EventBody::Progress {
                what: what.into(),
                done,
                total,
            },
        });
    }
}

impl Ledger for Recorder {
    fn make(&mut self, resource: Resource) -> Result<(), Failure> {
        self.write(Record::Made {
            resource: resource.clone(),
        })?;
        self.gone.retain(|other| *other != resource);
        self.made.push(resource);
        Ok(())
    }

    fn gone(&mut self, resource: &Resource) -> Result<(), Failure> {
        self.write(Record::Gone {
            resource: resource.clone(),
        })?;
        self.gone.push(resource.clone());
        Ok(())
    }

    fn fact(&mut self, name: &str, value: serde_json::Value) -> Result<(), Failure> {
        self.write(Record::Fact {
            name: name.into(),
            value: value.clone(),
        })?;
        self.facts.insert(name.into(), value);
        Ok(())
    }

    fn recall(&self, name: &str) -> Option<serde_json::Value> {
        self.facts.get(name).cloned()
    }

    fn standing(&self) -> Vec<Resource> {
        self.to_undo().into_iter().rev().collect()
    }
}
