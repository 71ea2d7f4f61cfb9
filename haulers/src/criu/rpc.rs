//! CRIU over its RPC: `criu swrk FD`, one request a process.

use super::log::OUTPUT;
use super::proto::{Answer, Options, Request, RequestType};
use crate::programs;
use crate::tasks::{Task, command};
use phaul_core::failure::Failure;
use prost::Message;
use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};
use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdStream;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// The largest answer that is read, in bytes; CRIU's are small.
const ANSWER_MAX: usize = 64 << 10;
/// How long one of CRIU's self-descriptions may take.
const ASK: Duration = Duration::from_secs(30);
/// How long the last word of a CRIU that has ended may take to be heard.
const LAST_WORD: Duration = Duration::from_millis(200);

/// What the shell does that starts CRIU. CRIU's socket is moved off the standard input.
/// SIGXFSZ is ignored, which CRIU inherits: see [`stop_writing`].
const START: &str = r#"trap '' XFSZ; exec 3<&0 0</dev/null; exec "$0" swrk 3"#;

/// A version of CRIU.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub(crate) struct CriuVersion {
    /// Major number.
    pub(crate) major: i32,
    /// Minor number.
    pub(crate) minor: i32,
    /// Sublevel; 0 where CRIU gives none.
    pub(crate) sublevel: i32,
}

impl fmt::Display for CriuVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.sublevel)
    }
}

/// A CRIU that works for us.
#[derive(Debug)]
pub(crate) struct Worker {
    child: Child,
    line: UnixStream,
    task: Task,
}

/// CRIU's executable.
pub(crate) fn find() -> Result<PathBuf, Failure> {
    programs::find("criu").ok_or_else(|| {
        Failure::new("criu-missing", "CRIU is not installed on this host")
            .hint("install the package `criu` (version 4.0 or newer)")
    })
}

impl Worker {
    /// Starts CRIU in a directory, with its standard output and error in the file `criu.out`
    /// there. It waits for a request and ends by itself if none comes.
    pub(crate) fn spawn(directory: &Path) -> Result<Self, Failure> {
        let output = File::create(directory.join(OUTPUT)).map_err(failed)?;
        let errors = output.try_clone().map_err(failed)?;
        Self::start(directory, output.into(), errors.into())
    }

    fn start(directory: &Path, output: Stdio, errors: Stdio) -> Result<Self, Failure> {
        let program = find()?;
        let (ours, its) = nix::sys::socket::socketpair(
            nix::sys::socket::AddressFamily::Unix,
            nix::sys::socket::SockType::SeqPacket,
            None,
            nix::sys::socket::SockFlag::SOCK_CLOEXEC,
        )
        .map_err(|error| failed(error.into()))?;
        let child = Command::new("/bin/sh")
            .args([OsStr::new("-c"), OsStr::new(START), program.as_os_str()])
            .current_dir(directory)
            .stdin(Stdio::from(its))
            .stdout(output)
            .stderr(errors)
            // A signal from the terminal is meant for phaul, which ends CRIU in good order.
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
        let task = pid
            .and_then(Task::find)
            .ok_or_else(|| Failure::lost("criu-lost", "CRIU ended as soon as it was started"))?;
        Ok(Self {
            child,
            line: packets(ours).map_err(failed)?,
            task,
        })
    }

    /// CRIU's process.
    pub(crate) fn task(&self) -> Task {
        self.task
    }

    /// Asks for something to be done; [`Worker::answer`] says when it is.
    pub(crate) async fn request(
        &mut self,
        kind: RequestType,
        options: Option<Options>,
    ) -> Result<(), Failure> {
        let request = Request {
            r#type: kind.into(),
            opts: options,
        };
        // One write is one packet.
        self.line
            .write_all(&request.encode_to_vec())
            .await
            .map_err(failed)
    }

