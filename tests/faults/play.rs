//! All cells of one kind of fault, some at once.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use phaul_tests::lab::Side;
use phaul_tests::rig::{Rig, Snapshot};

use super::cell::{Cell, Kind};
use super::scene::{STRIKE, Scene};

/// How the cells of a fault are played.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Play {
    /// The fault's name.
    pub(crate) fault: &'static str,
    /// So many cells at once.
    pub(crate) at_once: usize,
    /// Each cell has an agent of its own.
    pub(crate) own_agents: bool,
    /// What is moved are containers, of runc and of crun by turns, and not processes.
    pub(crate) containers: bool,
}

impl Play {
    /// Plays the cells and panics with every one that failed.
    pub(crate) fn all(
        self,
        rig: &Rig,
        cells: &[Cell],
        act: impl Fn(&Scene<'_>) -> Result<(), String> + Sync,
    ) {
        let before = prepare(rig, self.containers);
        let next = AtomicUsize::new(0);
        let failed = Mutex::new(Vec::new());
        let play_some = || {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(cell) = cells.get(number) else {
                    return;
                };
                if let Err(wrong) = self.one(rig, *cell, number, &act) {
                    failed.lock().unwrap().push(wrong);
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..self.at_once.min(cells.len()) {
                scope.spawn(play_some);
            }
        });
        let mut failed = failed.into_inner().unwrap();
        failed.extend(rig.nothing_left(&before).err());
        assert!(
            failed.is_empty(),
            "{} failures in {} cells of `{}`:\n{}",
            failed.len(),
            cells.len(),
            self.fault,
            failed.join("\n")
        );
    }

    fn one(
        self,
        rig: &Rig,
        cell: Cell,
        number: usize,
        act: &impl Fn(&Scene<'_>) -> Result<(), String>,
    ) -> Result<(), String> {
        let agent = self.own_agents.then(|| u16::try_from(number + 1).unwrap());
        let kind = if self.containers {
            Kind::container(number)
        } else {
            Kind::Pid
        };
        let scene = Scene::set_up(rig, cell, kind, self.fault, agent);
        let acted = act(&scene);
        let log = last_lines(&scene.agent().log(), &scene.name);
        let wrong: Vec<String> = [acted, scene.tear_down()]
            .into_iter()
            .filter_map(Result::err)
            .collect();
        if wrong.is_empty() {
            return Ok(());
        }
        Err(format!(
            "{cell} ({kind:?}): {}\n  agent:{log}",
            wrong.join("\n  ")
        ))
    }
}

/// What is on the hosts before the first cell. CRIU has looked at the kernel already: with many runs at once none can
/// tell whose its note of that is.
fn prepare(rig: &Rig, containers: bool) -> Snapshot {
    rig.host(Side::A).write("/shared/strike", STRIKE).unwrap();
    for side in Side::BOTH {
        rig.host(side).run(&["criu", "check"]).unwrap();
    }
    if containers {
        rig.warm_runtimes_up();
    }
    rig.snapshot()
}

fn last_lines(log: &str, _name: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    let last = &lines[lines.len().saturating_sub(15)..];
    last.iter().map(|line| format!("\n    {line}")).collect()
}
