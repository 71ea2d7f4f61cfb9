//! The commands around a state.

use super::command::command_input;
use super::deadlines;
use super::driver::{Driver, Left, World, stopped};
use crate::failure::Failure;
use crate::graph::{EventKind, Phase, Side, StateName};
use crate::machine::{Doing, Output, Reaction, react};
use crate::plan::{Haul, PidSource, Plan};
use crate::run::RunId;
use std::process::Stdio;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;

/// How much of a hook's output is kept, in bytes.
const OUTPUT_MAX: u64 = 16 << 10;

/// Before or after the state's work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    Before,
    After,
}

impl<W: World> Driver<W> {
    /// Runs the hooks while listening to a person. An event if the state is left because of it.
    pub(super) async fn hooks(&mut self, when: When) -> Result<Left, Failure> {
        let (side, state) = (self.machine.side, self.machine.state);
        // After the commit's work its word stands, even if it is not recorded yet.
        let listens = when == When::Before || self.machine.phase(&self.graph) != Phase::Commit;
        let ran = {
            let running = run(&self.plan, &self.run, side, state, when);
            tokio::pin!(running);
            loop {
                tokio::select! {
                    biased;
                    ran = &mut running => break Ok(ran),
                    said = self.inbox.command(), if listens => {
                        let (command, answer) = said.ok_or_else(stopped)?;
                        let (graph, machine) = (&self.graph, &self.machine);
                        let input = command_input(graph, machine, &self.gate, command, answer);
                        let Some(input) = input else { continue };
                        let reaction = react(graph, machine, input);
                        self.machine = reaction.machine;
                        if let Some(event) = reaction.event {
                            break Err(event);
                        }
                    }
                }
            }
        };
        match ran {
            Ok(Ok(())) => Ok(None),
            Ok(Err(failure)) if self.hook_failed(&failure)? => {
                // The source waits for an answer, and nothing else would tell it.
                self.apply(Reaction {
                    machine: self.machine.clone(),
                    outputs: vec![Output::AnswerFailed],
                    event: Some(EventKind::Failed),
                })
                .await
            }
            Ok(Err(_)) => Ok(None),
            Err(event) => {
                self.interrupted(event, None)?;
                Ok(Some(event))
            }
        }
    }

    /// A hook's failure is its state's failure, as long as the run can still turn back; after
    /// that it is told and passed over, for the workload must come to run.
    fn hook_failed(&mut self, failure: &Failure) -> Result<bool, Failure> {
        let turns_back = matches!(
            self.machine.phase(&self.graph),
            Phase::Before | Phase::Frozen
        ) || (self.machine.phase(&self.graph) == Phase::Commit
            && self.machine.handles(&self.graph, EventKind::Failed)
            && self.machine.doing == Doing::Entered
            // Entered anew after a restart: the peer may have gone on in the meantime.
            && !self.machine.recovering);
        if turns_back {
            self.went_wrong(failure)?;
        } else {
            self.recorder.log("warn", failure.cause.clone());
        }
        Ok(turns_back)
    }
}

/// Runs the hooks of a state one after the other; the first that fails ends it.
async fn run(
    plan: &Plan,
    run: &RunId,
    side: Side,
    state: StateName,
    when: When,
) -> Result<(), Failure> {
    let Some(hooks) = plan.hooks.of(side, state) else {
        return Ok(());
    };
    let commands = match when {
        When::Before => &hooks.before,
        When::After => &hooks.after,
    };
    for argv in commands {
        one(argv, plan, run, side, state).await?;
    }
    Ok(())
}

async fn one(
    argv: &[String],
    plan: &Plan,
    run: &RunId,
    side: Side,
    state: StateName,
) -> Result<(), Failure> {
    let Some((program, arguments)) = argv.split_first() else {
        return Ok(());
    };
    let failed = |cause: String| {
        Failure::new("hook", format!("the hook `{}` {cause}", argv.join(" ")))
            .hint("run the command by hand, or take it out of the plan")
    };
    let mut child = Command::new(program)
        .args(arguments)
        .env("PHAUL_RUN", run.as_str())
        .env("PHAUL_STATE", state.name())
        .env("PHAUL_SIDE", side.name())
        .env("PHAUL_WORKLOAD", workload(plan))
        .env("PHAUL_PID", std::process::id().to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| failed(format!("cannot be started: {error}")))?;
    let stderr = child.stderr.take();
    let said = tokio::spawn(first_bytes(stderr));
    let status = tokio::time::timeout(deadlines::HOOK, child.wait())
        .await
        .map_err(|_| failed(format!("still ran after {} s", deadlines::HOOK.as_secs())))?
        .map_err(|error| failed(format!("was lost: {error}")))?;
    if status.success() {
        // What the hook started in the background may keep its output open.
        said.abort();
        return Ok(());
    }
    let wait = std::time::Duration::from_secs(1);
    let said = tokio::time::timeout(wait, said).await;
    let said = said.ok().and_then(Result::ok).unwrap_or_default();
    let lines = said.lines().map(str::to_owned).collect();
    Err(failed(format!("failed: {status}")).log(lines))
}

async fn first_bytes(stream: Option<impl AsyncRead + Unpin>) -> String {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        // What was read until an error is still worth showing.
        let _ = stream.take(OUTPUT_MAX).read_to_end(&mut bytes).await;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The workload as the plan names it.
fn workload(plan: &Plan) -> String {
    match &plan.haul {
        Haul::Pid(pid) => match &pid.root {
            PidSource::Pid(pid) => pid.to_string(),
            PidSource::Pidfile(path) => path.display().to_string(),
        },
        Haul::Runc(container)
        | Haul::Crun(container)
        | Haul::Podman(container)
        | Haul::Docker(container)
        | Haul::Lxc(container) => container.id.clone(),
    }
}
