//! Calls of cargo, on the workspace that one stands in.

use std::ffi::OsStr;
use std::process::{Command, Stdio};

use phaul_tests::lab::{Error, Result, shell_code};

/// The cargo that runs this, if one does.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // What it says about this package would make it build again what depends on such variables.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(name);
        }
    }
    command
}

/// What makes cargo build into the directory that this binary is in: labs take the programs from
/// there.
pub(crate) fn profile() -> Option<&'static str> {
    let own = std::env::current_exe().ok()?;
    (own.parent()?.file_name()? == OsStr::new("release")).then_some("--release")
}

/// Builds phaul, the workloads and the lab itself.
pub(crate) fn build_programs() -> Result<()> {
    run(cargo()
        .args(["build", "--workspace", "--bins"])
        .args(profile()))
}

/// Runs a command that must succeed, with this process's own standard streams.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    match code(command)? {
        0 => Ok(()),
        code => Err(Error::Failed {
            command: line(command),
            status: format!("exit code {code}"),
            stderr: String::new(),
        }),
    }
}

/// Runs a command with this process's own standard streams; gives its exit code.
pub(crate) fn code(command: &mut Command) -> Result<u8> {
    let status = command.status().map_err(|source| Error::Start {
        command: line(command),
        source,
    })?;
    Ok(u8::try_from(shell_code(status)).unwrap_or(u8::MAX))
}

/// Whether a command succeeds, without a word.
pub(crate) fn succeeds(command: &mut Command) -> Result<bool> {
    Ok(code(command.stdout(Stdio::null()).stderr(Stdio::null()))? == 0)
}

fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}
