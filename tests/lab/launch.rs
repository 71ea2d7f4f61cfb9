//! Starting a workload the way a daemon is started, from within its host.

use std::ffi::OsString;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::command::wait_until;
use super::descriptors::close_all_on_exec;
use super::error::{Error, Result};
use super::host::PATH;
use super::processes::has_outgrown;

const STARTED_WITHIN: Duration = Duration::from_secs(10);

/// The hidden command `launch`: starts `argv` and prints its pid. Once this process has ended, the
/// host's first process is the workload's parent.
pub fn launch(argv: &[OsString]) -> Result<()> {
    close_all_on_exec()?;
    // `setsid` starts the session and becomes the workload: the pid stays.
    let mut child = Command::new("setsid")
        .args(argv)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .current_dir("/")
        .env_clear()
        .env("PATH", PATH)
        .spawn()
        .map_err(|source| Error::Start {
            command: "setsid".into(),
            source,
        })?;
    let pid = child.id().cast_signed();
    let mut ended = None;
    wait_until("the start of the workload", STARTED_WITHIN, || {
        ended = child.try_wait().ok().flatten();
        ended.is_some() || has_outgrown(pid, "setsid")
    })?;
    match ended {
        Some(status) => {
            let command = argv
                .iter()
                .map(|word| word.to_string_lossy())
                .collect::<Vec<_>>()
                .join(" ");
            Err(Error::Failed {
                command,
                status: status.to_string(),
                stderr: String::new(),
            })
        }
        None => {
            writeln!(std::io::stdout(), "{pid}").map_err(Error::file("write", "standard output"))
        }
    }
}
