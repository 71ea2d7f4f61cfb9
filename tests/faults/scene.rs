//! One cell of the matrix set up on the hosts, and many of them at once.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use phaul_tests::lab::Side;
use phaul_tests::rig::{Agent, Plan, Rig, Run, Workload};

use super::cell::Cell;

/// The hook that strikes: once for each mark, so that another attempt gets through.
const STRIKE: &str = r#"
mark=$2
mkdir "$mark" 2>/dev/null || exit 0
case $1 in
executor) kill -KILL "$PHAUL_PID" ;;
criu)
    for process in /proc/[0-9]*; do
        { read -r _ name _ parent _ < "$process/stat"; } 2>/dev/null || continue
        [ "$name" = "(criu)" ] && [ "$parent" = "$PHAUL_PID" ] && kill -KILL "${process#/proc/}"
    done
    ;;
cut) until [ -e "$mark/cut" ]; do sleep 0.02; done ;;
esac
exit 0
"#;

/// Runs at once: more would only wait for each other on a small machine.
const AT_ONCE: usize = 4;

/// A cell with its workload and its agent.
pub(crate) struct Scene<'a> {
    pub(crate) rig: &'a Rig,
    pub(crate) cell: Cell,
    pub(crate) name: String,
    pub(crate) agent: Agent,
    pub(crate) workload: Workload,
}

impl<'a> Scene<'a> {
    fn set_up(rig: &'a Rig, cell: Cell, fault: &str, number: u16) -> Self {
        let name = format!("{fault}-{cell}");
        Self {
            rig,
            cell,
            agent: Agent::extra(rig.host(Side::B), number),
            workload: rig.counter(Side::A, &name),
            name,
        }
    }

    /// The plan, with a hook that strikes with `kind`.
    pub(crate) fn plan(&self, kind: &str) -> Plan {
        let Cell { side, state, when } = self.cell;
        let mark = self.mark();
        Plan::new(&self.name, &self.workload, &self.agent).hook(
            side,
            state,
            when,
            &["sh", "/shared/strike", kind, &mark],
        )
    }

    /// What shows that the fault has struck.
    pub(crate) fn mark(&self) -> String {
        format!("/shared/{}.mark", self.name)
    }

    pub(crate) fn has_struck(&self) -> bool {
        let mark = self.rig.lab.shared().join(format!("{}.mark", self.name));
        mark.exists()
    }

    /// The run's id, from the host's own list.
    pub(crate) fn run_id(&self) -> Result<String, String> {
        let mut runs = self.rig.runs_of(Side::A, &self.name);
        runs.pop().ok_or_else(|| "the run is not listed".to_owned())
    }

    /// Sees that exit code and report name the host on which the workload runs, alone (I1, I2, I4, I5).
    pub(crate) fn is_true(&self, run: &Run) -> Result<Side, String> {
        let (side, code) = match run.outcome() {
            "migrated" => (Side::B, 0),
            "rolled-back" => (Side::A, 4),
            "refused" => (Side::A, 3),
            other => {
                return Err(format!(
                    "the outcome is `{other}`: {} {}",
                    run.code, run.stderr
                ));
            }
        };
        run.ended(code, run.outcome())?;
        self.rig.runs_only_on(side, &self.workload)?;
        Ok(side)
    }

    fn tear_down(self) -> Result<(), String> {
        for side in Side::BOTH {
            self.workload.end(self.rig.host(side));
        }
        self.agent.retire()
    }
}

/// Plays all cells with one kind of fault, some at once, and panics with every one that failed.
pub(crate) fn play(
    rig: &Rig,
    fault: &str,
    cells: &[Cell],
    act: impl Fn(&Scene<'_>) -> Result<(), String> + Sync,
) {
    rig.host(Side::A).write("/shared/strike", STRIKE).unwrap();
    let before = rig.snapshot();
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(Vec::new());
    let play_some = || {
        while let Some(cell) = cells.get(next.fetch_add(1, Ordering::Relaxed)) {
            let number = cells.iter().position(|other| other == cell).unwrap() + 1;
            let scene = Scene::set_up(rig, *cell, fault, u16::try_from(number).unwrap());
            let acted = act(&scene);
            let log = scene.agent.log();
            for wrong in [acted, scene.tear_down()]
                .into_iter()
                .filter_map(Result::err)
            {
                let lines: Vec<&str> = log.lines().rev().take(12).collect();
                let log: Vec<&str> = lines.into_iter().rev().collect();
                let text = format!("{cell}: {wrong}\n  agent:\n    {}", log.join("\n    "));
                failed.lock().unwrap().push(text);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(play_some);
        }
    });
    let mut failed = failed.into_inner().unwrap();
    failed.extend(rig.nothing_left(&before).err());
    assert!(
        failed.is_empty(),
        "{} of {} cells failed with `{fault}`:\n{}",
        failed.len(),
        cells.len(),
        failed.join("\n")
    );
}

/// How long the source may take to let the workload run on after its executor has died: CRIU's own end, and no more.
pub(crate) const LET_GO: Duration = Duration::from_secs(5);
