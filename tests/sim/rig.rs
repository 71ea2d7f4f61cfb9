//! Both sides of a run in one process, each of which can die by itself.

use crate::doubles::{Double, Shared, Tasks, look, stage};
use crate::hosts::{Ground, TargetHost};
use phaul_core::executor::agent::Agent;
use phaul_core::executor::source::{self, Source, Start};
use phaul_core::executor::{Incoming, Recorder};
use phaul_core::graph::Side;
use phaul_core::journal::{Journal, MemoryJournal, Record, VERSION};
use phaul_core::plan::{FileSet, Haul, Millis, Pid, PidSource, Plan, Target};
use phaul_core::report::{Outcome, Report};
use phaul_core::run::RunId;
use phaul_planner::compile::compile;
use phaul_transports::in_process::{InProcessDialer, InProcessListener, TARGET, pair};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

/// Everything that a run needs, with either process replaceable.
pub(crate) struct Rig {
    pub(crate) stage: Shared,
    dialer: Arc<InProcessDialer>,
    listener: Arc<InProcessListener>,
    agent: Option<Runtime>,
    journal: MemoryJournal,
    plan: Plan,
}

pub(crate) fn plan() -> Plan {
    let haul = Haul::Pid(Pid {
        root: PidSource::Pid(1),
        shell_job: false,
    });
    let to = Target {
        agent: "b:7420".into(),
        identity: TARGET.into(),
        id: None,
        paths: Default::default(),
    };
    let mut plan = Plan::new("sim", haul, to);
    plan.retry.backoff_first = Millis(1);
    plan.retry.backoff_longest = Millis(30);
    plan
}

/// The same with a tree that is copied in rounds.
pub(crate) fn plan_with_files() -> Plan {
    let mut plan = plan();
    plan.files = vec![FileSet::Tree {
        path: "/srv".into(),
        exclude: Vec::new(),
    }];
    plan
}

impl Rig {
    pub(crate) fn new(plan: Plan) -> Self {
        let links = pair();
        let files = !plan.files.is_empty();
        let graph = compile(&plan).unwrap().source;
        let mut journal = MemoryJournal::default();
        let begun = Record::Begun {
            version: VERSION,
            run: run_id(),
            side: Side::Source,
            peer: TARGET.into(),
            workload: "1".into(),
            plan: Box::new(plan.clone()),
            digest: graph.digest(),
            graph: graph.parts().clone(),
        };
        journal.write(begun).unwrap();
        let mut rig = Self {
            stage: stage(links.switch, files),
            dialer: Arc::new(links.dialer),
            listener: Arc::new(links.listener),
            agent: None,
            journal,
            plan,
        };
        rig.start_agent();
        rig
    }

    pub(crate) fn start_agent(&mut self) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let host = Arc::new(TargetHost(Arc::clone(&self.stage)));
        let listener = Arc::clone(&self.listener);
        runtime.spawn(async move {
            let agent = Agent::new(host, mpsc::unbounded_channel().0);
            agent.recover();
            agent.serve(&*listener).await;
        });
        self.agent = Some(runtime);
    }

    /// Kills the agent: its links are lost, what it holds is discarded.
    pub(crate) fn kill_agent(&mut self) {
        let switch = look(&self.stage).switch.clone();
        look(&self.stage).dying = true;
        if let Some(runtime) = self.agent.take() {
            runtime.shutdown_timeout(Duration::from_secs(5));
        }
        look(&self.stage).dying = false;
        switch.cut();
        switch.mend();
    }

    /// The source's process: its future, and the way to give it commands.
    pub(crate) fn source(
        &self,
        start: Start,
    ) -> (
        impl Future<Output = Report> + Send + 'static,
        mpsc::Sender<Incoming>,
    ) {
        let parts = Source {
            hauler: Box::new(Double {
                stage: Arc::clone(&self.stage),
                side: Side::Source,
                dir: "/source".into(),
            }),
            dial: Arc::clone(&self.dialer) as _,
            undo: self.ground(),
            disk: self.ground(),
            target_graph: compile(&self.plan).unwrap().target.parts().clone(),
        };
        let journal = Box::new(self.journal.clone());
        let (recorder, replay) = Recorder::open(journal, mpsc::unbounded_channel().0).unwrap();
        let (to_inbox, inbox) = mpsc::channel(8);
        let commands = to_inbox.clone();
        let run = async move {
            let rested = source::run(parts, recorder, replay, start, (to_inbox, inbox)).await;
            let (_, recorder) = rested.unwrap();
            recorder.summary().report(jiff::Timestamp::now())
        };
        (run, commands)
    }

    fn ground(&self) -> Arc<Ground> {
        Arc::new(Ground {
            stage: Arc::clone(&self.stage),
            side: Side::Source,
        })
    }

    pub(crate) async fn run(&self, start: Start) -> Report {
        let (run, _commands) = self.source(start);
        tokio::time::timeout(Duration::from_secs(30), run)
            .await
            .expect("the run comes to an end")
    }

    /// Waits until a step hangs.
    pub(crate) async fn hangs(&self, step: &'static str) {
        for _ in 0..2000 {
            if look(&self.stage).hanging.remove(step) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        panic!("`{step}` was never come to");
    }

    /// What must be true at the end, whatever happened (I1 to I4).
    pub(crate) async fn assert_sound(&self, outcome: Outcome, what: &str) {
        // The target cleans by itself after it has answered.
        for _ in 0..1000 {
            if look(&self.stage).made.is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let stage = look(&self.stage);
        assert_eq!(stage.violations, [""; 0], "{what}");
        let places = (stage.here, stage.there);
        let expected = match outcome {
            Outcome::Migrated => (Tasks::None, Tasks::Running),
            _ => (Tasks::Running, Tasks::None),
        };
        let files = match outcome {
            Outcome::Migrated => &stage.tree_here,
            _ => &Default::default(),
        };
        assert!(
            stage.tree_there == *files,
            "{what}: the files are not those"
        );
        assert_eq!(places, expected, "{what}: {outcome:?}");
        assert!(stage.made.is_empty(), "{what}: {:?} is left", stage.made);
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if let Some(runtime) = self.agent.take() {
            runtime.shutdown_background();
        }
    }
}

fn run_id() -> RunId {
    "sim-1".parse().unwrap()
}

pub(crate) fn multi() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
}