    /// CRIU's answer to the request of this kind. Dropping the future loses nothing.
    pub(crate) async fn answer(&mut self, kind: RequestType) -> Result<Answer, Failure> {
        let mut packet = vec![0; ANSWER_MAX];
        let read = tokio::select! {
            biased;
            read = self.line.read(&mut packet) => Some(read),
            // A helper that it left behind keeps the socket open: there would be no end to wait for.
            _ = self.child.wait() => timeout(LAST_WORD, self.line.read(&mut packet)).await.ok(),
        };
        let count = read.transpose().map_err(failed)?.unwrap_or(0);
        if count == 0 {
            return Err(ended(self.child.wait().await.ok()));
        }
        packet.truncate(count);
        understand(&packet, kind)
    }

    /// Whether CRIU still runs; does not wait.
    pub(crate) fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits until CRIU has ended by itself. True if it did within this time.
    pub(crate) async fn ended(&mut self, within: Duration) -> bool {
        timeout(within, self.child.wait()).await.is_ok()
    }

    /// Kills CRIU and waits for its end.
    pub(crate) async fn kill(&mut self) {
        if let Err(error) = self.child.kill().await {
            tracing::warn!(%error, "CRIU could not be killed");
        }
    }
}

/// Makes a CRIU that dumps fail in good order, by not letting it write any more.
///
/// A CRIU that is killed while its parasite runs in a task may leave that task with registers
/// that are not its own. A CRIU that cannot write takes its parasite out and lets the tasks
/// run on. With SIGXFSZ ignored, as [`Worker`] starts it, a file size limit of zero does
/// nothing else than to make its next write fail.
pub(crate) fn stop_writing(criu: Task) {
    let Some(_same) = criu.pidfd() else { return };
    let limit = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    if let Err(error) = prlimit(Pid::from_raw(criu.pid), Resource::Fsize, limit) {
        tracing::debug!(%error, "CRIU's limit could not be set");
    }
}

/// Ends a CRIU of an earlier life of this process: waits for its own end for `within`, then
/// kills it. False if it is still there after that.
pub(crate) async fn end(criu: Task, within: Duration) -> bool {
    if gone(criu, within).await {
        return true;
    }
    criu.signal(Signal::KILL);
    gone(criu, Duration::from_secs(10)).await
}

/// Ends what a CRIU that has ended left behind: a helper that it forked to try what the kernel
/// can do stays, stopped, if CRIU is killed before it has let it go. Helpers are in CRIU's own
/// process group. Not for a CRIU that restores: there the workload begins in that group, too.
pub(crate) fn end_helpers(criu: Task) {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    for helper in pids.filter_map(Task::find) {
        let is_its = helper
            .stat()
            .is_some_and(|stat| stat.group == criu.pid && stat.start_ticks >= criu.start_ticks);
        if is_its && helper != criu && command(helper.pid) == "criu" {
            helper.signal(Signal::KILL);
        }
    }
}

/// Waits until a task has ended. False if it has not within this time.
pub(crate) async fn gone(task: Task, within: Duration) -> bool {
    let look = async {
        while task.is_alive() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(within, look).await.is_ok()
}

/// A socket of packets in the clothes of a stream: a read gives one packet, a write makes one.
fn packets(socket: OwnedFd) -> io::Result<UnixStream> {
    let stream = StdStream::from(socket);
    stream.set_nonblocking(true)?;
    UnixStream::from_std(stream)
}

fn failed(error: io::Error) -> Failure {
    Failure::lost("criu-lost", format!("CRIU cannot be talked to: {error}"))
}

/// The failure of a CRIU that ended without an answer.
fn ended(status: Option<ExitStatus>) -> Failure {
    let how = status.map_or_else(|| "ended".to_owned(), |status| format!("ended ({status})"));
    Failure::lost("criu-lost", format!("CRIU {how} without an answer"))
        .hint("see whether something kills it, such as the kernel when memory runs out")
}

/// Decodes an answer and makes sure that it holds what every answer must.
fn understand(packet: &[u8], kind: RequestType) -> Result<Answer, Failure> {
    let garbled = |what: &str| Failure::new("criu-garbled", format!("CRIU's answer {what}"));
    let answer = Answer::decode(packet).map_err(|error| garbled(&error.to_string()))?;
    if answer.r#type.is_none() || answer.success.is_none() {
        return Err(garbled("lacks its kind or its success"));
    }
    // A request that CRIU could not make out is answered as EMPTY.
    if answer.r#type() != kind && answer.r#type() != RequestType::Empty {
        return Err(garbled("is to another request"));
    }
    Ok(answer)
}

