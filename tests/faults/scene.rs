//! One cell of the matrix set up on the hosts.

use std::path::PathBuf;

use phaul_tests::lab::Side;
use phaul_tests::rig::{Agent, Plan, Rig, Run, Workload};

use super::cell::Cell;

/// The hook that strikes: once for each mark, so that another attempt gets through.
pub(crate) const STRIKE: &str = r#"
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
cut) until [ -e "$mark/cut" ]; do sleep 0.05; done ;;
esac
exit 0
"#;

/// A cell with its workload, and with an agent of its own if the fault needs it.
pub(crate) struct Scene<'a> {
    pub(crate) rig: &'a Rig,
    pub(crate) cell: Cell,
    pub(crate) name: String,
    pub(crate) workload: Workload,
    own_agent: Option<Agent>,
}

impl<'a> Scene<'a> {
    pub(crate) fn set_up(rig: &'a Rig, cell: Cell, fault: &str, own_agent: Option<u16>) -> Self {
        let name = format!("{fault}-{cell}");
        Self {
            rig,
            cell,
            own_agent: own_agent.map(|number| Agent::extra(rig.host(Side::B), number)),
            workload: rig.counter(Side::A, &name),
            name,
        }
    }

    /// The agent at which the run aims.
    pub(crate) fn agent(&self) -> &Agent {
        self.own_agent
            .as_ref()
            .unwrap_or_else(|| self.rig.agent(Side::B))
    }

    /// The plan, with a hook that strikes with `kind`.
    pub(crate) fn plan(&self, kind: &str) -> Plan {
        let Cell { side, state, when } = self.cell;
        let mark = format!("/shared/{}.mark", self.name);
        let argv = ["sh", "/shared/strike", kind, &mark];
        Plan::new(&self.name, &self.workload, self.agent()).hook(side, state, when, &argv)
    }

    /// Sees that the fault has struck.
    pub(crate) fn has_struck(&self) -> Result<(), String> {
        let missed = || "the fault did not strike".to_owned();
        self.mark().exists().then_some(()).ok_or_else(missed)
    }

    /// Whether the network was cut while the hook waited for that.
    pub(crate) fn is_cut(&self) -> bool {
        self.mark().join("cut").exists()
    }

    fn mark(&self) -> PathBuf {
        self.rig.lab.shared().join(format!("{}.mark", self.name))
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
            other => {
                let said = format!("{} {:?}", run.stderr, run.report);
                return Err(format!("exit code {}, outcome `{other}`: {said}", run.code));
            }
        };
        run.ended(code, run.outcome())?;
        self.rig.runs_only_on(side, &self.workload)?;
        Ok(side)
    }

    /// Ends the workload wherever it is; an error names what the agent's state still holds.
    pub(crate) fn tear_down(self) -> Result<(), String> {
        for side in Side::BOTH {
            self.workload.end(self.rig.host(side));
        }
        self.own_agent.map_or(Ok(()), Agent::retire)
    }
}
