//! From the effective plan to the two graphs that are walked, reviewed and stored.
//!
//! The tables below *are* the protocol: every state, what is done and asked in it, and where
//! each event leads. A plan leaves out the states it does not need.

use phaul_core::graph::{
    AskKind, Broken, Condition, Edge, EventKind, Graph, Guard, Node, Parts, Phase, RetryPolicy,
    Side, StateName, Work,
};
use phaul_core::plan::{FileSet, Gate, Millis, Plan, Retry};

use Condition::{Again, Cancelled as SaidStop, Committed, MoreFiles, Refused as SaidNo, TriesLeft};
use EventKind::{Cancelled, Done, Failed, Lost, Refused, Reopened, Restarted, Unsure};
use StateName as S;

/// The graphs of both sides.
#[derive(Debug, Clone)]
pub struct Graphs {
    /// What the source walks.
    pub source: Graph,
    /// What the target walks.
    pub target: Graph,
}

/// After the commit the run only goes forward: a lost target is sought this often. With pauses
/// of at most [`FORWARD_PAUSE`] that is a quarter of an hour, and `phaul resume` goes on from there.
const FORWARD_TRIES: u32 = 180;
const FORWARD_PAUSE: Millis = Millis(5_000);
/// Undoing is repeated so often on one host, where only that host can be in the way.
const LOCAL_TRIES: u32 = 5;

/// Compiles a plan. The graphs keep every rule of a valid graph; that they do for every plan is
/// tested, so an error here is a defect of this table.
pub fn compile(plan: &Plan) -> Result<Graphs, Vec<Broken>> {
    Ok(Graphs {
        source: Graph::new(source(plan))?,
        target: Graph::new(target())?,
    })
}

struct Table {
    parts: Parts,
}

impl Table {
    fn new(side: Side) -> Self {
        Self {
            parts: Parts {
                side,
                nodes: Vec::new(),
                edges: Vec::new(),
            },
        }
    }

    fn state(&mut self, state: S, phase: Phase, work: Option<Work>, ask: Option<AskKind>) {
        let makes = matches!(work, Some(Work::Reserve | Work::Freeze | Work::Restore));
        self.parts.nodes.push(Node {
            state,
            phase,
            work,
            ask,
            makes,
        });
    }

    fn on(&mut self, from: S, event: EventKind, to: S) {
        self.edge(from, event, None, to, None);
    }

    /// Two edges: one where the condition holds, one where it does not.
    fn either(&mut self, from: S, event: EventKind, condition: Condition, yes: S, no: S) {
        self.edge(from, event, Some((condition, true)), yes, None);
        self.edge(from, event, Some((condition, false)), no, None);
    }

    /// The same state again while tries are left, else `then`.
    fn again(&mut self, state: S, event: EventKind, retry: RetryPolicy, then: S) {
        self.edge(state, event, Some((TriesLeft, true)), state, Some(retry));
        self.edge(state, event, Some((TriesLeft, false)), then, None);
    }

    fn edge(
        &mut self,
        from: S,
        event: EventKind,
        guard: Option<(Condition, bool)>,
        to: S,
        retry: Option<RetryPolicy>,
    ) {
        self.parts.edges.push(Edge {
            from,
            to,
            event,
            guard: guard.map(|(condition, holds)| Guard { condition, holds }),
            retry,
        });
    }
}

fn policy(retry: &Retry, tries: u32, longest: Millis) -> RetryPolicy {
    RetryPolicy {
        tries,
        first: retry.backoff_first.min(longest),
        longest: retry.backoff_longest.min(longest),
    }
}

type Stage = (S, Option<Work>, Option<AskKind>);

/// The workload runs.
fn before(plan: &Plan) -> Vec<Stage> {
    let files =
        has_tree(plan).then_some((S::CopyFiles, Some(Work::CopyFiles), Some(AskKind::Files)));
    let gate = (plan.gate == Gate::Ask).then_some((S::Gate, Some(Work::Gate), None));
    [
        (S::Connect, Some(Work::Connect), Some(AskKind::Open)),
        (S::Preflight, Some(Work::Inspect), Some(AskKind::Preflight)),
        (S::Reserve, Some(Work::Reserve), Some(AskKind::Reserve)),
    ]
    .into_iter()
    .chain(files)
    .chain(gate)
    .collect()
}

