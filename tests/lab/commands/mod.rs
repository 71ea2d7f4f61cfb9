//! The commands of `cargo lab`.

mod cargo;
mod demo;
mod suite;

use std::ffi::OsString;
use std::fmt::Display;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use phaul_tests::lab::{self, Error, Lab, Result, Side};

/// Two hosts on one machine, a and b, to try phaul on
#[derive(Debug, Parser)]
#[command(name = "lab", bin_name = "cargo lab")]
pub(crate) struct CommandLine {
    #[command(subcommand)]
    command: Command,
    /// The lab to use; several can be up at once
    #[arg(long, global = true, default_value = "lab")]
    name: String,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Bring both hosts up; what is up stays as it is
    ///
    /// The first time this builds the hosts' system with debootstrap (some minutes, about 350 MB),
    /// which is kept in $PHAUL_LAB_DIR, by default phaul-lab in the user's cache directory. The
    /// programs of the last build are copied into the lab: after a new build take the lab down and
    /// up again.
    Up,
    /// Take both hosts down and leave nothing but the cached system
    Down {
        /// Take down every lab of this machine
        #[arg(long)]
        all: bool,
        /// Drop the cached system, too
        #[arg(long)]
        purge: bool,
    },
    /// Show every lab of this machine
    Status,
    /// Run a command on a host; its exit code is passed through
    Exec {
        /// a or b
        host: Side,
        /// The command with its arguments
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<OsString>,
    },
    /// Limit the rate between the hosts, in each direction
    Shape {
        /// In the words of tc: 1gbit, 100mbit
        #[arg(long, default_value = "1gbit")]
        rate: String,
        /// Lift the limit
        #[arg(long, conflicts_with = "rate")]
        off: bool,
    },
    /// Break the network between the hosts: packets get lost in silence
    Cut,
    /// Mend what `cut` broke
    Mend,
    /// Build phaul and move a running counter from a to b and back, before your eyes
    Demo,
    /// Build everything and run all tests, those that need the lab included
    Test {
        /// Arguments for `cargo nextest run`
        #[arg(last = true)]
        arguments: Vec<OsString>,
    },
    /// A host before it has namespaces of its own
    #[command(hide = true)]
    Host { side: Side, rootfs: PathBuf },
    /// The first process of a host
    #[command(hide = true)]
    Init { side: Side, rootfs: PathBuf },
    /// Starts a workload, within a host
    #[command(hide = true)]
    Launch {
        #[arg(required = true, last = true)]
        command: Vec<OsString>,
    },
}

/// Carries the command out.
pub(crate) fn run(line: CommandLine) -> ExitCode {
    match perform(line) {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "lab: {}", error.chain());
            ExitCode::FAILURE
        }
    }
}

fn perform(line: CommandLine) -> Result<ExitCode> {
    let name = line.name.as_str();
    match line.command {
        Command::Up => {
            Lab::up_to_stay(name)?;
            show(name)?;
        }
        Command::Down { all, purge } => {
            let names = if all {
                Lab::names()
            } else {
                vec![name.to_owned()]
            };
            names.iter().try_for_each(|name| Lab::down(name))?;
            if purge {
                Lab::purge()?;
            }
        }
        Command::Status => {
            let names = Lab::names();
            if names.is_empty() {
                print("no lab is up");
            }
            names.iter().try_for_each(|name| show(name))?;
        }
        Command::Exec { host, command } => {
            let lab = Lab::open(name)?;
            let source = lab.host(host).command(&command).exec();
            return Err(Error::Start {
                command: "sh".into(),
                source,
            });
        }
        Command::Shape { off, rate } => Lab::open(name)?.shape((!off).then_some(&rate))?,
        Command::Cut => Lab::open(name)?.cut()?,
        Command::Mend => Lab::open(name)?.mend()?,
        Command::Demo => demo::run()?,
        Command::Test { arguments } => return suite::run(&arguments),
        Command::Host { side, rootfs } => lab::be_born(name, side, &rootfs)?,
        Command::Init { side, rootfs } => lab::be_init(name, side, &rootfs)?,
        Command::Launch { command } => lab::launch(&command)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn show(name: &str) -> Result<()> {
    let Ok(lab) = Lab::open(name) else {
        print(format_args!(
            "{name}: not wholly up; `cargo lab down --name {name}` clears it"
        ));
        return Ok(());
    };
    let network = if lab.is_cut()? {
        "cut".to_owned()
    } else {
        lab.rate()?.unwrap_or_else(|| "unlimited".into())
    };
    print(format_args!(
        "{name}: network {network}, /shared is {}",
        lab.shared().display()
    ));
    for side in Side::BOTH {
        let host = lab.host(side);
        let processes = host.ps()?.len();
        print(format_args!(
            "  {side} {}  first process {}, {processes} in all",
            host.address(),
            host.init_pid()
        ));
    }
    Ok(())
}

/// A line on standard output. A reader that has gone is no reason to fail.
pub(crate) fn print(line: impl Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
