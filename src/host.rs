//! Wires haulers, transports and the state directory to the executor.

use crate::disk::RunDisk;
use crate::exit_code::Stop;
use crate::state_dir::{Runs, StateDir};
use phaul_core::executor::agent::Host;
use phaul_core::executor::ports::{Dial, Disk, TargetHauler, Undo};
use phaul_core::executor::source::Source;
use phaul_core::failure::Failure;
use phaul_core::graph::Parts;
use phaul_core::journal::{Journal, JournalError, Record};
use phaul_core::plan::{Plan, Transport};
use phaul_core::run::RunId;
use phaul_haulers::HostUndo;
use phaul_transports::keys::Keys;
use phaul_transports::quic::{DialerOptions, QuicDialer};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// This program, for CRIU to call back.
fn own_program() -> Result<PathBuf, Failure> {
    std::env::current_exe()
        .map_err(|error| Failure::new("start", format!("phaul cannot find itself: {error}")))
}

/// The source's side of a run; the dialler is returned too, for its links must be ended in
/// good order before the process exits.
pub(crate) fn source(
    state: &StateDir,
    plan: &Plan,
    run: &RunId,
    dir: &Path,
    target_graph: Parts,
) -> Result<(Source, Arc<QuicDialer>), Stop> {
    let hauler = phaul_haulers::source(plan, run, dir, own_program()?)?;
    let Transport::Quic(quic) = &plan.transport;
    let options = DialerOptions {
        streams: quic.streams,
        rate: quic.rate,
        compression: quic.compression,
        ..DialerOptions::default()
    };
    let keys = Keys::new(state.root());
    let dialer = Arc::new(QuicDialer::new(
        plan.to.agent.clone(),
        plan.to.identity.clone(),
        keys,
        options,
    ));
    let source = Source {
        hauler,
        dial: Arc::clone(&dialer) as Arc<dyn Dial>,
        undo: Arc::new(HostUndo),
        disk: Arc::new(RunDisk { dir: dir.into() }),
        target_graph,
    };
    Ok((source, dialer))
}

/// What the agent needs of this host.
pub(crate) struct AgentHost {
    runs: Runs,
}

impl AgentHost {
    pub(crate) fn new(state: &StateDir) -> Self {
        Self {
            runs: state.agent_runs(),
        }
    }
}

impl Host for AgentHost {
    fn begin(&self, run: &RunId, beginning: Record) -> Result<Box<dyn Journal>, JournalError> {
        self.runs.make(run).map_err(|stop| JournalError::Store {
            path: self.runs.dir(run),
            cause: stop.message,
        })?;
        Ok(Box::new(self.runs.begin(run, beginning)?))
    }

    fn journal(&self, run: &RunId) -> Result<Box<dyn Journal>, JournalError> {
        Ok(Box::new(self.runs.journal(run)?))
    }

    fn knows(&self, run: &RunId) -> bool {
        self.runs.has(run)
    }

    fn runs(&self) -> Vec<RunId> {
        self.runs.all()
    }

    fn hauler(&self, plan: &Plan, run: &RunId) -> Result<Box<dyn TargetHauler>, Failure> {
        phaul_haulers::target(plan, run, &self.runs.dir(run), own_program()?)
    }

    fn disk(&self, run: &RunId) -> Arc<dyn Disk> {
        Arc::new(RunDisk {
            dir: self.runs.dir(run),
        })
    }

    fn undo(&self) -> Arc<dyn Undo> {
        Arc::new(HostUndo)
    }
}
