//! A container runtime that dumps or restores with a CRIU of its own (`phaul call DIRECTORY`).
//!
//! A runtime reads further options for CRIU from a file in `/etc/criu`, which wins over what the
//! runtime itself asks for. It is started in a mount namespace of its own in which phaul's file
//! stands there, so nobody else ever sees it. It finds a `criu` first in its `PATH` that says
//! who it is and then becomes the real one.

use super::config::{self, quoted};
use super::log::{self, OUTPUT};
use super::rpc;
use crate::attempt::make_empty_directory;
use crate::ledger;
use crate::tasks::{Task, boot_id};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use phaul_core::executor::ports::{Ledger, Resource};
use phaul_core::failure::Failure;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// Where runtimes look for CRIU's options.
pub(crate) const CONFIGS: &str = "/etc/criu";
/// What is called, in the directory of the attempt.
const CALL: &str = "call.json";
/// Files with such names are ours in [`CONFIGS`]: see [`claim_configs`].
const MARK: &str = ".phaul-";
/// The directory there that stands in for [`CONFIGS`].
const STAND_IN: &str = "etc-criu";
/// The directory there that comes first in the runtime's `PATH`.
const PROGRAMS: &str = "bin";
/// Where CRIU says who it is: pid, start in clock ticks after boot, boot id.
const CRIU: &str = "criu.task";
/// The runtime's own log.
pub(crate) const LOG: &str = "runtime.log";
/// How often [`CONFIGS`] is made anew when others remove it.
const CLAIMS: u32 = 100;
/// How long killed processes may take to end.
const END: Duration = Duration::from_secs(10);

/// Makes sure that [`CONFIGS`] is there, and stays there: whoever removed it on the host would
/// take away what is mounted on it elsewhere, and CRIU would do its work without being held. A
/// directory with something in it cannot be removed, so every run has a file of its own there,
/// and the last one takes the directory along.
pub(crate) fn claim_configs(attempt: &Path, ledger: &mut dyn Ledger) -> Result<(), Failure> {
    let directory = Path::new(CONFIGS);
    let run = attempt.parent().unwrap_or(attempt);
    let name = blake3::hash(run.as_os_str().as_encoded_bytes()).to_hex();
    let mark = directory.join(format!("{MARK}{}", &name[..16]));
    for _ in 0..CLAIMS {
        let only_ours = fs::read_dir(directory).is_ok_and(|mut entries| {
            entries.all(|entry| entry.is_ok_and(|entry| is_mark(&entry.file_name())))
        });
        if only_ours || !directory.exists() {
            make_empty_directory(directory, ledger)?;
        }
        let resource = Resource::File { path: mark.clone() };
        ledger::make_once(ledger, resource)?;
        match File::create(&mark) {
            Ok(_) => return Ok(()),
            // Another run has removed it in between.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
    }
    let cause = format!("{CONFIGS} is removed again and again");
    Err(Failure::lost("runtime-lost", cause))
}

fn is_mark(name: &std::ffi::OsStr) -> bool {
    name.as_encoded_bytes().starts_with(MARK.as_bytes())
}

/// What is called.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Called {
    /// The runtime.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Its working directory.
    pub directory: PathBuf,
    /// It has a `/tmp` of its own: a CRIU that is killed leaves directories there.
    pub own_tmp: bool,
}

impl Called {
    /// A call of a program. The words must be UTF-8.
    pub(crate) fn new(
        program: PathBuf,
        arguments: Vec<OsString>,
        directory: &Path,
    ) -> Result<Self, Failure> {
        let words = arguments.into_iter().map(OsString::into_string);
        let arguments = words.collect::<Result<Vec<String>, OsString>>();
        let arguments = arguments.map_err(|word| {
            let cause = format!(
                "{} is not UTF-8, as a runtime's paths must be",
                word.display()
            );
            Failure::new("runtime", cause)
        })?;
        Ok(Self {
            program,
            arguments,
            directory: directory.to_owned(),
            own_tmp: false,
        })
    }
}

/// A runtime at work.
#[derive(Debug)]
pub(crate) struct Call {
    child: Child,
    task: Task,
    name: String,
}

/// Where CRIU begins its life, and with it what it restores.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Home<'a> {
    /// The cgroup.
    pub cgroup: &'a Path,
    /// That is the root of a cgroup namespace: a container must not see those of others. CRIU
    /// does not rebuild the namespace where it is told to leave cgroups alone.
    pub is_root: bool,
}

