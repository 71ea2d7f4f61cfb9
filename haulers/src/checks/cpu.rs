//! Can the target's processor do what the workload may have found the source's can?
//!
//! A program looks once and then uses what it found; on a processor without it, it is killed
//! by SIGILL some time after a "successful" move.

use super::none_of;
use phaul_core::graph::Side;
use phaul_core::report::Check;
use std::collections::BTreeSet;
use std::fs;

const ID: &str = "cpu";

/// Instructions of x86 that programs use, as Linux names them. The many other flags are
/// properties of the processor, the hypervisor or the kernel that a program does not run on.
const X86: &[&str] = &[
    "3dnow",
    "3dnowext",
    "abm",
    "adx",
    "aes",
    "avx",
    "avx2",
    "avx_vnni",
    "bmi1",
    "bmi2",
    "clflush",
    "clflushopt",
    "clwb",
    "cmov",
    "cx16",
    "cx8",
    "enqcmd",
    "erms",
    "f16c",
    "fma",
    "fma4",
    "fpu",
    "fsgsbase",
    "fsrm",
    "fxsr",
    "gfni",
    "hle",
    "la57",
    "lahf_lm",
    "mmx",
    "mmxext",
    "movbe",
    "movdir64b",
    "movdiri",
    "ospke",
    "pclmulqdq",
    "pni",
    "popcnt",
    "prefetchwt1",
    "rdpid",
    "rdrand",
    "rdseed",
    "rdtscp",
    "rtm",
    "serialize",
    "sha_ni",
    "sse",
    "sse2",
    "sse4_1",
    "sse4_2",
    "sse4a",
    "ssse3",
    "tbm",
    "tsc",
    "user_shstk",
    "vaes",
    "vpclmulqdq",
    "waitpkg",
    "xgetbv1",
    "xop",
    "xsave",
    "xsavec",
    "xsaveopt",
    "xsaves",
];
/// Families of them.
const X86_FAMILIES: &[&str] = &[
    "amx_", "apx", "avx10", "avx512", "avx_", "sha512", "sm3", "sm4",
];

/// This host's processor features that programs use.
pub(super) fn features() -> BTreeSet<String> {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    features_in(&text)
}

fn features_in(cpuinfo: &str) -> BTreeSet<String> {
    let line = cpuinfo.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        matches!(key.trim(), "flags" | "Features").then_some((key.trim(), value))
    });
    let Some((key, value)) = line else {
        return BTreeSet::new();
    };
    let used = |feature: &&str| {
        key == "Features"
            || X86.contains(feature)
            || X86_FAMILIES
                .iter()
                .any(|family| feature.starts_with(family))
    };
    value
        .split_whitespace()
        .filter(used)
        .map(str::to_owned)
        .collect()
}

pub(super) fn check(source: &BTreeSet<String>) -> Check {
    judge(source, &features())
}

fn judge(source: &BTreeSet<String>, target: &BTreeSet<String>) -> Check {
    let missing: Vec<String> = source.difference(target).cloned().collect();
    none_of(
        ID,
        Side::Target,
        &missing,
        "this processor can do all that the source's can",
        "move to a processor that has these features; the workload may have started to use them",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_instruction_stops_and_another_property_does_not() {
        let source = features_in("x\t: y\nflags\t\t: fpu avx2 avx512f pti constant_tsc\n");
        assert_eq!(source.len(), 3);
        let less = features_in("flags : fpu avx2 md_clear\n");
        let check = judge(&source, &less);
        assert!(check.stops() && check.text == "avx512f");
        assert!(!judge(&less, &source).stops());
        assert_eq!(features_in("Features\t: fp asimd sve\n").len(), 3);
        assert!(features_in("").is_empty());
    }
}
