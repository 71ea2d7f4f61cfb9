//! The hold as a process of its own, against a desk, with sleepers for held tasks. CRIU's part
//! is played by a shell that starts the hold and waits for it.

use super::desk::{Desk, Line};
use super::hold::{Held, hold_main};
use super::job::Witness;
use super::verdict::{Verdict, decide, decided};
use crate::tasks::Task;
use rustix::process::Signal;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

const DIRECTORY: &str = "PHAUL_TEST_HOLD";

/// Not a test: this is the hold, in the process that [`criu`] starts.
#[test]
fn as_hold() {
    if let Some(directory) = std::env::var_os(DIRECTORY) {
        let done = hold_main(Path::new(&directory));
        std::process::exit(i32::from(done != ExitCode::SUCCESS));
    }
}

struct Criu(Child);

impl Criu {
    /// Starts the hold at this stage, below a shell.
    fn start(directory: &Path, stage: &str) -> Self {
        let line = "\"$0\" --exact criu::hold_tests::as_hold --nocapture; exit $?";
        let child = Command::new("sh")
            .args(["-c", line])
            .arg(std::env::current_exe().unwrap())
            .env(DIRECTORY, directory)
            .env("CRTOOLS_SCRIPT_ACTION", stage)
            .env("CRTOOLS_INIT_PID", "77")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self(child.unwrap())
    }

    fn task(&self) -> Task {
        Task::find(i32::try_from(self.0.id()).unwrap()).unwrap()
    }

    fn code(mut self) -> Option<i32> {
        self.0.wait().unwrap().code()
    }
}

struct Sleeper(Child);

impl Sleeper {
    fn held() -> (Self, Held) {
        let child = Command::new("sleep").arg("60").spawn().unwrap();
        let task = Task::find(i32::try_from(child.id()).unwrap()).unwrap();
        task.signal(Signal::STOP);
        let held = Held {
            task,
            was_stopped: false,
        };
        eventually(|| task.stat().unwrap().state == 'T');
        (Self(child), held)
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn eventually(mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < Duration::from_secs(10));
        std::thread::sleep(Duration::from_millis(1));
    }
}

async fn held(directory: &Path, tasks: &[Held]) -> (Criu, Line) {
    let desk = Desk::open(directory).unwrap();
    let criu = Criu::start(directory, "post-dump");
    let mut line = desk.call(&Witness::Criu(criu.task())).await.unwrap();
    assert_eq!((line.stage.as_str(), line.root), ("post-dump", Some(77)));
    line.entrust(tasks).await.unwrap();
    line.unbroken().await.unwrap();
    (criu, line)
}

#[tokio::test]
async fn told_to_kill_it_kills_and_succeeds() {
    let directory = tempfile::tempdir().unwrap();
    let (_sleeper, task) = Sleeper::held();
    let (criu, mut line) = held(directory.path(), &[task]).await;
    assert_eq!(line.verdict(Verdict::Kill).await.unwrap(), Verdict::Kill);
    assert!(!task.task.can_run());
    assert_eq!(criu.code(), Some(0));
    assert_eq!(decided(directory.path()).unwrap(), Some(Verdict::Kill));
}

#[tokio::test]
async fn told_to_thaw_it_lets_run_what_was_not_stopped_before() {
    let directory = tempfile::tempdir().unwrap();
    let ((_one, runs), (_other, mut stays)) = (Sleeper::held(), Sleeper::held());
    stays.was_stopped = true;
    let (criu, mut line) = held(directory.path(), &[runs, stays]).await;
    assert_eq!(line.verdict(Verdict::Thaw).await.unwrap(), Verdict::Thaw);
    eventually(|| runs.task.stat().unwrap().state == 'S');
    assert_eq!(stays.task.stat().unwrap().state, 'T');
    assert_eq!(criu.code(), Some(1), "CRIU lets the tasks run");
}

#[tokio::test]
async fn without_an_executor_it_thaws() {
    let directory = tempfile::tempdir().unwrap();
    let (_sleeper, task) = Sleeper::held();
    let (criu, line) = held(directory.path(), &[task]).await;
    drop(line);
    assert_eq!(criu.code(), Some(1));
    eventually(|| task.task.stat().unwrap().state == 'S');
    assert_eq!(decided(directory.path()).unwrap(), Some(Verdict::Thaw));
}

#[tokio::test]
async fn with_nobody_at_the_desk_it_goes_the_harmless_way() {
    for (stage, verdict) in [
        ("post-dump", Verdict::Thaw),
        ("post-restore", Verdict::Discard),
    ] {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(Criu::start(directory.path(), stage).code(), Some(1));
        assert_eq!(decided(directory.path()).unwrap(), Some(verdict));
    }
}

#[tokio::test]
async fn it_follows_what_was_decided_before() {
    let directory = tempfile::tempdir().unwrap();
    let (_sleeper, task) = Sleeper::held();
    let (criu, mut line) = held(directory.path(), &[task]).await;
    decide(directory.path(), Verdict::Thaw).unwrap();
    assert_eq!(line.verdict(Verdict::Kill).await.unwrap(), Verdict::Thaw);
    assert!(task.task.can_run());
    assert_eq!(criu.code(), Some(1));
}

#[tokio::test]
async fn the_end_of_criu_is_told_and_the_verdict_still_awaited() {
    let directory = tempfile::tempdir().unwrap();
    let (_sleeper, task) = Sleeper::held();
    let (mut criu, mut line) = held(directory.path(), &[task]).await;
    criu.0.kill().unwrap();
    criu.0.wait().unwrap();
    let begin = Instant::now();
    let failure = loop {
        match line.unbroken().await {
            Ok(()) => assert!(begin.elapsed() < Duration::from_secs(10)),
            Err(failure) => break failure,
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    };
    assert_eq!(failure.code, "criu-lost");
    assert_eq!(task.task.stat().unwrap().state, 'T');
    assert_eq!(line.verdict(Verdict::Thaw).await.unwrap(), Verdict::Thaw);
    eventually(|| task.task.stat().unwrap().state == 'S');
}

#[tokio::test]
async fn garbage_on_the_line_is_the_harmless_way() {
    let directory = tempfile::tempdir().unwrap();
    let listener = std::os::unix::net::UnixListener::bind(directory.path().join("hold.sock"));
    let criu = Criu::start(directory.path(), "post-dump");
    let (mut stream, _) = listener.unwrap().accept().unwrap();
    std::io::Write::write_all(
        &mut stream,
        b"{\"say\":\"verdict\",\"verdict\":\"maybe\"}\n",
    )
    .unwrap();
    assert_eq!(criu.code(), Some(1));
    assert_eq!(decided(directory.path()).unwrap(), Some(Verdict::Thaw));
}
