//! What is the host's in a run: undoing, the disk, journals.

use crate::doubles::{Double, Shared, look};
use crate::tree::TREE;
use async_trait::async_trait;
use bytes::Bytes;
use phaul_core::executor::agent::Host;
use phaul_core::executor::ports::{Disk, Resource, TargetHauler, Undo};
use phaul_core::failure::Failure;
use phaul_core::graph::Side;
use phaul_core::journal::{Journal, JournalError, Record};
use phaul_core::plan::Plan;
use phaul_core::run::RunId;
use std::path::Path;
use std::sync::Arc;

/// The undoer and the disk of one side.
pub(crate) struct Ground {
    pub(crate) stage: Shared,
    pub(crate) side: Side,
}

#[async_trait]
impl Undo for Ground {
    async fn undo(&self, resource: &Resource) -> Result<(), Failure> {
        let Resource::Directory { path } = resource else {
            return Err(Failure::new("double", format!("{resource} was never made")));
        };
        let mut stage = look(&self.stage);
        if path.ends_with(TREE) {
            stage.tree_there.clear();
        }
        stage.made.remove(&(self.side, path.clone()));
        Ok(())
    }
}

impl Disk for Ground {
    fn read(&self, _: &Path, name: &str, offset: u64, len: usize) -> Result<Bytes, Failure> {
        let first = name.len() as u8 ^ (offset >> 20) as u8;
        Ok(Bytes::from(vec![first; len]))
    }

    fn write(&self, _: &Path, name: &str, offset: u64, data: &[u8]) -> Result<(), Failure> {
        let mut stage = look(&self.stage);
        let expected = name.len() as u8 ^ (offset >> 20) as u8;
        if data.iter().any(|byte| *byte != expected) {
            stage
                .violations
                .push(format!("{name} is not what was sent"));
        }
        let end = stage.arrived.entry(name.into()).or_default();
        *end = (*end).max(offset + data.len() as u64);
        Ok(())
    }

    fn keep_log(&self, _: &str, _: &str) -> Result<(), Failure> {
        Ok(())
    }
}

/// The target's host for the agent.
pub(crate) struct TargetHost(pub(crate) Shared);

impl Host for TargetHost {
    fn begin(&self, run: &RunId, beginning: Record) -> Result<Box<dyn Journal>, JournalError> {
        let mut journal = self.journal(run)?;
        journal.write(beginning)?;
        Ok(journal)
    }

    fn journal(&self, run: &RunId) -> Result<Box<dyn Journal>, JournalError> {
        let mut stage = look(&self.0);
        Ok(Box::new(
            stage.journals.entry(run.clone()).or_default().clone(),
        ))
    }

    fn knows(&self, run: &RunId) -> bool {
        look(&self.0).journals.contains_key(run)
    }

    fn runs(&self) -> Vec<RunId> {
        look(&self.0).journals.keys().cloned().collect()
    }

    fn hauler(&self, _: &Plan, _: &RunId) -> Result<Box<dyn TargetHauler>, Failure> {
        Ok(Box::new(Double {
            stage: Arc::clone(&self.0),
            side: Side::Target,
            dir: "/target".into(),
        }))
    }

    fn disk(&self, _: &RunId) -> Arc<dyn Disk> {
        self.undo_and_disk()
    }

    fn undo(&self) -> Arc<dyn Undo> {
        self.undo_and_disk()
    }
}

impl TargetHost {
    fn undo_and_disk(&self) -> Arc<Ground> {
        Arc::new(Ground {
            stage: Arc::clone(&self.0),
            side: Side::Target,
        })
    }
}
