//! The first pause is not longer than the longest.

use crate::diagnostic::{Diagnostic, rule, shown};
use crate::keys::{Draft, Reader};

rule! {
    BACKOFF_ORDER = "backoff-order", Error;
    means "The first pause between attempts is longer than the longest.";
    why "The two ends are probably swapped.";
    example "retry: { backoff: 30s..1s }";
}

pub(super) fn check(draft: &Draft, reader: &mut Reader) {
    let (Some(retry), Some(setting)) = (&draft.retry, reader.settings.get("retry.backoff")) else {
        return;
    };
    let (first, longest) = (retry.backoff_first, retry.backoff_longest);
    if first <= longest {
        return;
    }
    let message = format!("the first pause, {first}, is longer than the longest, {longest}");
    let meant = shown(&format!("{longest}..{first}"));
    let found = Diagnostic::at(&BACKOFF_ORDER, setting.spot(), message)
        .label("from long to short")
        .help(Some(format!("did you mean {meant}?")));
    reader.report.push(found);
}
