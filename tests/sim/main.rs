//! The real executors of both sides over an in-process link, with doubles for tasks and disk:
//! every step fails, every step is cut off, either process dies in every step (I1 to I4).

mod doubles;

use doubles::{Double, Fault, Ground, Shared, TargetHost, Tasks, look, stage};
use phaul_core::executor::agent::Agent;
use phaul_core::executor::source::{self, Source, Start};
use phaul_core::executor::{Command, Incoming, Recorder};
use phaul_core::graph::Side;
use phaul_core::journal::{Journal, MemoryJournal, Record, VERSION};
use phaul_core::plan::{Gate, Haul, Millis, Pid, PidSource, Plan, Target};
use phaul_core::report::{Outcome, Report};
use phaul_core::run::RunId;
use phaul_planner::compile::compile;
use phaul_transports::in_process::{InProcessDialer, InProcessListener, TARGET, pair};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot};

/// Everything that a run needs, with either process replaceable.
struct Rig {
    stage: Shared,
    dialer: Arc<InProcessDialer>,
    listener: Arc<InProcessListener>,
    agent: Option<Runtime>,
    journal: MemoryJournal,
    plan: Plan,
}

fn plan() -> Plan {
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

impl Rig {
    fn new(plan: Plan) -> Self {
        let links = pair();
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
            stage: stage(links.switch),
            dialer: Arc::new(links.dialer),
            listener: Arc::new(links.listener),
            agent: None,
            journal,
            plan,
        };
        rig.start_agent();
        rig
    }

    fn start_agent(&mut self) {
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
    fn kill_agent(&mut self) {
        let switch = look(&self.stage).switch.clone();
        if let Some(runtime) = self.agent.take() {
            runtime.shutdown_timeout(Duration::from_secs(5));
        }
        switch.cut();
        switch.mend();
    }

    /// The source's process: its future, and the way to give it commands.
    fn source(
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

    async fn run(&self, start: Start) -> Report {
        let (run, _commands) = self.source(start);
        tokio::time::timeout(Duration::from_secs(30), run)
            .await
            .expect("the run comes to an end")
    }

    /// Waits until a step hangs.
    async fn hangs(&self, step: &'static str) {
        for _ in 0..2000 {
            if look(&self.stage).hanging.remove(step) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        panic!("`{step}` was never come to");
    }

    /// What must be true at the end, whatever happened (I1 to I4).
    async fn assert_sound(&self, outcome: Outcome, what: &str) {
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

fn multi() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
}

/// Steps before the kill, and steps after it.
const BEFORE: [&str; 8] = [
    "inspect",
    "check",
    "reserve here",
    "reserve there",
    "freeze",
    "restore",
    "kill",
    "thaw",
];
const AFTER: [&str; 4] = ["release", "released", "clean here", "clean there"];

#[test]
fn a_run_without_faults_migrates_and_says_what_it_did() {
    let rig = Rig::new(plan());
    multi().block_on(async {
        let report = rig.run(Start::New).await;
        assert_eq!(report.outcome, Outcome::Migrated);
        assert_eq!(report.attempts, 1);
        assert_eq!(report.pages.sent, 600);
        assert!(report.bytes_sent > 0 && report.downtime_ms.is_some());
        assert_eq!(report.error, None);
        let target = |trail: &&phaul_core::report::Trail| trail.side == Side::Target;
        let passed: Vec<&str> = report
            .states
            .iter()
            .filter(target)
            .map(|t| t.state.name())
            .collect();
        assert_eq!(
            passed,
            [
                "accept", "reserve", "receive", "restore", "prepared", "resume", "clean", "done"
            ]
        );
        rig.assert_sound(Outcome::Migrated, "no fault").await;
    });
}

#[test]
fn every_step_fails_once() {
    for fault in [Fault::Fails, Fault::Lost, Fault::Cut] {
        for step in BEFORE.iter().chain(&AFTER).filter(|step| **step != "thaw") {
            let rig = Rig::new(plan());
            look(&rig.stage).faults.insert(step, fault);
            let report = multi().block_on(async {
                let report = rig.run(Start::New).await;
                let what = format!("{step} {fault:?}");
                rig.assert_sound(report.outcome, &what).await;
                report
            });
            let recovers = fault != Fault::Fails || AFTER.contains(step);
            let expected = if recovers {
                Outcome::Migrated
            } else {
                Outcome::RolledBack
            };
            assert_eq!(
                report.outcome, expected,
                "{step} {fault:?}: {:?}",
                report.error
            );
            assert_eq!(report.error.is_some(), !recovers, "{step} {fault:?}");
        }
    }
}

#[test]
fn the_source_dies_in_every_step_and_is_resumed_or_rolled_back() {
    let steps = BEFORE
        .iter()
        .filter(|step| **step != "thaw")
        .chain(&["killed", "clean here"]);
    for step in steps {
        for start in [Start::Resume, Start::Rollback] {
            let rig = Rig::new(plan());
            look(&rig.stage).faults.insert(step, Fault::Hangs);
            let process = multi();
            let (run, _commands) = rig.source(Start::New);
            process.spawn(run);
            multi().block_on(rig.hangs(step));
            process.shutdown_timeout(Duration::from_secs(5));
            let committed = ["killed", "clean here"].contains(step);
            let alone = look(&rig.stage).here;
            let expected = if committed {
                Tasks::None
            } else {
                Tasks::Running
            };
            assert_eq!(alone, expected, "{step}: nobody has typed anything yet");
            if *step == "clean here" && start == Start::Rollback {
                continue; // refused: it has committed
            }
            multi().block_on(async {
                let report = rig.run(start).await;
                rig.assert_sound(report.outcome, &format!("{step}, {start:?}"))
                    .await;
                let migrates = committed || start == Start::Resume;
                let expected = if migrates {
                    Outcome::Migrated
                } else {
                    Outcome::RolledBack
                };
                assert_eq!(report.outcome, expected, "{step}, {start:?}");
            });
        }
    }
}

#[test]
fn the_agent_dies_in_every_step_and_is_started_again() {
    for step in [
        "check",
        "reserve there",
        "restore",
        "release",
        "released",
        "clean there",
    ] {
        let mut rig = Rig::new(plan());
        look(&rig.stage).faults.insert(step, Fault::Hangs);
        let process = multi();
        let (run, _commands) = rig.source(Start::New);
        let run = process.spawn(run);
        multi().block_on(rig.hangs(step));
        rig.kill_agent();
        rig.start_agent();
        let report = multi().block_on(async {
            tokio::time::timeout(Duration::from_secs(30), run)
                .await
                .expect("an end")
                .unwrap()
        });
        assert_eq!(
            report.outcome,
            Outcome::Migrated,
            "{step}: {:?}",
            report.error
        );
        multi().block_on(rig.assert_sound(Outcome::Migrated, step));
    }
}

#[test]
fn preflight_that_says_no_touches_nothing() {
    for waived in [false, true] {
        let mut plan = plan();
        if waived {
            plan.checks.waive = vec![phaul_core::plan::Waiver("pid-free".into())];
        }
        let rig = Rig::new(plan);
        look(&rig.stage).refuses = true;
        multi().block_on(async {
            let report = rig.run(Start::New).await;
            let expected = if waived {
                Outcome::Migrated
            } else {
                Outcome::Refused
            };
            assert_eq!(report.outcome, expected);
            assert_eq!(report.checks[0].waived, waived);
            rig.assert_sound(report.outcome, "refused").await;
        });
    }
}

async fn command(inbox: &mpsc::Sender<Incoming>, command: Command) -> Result<(), String> {
    let (answer, said) = oneshot::channel();
    inbox
        .send(Incoming::Command(command, answer))
        .await
        .unwrap();
    said.await.unwrap()
}

#[test]
fn a_person_cancels_before_the_commit_and_not_after_it() {
    for step in ["inspect", "freeze", "restore", "kill", "killed"] {
        let rig = Rig::new(plan());
        look(&rig.stage).faults.insert(step, Fault::Hangs);
        let process = multi();
        let (run, commands) = rig.source(Start::New);
        let run = process.spawn(run);
        multi().block_on(async {
            rig.hangs(step).await;
            let said = command(&commands, Command::Cancel).await;
            if step.starts_with("kill") {
                assert!(said.unwrap_err().contains("committed"), "{step}");
                return;
            }
            assert_eq!(said, Ok(()), "{step}");
            let report = run.await.unwrap();
            assert_eq!(report.outcome, Outcome::RolledBack, "{step}");
            assert_eq!(
                report.error.map(|error| error.code),
                Some("cancelled".into())
            );
            rig.assert_sound(Outcome::RolledBack, step).await;
        });
    }
}

#[test]
fn the_gate_waits_for_its_word() {
    let mut plan = plan();
    plan.gate = Gate::Ask;
    let rig = Rig::new(plan);
    let process = multi();
    let (run, commands) = rig.source(Start::New);
    let run = process.spawn(run);
    multi().block_on(async {
        // Until the gate is come to there is nothing to pass.
        while command(&commands, Command::Continue).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(run.await.unwrap().outcome, Outcome::Migrated);
        rig.assert_sound(Outcome::Migrated, "gate").await;
    });
}
