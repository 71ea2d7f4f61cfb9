//! A waiver names a check that there is, once.

use crate::diagnostic::{Diagnostic, alternatives, nearest, rule, shown};
use crate::keys::{KNOWN_CHECKS, Reader};
use crate::settings::Shape;
use crate::source::Place;
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

pub(super) fn check(reader: &mut Reader) {
    let waivers = ids(reader);
    let mut first: BTreeMap<&str, &Place> = BTreeMap::new();
    for (id, place) in &waivers {
        if !KNOWN_CHECKS.contains(&id.as_str()) {
            reader.report.push(unknown(id, place));
        }
        let Some(earlier) = first.insert(id, place) else {
            continue;
        };
        let message = format!("the check {} is waived twice", shown(id));
        let found = Diagnostic::at(&DUPLICATE_WAIVER, place, message)
            .label("again here")
            .related(earlier, "first here");
        reader.report.push(found);
    }
}

/// The ids of the waivers, short (`cpu`) and long (`{ id: cpu }`), in their order.
fn ids(reader: &Reader) -> Vec<(String, Place)> {
    let is_id = |path: &str| {
        let rest = path.strip_prefix("checks.waive[");
        rest.is_some_and(|rest| rest.ends_with(']') || rest.ends_with("].id"))
    };
    let mut found: Vec<(String, Place)> = reader
        .settings
        .iter()
        .filter(|(path, _)| is_id(path))
        .filter_map(|(_, setting)| match &setting.shape {
            Shape::Word(id) => Some((id.clone(), setting.spot().clone())),
            _ => None,
        })
        .collect();
    found.sort_by_key(|(_, place)| place.span.bytes.start);
    found
}

fn unknown(id: &str, place: &Place) -> Diagnostic {
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
