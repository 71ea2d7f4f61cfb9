//! One of the two hosts, from outside: run programs in it, look at its processes and files.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::Mode;

use super::Side;
use super::child::Child;
use super::command::{self, Output};
use super::error::{Error, Result};
use super::identity::Identity;
use super::layout::Layout;
use super::processes::{self, Process};
use super::traces::{Traces, open_ports};
use super::{cgroup::Cgroup, network};

/// How long [`Host::exec`] lets a program run.
const EXEC_LIMIT: Duration = Duration::from_secs(60);

/// How long a daemon may take until it is ready, and a killed process until it is gone.
const READY_LIMIT: Duration = Duration::from_secs(10);

/// What a program in a host gets from the environment of whoever starts it, beside what
/// [`Host::command`] sets.
const PASSED_ON: &[&str] = &["TERM", "RUST_LOG", "RUST_BACKTRACE"];

/// The programs of the lab are found by their name, too.
pub(crate) const PATH: &str =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/phaul";

/// One host of a lab that is up.
#[derive(Debug, Clone)]
pub struct Host {
    side: Side,
    init: Identity,
    leaf: PathBuf,
    cgroup: PathBuf,
    logs: PathBuf,
}

impl Host {
    pub(crate) fn new(layout: &Layout, side: Side, init: Identity) -> Result<Self> {
        let cgroup = Cgroup::named(&layout.cgroup_name(side))?;
        let logs = layout.host(side).join("logs");
        Ok(Self {
            side,
            init,
            leaf: cgroup.leaf(),
            cgroup: cgroup.root().to_path_buf(),
            logs,
        })
    }

    /// Which of the two it is.
    pub fn side(&self) -> Side {
        self.side
    }

