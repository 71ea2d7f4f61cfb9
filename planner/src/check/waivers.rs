//! A waiver names a check that there is, once.

use crate::diagnostic::{Diagnostic, alternatives, nearest, rule, shown};
use crate::keys::{Draft, KNOWN_CHECKS, Reader};
use std::collections::BTreeMap;

rule! {
    DUPLICATE_WAIVER = "duplicate-waiver", Warning;
    means "A check is waived twice.";
    why "One of the two is probably meant for another check.";
    example "checks: { waive: [kernel, kernel] }";
}
rule! {
    UNKNOWN_CHECK = "unknown-check", Warning;
    means "A waiver names a check that this version of phaul does not make.";
    why "The waiver has no effect, and the check that was meant is still made.";
    example "checks: { waive: [kernal] }";
}

pub(super) fn check(draft: &Draft, reader: &mut Reader) {
    let mut first = BTreeMap::new();
    for (number, waiver) in draft.checks.iter().flat_map(|it| &it.waive).enumerate() {
        let path = format!("checks.waive[{number}]");
        let id = waiver.0.as_str();
        let long = reader.settings.get(&format!("{path}.id"));
        let Some(setting) = long.or(reader.settings.get(&path)) else {
            continue;
        };
        let place = setting.spot().clone();
        if !KNOWN_CHECKS.contains(&id) {
            reader.report.push(unknown(id, &place));
        }
        match first.get(id) {
            None => {
                first.insert(id.to_owned(), place);
            }
            Some(earlier) => {
                let message = format!("the check {} is waived twice", shown(id));
                let found = Diagnostic::at(&DUPLICATE_WAIVER, &place, message)
                    .label("again here")
                    .related(earlier, "first here");
                reader.report.push(found);
            }
        }
    }
}

fn unknown(id: &str, place: &crate::source::Place) -> Diagnostic {
    let known = format!(
        "the checks are {}",
        alternatives(KNOWN_CHECKS.iter().copied())
    );
    let help = match nearest(id, KNOWN_CHECKS.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`? {known}"),
        None => known,
    };
    Diagnostic::at(
        &UNKNOWN_CHECK,
        place,
        format!("there is no check {}", shown(id)),
    )
    .label("waives nothing")
    .help(Some(help))
}
