//! Everything that is printed. Results go to standard output, what is wrong to standard error.

use crate::exit_code::{Exit, Stop};
use phaul_core::graph::Side;
use phaul_core::report::{CheckResult, Event, EventBody, Outcome, Report, ReportError};
use serde::Serialize;
use std::io::{IsTerminal, Write};

/// Prints a line of a result. Whoever reads it may have gone; that is no error.
pub(crate) fn line(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{}", harmless(text));
}

/// The text without what would move a terminal's cursor or change its colours: peers, logs and
/// workloads have a say in what is printed.
fn harmless(text: &str) -> String {
    let escape = |letter: char| match letter {
        '\n' | '\t' => letter.to_string(),
        letter if letter.is_control() => letter.escape_default().to_string(),
        letter => letter.to_string(),
    };
    text.chars().map(escape).collect()
}

/// Prints a text of a result that has its own line ends.
pub(crate) fn text(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    if !text.ends_with('\n') {
        let _ = out.write_all(b"\n");
    }
}

/// Prints a value for scripts, on one line.
pub(crate) fn json(value: &impl Serialize) {
    match serde_json::to_string(value) {
        Ok(text) => line(&text),
        Err(error) => note(&format!("this result has no JSON form: {error}")),
    }
}

/// Prints to standard error.
pub(crate) fn note(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Whether standard error takes colour.
pub(crate) fn colour() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}

/// Says why a command stopped, and returns its exit code.
pub(crate) fn stopped(stop: &Stop, as_json: bool) -> Exit {
    if as_json {
        let error = serde_json::json!({
            "error": { "code": stop.code, "message": stop.message, "hint": stop.hint },
        });
        note(&error.to_string());
    } else {
        note(&harmless(&format!(
            "error[{}]: {}",
            stop.code, stop.message
        )));
        if let Some(hint) = &stop.hint {
            note(&harmless(&format!("  help: {hint}")));
        }
    }
    stop.exit
}

