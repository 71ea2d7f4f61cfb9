//! How one phaul process reaches another on the same host: an abstract unix socket (no file
//! that could stay behind), one JSON line each way, for the same user and root only.

use crate::exit_code::{Exit, Stop};
use phaul_core::run::RunId;
use serde::{Deserialize, Serialize};
use std::future::Future;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};

/// The longest line, in bytes.
const LINE_MAX: u64 = 64 << 10;

/// How long the other process may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is asked of a running phaul.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "kebab-case")]
pub(crate) enum Request {
    /// Where does the run stand?
    Status {
        /// The run.
        run: RunId,
    },
    /// Stop and undo.
    Cancel {
        /// The run.
        run: RunId,
    },
    /// Pass the gate.
    Continue {
        /// The run.
        run: RunId,
    },
    /// At the agent: let the held workload run.
    Run {
        /// The run.
        run: RunId,
    },
}

/// What it answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Reply {
    /// It is done, or will be.
    Ok,
    /// Where the run stands.
    Status {
        /// The plan's name.
        plan: String,
        /// The state in which the run is.
        state: String,
    },
    /// It cannot be done, and why.
    No(String),
}

/// The name of the socket of a run's executor.
pub(crate) fn of_run(run: &RunId) -> String {
    format!("phaul/run/{run}")
}

/// The name of the socket of the agent of a state directory.
pub(crate) fn of_agent(state_dir: &Path) -> String {
    format!(
        "phaul/agent/{}",
        short(state_dir.as_os_str().as_encoded_bytes())
    )
}

/// The name of the lock on a workload.
pub(crate) fn of_workload(workload: &str) -> String {
    format!("phaul/workload/{}", short(workload.as_bytes()))
}

/// Socket names are short; paths need not be.
fn short(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex()[..32].to_owned()
}

fn address(name: &str) -> io::Result<SocketAddr> {
    SocketAddr::from_abstract_name(name)
}

/// Whether a process has the name. It costs no time, unlike waiting for what that process holds.
pub(crate) fn is_taken(name: &str) -> bool {
    let connected =
        address(name).and_then(|address| std::os::unix::net::UnixStream::connect_addr(&address));
    connected.is_ok()
}

/// Takes the name; fails with `AddrInUse` while another process has it.
pub(crate) fn bind(name: &str) -> io::Result<UnixListener> {
    let listener = std::os::unix::net::UnixListener::bind_addr(&address(name)?)?;
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener)
}

/// Answers requests for as long as it is polled.
pub(crate) async fn serve<F, A>(listener: UnixListener, answer: F)
where
    F: Fn(Request) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Reply> + Send + 'static,
{
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors, say; the next caller may have more luck.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        if !is_trusted(&stream) {
            continue;
        }
        let answer = answer.clone();
        tokio::spawn(async move {
            let one = async {
                let (read, mut write) = stream.into_split();
                let mut line = String::new();
                BufReader::new(read.take(LINE_MAX))
                    .read_line(&mut line)
                    .await?;
                let reply = match serde_json::from_str(&line) {
                    Ok(request) => answer(request).await,
                    Err(error) => Reply::No(format!("the request cannot be read: {error}")),
                };
                let mut text = serde_json::to_string(&reply)?;
                text.push('\n');
                write.write_all(text.as_bytes()).await
            };
            // Whoever does not wait for the answer does not want it.
            let _: Result<io::Result<()>, _> = tokio::time::timeout(PATIENCE, one).await;
        });
    }
}

/// Whether the caller is this user, or root.
fn is_trusted(stream: &UnixStream) -> bool {
    let own = nix::unistd::geteuid().as_raw();
    stream
        .peer_cred()
        .is_ok_and(|peer| peer.uid() == own || peer.uid() == 0)
}

/// Asks the process behind the name. None: there is no such process.
pub(crate) async fn ask(name: &str, request: &Request) -> Result<Option<Reply>, Stop> {
    let broken = |error: io::Error| {
        Stop::new(
            Exit::Other,
            "control",
            format!("the other phaul process does not answer: {error}"),
        )
    };
    let connected =
        address(name).and_then(|address| std::os::unix::net::UnixStream::connect_addr(&address));
    let stream = match connected {
        Ok(stream) => stream,
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return Ok(None),
        Err(error) => return Err(broken(error)),
    };
    let exchange = async {
        stream.set_nonblocking(true)?;
        let mut stream = UnixStream::from_std(stream)?;
        let mut text = serde_json::to_string(request)?;
        text.push('\n');
        stream.write_all(text.as_bytes()).await?;
        let mut line = String::new();
        BufReader::new(stream.take(LINE_MAX))
            .read_line(&mut line)
            .await?;
        Ok(serde_json::from_str(&line)?)
    };
    match tokio::time::timeout(PATIENCE, exchange).await {
        Ok(answered) => answered.map(Some).map_err(broken),
        Err(_) => Err(broken(io::ErrorKind::TimedOut.into())),
    }
}