/// The version of this host's CRIU. Leaves nothing behind.
pub(crate) async fn version() -> Result<CriuVersion, Failure> {
    let answer = ask(RequestType::Version, None).await?;
    let version = answer.version.unwrap_or_default();
    match (version.major_number, version.minor_number) {
        (Some(major), Some(minor)) => Ok(CriuVersion {
            major,
            minor,
            sublevel: version.sublevel.unwrap_or(0),
        }),
        _ => Err(Failure::new(
            "criu-garbled",
            "CRIU does not say which version it is",
        )),
    }
}

/// Lets CRIU look whether it can work on this kernel. It may leave its cache behind: see
/// `criu/cache.rs`.
pub(crate) async fn check() -> Result<(), Failure> {
    let answer = ask(RequestType::Check, None).await?;
    if answer.success() {
        return Ok(());
    }
    let why = answer.cr_errmsg().trim().to_owned();
    let why = if why.is_empty() {
        "it does not say why"
    } else {
        &why
    };
    Err(Failure::new(
        "criu-unusable",
        format!("CRIU finds that it cannot work on this kernel: {why}"),
    )
    .hint("run `criu check` as root; CRIU older than the kernel is the commonest cause"))
}

async fn ask(kind: RequestType, options: Option<Options>) -> Result<Answer, Failure> {
    let mut worker = Worker::start(Path::new("/"), Stdio::null(), Stdio::null())?;
    let asked = async {
        worker.request(kind, options).await?;
        worker.answer(kind).await
    };
    let answer = timeout(ASK, asked).await;
    worker.kill().await;
    end_helpers(worker.task());
    answer.unwrap_or_else(|_| Err(Failure::lost("criu-lost", "CRIU does not answer")))
}

#[cfg(test)]
mod tests {
    use super::super::proto::Version;
    use super::*;

    #[test]
    fn the_numbers_are_those_of_criu() {
        let request = Request {
            r#type: RequestType::Dump.into(),
            opts: Some(Options {
                images_dir_fd: 5,
                pid: Some(77),
                config_file: Some("c".to_owned()),
                ..Options::default()
            }),
        };
        // type 1 = DUMP, opts 2 = { images_dir_fd 1 = 5, pid 2 = 77, config_file 51 = "c" }
        let expected = [8, 1, 18, 8, 8, 5, 16, 77, 0x9a, 3, 1, b'c'];
        assert_eq!(request.encode_to_vec(), expected);
    }

    #[test]
    fn an_answer_without_what_it_must_have_is_refused() {
        assert!(understand(&[], RequestType::Dump).is_err());
        let answer = Answer {
            r#type: Some(RequestType::Version.into()),
            success: Some(true),
            version: Some(Version::default()),
            ..Answer::default()
        };
        let bytes = answer.encode_to_vec();
        assert!(understand(&bytes, RequestType::Version).is_ok());
        assert!(understand(&bytes, RequestType::Dump).is_err());
        assert!(understand(&bytes[..1], RequestType::Version).is_err());
    }

    #[test]
    fn versions_have_an_order() {
        let version = |major, minor, sublevel| CriuVersion {
            major,
            minor,
            sublevel,
        };
        assert!(version(4, 2, 1) > version(4, 2, 0) && version(4, 0, 0) > version(3, 19, 9));
    }
}
