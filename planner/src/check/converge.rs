//! The bounds of the rounds must leave room for each other.

use crate::diagnostic::{Diagnostic, rule};
use crate::keys::{Draft, Reader};

rule! {
    CONVERGE_BOUNDS = "converge-bounds", Error;
    means "The downtime that ends the rounds is longer than the time that the rounds may take.";
    why "The rounds would always be cut off before their goal means anything.";
    example "memory: { converge: { downtime: 20m, within: 10m } }";
}

pub(super) fn check(draft: &Draft, reader: &mut Reader) {
    let Some(memory) = &draft.memory else {
        return;
    };
    let bounds = &memory.converge;
    if bounds.downtime <= bounds.within {
        return;
    }
    let place = |key: &str| {
        let setting = reader.settings.get(&format!("memory.converge.{key}"))?;
        Some(setting.spot().clone())
    };
    // One of the two is set: their defaults fit.
    let (Some(at), other) = (place("downtime").or(place("within")), place("within")) else {
        return;
    };
    let message = format!(
        "`memory.converge.downtime` is {} and `within` only {}",
        bounds.downtime, bounds.within
    );
    let mut found = Diagnostic::at(&CONVERGE_BOUNDS, &at, message)
        .label("longer than all rounds together")
        .help(Some(
            "make `downtime` shorter or `within` longer".to_owned(),
        ));
    if let Some(other) = other.filter(|other| *other != at) {
        found = found.related(&other, "the rounds end here");
    }
    reader.report.push(found);
}
