//! The events of a run as they happen; one JSON object each. The keys are a contract.

use super::{Check, Outcome, ReportError, Round};
use crate::graph::{EventKind, Side, StateName};
use crate::run::RunId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Something that happened in a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When.
    pub time: Timestamp,
    /// In which run.
    pub run: RunId,
    /// On which host.
    pub side: Side,
    /// What; `kind` and its fields.
    #[serde(flatten)]
    pub body: EventBody,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum EventBody {
    /// A state was entered.
    State {
        /// Which.
        state: StateName,
        /// In which attempt.
        attempt: u32,
        /// The state that was left, if any.
        from: Option<StateName>,
        /// The event that led here, if any.
        event: Option<EventKind>,
    },
    /// A round of copying ended.
    Round {
        /// What was copied: `memory` or `files`.
        what: String,
        /// The first is 1.
        number: u32,
        /// Pages sent.
        pages: u64,
        /// Bytes sent.
        bytes: u64,
        /// How long it took.
        ms: u64,
        /// Why it ended.
        why: String,
    },
    /// Work that takes long goes on.
    Progress {
        /// What goes on.
        what: String,
        /// Bytes done.
        done: u64,
        /// Bytes in all.
        total: u64,
    },
    /// A preflight check was made.
    Check(Check),
    /// A line worth reading.
    Log {
        /// `info`, `warn` or `error`.
        level: String,
        /// The line.
        message: String,
    },
    /// The run ended.
    End {
        /// How.
        outcome: Outcome,
        /// The downtime, if it froze.
        downtime_ms: Option<u64>,
        /// What went wrong, if anything did.
        error: Option<ReportError>,
    },
}

impl From<&Round> for EventBody {
    fn from(round: &Round) -> Self {
        Self::Round {
            what: round.kind.clone(),
            number: round.number,
            pages: round.pages,
            bytes: round.bytes,
            ms: round.ms,
            why: round.why.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_flat_object() {
        let event = Event {
            time: Timestamp::UNIX_EPOCH,
            run: "r-1".parse().unwrap(),
            side: Side::Source,
            body: EventBody::State {
                state: StateName::Freeze,
                attempt: 1,
                from: Some(StateName::Reserve),
                event: Some(EventKind::Done),
            },
        };
        let json = serde_json::to_value(&event).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "time": "1970-01-01T00:00:00Z", "run": "r-1", "side": "source", "kind": "state",
                "state": "freeze", "attempt": 1, "from": "reserve", "event": "done",
            })
        );
        assert_eq!(serde_json::from_value::<Event>(json).unwrap(), event);
    }

    #[test]
    fn every_kind_has_one_kind() {
        let round = Round {
            kind: "memory".into(),
            number: 1,
            pages: 2,
            bytes: 3,
            ms: 4,
            why: "frozen".into(),
        };
        let text = serde_json::to_string(&EventBody::from(&round)).unwrap();
        assert_eq!(text.matches("\"kind\"").count(), 1, "{text}");
        assert!(
            text.starts_with(r#"{"kind":"round","what":"memory""#),
            "{text}"
        );
    }
}
