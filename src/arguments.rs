//! The command line: a contract with people's scripts.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Moves running processes from one Linux host to another, as a reviewed plan says.
///
/// Exit codes: 0 migrated or done; 2 the plan or the command line is wrong; 3 refused by
/// preflight, nothing was touched; 4 failed or cancelled and rolled back, the workload runs at
/// the source; 5 undecided or unfinished; 6 another run holds the workload; 1 anything else.
#[derive(Debug, Parser)]
#[command(name = "phaul", version, propagate_version = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// What every command takes.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// Where runs, keys and the agent's state live
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "PHAUL_STATE_DIR",
        default_value = "/var/lib/phaul"
    )]
    pub(crate) state_dir: PathBuf,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Human,
    /// For scripts
    Json,
}

/// How the findings of a check are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CheckFormat {
    /// For people, with the lines they are about
    Human,
    /// A list of code, severity, file, line, column, message and help
    Json,
    /// Annotations of a GitHub workflow
    Github,
    /// SARIF 2.1.0
    Sarif,
}

/// How a graph is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum GraphFormat {
    /// For people
    Text,
    /// Graphviz
    Dot,
    /// Mermaid
    Mermaid,
    /// For scripts
    Json,
}

/// A plan, with what takes the place of its keys.
#[derive(Debug, Args)]
pub(crate) struct PlanFile {
    /// The plan's file
    pub(crate) plan: PathBuf,
    /// Override one key, such as `memory.converge.rounds=3`; may be given often
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) sets: Vec<String>,
}

