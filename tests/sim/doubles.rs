//! Doubles for what only a real host has: tasks, CRIU and a disk. They watch while they play:
//! whatever would break an invariant is noted as a violation.

use crate::tree::{Giver, TREE, Taker, Tree, planted};
use async_trait::async_trait;
use phaul_core::executor::ports::{
    Fate, FileSink, FileSource, Frozen, Inspection, Ledger, Resource, SourceHauler, TargetHauler,
};
use phaul_core::failure::Failure;
use phaul_core::graph::Side;
use phaul_core::journal::MemoryJournal;
use phaul_core::protocol::{ImageFile, Manifest};
use phaul_core::report::{Check, CheckResult};
use phaul_core::run::RunId;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

/// Where the tasks of the workload are and whether they run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tasks {
    None,
    Held,
    Running,
}

/// What is done to a step, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It fails for good.
    Fails,
    /// It fails in a way that another attempt may cure.
    Lost,
    /// The links are cut while it is done; whoever dials again gets a new one.
    Cut,
    /// It never ends: whoever waits for it is stopped from outside.
    Hangs,
}

/// Both hosts.
pub(crate) struct Stage {
    pub(crate) here: Tasks,
    pub(crate) there: Tasks,
    pub(crate) killed: bool,
    /// Whether the source's tasks have run since they were dumped.
    pub(crate) stale: bool,
    pub(crate) made: BTreeSet<(Side, PathBuf)>,
    pub(crate) arrived: BTreeMap<String, u64>,
    pub(crate) violations: Vec<String>,
    pub(crate) faults: BTreeMap<&'static str, Fault>,
    pub(crate) hanging: BTreeSet<&'static str>,
    pub(crate) refuses: bool,
    /// The workload's files; none unless the plan copies them.
    pub(crate) tree_here: Tree,
    pub(crate) tree_there: Tree,
    /// The rounds of files that were begun, and whether the workload stood still in each.
    pub(crate) given: Vec<bool>,
    /// How often the source was told that something of a round is held.
    pub(crate) resumed: u32,
    /// How often a step goes well before its fault.
    pub(crate) turns: BTreeMap<&'static str, u32>,
    /// How long reading a piece of files takes.
    pub(crate) slowness: std::time::Duration,
    /// How long putting a piece of files in place takes.
    pub(crate) slowness_there: std::time::Duration,
    /// Threads that hang come to their end.
    pub(crate) dying: bool,
    /// What came along with the word to resume.
    pub(crate) farewell: Option<Manifest>,
    pub(crate) journals: BTreeMap<RunId, MemoryJournal>,
    pub(crate) switch: phaul_transports::in_process::Switch,
}

pub(crate) type Shared = Arc<Mutex<Stage>>;

pub(crate) fn stage(switch: phaul_transports::in_process::Switch, files: bool) -> Shared {
    Arc::new(Mutex::new(Stage {
        here: Tasks::Running,
        there: Tasks::None,
        killed: false,
        stale: true,
        made: BTreeSet::new(),
        arrived: BTreeMap::new(),
        violations: Vec::new(),
        faults: BTreeMap::new(),
        hanging: BTreeSet::new(),
        refuses: false,
        tree_here: if files { planted() } else { Tree::new() },
        tree_there: Tree::new(),
        given: Vec::new(),
        resumed: 0,
        turns: BTreeMap::new(),
        slowness: std::time::Duration::ZERO,
        slowness_there: std::time::Duration::ZERO,
        dying: false,
        farewell: None,
        journals: BTreeMap::new(),
        switch,
    }))
}

pub(crate) fn look(stage: &Shared) -> MutexGuard<'_, Stage> {
    stage.lock().unwrap()
}

impl Stage {
    fn thaw(&mut self) {
        if self.here == Tasks::Held {
            self.here = Tasks::Running;
            self.stale = true;
        }
    }

    fn kill(&mut self) {
        if self.there != Tasks::Held {
            let violation = "I2: killed before anything is held there";
            self.violations.push(violation.into());
        }
        (self.here, self.killed) = (Tasks::None, true);
    }

    fn let_run(&mut self) {
        self.there = Tasks::Running;
        if self.here != Tasks::None {
            self.violations
                .push("I1: it runs there and is alive here".into());
        }
        if self.stale {
            self.violations
                .push("it runs there from before it ran here".into());
        }
    }
}

/// Meets the fault of a step, if it has one.
async fn step(stage: &Shared, name: &'static str) -> Result<(), Failure> {
    let fault = look(stage).faults.remove(name);
    match fault {
        None => Ok(()),
        Some(Fault::Fails) => Err(Failure::new("double", format!("{name} fails"))),
        Some(Fault::Lost) => Err(Failure::lost("double", format!("{name} is lost"))),
        Some(Fault::Cut) => {
            let switch = look(stage).switch.clone();
            switch.cut();
            switch.mend();
            Ok(())
        }
        Some(Fault::Hangs) => {
            look(stage).hanging.insert(name);
            std::future::pending().await
        }
    }
}

/// One side's hauler, undoer and disk.
pub(crate) struct Double {
    pub(crate) stage: Shared,
    pub(crate) side: Side,
    pub(crate) dir: PathBuf,
}

impl Double {
    fn make(&self, name: &str, ledger: &mut dyn Ledger) -> Result<(), Failure> {
        let path = self.dir.join(name);
        ledger.make(Resource::Directory { path: path.clone() })?;
        look(&self.stage).made.insert((self.side, path));
        Ok(())
    }
}

