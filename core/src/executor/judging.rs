//! What the checks of both hosts come to.

use super::driver::Heard;
use super::recorder::Recorder;
use super::source::SourceWorld;
use crate::failure::{Failure, FailureKind};
use crate::graph::{AskKind, StateName};
use crate::journal::Record;
use crate::machine::Input;
use crate::protocol::AnswerKind;
use crate::report::{Check, EventBody};

impl SourceWorld {
    /// Marks what the plan waives, records the checks and tells of them.
    pub(super) fn judged(
        &self,
        mut checks: Vec<Check>,
        recorder: &mut Recorder,
    ) -> Result<Vec<Check>, Failure> {
        for check in &mut checks {
            check.waived = self.plan.checks.waives(&check.id);
            recorder.emit(EventBody::Check(check.clone()));
        }
        recorder.write(Record::Checked {
            checks: checks.clone(),
        })?;
        Ok(checks)
    }

    pub(super) fn checked(
        &mut self,
        checks: Vec<Check>,
        attempt: u32,
        recorder: &mut Recorder,
    ) -> Result<Heard, Failure> {
        let checks = self.judged(checks, recorder)?;
        self.checks.extend(checks);
        if !self.checks.iter().any(Check::stops) {
            let yes = AnswerKind::Yes(AskKind::Preflight);
            return Ok(Heard::Input(Input::Answered(yes, attempt)));
        }
        let failure = refusal(&self.checks);
        recorder.wrong(&failure, StateName::Preflight)?;
        Ok(Heard::Failed(
            failure,
            Input::Answered(AnswerKind::No, attempt),
        ))
    }
}

pub(super) fn refusal(checks: &[Check]) -> Failure {
    let stopping: Vec<&Check> = checks.iter().filter(|check| check.stops()).collect();
    let ids: Vec<&str> = stopping.iter().map(|check| check.id.as_str()).collect();
    let ids = ids.join(", ");
    let says = |check: &&Check| format!("{} ({}): {}", check.id, check.side, check.text);
    let first_hint = stopping.iter().find_map(|check| check.hint.clone());
    let waive = format!("mend it, or pass over it with `checks: {{ waive: [{ids}] }}`");
    Failure::new("refused", format!("preflight said no: {ids}"))
        .log(stopping.iter().map(says).collect())
        .hint(first_hint.unwrap_or(waive))
        .kind(FailureKind::Refused)
}
