//! Is the target's kernel of the same machine, and not older?

use super::{failed, passed, warned};
use crate::manifest::Manifest;
use nix::sys::utsname::uname;
use phaul_core::graph::Side;
use phaul_core::report::Check;

const ID: &str = "kernel";

/// This host's machine and kernel release.
pub(super) fn own() -> (String, String) {
    let Ok(about) = uname() else {
        return Default::default();
    };
    (
        about.machine().to_string_lossy().into_owned(),
        about.release().to_string_lossy().into_owned(),
    )
}

pub(super) fn check(manifest: &Manifest) -> Check {
    let (machine, kernel) = own();
    judge((&manifest.machine, &manifest.kernel), (&machine, &kernel))
}

fn judge(source: (&str, &str), target: (&str, &str)) -> Check {
    let text = format!(
        "Linux {} on {} here, {} on {} at the source",
        target.1, target.0, source.1, source.0
    );
    if source.0 != target.0 {
        return failed(
            ID,
            Side::Target,
            text,
            "move to a host of the same machine type",
        );
    }
    match (version(source.1), version(target.1)) {
        (Some(source), Some(target)) if target < source => warned(
            ID,
            Side::Target,
            text,
            "an older kernel may lack what the workload uses; a newer one is safer",
        ),
        _ => passed(ID, Side::Target, text),
    }
}

/// Major and minor number of a release.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|letter: char| !letter.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use phaul_core::report::CheckResult;

    #[test]
    fn machines_must_be_alike_and_kernels_not_older() {
        let result = |source, target| judge(source, target).result;
        let x86 = |kernel| ("x86_64", kernel);
        assert_eq!(result(x86("6.18.44-1"), x86("6.18.0")), CheckResult::Passed);
        assert_eq!(result(x86("6.9"), x86("6.18")), CheckResult::Passed);
        assert_eq!(result(x86("6.18"), x86("6.9")), CheckResult::Warned);
        assert_eq!(
            result(x86("6.18"), ("aarch64", "6.18")),
            CheckResult::Failed
        );
        assert_eq!(result(x86("odd"), x86("6.9")), CheckResult::Passed);
    }
}
