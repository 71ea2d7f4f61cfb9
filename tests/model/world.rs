//! The world of the model: both hosts, the tasks, the network.

use phaul_core::graph::{AskKind, Graph, StateName, Work};
use phaul_core::machine::cutover::Verdict;
use phaul_core::machine::{Doing, Machine};
use phaul_core::plan::{FileSet, Haul, Pid, PidSource, Plan, Target};
use phaul_core::protocol::AnswerKind;
use phaul_planner::compile::{Graphs, compile};
use std::collections::BTreeSet;

/// How far the search goes.
#[derive(Clone, Copy)]
pub(crate) struct Bounds {
    /// Attempts that the plan allows.
    pub(crate) attempts: u32,
    /// Crashes of either side, together.
    pub(crate) crashes: u8,
    /// How often a person says stop.
    pub(crate) cancels: u8,
    /// Whether the plan has files that are copied in rounds.
    pub(crate) files: bool,
}

/// Rules of the protocol that a test breaks on purpose.
#[derive(Clone, Copy, Default)]
pub(crate) struct Rules {
    /// The source goes from asking for the restore straight to the commit.
    pub(crate) commits_unprepared: bool,
    /// A prepared target that lost its source lets the workload run.
    pub(crate) target_decides_alone: bool,
    /// After a restart in the commit the source takes its tasks for alive.
    pub(crate) restart_believes_alive: bool,
    /// The source kills its tasks although they have run since the dump.
    pub(crate) kill_ignores_the_hold: bool,
    /// The source does not send what changed in the files until the freeze.
    pub(crate) skips_the_last_files: bool,
}

impl Rules {
    /// Whether the source leaves a state out.
    pub(crate) fn pass_by(&self, state: StateName) -> bool {
        match state {
            StateName::Restore => self.commits_unprepared,
            StateName::FinalFiles => self.skips_the_last_files,
            _ => false,
        }
    }
}

/// The tasks at the source.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Here {
    /// They run; what they do now is not in any image.
    Running,
    /// They are dumped and held.
    Held,
    /// They are dead.
    Dead,
}

/// The tasks at the target.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum There {
    /// There are none.
    None,
    /// They are restored and held.
    Held,
    /// They run.
    Running,
}

/// A message in the network. Once said it stays: it can arrive late, often, or never.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Said {
    /// By the source.
    Ask(AskKind, u32),
    /// By the target.
    Answer(AnswerKind, u32),
    /// By the source: have the files of a round arrived? With the attempt and the round.
    Files(u32, u8),
    /// By the target: they are in place.
    Taken(u32, u8),
}

/// A round of files at the target.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Files {
    pub(crate) attempt: u32,
    pub(crate) round: u8,
    /// The tasks at the source have not run since.
    pub(crate) fresh: bool,
}

/// One side's process and its journal.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Process {
    /// The machine in memory; none while the process is dead or has ended.
    pub(crate) live: Option<Machine>,
    /// The machine as last recorded; none before the first record.
    pub(crate) journal: Option<Machine>,
    /// Something that the run made stands on this host.
    pub(crate) made: bool,
}

/// A state of the whole.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct World {
    pub(crate) source: Process,
    pub(crate) target: Process,
    pub(crate) here: Here,
    pub(crate) verdict: Option<Verdict>,
    pub(crate) there: There,
    /// The attempt whose images are whole at the target; 0 if none.
    pub(crate) images: u32,
    /// The tasks at the source have run since the images that the target would run from.
    pub(crate) stale: bool,
    /// Whether the plan has files.
    pub(crate) has_files: bool,
    /// In the source's memory: rounds of files that were sent in this attempt.
    pub(crate) round: u8,
    /// In the target's memory: the round that it was asked about.
    pub(crate) asked: u8,
    /// The last round that has arrived whole at the target.
    pub(crate) arrived: Option<Files>,
    /// The last round that was put in place there.
    pub(crate) files: Option<Files>,
    pub(crate) network: BTreeSet<Said>,
    pub(crate) crashes: u8,
    pub(crate) cancels: u8,
    pub(crate) attempts: u32,
}

impl World {
    /// A run that begins.
    pub(crate) fn new(bounds: Bounds) -> Self {
        let graphs = graphs(bounds.attempts, bounds.files);
        let machine = Machine::new(&graphs.source);
        Self {
            source: Process {
                live: Some(machine.clone()),
                journal: Some(machine),
                made: false,
            },
            target: Process {
                live: None,
                journal: None,
                made: false,
            },
            here: Here::Running,
            verdict: None,
            there: There::None,
            images: 0,
            stale: true,
            has_files: bounds.files,
            round: 0,
            asked: 0,
            arrived: None,
            files: None,
            network: BTreeSet::new(),
            crashes: bounds.crashes,
            cancels: bounds.cancels,
            attempts: bounds.attempts,
        }
    }

    /// Forgets what can never matter again, so that states that behave alike are one: messages
    /// of attempts that their hearer is past, answers to a source that is over, and by how much
    /// a counter is past its bound.
    pub(crate) fn forget(&mut self, source: &Graph) {
        let over = self
            .source
            .journal
            .as_ref()
            .is_some_and(|m| m.has_ended(source));
        let attempt_of = |process: &Process| process.journal.as_ref().map_or(0, |m| m.attempt);
        let (source_at, target_at) = (attempt_of(&self.source), attempt_of(&self.target));
        self.network.retain(|said| match said {
            Said::Ask(_, attempt) | Said::Files(attempt, _) => *attempt >= target_at,
            Said::Answer(_, attempt) | Said::Taken(attempt, _) => !over && *attempt >= source_at,
        });
        if self.source.live.is_none() {
            self.round = 0;
        }
        let takes = Doing::Work(Work::TakeFiles);
        if (self.target.live.as_ref()).is_none_or(|machine| machine.doing != takes) {
            self.asked = 0;
        }
        // Of an earlier attempt it only matters whether it is good to run with.
        let counts = |files: &Files| files.attempt >= target_at || files.fresh;
        self.arrived = self.arrived.filter(|files| files.attempt >= target_at);
        self.files = self.files.filter(counts);
        for process in [&mut self.source, &mut self.target] {
            for machine in [&mut process.live, &mut process.journal]
                .into_iter()
                .flatten()
            {
                machine.losses = machine.losses.min(2);
                machine.tries = machine.tries.min(2);
            }
        }
    }

    /// Whether the target's agent runs: it has no run yet, or one in memory.
    pub(crate) fn agent_lives(&self) -> bool {
        self.target.journal.is_none() || self.target.live.is_some()
    }
}

/// The real graphs of a plan with so many attempts, and with files or without.
pub(crate) fn graphs(attempts: u32, files: bool) -> Graphs {
    let haul = Haul::Pid(Pid {
        root: PidSource::Pid(1),
        shell_job: false,
    });
    let to = Target {
        agent: "b:7420".into(),
        identity: "b".into(),
        id: None,
        paths: Default::default(),
    };
    let mut plan = Plan::new("model", haul, to);
    plan.retry.attempts = attempts;
    if files {
        plan.files = vec![FileSet::Tree {
            path: "/srv".into(),
            exclude: Vec::new(),
        }];
    }
    compile(&plan).expect("the graphs are valid")
}

/// The graph with the long loops after the commit cut to two tries: more are more of the same.
pub(crate) fn shortened(graph: &Graph) -> Graph {
    let mut parts = graph.parts().clone();
    for edge in &mut parts.edges {
        if let Some(retry) = &mut edge.retry {
            retry.tries = retry.tries.min(2);
        }
    }
    Graph::new(parts).expect("the graph is as valid as before")
}
