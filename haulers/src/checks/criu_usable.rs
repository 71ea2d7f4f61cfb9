//! Is CRIU there, and can it work on this kernel?

use super::{failed, passed};
use crate::criu::cache::Untouched;
use crate::criu::rpc::{self, CriuVersion};
use phaul_core::failure::Failure;
use phaul_core::graph::Side;
use phaul_core::report::Check;

const ID: &str = "criu-usable";
/// What phaul was built on; an older CRIU lacks options that it needs.
const OLDEST: CriuVersion = CriuVersion {
    major: 4,
    minor: 0,
    sublevel: 0,
};

/// Asks CRIU itself; what it leaves behind is taken away again.
pub(super) async fn check(side: Side) -> (Check, Option<CriuVersion>) {
    if !nix::unistd::geteuid().is_root() {
        let check = failed(ID, side, "phaul does not run as root", "run phaul as root");
        return (check, None);
    }
    let _untouched = Untouched::remember();
    let version = match rpc::version().await {
        Ok(version) => version,
        Err(failure) => return (said(side, failure), None),
    };
    if version < OLDEST {
        let text = format!("CRIU is {version}, older than {OLDEST}");
        let check = failed(ID, side, text, "install a newer package `criu`");
        return (check, Some(version));
    }
    match rpc::check().await {
        Ok(()) => {
            let text = format!("CRIU {version} can work on this kernel");
            (passed(ID, side, text), Some(version))
        }
        Err(failure) => (said(side, failure), Some(version)),
    }
}

fn said(side: Side, failure: Failure) -> Check {
    let hint = failure.hint.unwrap_or_default();
    failed(ID, side, failure.cause, &hint)
}
