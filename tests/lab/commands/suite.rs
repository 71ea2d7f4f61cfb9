//! `cargo lab test`: one run of all tests, those that need the lab included.

use std::ffi::OsString;
use std::process::ExitCode;

use phaul_tests::lab::{Lab, Result};

use super::cargo::{self, cargo};
use super::print;

/// Where the settings for this run are: `.config/nextest.toml`.
const PROFILE: &str = "lab";

/// The lab for the contract that every hauler keeps.
const CONTRACT: &str = "contract";

/// Runs them; `arguments` go to nextest.
pub(crate) fn run(arguments: &[OsString]) -> Result<ExitCode> {
    if !cargo::succeeds(cargo().args(["nextest", "--version"]))? {
        print("installing cargo-nextest");
        cargo::run(cargo().args(["install", "cargo-nextest", "--locked"]))?;
    }
    cargo::build_programs()?;
    Lab::ensure_rootfs()?;
    // The haulers' contract is tried on a lab that is up; all other tests bring their own.
    let contract = Lab::up(CONTRACT)?;
    let mut nextest = cargo();
    nextest.env("PHAUL_LAB", contract.name());
    nextest
        .args([
            "nextest",
            "run",
            "--workspace",
            "--features",
            "phaul-tests/lab,phaul-haulers/contract",
        ])
        .args(["--profile", PROFILE])
        .args(cargo::profile())
        .args(arguments);
    let code = cargo::code(&mut nextest)?;
    drop(contract);
    // A test that was killed could not take its lab down.
    Lab::down_orphans()?;
    Ok(ExitCode::from(code))
}
