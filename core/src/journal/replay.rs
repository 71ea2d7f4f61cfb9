//! What a run is, from its records.

use super::record::{Entry, Record, VERSION};
use crate::graph::{Graph, Side};
use crate::machine::Machine;
use crate::machine::rollback;
use crate::plan::Plan;
use crate::report::Outcome;
use crate::resource::Resource;
use crate::run::RunId;
use std::collections::BTreeMap;

use super::store::JournalError;

/// A run as its journal tells it.
#[derive(Debug, Clone)]
pub struct Replay {
    /// The run.
    pub run: RunId,
    /// The side whose journal it is.
    pub side: Side,
    /// The peer.
    pub peer: String,
    /// What is hauled.
    pub workload: String,
    /// The plan.
    pub plan: Plan,
    /// The graph of this side.
    pub graph: Graph,
    /// Where it stands; none if no state was entered yet.
    pub machine: Option<Machine>,
    /// What was made and is not gone, the newest first.
    pub standing: Vec<Resource>,
    /// The newest fact of each name.
    pub facts: BTreeMap<String, serde_json::Value>,
    /// How it ended, if its last word is that it did.
    pub outcome: Option<Outcome>,
}

impl Replay {
    /// Whether the run has ended for good on this side.
    pub fn has_ended(&self) -> bool {
        let machine = self.machine.as_ref();
        machine.is_some_and(|machine| machine.has_ended(&self.graph))
    }
}

/// Folds the records into the run.
pub fn replay(entries: &[Entry]) -> Result<Replay, JournalError> {
    let Some(Record::Begun {
        version,
        run,
        side,
        peer,
        workload,
        plan,
        graph,
        digest,
    }) = entries.first().map(|entry| &entry.record)
    else {
        return Err(JournalError::NoBeginning);
    };
    if *version != VERSION {
        return Err(JournalError::Version {
            found: *version,
            known: VERSION,
        });
    }
    let graph = Graph::new(graph.clone()).map_err(|broken| JournalError::Graph {
        broken: broken.iter().map(ToString::to_string).collect(),
    })?;
    if graph.digest() != *digest {
        return Err(JournalError::Digest);
    }
    let mut replay = Replay {
        run: run.clone(),
        side: *side,
        peer: peer.clone(),
        workload: workload.clone(),
        plan: (**plan).clone(),
        graph,
        machine: None,
        standing: Vec::new(),
        facts: BTreeMap::new(),
        outcome: None,
    };
    let (mut made, mut gone) = (Vec::new(), Vec::new());
    for entry in &entries[1..] {
        match &entry.record {
            Record::Entered { machine, .. } => {
                replay.machine = Some(machine.clone());
                replay.outcome = None;
            }
            Record::Made { resource } => {
                gone.retain(|other| other != resource);
                made.push(resource.clone());
            }
            Record::Gone { resource } => gone.push(resource.clone()),
            Record::Fact { name, value } => {
                replay.facts.insert(name.clone(), value.clone());
            }
            Record::Ended { outcome } => replay.outcome = Some(*outcome),
            _ => {}
        }
    }
    replay.standing = rollback::order(&made, &gone);
    Ok(replay)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    fn entry(record: Record) -> Entry {
        Entry {
            at: Timestamp::UNIX_EPOCH,
            record,
        }
    }

    #[test]
    fn a_journal_without_a_beginning_is_refused() {
        let ended = entry(Record::Ended {
            outcome: Outcome::Migrated,
        });
        assert!(matches!(replay(&[]), Err(JournalError::NoBeginning)));
        assert!(matches!(replay(&[ended]), Err(JournalError::NoBeginning)));
    }
}
