//! Drives one half of the hauler `pid` by hand or by a test, and is the program that CRIU
//! calls: `haul-probe source PID DIR`, `haul-probe target DIR`, `haul-probe hold DIR`.
//!
//! Reads commands from the standard input, one a line, and answers each with a line of JSON.
//! The ledger is the file `DIR.ledger`, so a probe that is killed can be followed by another.

use async_trait::async_trait;
use phaul_core::executor::ports::{Ledger, Resource, SourceHauler, TargetHauler, Undo};
use phaul_core::failure::Failure;
use phaul_core::plan::{Haul, Pid, PidSource, Plan, Target};
use phaul_core::protocol::Manifest;
use phaul_core::run::RunId;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// A ledger in a file.
struct Book {
    path: PathBuf,
    standing: Vec<Resource>,
    facts: BTreeMap<String, Value>,
}

impl Book {
    fn open(directory: &Path) -> Self {
        let path = directory.with_extension("ledger");
        let text = fs::read_to_string(&path).unwrap_or_else(|_| "[[],{}]".to_owned());
        let (standing, facts) = serde_json::from_str(&text).expect("the ledger can be read");
        Self {
            path,
            standing,
            facts,
        }
    }

    fn save(&self) -> Result<(), Failure> {
        let text = json!([self.standing, self.facts]).to_string();
        let new = self.path.with_extension("new");
        fs::write(&new, text)
            .and_then(|()| fs::rename(&new, &self.path))
            .map_err(|error| Failure::new("ledger", error.to_string()))
    }
}

impl Ledger for Book {
    fn make(&mut self, resource: Resource) -> Result<(), Failure> {
        self.standing.push(resource);
        self.save()
    }
    fn gone(&mut self, resource: &Resource) -> Result<(), Failure> {
        self.standing.retain(|standing| standing != resource);
        self.save()
    }
    fn fact(&mut self, name: &str, value: Value) -> Result<(), Failure> {
        self.facts.insert(name.to_owned(), value);
        self.save()
    }
    fn recall(&self, name: &str) -> Option<Value> {
        self.facts.get(name).cloned()
    }
    fn standing(&self) -> Vec<Resource> {
        self.standing.clone()
    }
}

/// A half that takes commands.
#[async_trait]
trait Half {
    async fn command(&mut self, words: &[&str], book: &mut Book) -> Result<Value, Failure>;
}

struct Source(Box<dyn SourceHauler>);
struct Destination(Box<dyn TargetHauler>);

fn unknown(words: &[&str]) -> Failure {
    Failure::new("probe", format!("unknown command {words:?}"))
}

fn checks(checks: &[phaul_core::report::Check]) -> Value {
    serde_json::to_value(checks).expect("checks become JSON")
}

#[async_trait]
impl Half for Source {
    async fn command(&mut self, words: &[&str], book: &mut Book) -> Result<Value, Failure> {
        let half = &mut self.0;
        match words {
            ["inspect"] => {
                let found = half.inspect().await?;
                Ok(json!({"checks": checks(&found.checks), "manifest": found.manifest.0}))
            }
            ["reserve"] => half.reserve(book).await.map(|()| json!("reserved")),
            ["freeze"] => {
                let frozen = half.freeze(book).await?;
                let images: u64 = frozen.images.iter().map(|image| image.size).sum();
                Ok(json!({
                    "freeze_ms": frozen.freeze_ms,
                    "dump_ms": frozen.dump_ms,
                    "pages": frozen.pages,
                    "files": frozen.images.len(),
                    "bytes": images,
                }))
            }
            ["images"] => Ok(json!(half.images())),
            ["kill"] => half.kill(book).await.map(|fate| json!(fate)),
            ["settle"] => half.settle(book).await.map(|fate| json!(fate)),
            ["thaw"] => half.thaw(book).await.map(|()| json!("thawed")),
            ["clean"] => half.clean(book).await.map(|()| json!("cleaned")),
            ["logs"] => Ok(json!(half.logs())),
            other => Err(unknown(other)),
        }
    }
}

#[async_trait]
impl Half for Destination {
    async fn command(&mut self, words: &[&str], book: &mut Book) -> Result<Value, Failure> {
        let half = &mut self.0;
        let read = |path: &&str| -> Result<Manifest, Failure> {
            let text = fs::read_to_string(path)
                .map_err(|error| Failure::new("probe", error.to_string()))?;
            serde_json::from_str(&text)
                .map(Manifest)
                .map_err(|error| Failure::new("probe", error.to_string()))
        };
        match words {
            ["check", path] => half.check(&read(path)?).await.map(|found| checks(&found)),
            ["reserve", path] => half
                .reserve(&read(path)?, book)
                .await
                .map(|()| json!("reserved")),
            ["images"] => Ok(json!(half.images())),
            ["restore"] => half.restore(book).await.map(|()| json!("restored")),
            ["release"] => half
                .release(&Manifest::none(), book)
                .await
                .map(|ms| json!({"ms": ms})),
            ["discard"] => half.discard(book).await.map(|()| json!("discarded")),
            ["clean"] => half.clean(book).await.map(|()| json!("cleaned")),
            ["logs"] => Ok(json!(half.logs())),
            other => Err(unknown(other)),
        }
    }
}