/// Frozen, and still to be let go.
fn frozen(plan: &Plan) -> Vec<Stage> {
    let files =
        has_tree(plan).then_some((S::FinalFiles, Some(Work::FinalFiles), Some(AskKind::Files)));
    [
        (S::Freeze, Some(Work::Freeze), None),
        (S::FinalMemory, Some(Work::Send), None),
    ]
    .into_iter()
    .chain(files)
    .chain([(S::Restore, None, Some(AskKind::Restore))])
    .collect()
}

/// Whether files are copied in rounds.
fn has_tree(plan: &Plan) -> bool {
    let is_tree = |set: &FileSet| matches!(set, FileSet::Tree { .. });
    plan.files.iter().any(is_tree)
}

fn source(plan: &Plan) -> Parts {
    let (before, frozen) = (before(plan), frozen(plan));
    let mut table = Table::new(Side::Source);
    source_states(&mut table, &before, &frozen);
    let way: Vec<S> = (before.iter().chain(&frozen))
        .map(|(state, ..)| *state)
        .chain([S::Commit, S::Resume, S::Clean, S::Done])
        .collect();
    for pair in way.windows(2) {
        match pair[0] {
            S::CopyFiles => table.either(S::CopyFiles, Done, MoreFiles, S::CopyFiles, pair[1]),
            state => table.on(state, Done, pair[1]),
        }
    }
    until_commit(&mut table, &before, &frozen, &plan.retry);
    from_commit_on(&mut table, &plan.retry);
    undoing(&mut table, &plan.retry);
    table.parts
}

fn source_states(table: &mut Table, before: &[Stage], frozen: &[Stage]) {
    for (state, work, ask) in before {
        table.state(*state, Phase::Before, *work, *ask);
    }
    for (state, work, ask) in frozen {
        table.state(*state, Phase::Frozen, *work, *ask);
    }
    let resume = Some(AskKind::Resume);
    let finish = Some(AskKind::Finish);
    table.state(S::Commit, Phase::Commit, Some(Work::Kill), None);
    table.state(S::Resume, Phase::After, Some(Work::Reach), resume);
    table.state(S::Clean, Phase::After, Some(Work::Clean), finish);
    table.state(S::Done, Phase::End, None, None);
    table.state(S::Thaw, Phase::Undo, Some(Work::Thaw), None);
    table.state(S::Drop, Phase::Undo, Some(Work::Undo), Some(AskKind::Drop));
    table.state(S::RolledBack, Phase::End, None, None);
    table.state(S::Refused, Phase::End, None, None);
    table.state(S::Undecided, Phase::Undecided, None, None);
}

/// Whatever goes wrong before the freeze, the workload has not noticed; once it is frozen it is
/// let go first.
fn until_commit(table: &mut Table, before: &[Stage], frozen: &[Stage], retry: &Retry) {
    let attempts = policy(retry, retry.attempts, retry.backoff_longest);
    for (state, ..) in before {
        table.edge(
            *state,
            Lost,
            Some((Again, true)),
            S::Connect,
            Some(attempts),
        );
        table.edge(*state, Lost, Some((Again, false)), S::Drop, None);
        table.on(*state, Failed, S::Drop);
        table.on(*state, Cancelled, S::Drop);
        table.either(*state, Restarted, SaidStop, S::Drop, S::Connect);
    }
    table.on(S::Preflight, Refused, S::Drop);
    for (state, ..) in frozen {
        for event in [Failed, Lost, Cancelled, Restarted] {
            table.on(*state, event, S::Thaw);
        }
    }
}

