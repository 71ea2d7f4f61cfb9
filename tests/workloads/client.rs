//! `wl-client ADDRESS:PORT [--connections N] [--every MS] [--patience S]`: talks to `wl-echo` over
//! N connections at once, until it gets SIGTERM, and says as JSON what became of them.
//!
//! A connection that breaks is counted and not made anew: what is measured is whether it lives.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal};
use serde_json::{Value, json};

use phaul_tests::workloads::arguments::Arguments;
use phaul_tests::workloads::echo::{answer, question};

/// SIGTERM has come.
static ENOUGH: AtomicBool = AtomicBool::new(false);

/// What became of one connection.
#[derive(Debug, Default)]
struct Story {
    /// Messages that were sent and rightly answered.
    messages: u64,
    /// The longest time between two answers.
    longest_pause: Duration,
    /// Why it ended, if not by SIGTERM.
    error: Option<String>,
}

fn main() {
    let usage = "wl-client ADDRESS:PORT [--connections N] [--every MS] [--patience S]";
    let defaults = [("connections", 1), ("every", 5), ("patience", 60)];
    let arguments = Arguments::or_exit(usage, &defaults);
    let address = arguments.path.as_ref().and_then(|path| path.to_str());
    let Some(address) = address.and_then(|text| text.parse().ok()) else {
        say(&json!({ "error": format!("no address and port; usage: {usage}") }));
        std::process::exit(2)
    };
    let mut end = SigSet::empty();
    end.add(Signal::SIGTERM);
    // Before there are threads: they inherit it.
    if let Err(errno) = end.thread_block() {
        say(&json!({ "error": format!("cannot block SIGTERM: {errno}") }));
        std::process::exit(1)
    }
    let every = Duration::from_millis(arguments.number("every"));
    let patience = Duration::from_secs(arguments.number("patience").max(1));
    let talks: Vec<_> = (0..arguments.number("connections"))
        .map(|_| thread::spawn(move || talk(address, every, patience)))
        .collect();
    let _ = end.wait();
    ENOUGH.store(true, Ordering::Relaxed);
    let stories: Vec<Story> = talks
        .into_iter()
        .map(|talk| talk.join().unwrap_or_default())
        .collect();
    say(&summary(&stories));
}

/// Sends one message after the other and waits for each answer.
fn talk(address: SocketAddr, every: Duration, patience: Duration) -> Story {
    let mut story = Story::default();
    let ended = (|| -> io::Result<()> {
        let mut server = TcpStream::connect_timeout(&address, patience)?;
        server.set_nodelay(true)?;
        server.set_read_timeout(Some(patience))?;
        let mut last = Instant::now();
        let mut found = [0; 8];
        for number in 1.. {
            if ENOUGH.load(Ordering::Relaxed) {
                break;
            }
            server.write_all(&question(number))?;
            server.read_exact(&mut found)?;
            if found != answer(number) {
                return Err(io::Error::other(format!("a wrong answer to {number}")));
            }
            story.messages = number;
            story.longest_pause = story.longest_pause.max(last.elapsed());
            last = Instant::now();
            thread::sleep(every);
        }
        Ok(())
    })();
    story.error = ended.err().map(|error| error.to_string());
    story
}

fn summary(stories: &[Story]) -> Value {
    let errors: Vec<_> = stories
        .iter()
        .filter_map(|story| story.error.as_deref())
        .collect();
    let longest = stories.iter().map(|story| story.longest_pause).max();
    json!({
        "connections": stories.len(),
        "alive": stories.iter().filter(|story| story.error.is_none()).count(),
        "messages": stories.iter().map(|story| story.messages).sum::<u64>(),
        "fewest": stories.iter().map(|story| story.messages).min(),
        "longest_pause_ms": longest.map(|pause| pause.as_millis()),
        "errors": errors,
    })
}

fn say(value: &Value) {
    let _ = writeln!(io::stdout(), "{value}");
}
