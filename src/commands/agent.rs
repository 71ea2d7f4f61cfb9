//! `phaul agent`: the target's daemon.

use crate::arguments::Format;
use crate::control::{self, Reply, Request};
use crate::exit_code::{Done, Exit, Stop};
use crate::host::AgentHost;
use crate::state_dir::StateDir;
use crate::ui;
use phaul_core::executor::Command;
use phaul_core::executor::agent::Agent;
use phaul_core::graph::Side;
use phaul_core::report::{Event, EventBody};
use phaul_core::run::RunId;
use phaul_transports::keys::Keys;
use phaul_transports::quic::{ListenerOptions, QuicListener};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;

/// How long the last words to the sources may take.
const FAREWELL: Duration = Duration::from_secs(3);

/// The states of the runs under way.
type States = Arc<Mutex<HashMap<RunId, String>>>;

pub(crate) async fn serve(state: &StateDir, listen: SocketAddr, format: Format) -> Done {
    let control = control::bind(&control::of_agent(state.root())).map_err(|error| {
        Stop::new(
            Exit::Busy,
            "agent-busy",
            format!("an agent already runs with this state directory: {error}"),
        )
        .hint("give this one another with --state-dir")
    })?;
    let keys = Keys::new(state.root());
    let listener = QuicListener::bind(listen, keys, ListenerOptions::default())?;
    let (events, heard) = mpsc::unbounded_channel();
    let agent = Agent::new(Arc::new(AgentHost::new(state)), events);
    let states = States::default();
    tokio::spawn(tell(heard, format, Arc::clone(&states)));
    state.agent_runs().forget_unbegun();
    agent.recover();
    match format {
        Format::Human => ui::line(&format!("phaul agent listens at {}", listener.address())),
        Format::Json => ui::json(&serde_json::json!({ "listening": listener.address() })),
    }
    let answering = {
        let agent = agent.clone();
        control::serve(control, move |request| {
            answer(agent.clone(), Arc::clone(&states), request)
        })
    };
    tokio::select! {
        () = agent.serve(&listener) => {}
        () = answering => {}
        () = told_to_stop() => {
            // What is prepared is restored again by the next agent; its journal knows.
            tracing::info!("the agent stops");
        }
    }
    // The sources learn at once that they have to come again.
    listener.close();
    let _ = tokio::time::timeout(FAREWELL, listener.finished()).await;
    Ok(Exit::Ok)
}

async fn answer(agent: Agent, states: States, request: Request) -> Reply {
    let (run, command) = match request {
        Request::Status { run } => {
            let states = states.lock().unwrap_or_else(PoisonError::into_inner);
            return match states.get(&run).cloned() {
                Some(state) => Reply::Status {
                    plan: agent.plan_of(&run).unwrap_or_default(),
                    state,
                },
                None => Reply::No(format!("the run {run} is not under way here")),
            };
        }
        Request::Cancel { run } => (run, Command::Cancel),
        Request::Run { run } => (run, Command::Run),
        Request::Continue { .. } => return Reply::No("a target has no gate".into()),
    };
    match agent.command(&run, command).await {
        Ok(()) => Reply::Ok,
        Err(why) => Reply::No(why),
    }
}

/// Puts what happens into the log, and remembers where each run stands.
async fn tell(mut events: mpsc::UnboundedReceiver<Event>, format: Format, states: States) {
    while let Some(event) = events.recv().await {
        if format == Format::Json {
            ui::json(&event);
        }
        let run = &event.run;
        match &event.body {
            EventBody::State { state, attempt, .. } if event.side == Side::Target => {
                tracing::info!(%run, attempt, "{state}");
                let mut states = states.lock().unwrap_or_else(PoisonError::into_inner);
                states.insert(run.clone(), state.to_string());
            }
            EventBody::End { outcome, .. } => {
                tracing::info!(%run, "ended: {}", outcome.name());
            }
            EventBody::Log { level, message } if level == "error" => {
                tracing::error!(%run, "{message}");
            }
            EventBody::Log { message, .. } => tracing::warn!(%run, "{message}"),
            _ => {}
        }
    }
}

async fn told_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    match (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) {
        (Ok(mut interrupt), Ok(mut terminate)) => {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        }
        _ => std::future::pending().await,
    }
}