    /// Its address on the network between the hosts.
    pub fn address(&self) -> &'static str {
        network::address(self.side)
    }

    /// The pid of its first process, as the machine knows it.
    pub fn init_pid(&self) -> i32 {
        self.init.pid
    }

    /// Its cgroup root, as the machine knows it.
    pub fn cgroup(&self) -> &Path {
        &self.cgroup
    }

    /// A command that runs `argv` in this host, for whoever wants to choose its standard streams
    /// and environment.
    ///
    /// It enters the host's cgroup first: `nsenter` alone would leave it in its starter's.
    pub fn command<S: AsRef<OsStr>>(&self, argv: &[S]) -> Command {
        self.enter(argv, OsStr::new("--net"))
    }

    /// The same, but on another network than the host's own.
    pub(crate) fn command_on<S: AsRef<OsStr>>(&self, network: &Path, argv: &[S]) -> Command {
        let mut option = OsString::from("--net=");
        option.push(network);
        self.enter(argv, &option)
    }

    fn enter<S: AsRef<OsStr>>(&self, argv: &[S], network: &OsStr) -> Command {
        let mut command = Command::new("sh");
        command
            .args(["-c", r#"echo 0 > "$0" && exec "$@""#])
            .arg(self.leaf.join("cgroup.procs"))
            .args(["nsenter", "--target", &self.init.pid.to_string()])
            .arg(network)
            .args([
                "--mount", "--pid", "--ipc", "--uts", "--cgroup", "--root", "--wd", "--",
            ])
            .args(argv)
            .env_clear()
            .env("PATH", PATH)
            .env("HOME", "/root")
            .env("LANG", "C.UTF-8");
        for name in PASSED_ON {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command
    }

    /// Runs `argv` to its end, whatever its exit code, for at most a minute.
    pub fn exec<S: AsRef<OsStr>>(&self, argv: &[S]) -> Result<Output> {
        self.exec_within(argv, EXEC_LIMIT)
    }

    /// Runs `argv` to its end, whatever its exit code, and kills it after `limit`.
    pub fn exec_within<S: AsRef<OsStr>>(&self, argv: &[S], limit: Duration) -> Result<Output> {
        command::output(&mut self.command(argv), limit)
    }

    /// Runs `argv`, which must succeed, and gives its standard output.
    pub fn run<S: AsRef<OsStr>>(&self, argv: &[S]) -> Result<String> {
        let output = self.exec(argv)?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let words: Vec<_> = argv
            .iter()
            .map(|word| word.as_ref().to_string_lossy())
            .collect();
        Err(Error::Failed {
            command: format!("{}: {}", self.side, words.join(" ")),
            status: output.status.to_string(),
            stderr: output.stderr,
        })
    }

    /// Runs `argv` in the background; what it writes goes to a log. It is killed when the returned
    /// value is dropped.
    pub fn spawn<S: AsRef<OsStr>>(&self, argv: &[S]) -> Result<Child> {
        self.start(self.command(argv))
    }

    /// Runs one of this host's commands in the background.
    pub(crate) fn start(&self, command: Command) -> Result<Child> {
        Child::start(command, &self.logs)
    }

    /// Starts `argv` like a daemon, as CRIU wants it: a session of its own, a child of the host's
    /// first process, no descriptor but `/dev/null` of the host, nothing in its environment but
    /// `PATH`. Gives its pid in the host.
    pub fn start_workload<S: AsRef<OsStr>>(&self, argv: &[S]) -> Result<i32> {
        let launch = ["/opt/phaul/lab", "launch", "--"];
        let all: Vec<&OsStr> = launch
            .iter()
            .map(OsStr::new)
            .chain(argv.iter().map(AsRef::as_ref))
            .collect();
        let said = self.run(&all)?;
        said.trim()
            .parse()
            .map_err(|_| Error::Unfit(format!("`lab launch` said no pid but `{}`", said.trim())))
    }

    /// The processes of this host, by pid.
    pub fn ps(&self) -> Result<Vec<Process>> {
        processes::list(&self.inside("/proc"))
    }

    /// The process with that pid in this host, zombies included.
    pub fn process(&self, pid: i32) -> Option<Process> {
        processes::read(&self.inside("/proc"), pid)
    }

    /// Sends `signal` (a name without `SIG`, or a number) to the process with that pid in this
    /// host.
    pub fn kill(&self, pid: i32, signal: &str) -> Result<()> {
        self.run(&["kill", "-s", signal, "--", &pid.to_string()])
            .map(drop)
    }

    /// Waits until no process of this host has that pid, not even a zombie.
    pub fn wait_for_end(&self, pid: i32) -> Result<()> {
        let what = format!("the end of process {pid} on host {}", self.side);
        command::wait_until(&what, READY_LIMIT, || self.process(pid).is_none())
    }

    /// Waits until something takes UDP datagrams on `port`, as an agent does that is ready.
    pub fn wait_for_udp_port(&self, port: u16) -> Result<()> {
        let table = self.inside("/proc/1/net/udp");
        let what = format!("a socket on UDP port {port} of host {}", self.side);
        command::wait_until(&what, READY_LIMIT, || {
            fs::read_to_string(&table)
                .is_ok_and(|table| open_ports(&table).iter().any(|(open, _)| *open == port))
        })
    }

    /// Reads a file of this host.
    pub fn read(&self, path: impl AsRef<Path>) -> Result<String> {
        let path = path.as_ref();
        let mut text = String::new();
        self.open(path, OFlag::O_RDONLY)
            .and_then(|mut file| file.read_to_string(&mut text))
            .map_err(Error::file("read", path))?;
        Ok(text)
    }

    /// Writes a file of this host, in place of what it held.
    pub fn write(&self, path: impl AsRef<Path>, text: &str) -> Result<()> {
        let path = path.as_ref();
        self.open(path, OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_TRUNC)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(Error::file("write", path))
    }

    /// What a migration could leave behind on this host, as it is now.
    pub fn traces(&self) -> Result<Traces> {
        Traces::of(self)
    }

    /// A path of this host as the machine reaches it. Only for paths without symbolic links: an
    /// absolute link would be followed on the machine.
    pub fn inside(&self, path: &str) -> PathBuf {
        self.init
            .proc()
            .join("root")
            .join(path.trim_start_matches('/'))
    }

    /// Opens a path as the host resolves it, symbolic links included.
    fn open(&self, path: &Path, flags: OFlag) -> std::io::Result<fs::File> {
        let root = fs::File::open(self.inside("/"))?;
        let mut how = OpenHow::new()
            .flags(flags | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_IN_ROOT);
        if flags.contains(OFlag::O_CREAT) {
            how = how.mode(Mode::from_bits_truncate(0o644));
        }
        Ok(fs::File::from(openat2(&root, path, how)?))
    }
}
