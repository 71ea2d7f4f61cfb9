//! What a person wants of a run that is under way.

use crate::graph::{AskKind, EventKind, Graph, StateName, Work};
use crate::machine::{Doing, Input, Machine};
use tokio::sync::{Notify, oneshot};

/// What a person wants of a running executor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Stop and undo.
    Cancel,
    /// Pass the gate.
    Continue,
    /// At the target: the source has committed; let the workload run.
    Run,
}

/// What a person's command is for the machine; answers the person.
pub(super) fn command_input(
    graph: &Graph,
    machine: &Machine,
    gate: &Notify,
    command: Command,
    answer: oneshot::Sender<Result<(), String>>,
) -> Option<Input> {
    let state = machine.state;
    let undoing = matches!(state, StateName::Thaw | StateName::Drop);
    let (input, said) = match command {
        Command::Cancel if machine.handles(graph, EventKind::Cancelled) || undoing => {
            (Some(Input::Cancel), Ok(()))
        }
        Command::Cancel => (
            None,
            Err(format!(
                "the run is in `{state}`: it has committed and only goes forward"
            )),
        ),
        Command::Continue if machine.doing == Doing::Work(Work::Gate) => {
            gate.notify_one();
            (None, Ok(()))
        }
        Command::Continue => (
            None,
            Err(format!(
                "the run is in `{state}` and does not wait at its gate"
            )),
        ),
        Command::Run if state == StateName::Prepared || machine.committed => {
            (Some(Input::Asked(AskKind::Resume, machine.attempt)), Ok(()))
        }
        Command::Run => (
            None,
            Err(format!("the run is in `{state}` and holds no workload")),
        ),
    };
    // Whoever asked may have gone; what was asked is done all the same.
    let _ = answer.send(said);
    input
}
