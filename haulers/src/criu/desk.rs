//! The executor's end of the hold: the socket on which it waits for the hold to call.

use super::hold::{Held, LINE_MAX, Order, SOCKET, Say, short_path};
use super::job::Witness;
use super::verdict::Verdict;
use crate::tasks::Task;
use phaul_core::failure::Failure;
use std::fs::{self, File};
use std::io;
use std::os::unix::net::UnixListener as StdListener;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;

/// How long a caller may take to say who it is.
const HELLO: Duration = Duration::from_secs(5);

/// The socket on which the hold calls.
#[derive(Debug)]
pub(crate) struct Desk {
    listener: UnixListener,
}

/// The line to a hold that waits for a verdict.
#[derive(Debug)]
pub(crate) struct Line {
    stream: UnixStream,
    buffer: Vec<u8>,
    /// The hold itself.
    pub hold: Task,
    /// CRIU.
    pub criu: Task,
    /// The stage in which CRIU is.
    pub stage: String,
    /// The root of the tree.
    pub root: Option<i32>,
}

impl Desk {
    /// Opens the socket in the directory of an attempt.
    pub(crate) fn open(directory: &Path) -> Result<Self, Failure> {
        let failed = |error: io::Error| {
            Failure::new(
                "hold-socket",
                format!(
                    "cannot open the hold's socket in {}: {error}",
                    directory.display()
                ),
            )
        };
        match fs::remove_file(directory.join(SOCKET)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let opened = File::open(directory).map_err(failed)?;
        let listener = StdListener::bind(short_path(&opened)).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        Ok(Self {
            listener: UnixListener::from_std(listener).map_err(failed)?,
        })
    }

    /// Waits until the hold that this CRIU started calls. Whoever else calls is turned away,
    /// which makes a hold decide for the harmless way.
    pub(crate) async fn call(&self, criu: &Witness) -> Result<Line, Failure> {
        loop {
            let (stream, _) = self
                .listener
                .accept()
                .await
                .map_err(|error| broken(&error))?;
            match timeout(HELLO, Line::greet(stream, criu)).await {
                Ok(Some(line)) => return Ok(line),
                Ok(None) => tracing::warn!("a caller on the hold's socket was turned away"),
                Err(_) => tracing::warn!("a caller on the hold's socket said nothing"),
            }
        }
    }
}

fn broken(error: &io::Error) -> Failure {
    Failure::lost(
        "hold-broken",
        format!("the line to the hold broke: {error}"),
    )
}

impl Line {
    async fn greet(stream: UnixStream, criu: &Witness) -> Option<Self> {
        let caller = stream.peer_cred().ok()?.pid()?;
        let mut line = Self {
            stream,
            buffer: Vec::new(),
            hold: Task::find(caller)?,
            criu: criu.criu()?,
            stage: String::new(),
            root: None,
        };
        match line.hear().await.ok()? {
            Say::Held {
                stage,
                criu: its,
                root,
            } if its == line.criu.pid && line.criu.is_alive() => {
                line.stage = stage;
                line.root = root;
                Some(line)
            }
            _ => None,
        }
    }

    /// The next thing that the hold says. Nothing is lost if the future is dropped.
    pub(crate) async fn hear(&mut self) -> Result<Say, Failure> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let said = serde_json::from_slice(&self.buffer[..end])
                    .map_err(|error| broken(&error.into()));
                self.buffer.drain(..=end);
                return said;
            }
            if self.buffer.len() > LINE_MAX {
                return Err(broken(&io::Error::other("its line is too long")));
            }
            match self.stream.read_buf(&mut self.buffer).await {
                Ok(0) => return Err(broken(&io::ErrorKind::UnexpectedEof.into())),
                Ok(_) => {}
                Err(error) => return Err(broken(&error)),
            }
        }
    }

    async fn order(&mut self, order: &Order) -> Result<(), Failure> {
        let mut text = serde_json::to_vec(order).map_err(|error| broken(&error.into()))?;
        text.push(b'\n');
        self.stream
            .write_all(&text)
            .await
            .map_err(|error| broken(&error))
    }

    /// Tells the hold which tasks it holds, so that it can act on them alone.
    pub(crate) async fn entrust(&mut self, tasks: &[Held]) -> Result<(), Failure> {
        let tasks = tasks.to_vec();
        self.order(&Order::Tasks { tasks }).await?;
        match self.hear().await? {
            Say::Ready => Ok(()),
            Say::CriuLost => Err(criu_lost()),
            Say::Held { .. } | Say::Done { .. } => {
                Err(broken(&io::Error::other("it said something unexpected")))
            }
        }
    }

    /// Lets CRIU pass a stage at which nothing is decided.
    pub(crate) async fn proceed(&mut self) -> Result<(), Failure> {
        self.order(&Order::Proceed).await
    }

    /// Fails if the hold or CRIU is known to have ended; does not wait.
    pub(crate) async fn unbroken(&mut self) -> Result<(), Failure> {
        // The hold speaks up unasked only when CRIU has ended, and closes only at its end.
        match timeout(Duration::ZERO, self.hear()).await {
            Err(_) => Ok(()),
            Ok(Ok(Say::CriuLost)) => Err(criu_lost()),
            Ok(Ok(_)) => Err(broken(&io::Error::other("it said something unexpected"))),
            Ok(Err(failure)) => Err(failure),
        }
    }

    /// Gives the verdict and waits until the hold has decided and done so: what it says was
    /// decided stands, and may be another verdict than the one given.
    pub(crate) async fn verdict(&mut self, verdict: Verdict) -> Result<Verdict, Failure> {
        self.order(&Order::Verdict { verdict }).await?;
        loop {
            match self.hear().await? {
                Say::Done { verdict } => return Ok(verdict),
                Say::CriuLost | Say::Ready | Say::Held { .. } => {}
            }
        }
    }
}

/// CRIU was ended from outside while it held the tasks.
pub(crate) fn criu_lost() -> Failure {
    Failure::lost("criu-lost", "CRIU ended while it held the workload")
        .hint("see whether something kills it, such as the kernel when memory runs out")
}

#[cfg(test)]
mod tests {
    use super::super::hold::{RESUMED, hold_main};
    use super::super::verdict::decided;
    use super::*;

    // The tests of the hold against a desk are in hold_tests.rs.

    #[test]
    fn a_stage_that_does_not_hold_returns_at_once() {
        let dir = tempfile::tempdir().unwrap();
        // Without a stage in the environment.
        let _ = hold_main(dir.path());
        assert_eq!(decided(dir.path()).unwrap(), None);
        assert!(!dir.path().join(RESUMED).exists());
    }

    #[tokio::test]
    async fn a_long_directory_is_no_obstacle_and_strangers_are_turned_away() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("x".repeat(120)).join("y".repeat(120));
        fs::create_dir_all(&deep).unwrap();
        let desk = Desk::open(&deep).unwrap();
        let opened = File::open(&deep).unwrap();
        let mut stranger = UnixStream::connect(short_path(&opened)).await.unwrap();
        let hello = "{\"say\":\"held\",\"stage\":\"post-dump\",\"criu\":1,\"root\":null}\n";
        stranger.write_all(hello.as_bytes()).await.unwrap();
        let own = Task::find(i32::try_from(std::process::id()).unwrap()).unwrap();
        let own = Witness::Criu(own);
        let waited = timeout(Duration::from_millis(200), desk.call(&own)).await;
        assert!(waited.is_err(), "nobody was accepted");
        let mut rest = Vec::new();
        stranger.read_to_end(&mut rest).await.unwrap();
        assert!(rest.is_empty());
    }
}
