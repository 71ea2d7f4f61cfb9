//! One cell of the matrix set up on the hosts.

use std::path::PathBuf;

use phaul_tests::lab::Side;
use phaul_tests::rig::{Agent, Container, Plan, Program, Rig, Run, Runtime, Workload};

use super::cell::{Cell, Kind};

/// The hook that strikes: once for each mark, so that another attempt gets through.
pub(crate) const STRIKE: &str = r#"
mark=$2
mkdir "$mark" 2>/dev/null || exit 0
case $1 in
executor) kill -KILL "$PHAUL_PID" ;;
criu)
    for process in /proc/[0-9]*; do
        { read -r _ name _ parent _ < "$process/stat"; } 2>/dev/null || continue
        [ "$name" = "(criu)" ] || continue
        # Its parent is phaul, or a runtime that phaul has started.
        until [ "$parent" = "$PHAUL_PID" ] || [ "$parent" -le 1 ]; do
            { read -r _ _ _ parent _ < "/proc/$parent/stat"; } 2>/dev/null || parent=0
        done
        [ "$parent" = "$PHAUL_PID" ] && kill -KILL "${process#/proc/}"
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
    container: Option<Container>,
    own_agent: Option<Agent>,
}

impl<'a> Scene<'a> {
    pub(crate) fn set_up(
        rig: &'a Rig,
        cell: Cell,
        kind: Kind,
        fault: &str,
        own_agent: Option<u16>,
    ) -> Self {
        let name = format!("{fault}-{cell}");
        let runtime = match kind {
            Kind::Pid => None,
            Kind::Runc => Some(Runtime::Runc),
            Kind::Crun => Some(Runtime::Crun),
        };
        let container = runtime.map(|runtime| Container::named(runtime, &name));
        let workload = match &container {
            None => rig.counter(Side::A, &name),
            Some(container) => rig.start_in(Side::A, container, Program::counter(&name)),
        };
        Self {
            rig,
            cell,
            own_agent: own_agent.map(|number| Agent::extra(rig.host(Side::B), number)),
            workload,
            container,
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
        let plan = match &self.container {
            None => Plan::new(&self.name, &self.workload, self.agent()),
            Some(container) => Plan::container(&self.name, container, self.agent()),
        };
        plan.hook(side, state, when, &argv)
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
        if let Some(container) = &self.container {
            let (here, there) = (self.rig.host(side), self.rig.host(side.other()));
            let status = container.status(here);
            if status != "running" {
                return Err(format!("the container on {side} is `{status}`"));
            }
            container.is_gone(there)?;
        }
        Ok(side)
    }

    /// Ends the workload wherever it is; an error names what the agent's state still holds.
    pub(crate) fn tear_down(self) -> Result<(), String> {
        for side in Side::BOTH {
            let host = self.rig.host(side);
            if let Some(container) = &self.container {
                container.wipe(host);
            }
            self.workload.end(host);
        }
        self.own_agent.map_or(Ok(()), Agent::retire)
    }
}