/// Undoes everything that stands, newest first.
async fn undo(book: &mut Book) -> Result<Value, Failure> {
    for resource in book.standing().iter().rev() {
        phaul_haulers::HostUndo.undo(resource).await?;
        book.gone(resource)?;
    }
    Ok(json!("undone"))
}

/// A process that is killed some time after the next command begins.
struct Shot {
    pid: i32,
    wait: Duration,
}

impl Shot {
    /// Aims at a process (`self`, or a pid), to be killed in so many microseconds.
    fn aim(pid: &str, us: &str) -> Result<Self, Failure> {
        let wrong = || Failure::new("probe", "a number was expected");
        let own = i32::try_from(std::process::id()).map_err(|_| wrong())?;
        let pid = match pid {
            "self" => own,
            pid => pid.parse().map_err(|_| wrong())?,
        };
        let wait = Duration::from_micros(us.parse().map_err(|_| wrong())?);
        Ok(Self { pid, wait })
    }

    fn fire(self) {
        std::thread::spawn(move || {
            std::thread::sleep(self.wait);
            nix::sys::signal::kill(
                nix::unistd::Pid::from_raw(self.pid),
                nix::sys::signal::SIGKILL,
            )
        });
    }
}

async fn serve(mut half: impl Half, directory: &Path) {
    let mut book = Book::open(directory);
    let mut out = io::stdout();
    let mut shot: Option<Shot> = None;
    for line in io::stdin().lock().lines().map_while(Result::ok) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let begin = Instant::now();
        if let Some(shot) = shot.take() {
            shot.fire();
        }
        let done = match words.as_slice() {
            [] => continue,
            ["pid"] => Ok(json!(std::process::id())),
            ["standing"] => Ok(json!(book.standing)),
            ["facts"] => Ok(json!(book.facts)),
            ["undo"] => undo(&mut book).await,
            ["kill-later", pid, us] => Shot::aim(pid, us).map(|aimed| {
                shot = Some(aimed);
                json!("soon")
            }),
            ["within", ms, words @ ..] => {
                let within = Duration::from_millis(ms.parse().expect("a number"));
                let done = tokio::time::timeout(within, half.command(words, &mut book)).await;
                done.unwrap_or_else(|_| Ok(json!("dropped")))
            }
            words => half.command(words, &mut book).await,
        };
        let ms = begin.elapsed().as_secs_f64() * 1e3;
        let answer = match done {
            Ok(value) => json!({"ok": value, "took_ms": ms}),
            Err(failure) => json!({"failure": failure, "took_ms": ms}),
        };
        writeln!(out, "{answer}")
            .and_then(|()| out.flush())
            .expect("the answer is read");
    }
}

fn plan(pid: i32) -> Plan {
    let root = PidSource::Pid(pid);
    let shell_job = std::env::var_os("PROBE_SHELL_JOB").is_some();
    let to = Target {
        agent: "10.77.0.2:7420".to_owned(),
        identity: "b".to_owned(),
        id: None,
        paths: BTreeMap::new(),
    };
    Plan::new("probe", Haul::Pid(Pid { root, shell_job }), to)
}

#[tokio::main]
async fn drive(words: &[String]) -> ExitCode {
    let exe = std::env::current_exe().expect("the probe has a path");
    let run: RunId = "20260101-000000-probe0".parse().expect("it is an id");
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["source", pid, directory] => {
            let plan = plan(pid.parse().expect("a pid"));
            let directory = Path::new(directory);
            fs::create_dir_all(directory).expect("the directory can be made");
            let half = phaul_haulers::source(&plan, &run, directory, exe).expect("`pid` exists");
            serve(Source(half), directory).await;
        }
        ["target", directory] => {
            let directory = Path::new(directory);
            fs::create_dir_all(directory).expect("the directory can be made");
            let half = phaul_haulers::target(&plan(1), &run, directory, exe).expect("`pid` exists");
            serve(Destination(half), directory).await;
        }
        _ => return ExitCode::from(2),
    }
    ExitCode::SUCCESS
}

fn main() -> ExitCode {
    if let Some(code) = phaul_haulers::called_back(&mut std::env::args_os().skip(1)) {
        return code;
    }
    let words: Vec<String> = std::env::args().skip(1).collect();
    drive(&words)
}