/// Prepares the directory of an attempt for a call. `config` is the name of the runtime's file
/// in [`CONFIGS`] and `lines` what is to stand at its end; `exe` is phaul itself.
pub(crate) fn prepare(
    directory: &Path,
    called: &Called,
    config: &str,
    lines: &str,
    home: Option<(&Path, Home<'_>)>,
) -> Result<(), Failure> {
    let failed = |error: io::Error| {
        let cause = format!("cannot write into {}: {error}", directory.display());
        Failure::new("attempt-directory", cause)
    };
    let text = serde_json::to_string(called).map_err(|error| failed(error.into()))?;
    fs::write(directory.join(CALL), text).map_err(failed)?;
    stand_in(&directory.join(STAND_IN), config, lines).map_err(failed)?;
    let criu = rpc::find()?;
    let script = wrapper(directory, &criu, config, home).map_err(failed)?;
    let programs = directory.join(PROGRAMS);
    fs::create_dir_all(&programs).map_err(failed)?;
    let path = programs.join("criu");
    fs::write(&path, script).map_err(failed)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).map_err(failed)
}

/// What the host has in [`CONFIGS`], with our lines at the end of one file: the last word wins.
fn stand_in(directory: &Path, config: &str, lines: &str) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    for entry in fs::read_dir(CONFIGS).into_iter().flatten().flatten() {
        if entry.path().is_file() && !is_mark(&entry.file_name()) {
            fs::copy(entry.path(), directory.join(entry.file_name()))?;
        }
    }
    let mut file = fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(directory.join(config))?;
    file.write_all(format!("\n{lines}").as_bytes())
}