/// The commit is local: the link does not matter, and nobody can stop it half way. After it the
/// run only goes forward.
fn from_commit_on(table: &mut Table, retry: &Retry) {
    let forward = policy(retry, FORWARD_TRIES, FORWARD_PAUSE);
    let attempts = policy(retry, retry.attempts, retry.backoff_longest);
    table.on(S::Commit, Failed, S::Thaw);
    table.on(S::Commit, Lost, S::Thaw);
    table.on(S::Commit, Unsure, S::Undecided);
    table.on(S::Commit, Restarted, S::Commit);
    table.again(S::Resume, Lost, forward, S::Undecided);
    table.again(S::Resume, Failed, attempts, S::Undecided);
    table.on(S::Resume, Restarted, S::Resume);
    // The workload runs on the target: that its agent cannot be asked whether it has cleaned
    // is no reason to doubt it.
    table.again(S::Clean, Lost, attempts, S::Done);
    table.again(S::Clean, Failed, attempts, S::Undecided);
    table.on(S::Clean, Restarted, S::Clean);
    // The commit finds out what is true: it may stand already, or never have come about.
    table.on(S::Undecided, Restarted, S::Commit);
}

fn undoing(table: &mut Table, retry: &Retry) {
    let attempts = policy(retry, retry.attempts, retry.backoff_longest);
    let local = policy(retry, LOCAL_TRIES, FORWARD_PAUSE);
    table.edge(
        S::Thaw,
        Done,
        Some((Again, true)),
        S::Connect,
        Some(attempts),
    );
    table.edge(S::Thaw, Done, Some((Again, false)), S::Drop, None);
    table.again(S::Thaw, Failed, local, S::Undecided);
    table.again(S::Thaw, Lost, local, S::Undecided);
    table.on(S::Thaw, Restarted, S::Thaw);
    table.either(S::Drop, Done, SaidNo, S::Refused, S::RolledBack);
    for event in [Lost, Failed] {
        table.again(S::Drop, event, attempts, S::Undecided);
    }
    table.on(S::Drop, Restarted, S::Drop);
}

fn target() -> Parts {
    let local = policy(&Retry::default(), LOCAL_TRIES, FORWARD_PAUSE);
    let mut table = Table::new(Side::Target);
    table.state(
        S::Accept,
        Phase::Before,
        Some(Work::Accept),
        Some(AskKind::Reserve),
    );
    table.state(S::Reserve, Phase::Before, Some(Work::Reserve), None);
    table.state(S::Receive, Phase::Before, None, Some(AskKind::Restore));
    table.state(S::Restore, Phase::Frozen, Some(Work::Restore), None);
    table.state(S::Prepared, Phase::Commit, None, Some(AskKind::Resume));
    table.state(S::Resume, Phase::After, Some(Work::Release), None);
    table.state(S::Clean, Phase::After, Some(Work::Clean), None);
    table.state(S::Done, Phase::End, None, None);
    table.state(S::Drop, Phase::Undo, Some(Work::Undo), None);
    table.state(S::Dropped, Phase::End, None, None);
    table.state(S::Undecided, Phase::Undecided, None, None);

    let way = [S::Accept, S::Reserve, S::Receive, S::Restore, S::Prepared];
    let after = [S::Resume, S::Clean, S::Done];
    let whole: Vec<S> = way.into_iter().chain(after).collect();
    for pair in whole.windows(2) {
        table.on(pair[0], Done, pair[1]);
    }
    for state in [S::Accept, S::Reserve, S::Receive, S::Restore] {
        for event in [Failed, Lost, Cancelled, Restarted] {
            table.on(state, event, S::Drop);
        }
        table.on(state, Reopened, S::Accept);
    }
    // Prepared: only the source, or a person, decides. A new attempt means that the source has
    // let its own tasks run again.
    table.on(S::Prepared, Cancelled, S::Drop);
    // Only a hook can fail here, before the source hears that all is prepared.
    table.on(S::Prepared, Failed, S::Drop);
    table.on(S::Prepared, Reopened, S::Accept);
    table.on(S::Prepared, Restarted, S::Prepared);
    for event in [Failed, Lost] {
        table.again(S::Resume, event, local, S::Undecided);
    }
    table.on(S::Resume, Restarted, S::Resume);
    for event in [Failed, Lost] {
        table.again(S::Clean, event, local, S::Undecided);
        table.again(S::Drop, event, local, S::Undecided);
    }
    table.on(S::Clean, Restarted, S::Clean);
    table.on(S::Drop, Done, S::Dropped);
    table.on(S::Drop, Restarted, S::Drop);
    table.either(S::Undecided, Restarted, Committed, S::Prepared, S::Drop);
    table.parts
}

#[cfg(test)]
mod tests;
