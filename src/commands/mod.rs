//! One file a command.

mod agent;
mod check;
mod control;
mod graph;
mod keys;
mod plan;
mod plan_file;
mod recover;
mod run;
mod runs;
mod show;

use crate::arguments::{AgentVerb, Arguments, Verb};
use crate::exit_code::Done;
use crate::state_dir::StateDir;

/// Carries out what the command line asks for.
pub(crate) async fn carry_out(arguments: Arguments) -> Done {
    let state = StateDir::new(&arguments.common.state_dir)?;
    match arguments.verb {
        Verb::Run {
            plan,
            report,
            format,
        } => run::run(&state, &plan, report.as_deref(), format).await,
        Verb::Plan {
            plan,
            probe,
            format,
        } => plan::plan(&state, &plan, probe, format).await,
        Verb::Check { plans, format } => check::check(&plans, format),
        Verb::Graph { plan, format } => graph::graph(&plan, format),
        Verb::Runs { format } => runs::of_source(&state, format).await,
        Verb::Show(run) => show::show(&state, &run).await,
        Verb::Resume { run, report } => recover::resume(&state, &run, report.as_deref()).await,
        Verb::Rollback { run, report } => recover::rollback(&state, &run, report.as_deref()).await,
        Verb::Cancel(run) => control::cancel(&state, &run).await,
        Verb::Continue(run) => control::pass_gate(&state, &run).await,
        Verb::Agent {
            listen,
            format,
            verb,
        } => match verb {
            None => agent::serve(&state, listen, format).await,
            Some(AgentVerb::Runs { format }) => runs::of_agent_here(&state, format).await,
            Some(AgentVerb::Resolve {
                run,
                run_it,
                format,
                ..
            }) => control::resolve(&state, &run, run_it, format).await,
        },
        Verb::Keys { verb } => keys::keys(&state, verb),
    }
}