/// Log lines go to standard error; `PHAUL_LOG` sets what is logged.
pub(crate) fn start_logging(daemon: bool, as_json: bool) {
    let default = if daemon { "info" } else { "error" };
    let filter = tracing_subscriber::EnvFilter::try_from_env("PHAUL_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(default));
    let logging = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(colour());
    if as_json {
        logging.json().init();
    } else {
        logging.init();
    }
}

/// Shows the events of a run to a person as they happen.
pub(crate) struct Watch {
    began: std::time::Instant,
    terminal: bool,
    open: bool,
}

impl Watch {
    pub(crate) fn new() -> Self {
        Self {
            began: std::time::Instant::now(),
            terminal: std::io::stdout().is_terminal(),
            open: false,
        }
    }

    pub(crate) fn show(&mut self, event: &Event) {
        let at = self.began.elapsed().as_secs_f64();
        match &event.body {
            EventBody::State { state, attempt, .. } => {
                let attempt = match attempt {
                    0 | 1 => String::new(),
                    n => format!(" (attempt {n})"),
                };
                let purpose = state.purpose().trim();
                self.say(&format!(
                    "{at:8.3} s  {:6}  {state:12}  {purpose}{attempt}",
                    event.side
                ));
            }
            EventBody::Round { bytes, ms, .. } => {
                let bytes = human_bytes(*bytes);
                self.say(&format!(
                    "{at:8.3} s  {:6}  sent {bytes} in {ms} ms",
                    event.side
                ));
            }
            EventBody::Progress { what, done, total } if self.terminal => {
                let share = done.saturating_mul(100).checked_div(*total).unwrap_or(100);
                let (done, total) = (human_bytes(*done), human_bytes(*total));
                let _ = write!(
                    std::io::stdout().lock(),
                    "\r\x1b[K            {what} {share:3}%  {done} of {total}"
                );
                let _ = std::io::stdout().flush();
                self.open = true;
            }
            EventBody::Check(check) => match check.result {
                CheckResult::Passed => {}
                CheckResult::Warned => self.say(&format!(
                    "{:12}warning ({}) {}: {}",
                    "", check.side, check.id, check.text
                )),
                CheckResult::Failed => {
                    let waived = if check.waived { ", waived" } else { "" };
                    self.say(&format!(
                        "{:12}failed ({}{waived}) {}: {}",
                        "", check.side, check.id, check.text
                    ));
                }
            },
            EventBody::Log { level, message } => self.say(&format!("{:12}{level}: {message}", "")),
            EventBody::Progress { .. } | EventBody::End { .. } => {}
        }
    }

    fn say(&mut self, text: &str) {
        if std::mem::take(&mut self.open) {
            let _ = write!(std::io::stdout().lock(), "\r\x1b[K");
        }
        line(text);
    }
}

/// The end of a run, for a person.
pub(crate) fn summary(report: &Report, target: &str) {
    let where_now = match report.outcome {
        Outcome::Migrated => format!("the workload runs on {target}"),
        Outcome::RolledBack => "the workload runs at the source, nothing is left of the run".into(),
        Outcome::Refused => "nothing was touched".into(),
        Outcome::Held => "the workload stays frozen".into(),
        Outcome::Undecided => "the run is not finished".into(),
    };
    line(&format!("{}: {where_now}", report.outcome.name()));
    if let Some(downtime) = report.downtime_ms {
        let parts = &report.downtime;
        line(&format!(
            "  downtime {downtime} ms: freeze {}, dump {}, memory {}, files {}, restore {}, commit {}, resume {}",
            parts.freeze,
            parts.dump,
            parts.memory,
            parts.files,
            parts.restore,
            parts.commit,
            parts.resume
        ));
    }
    line(&format!(
        "  sent {} in {} attempt(s), {:.1} s in all",
        human_bytes(report.bytes_sent),
        report.attempts,
        report.total_ms as f64 / 1000.0
    ));
    if let Some(error) = &report.error {
        line(&failure(error));
    }
    match report.outcome {
        Outcome::Undecided | Outcome::Held => line(&format!(
            "  next: phaul resume {run}, or phaul rollback {run}",
            run = report.run
        )),
        _ => line(&format!("  more: phaul show {}", report.run)),
    }
}

/// What went wrong, for a person.
pub(crate) fn failure(error: &ReportError) -> String {
    let mut text = format!(
        "  error[{}] in `{}` at the {}: {}",
        error.code, error.state, error.side, error.cause
    );
    for line in &error.log {
        text.push_str("\n    | ");
        text.push_str(line);
    }
    if let Some(hint) = &error.hint {
        text.push_str("\n  help: ");
        text.push_str(hint);
    }
    text
}

/// The whole report, for a person.
pub(crate) fn report(report: &Report) {
    line(&format!("run      {}", report.run));
    line(&format!("plan     {}", report.plan));
    line(&format!("started  {}", report.started));
    for trail in &report.states {
        let since = trail.entered.as_millisecond() - report.started.as_millisecond();
        let took = match trail.left {
            Some(left) => format!(
                "{} ms",
                left.as_millisecond() - trail.entered.as_millisecond()
            ),
            None => "-".into(),
        };
        let event = trail.event.map_or("", |event| event.name());
        let indent = match trail.side {
            Side::Source => "",
            Side::Target => "  ",
        };
        line(&format!(
            "  {since:7} ms  {indent}{:6}  {:12}  {took:>10}  {event}",
            trail.side, trail.state
        ));
    }
    for check in report
        .checks
        .iter()
        .filter(|check| check.result != CheckResult::Passed)
    {
        let waived = if check.waived { " (waived)" } else { "" };
        line(&format!(
            "  check {} at the {}{waived}: {}",
            check.id, check.side, check.text
        ));
    }
}

/// Bytes with a unit that keeps the number short.
pub(crate) fn human_bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    match unit {
        0 => format!("{bytes} B"),
        _ => format!("{value:.1} {}", UNITS[unit]),
    }
}
