//! `phaul cancel`, `phaul continue`, `phaul agent resolve`: words to a running phaul.

use crate::arguments::{Format, RunName};
use crate::control::{Reply, Request, ask, of_agent, of_run};
use crate::exit_code::{Done, Exit, Stop};
use crate::state_dir::StateDir;
use crate::ui;
use phaul_core::run::RunId;
use serde_json::json;

pub(crate) async fn cancel(state: &StateDir, name: &RunName) -> Done {
    let run = state.runs().find(&name.run)?;
    let reply = ask(&of_run(&run), &Request::Cancel { run: run.clone() }).await?;
    let absent = format!("phaul rollback {run}");
    said(&run, reply, "is being rolled back", &absent, name.format)
}

pub(crate) async fn pass_gate(state: &StateDir, name: &RunName) -> Done {
    let run = state.runs().find(&name.run)?;
    let reply = ask(&of_run(&run), &Request::Continue { run: run.clone() }).await?;
    let absent = format!("phaul resume {run}");
    said(&run, reply, "passes its gate", &absent, name.format)
}

pub(crate) async fn resolve(state: &StateDir, name: &str, run_it: bool, format: Format) -> Done {
    let run = state.agent_runs().find(name)?;
    let (request, what) = if run_it {
        (
            Request::Run { run: run.clone() },
            "lets its workload run here",
        )
    } else {
        (
            Request::Cancel { run: run.clone() },
            "drops its workload here",
        )
    };
    let reply = ask(&of_agent(state.root()), &request).await?;
    said(
        &run,
        reply,
        what,
        "start the agent first: phaul agent",
        format,
    )
}

fn said(run: &RunId, reply: Option<Reply>, what: &str, absent: &str, format: Format) -> Done {
    match reply {
        Some(Reply::Ok | Reply::Status { .. }) => {
            match format {
                Format::Human => ui::line(&format!("{run} {what}")),
                Format::Json => ui::json(&json!({ "run": run, "ok": true })),
            }
            Ok(Exit::Ok)
        }
        Some(Reply::No(why)) => Err(Stop::new(Exit::Other, "not-now", why)),
        None => Err(Stop::new(
            Exit::Other,
            "not-under-way",
            format!("no process carries the run {run} out"),
        )
        .hint(absent)),
    }
}
