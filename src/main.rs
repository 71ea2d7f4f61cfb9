//! phaul moves running processes from one Linux host to another, as a plan says.

mod arguments;
mod commands;
mod control;
mod disk;
mod exit_code;
mod host;
mod state_dir;
mod ui;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(code) = phaul_haulers::called_back(&mut std::env::args_os().skip(1)) {
        return code;
    }
    let arguments = arguments::Arguments::parse();
    let json = arguments.is_json();
    ui::start_logging(arguments.is_daemon(), json);
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            let message = format!("phaul cannot start: {error}");
            let stop = exit_code::Stop::new(exit_code::Exit::Other, "start", message);
            return ui::stopped(&stop, json).into();
        }
    };
    let done = runtime.block_on(commands::carry_out(arguments));
    // Blocking work that is still under way must not keep the process.
    runtime.shutdown_background();
    match done {
        Ok(exit) => exit.into(),
        Err(stop) => ui::stopped(&stop, json).into(),
    }
}
