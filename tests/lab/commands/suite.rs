//! `cargo lab test`: one run of all tests, those that need the lab included.

use std::ffi::OsString;
use std::process::ExitCode;

use phaul_tests::lab::{Lab, Result};

use super::cargo::{self, cargo};
use super::print;

/// Where the settings for this run are: `.config/nextest.toml`.
const PROFILE: &str = "lab";

/// Runs them; `arguments` go to nextest.
pub(crate) fn run(arguments: &[OsString]) -> Result<ExitCode> {
    if !cargo::succeeds(cargo().args(["nextest", "--version"]))? {
        print("installing cargo-nextest");
        cargo::run(cargo().args(["install", "cargo-nextest", "--locked"]))?;
    }
    cargo::build_programs()?;
    Lab::ensure_rootfs()?;
    let mut nextest = cargo();
    nextest
        .args([
            "nextest",
            "run",
            "--workspace",
            "--features",
            "phaul-tests/lab",
        ])
        .args(["--profile", PROFILE])
        .args(cargo::profile())
        .args(arguments);
    let code = cargo::code(&mut nextest)?;
    // A test that was killed could not take its lab down.
    Lab::down_orphans()?;
    Ok(ExitCode::from(code))
}