/// A run, and how results are printed.
#[derive(Debug, Args)]
pub(crate) struct RunName {
    /// The run's id, or as much of its beginning as is clear
    pub(crate) run: String,
    /// How results are printed
    #[arg(long, value_enum, default_value = "human")]
    pub(crate) format: Format,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Carry a plan out: move the workload, or leave everything as it was
    Run {
        #[command(flatten)]
        plan: PlanFile,
        /// Write the JSON report of the run here
        #[arg(long, value_name = "FILE")]
        report: Option<PathBuf>,
        /// `json` prints one object a line for every event as it happens
        #[arg(long, value_enum, default_value = "human")]
        format: Format,
    },
    /// Show what a plan would do, with every default filled in; changes nothing
    Plan {
        #[command(flatten)]
        plan: PlanFile,
        /// Ask both hosts as well: every preflight check, and which files a plan could copy
        #[arg(long)]
        probe: bool,
        /// How results are printed
        #[arg(long, value_enum, default_value = "human")]
        format: Format,
    },
    /// Check plans; exit code 2 if any has an error
    Check {
        /// The plans' files
        #[arg(required = true)]
        plans: Vec<PathBuf>,
        /// How findings are printed
        #[arg(long, value_enum, default_value = "human")]
        format: CheckFormat,
    },
    /// Show the state machines of both sides that a plan compiles to
    Graph {
        #[command(flatten)]
        plan: PlanFile,
        /// How the graph is printed
        #[arg(long, value_enum, default_value = "text")]
        format: GraphFormat,
    },
    /// List the runs that began on this host
    Runs {
        /// How results are printed
        #[arg(long, value_enum, default_value = "human")]
        format: Format,
    },
    /// Show what happened in a run; `json` is its report
    Show(RunName),
    /// Take an unfinished run up where its journal ends, and carry it to an end
    Resume {
        #[command(flatten)]
        run: RunName,
        /// Write the JSON report of the run here
        #[arg(long, value_name = "FILE")]
        report: Option<PathBuf>,
    },
    /// Undo an unfinished run: the workload runs on at the source
    Rollback {
        #[command(flatten)]
        run: RunName,
        /// Write the JSON report of the run here
        #[arg(long, value_name = "FILE")]
        report: Option<PathBuf>,
    },
    /// Stop a run that is under way and roll it back, as long as it has not committed
    Cancel(RunName),
    /// Let a run pass its gate
    Continue(RunName),
    /// Accept migrations on this host; or look at those it has accepted
    Agent {
        /// The address to listen at, UDP
        #[arg(long, value_name = "ADDR", default_value = "0.0.0.0:7420")]
        listen: SocketAddr,
        /// `json` prints one object a line for every event of its runs, and logs as JSON
        #[arg(long, value_enum, default_value = "human")]
        format: Format,
        #[command(subcommand)]
        verb: Option<AgentVerb>,
    },
    /// This host's identity, and whom it trusts
    Keys {
        #[command(subcommand)]
        verb: KeysVerb,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum AgentVerb {
    /// List the runs of which this host is the target
    Runs {
        /// How results are printed
        #[arg(long, value_enum, default_value = "human")]
        format: Format,
    },
    /// Decide for a prepared run whose source is lost for good
    ///
    /// While a run is prepared the workload is held here, and only the source knows whether it
    /// has ended it over there. Deciding here is a risk: with --run, two copies run if the
    /// source still runs it; with --drop, none is left if the source has already ended it. Look
    /// at the source first: `phaul show RUN` there tells what it did.
    Resolve {
        /// The run's id, or as much of its beginning as is clear
        run: String,
        /// The source's copy is surely gone: let the workload run here
        #[arg(
            long = "run",
            conflicts_with = "drop",
            required_unless_present = "drop"
        )]
        run_it: bool,
        /// The source's copy surely runs: drop the one here
        #[arg(long)]
        drop: bool,
        /// How results are printed
        #[arg(long, value_enum, default_value = "human")]
        format: Format,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeysVerb {
    /// Make this host's key, unless it has one
    Init {
        /// How results are printed
        #[arg(long, value_enum, default_value = "human")]
        format: Format,
    },
    /// Print this host's public key: one line, nothing else
    Show {
        /// How results are printed
        #[arg(long, value_enum, default_value = "human")]
        format: Format,
    },
    /// Trust a peer's public key under a name
    Trust {
        /// The name, as plans give it in `to.identity`
        name: String,
        /// The key, as `phaul keys show` prints it on the peer
        key: String,
        /// How results are printed
        #[arg(long, value_enum, default_value = "human")]
        format: Format,
    },
    /// List the trusted peers
    List {
        /// How results are printed
        #[arg(long, value_enum, default_value = "human")]
        format: Format,
    },
    /// Trust a peer no longer
    Revoke {
        /// The name
        name: String,
        /// How results are printed
        #[arg(long, value_enum, default_value = "human")]
        format: Format,
    },
}

impl Arguments {
    /// Whether errors are printed for scripts, too.
    pub(crate) fn is_json(&self) -> bool {
        let format = match &self.verb {
            Verb::Run { format, .. } | Verb::Plan { format, .. } | Verb::Runs { format } => *format,
            Verb::Show(run) | Verb::Cancel(run) | Verb::Continue(run) => run.format,
            Verb::Resume { run, .. } | Verb::Rollback { run, .. } => run.format,
            Verb::Check { format, .. } => return *format == CheckFormat::Json,
            Verb::Graph { format, .. } => return *format == GraphFormat::Json,
            Verb::Agent { verb, format, .. } => match verb {
                Some(AgentVerb::Runs { format } | AgentVerb::Resolve { format, .. }) => *format,
                None => *format,
            },
            Verb::Keys { verb } => match verb {
                KeysVerb::Init { format }
                | KeysVerb::Show { format }
                | KeysVerb::Trust { format, .. }
                | KeysVerb::List { format }
                | KeysVerb::Revoke { format, .. } => *format,
            },
        };
        format == Format::Json
    }

    /// Whether it is the agent itself, whose log is what people read.
    pub(crate) fn is_daemon(&self) -> bool {
        matches!(self.verb, Verb::Agent { verb: None, .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn resolve_wants_one_decision() {
        let parse = |words: &[&str]| Arguments::try_parse_from(words).is_ok();
        assert!(parse(&["phaul", "agent", "resolve", "r", "--run"]));
        assert!(parse(&["phaul", "agent", "resolve", "r", "--drop"]));
        assert!(!parse(&["phaul", "agent", "resolve", "r"]));
        assert!(!parse(&[
            "phaul", "agent", "resolve", "r", "--run", "--drop"
        ]));
    }
}
