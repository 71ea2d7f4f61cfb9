//! What `phaul run` and its like said and how they ended.

use serde_json::Value;

use crate::lab::Output;

/// A run as its process told of it.
#[derive(Debug, Clone)]
pub struct Run {
    /// The exit code; 137 if the process was killed.
    pub code: i32,
    /// The event lines.
    pub events: Vec<Value>,
    /// The report, if one was written.
    pub report: Option<Value>,
    /// Standard error.
    pub stderr: String,
}

impl Run {
    /// From the output of a command with `--format json`; every line of it must be JSON.
    pub(super) fn of(output: &Output, report: Option<String>) -> Self {
        let parse = |text: &str| -> Value {
            serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in: {text}"))
        };
        Self {
            code: output.code(),
            events: output.stdout.lines().map(parse).collect(),
            report: report.as_deref().map(parse),
            stderr: output.stderr.clone(),
        }
    }

    /// The report.
    pub fn report(&self) -> &Value {
        self.report
            .as_ref()
            .unwrap_or_else(|| panic!("no report; exit code {}: {}", self.code, self.stderr))
    }

    /// The run's id.
    pub fn id(&self) -> String {
        self.report()["run"].as_str().unwrap().to_owned()
    }

    /// The outcome in the report, empty if there is none.
    pub fn outcome(&self) -> &str {
        let outcome = self.report.as_ref().map(|report| &report["outcome"]);
        outcome.and_then(Value::as_str).unwrap_or_default()
    }

    /// The error in the report: its code.
    pub fn error(&self) -> &str {
        self.report()["error"]["code"].as_str().unwrap_or_default()
    }

    /// The names of the states that were entered on a side, in order.
    pub fn states(&self, side: &str) -> Vec<String> {
        let states = self.report()["states"].as_array().unwrap();
        states
            .iter()
            .filter(|state| state["side"] == side)
            .map(|state| state["state"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Sees that it ended with this exit code and outcome.
    pub fn ended(&self, code: i32, outcome: &str) -> Result<(), String> {
        if (self.code, self.outcome()) == (code, outcome) {
            return Ok(());
        }
        let error = self.report.as_ref().map(|report| report["error"].clone());
        Err(format!(
            "exit code {} ({}) and not {code} ({outcome}); {} {}",
            self.code,
            self.outcome(),
            error.unwrap_or_default(),
            self.stderr.trim()
        ))
    }
}