/// The `criu` that the runtime finds. SIGXFSZ is ignored for [`rpc::stop_writing`].
fn wrapper(
    directory: &Path,
    criu: &Path,
    config: &str,
    home: Option<(&Path, Home<'_>)>,
) -> io::Result<String> {
    let held = quoted(Path::new(config::HELD))?;
    let config = quoted(&Path::new(CONFIGS).join(config))?;
    let note = quoted(&directory.join(CRIU))?;
    let mut criu = quoted(criu)?;
    let mut enter = String::new();
    if let Some((exe, home)) = home {
        let cgroup = quoted(&home.cgroup.join("cgroup.procs"))?;
        enter = format!("echo $$ >{cgroup} || exit 1\n");
        if home.is_root {
            criu = format!("{} confine {criu}", quoted(exe)?);
        }
    }
    Ok(format!(
        "#!/bin/sh\n\
         if ! grep -qxF {held} {config}; then echo 'CRIU would not be held' >&2; exit 1; fi\n\
         trap '' XFSZ\n\
         {enter}\
         read -r boot </proc/sys/kernel/random/boot_id\n\
         read -r stat </proc/$$/stat\n\
         call=\"$*\"\n\
         set -- ${{stat##*) }}\n\
         echo \"$$ ${{20}} $boot\" >{note}\n\
         exec {criu} $call\n"
    ))
}

/// The CRIU that has last said who it is in the directory of an attempt.
pub(crate) fn criu_in(directory: &Path) -> Option<Task> {
    let text = fs::read_to_string(directory.join(CRIU)).ok()?;
    let mut words = text.split_whitespace();
    let task = Task {
        pid: words.next()?.parse().ok()?,
        start_ticks: words.next()?.parse().ok()?,
    };
    (words.next()? == boot_id()).then_some(task)
}

impl Call {
    /// Starts what will become the runtime; it waits for [`Call::begin`].
    pub(crate) fn start(exe: &Path, directory: &Path, name: &str) -> Result<Self, Failure> {
        let output = File::create(directory.join(OUTPUT)).map_err(failed)?;
        let child = Command::new(exe)
            .arg("call")
            .arg(directory)
            .current_dir(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(output)
            // A signal from the terminal is meant for phaul, which ends all in good order.
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
        let task = pid
            .and_then(Task::find)
            .ok_or_else(|| Failure::lost("runtime-lost", format!("{name} could not be started")))?;
        Ok(Self {
            child,
            task,
            name: name.to_owned(),
        })
    }

    /// The process.
    pub(crate) fn task(&self) -> Task {
        self.task
    }

    /// Lets the runtime begin.
    pub(crate) async fn begin(&mut self) -> Result<(), Failure> {
        match self.child.stdin.take() {
            Some(mut stdin) => stdin.write_all(b"\n").await.map_err(failed),
            None => Ok(()),
        }
    }

    /// Waits for the runtime's end: whether it succeeded.
    pub(crate) async fn answer(&mut self) -> Result<bool, Failure> {
        let status = self.child.wait().await.map_err(failed)?;
        match status.code() {
            Some(code) => Ok(code == 0),
            None => Err(Failure::lost(
                "runtime-lost",
                format!("{} {status} in the middle of its work", self.name),
            )),
        }
    }

    /// What the runtime said in its log and on its standard error, the last lines.
    pub(crate) fn said(&self, directory: &Path) -> String {
        log::said(&directory.join(LOG), &directory.join(OUTPUT))
    }

    /// Why the runtime could not do its work, if it did not even come to call CRIU.
    pub(crate) fn refused(&self, phrase: &str, directory: &Path) -> Failure {
        let said = self.said(directory);
        let last = said.lines().last().unwrap_or("it does not say why");
        Failure::new(
            "runtime",
            format!("{} could not {phrase}: {last}", self.name),
        )
        .hint("the runtime's log is in the run's record")
        .log(said.lines().map(str::to_owned).collect())
    }

    /// Waits until the runtime has ended by itself. True if it did within this time.
    pub(crate) async fn ended(&mut self, within: Duration) -> bool {
        // Without its beginning it would wait for ever.
        self.child.stdin = None;
        timeout(within, self.child.wait()).await.is_ok()
    }

    /// Kills CRIU and the runtime, and waits for their end.
    pub(crate) async fn kill(&mut self, directory: &Path) {
        if let Some(criu) = criu_in(directory) {
            rpc::end(criu, Duration::ZERO).await;
        }
        // The runtime cleans up after a CRIU that ended.
        if !self.ended(END).await
            && let Err(error) = self.child.kill().await
        {
            tracing::warn!(%error, name = self.name, "the runtime could not be killed");
        }
    }
}

fn failed(error: io::Error) -> Failure {
    Failure::lost(
        "runtime-lost",
        format!("the runtime cannot be started: {error}"),
    )
}

/// The hidden subcommand `phaul call`: waits for a line on the standard input, then becomes the
/// runtime that the directory of an attempt names.
pub(crate) fn call_main(directory: &Path) -> ExitCode {
    match become_runtime(directory) {
        Ok(never) => match never {},
        Err(error) => {
            // Nobody is left to be told where the standard error is closed.
            let _ = writeln!(io::stderr(), "phaul call: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The hidden subcommand `phaul confine`: becomes a program for which the cgroup that it is in is
/// the root of all cgroups.
pub(crate) fn confine_main(words: &mut dyn Iterator<Item = OsString>) -> ExitCode {
    let error = match (unshare(CloneFlags::CLONE_NEWCGROUP), words.next()) {
        (Ok(()), Some(program)) => std::process::Command::new(program).args(words).exec(),
        (Err(errno), _) => errno.into(),
        (Ok(()), None) => io::Error::other("there is nothing to become"),
    };
    let _ = writeln!(io::stderr(), "phaul confine: {error}");
    ExitCode::FAILURE
}

fn become_runtime(directory: &Path) -> io::Result<std::convert::Infallible> {
    let mut go = [0];
    io::stdin().read_exact(&mut go)?;
    let called: Called = serde_json::from_slice(&fs::read(directory.join(CALL))?)?;
    unshare(CloneFlags::CLONE_NEWNS)?;
    let none = None::<&str>;
    // What is mounted on the host later is seen here, what is mounted here stays here.
    mount(none, "/", none, MsFlags::MS_SLAVE | MsFlags::MS_REC, none)?;
    if called.own_tmp {
        let kind = Some("tmpfs");
        mount(kind, "/tmp", kind, MsFlags::empty(), Some("mode=1777"))?;
    }
    let stand_in = directory.join(STAND_IN);
    mount(Some(&stand_in), CONFIGS, none, MsFlags::MS_BIND, none)?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let paths = std::iter::once(directory.join(PROGRAMS)).chain(std::env::split_paths(&path));
    let path = std::env::join_paths(paths).map_err(io::Error::other)?;
    Err(std::process::Command::new(&called.program)
        .args(&called.arguments)
        .current_dir(&called.directory)
        .env("PATH", path)
        .stdin(Stdio::null())
        .exec())
}