/// A hold ends with its process.
impl Drop for Double {
    fn drop(&mut self) {
        let Ok(mut stage) = self.stage.lock() else {
            return;
        };
        match self.side {
            Side::Source => stage.thaw(),
            Side::Target if stage.there == Tasks::Held => stage.there = Tasks::None,
            Side::Target => {}
        }
    }
}

const IMAGES: [(&str, u64); 3] = [
    ("core-1.img", 700),
    ("pages-1.img", 2_500_000),
    ("empty.img", 0),
];

#[async_trait]
impl SourceHauler for Double {
    async fn inspect(&mut self) -> Result<Inspection, Failure> {
        step(&self.stage, "inspect").await?;
        Ok(Inspection {
            manifest: Manifest(serde_json::json!({ "pid": 1 })),
            checks: Vec::new(),
        })
    }

    async fn reserve(&mut self, ledger: &mut dyn Ledger) -> Result<(), Failure> {
        self.make("attempt", ledger)?;
        step(&self.stage, "reserve here").await
    }

    async fn freeze(&mut self, _ledger: &mut dyn Ledger) -> Result<Frozen, Failure> {
        step(&self.stage, "freeze").await?;
        let mut stage = look(&self.stage);
        (stage.here, stage.stale) = (Tasks::Held, false);
        let images = IMAGES.map(|(name, size)| ImageFile {
            name: name.into(),
            size,
        });
        Ok(Frozen {
            images: images.to_vec(),
            freeze_ms: 1,
            dump_ms: 1,
            pages: 600,
        })
    }

    fn images(&self) -> PathBuf {
        self.dir.join("attempt")
    }

    fn files(&mut self) -> Result<Option<Box<dyn FileSource>>, Failure> {
        Ok(Some(Box::new(Giver::new(&self.stage))))
    }

    async fn farewell(&mut self) -> Manifest {
        Manifest(serde_json::json!("good luck"))
    }

    async fn kill(&mut self, _ledger: &mut dyn Ledger) -> Result<Fate, Failure> {
        step(&self.stage, "kill").await?;
        look(&self.stage).kill();
        step(&self.stage, "killed").await?;
        Ok(Fate::Dead)
    }

    async fn settle(&mut self, _ledger: &mut dyn Ledger) -> Result<Fate, Failure> {
        let mut stage = look(&self.stage);
        stage.thaw();
        Ok(if stage.killed {
            Fate::Dead
        } else {
            Fate::Alive
        })
    }

    async fn thaw(&mut self, _ledger: &mut dyn Ledger) -> Result<(), Failure> {
        step(&self.stage, "thaw").await?;
        look(&self.stage).thaw();
        Ok(())
    }

    async fn clean(&mut self, _ledger: &mut dyn Ledger) -> Result<(), Failure> {
        step(&self.stage, "clean here").await
    }

    fn logs(&self) -> Vec<(String, String)> {
        Vec::new()
    }
}

#[async_trait]
impl TargetHauler for Double {
    async fn check(&mut self, _manifest: &Manifest) -> Result<Vec<Check>, Failure> {
        step(&self.stage, "check").await?;
        let result = match look(&self.stage).refuses {
            true => CheckResult::Failed,
            false => CheckResult::Passed,
        };
        Ok(vec![Check {
            id: "pid-free".into(),
            side: Side::Target,
            result,
            waived: false,
            text: "the pids".into(),
            hint: None,
        }])
    }

    async fn reserve(
        &mut self,
        _manifest: &Manifest,
        ledger: &mut dyn Ledger,
    ) -> Result<(), Failure> {
        self.make("images", ledger)?;
        self.make(TREE, ledger)?;
        step(&self.stage, "reserve there").await
    }

    fn images(&self) -> PathBuf {
        self.dir.join("images")
    }

    fn files(&mut self) -> Result<Option<Box<dyn FileSink>>, Failure> {
        Ok(Some(Box::new(Taker::new(&self.stage))))
    }

    async fn restore(&mut self, _ledger: &mut dyn Ledger) -> Result<(), Failure> {
        step(&self.stage, "restore").await?;
        let mut stage = look(&self.stage);
        for (name, size) in IMAGES {
            if stage.arrived.get(name) != Some(&size) {
                let arrived = format!("{name} arrived as {:?}", stage.arrived.get(name));
                stage.violations.push(arrived);
            }
        }
        if stage.tree_there != stage.tree_here {
            stage
                .violations
                .push("the files are not what was left".into());
        }
        stage.there = Tasks::Held;
        Ok(())
    }

    async fn release(
        &mut self,
        farewell: &Manifest,
        ledger: &mut dyn Ledger,
    ) -> Result<u64, Failure> {
        step(&self.stage, "release").await?;
        // From now on the files are the workload's.
        let path = self.dir.join(TREE);
        ledger.gone(&Resource::Directory { path: path.clone() })?;
        look(&self.stage).made.remove(&(Side::Target, path));
        look(&self.stage).farewell = Some(farewell.clone());
        look(&self.stage).let_run();
        step(&self.stage, "released").await?;
        Ok(1)
    }

    async fn discard(&mut self, _ledger: &mut dyn Ledger) -> Result<(), Failure> {
        let mut stage = look(&self.stage);
        if stage.there == Tasks::Held {
            stage.there = Tasks::None;
        }
        Ok(())
    }

    async fn clean(&mut self, _ledger: &mut dyn Ledger) -> Result<(), Failure> {
        step(&self.stage, "clean there").await
    }

    fn logs(&self) -> Vec<(String, String)> {
        Vec::new()
    }
}
