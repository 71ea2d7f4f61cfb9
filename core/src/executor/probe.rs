//! Asks both hosts about a plan and carries nothing out.

use super::ports::{Dial, Link, ProposedTree, SourceHauler};
use crate::failure::Failure;
use crate::graph::Parts;
use crate::plan::Plan;
use crate::protocol::{Answer, Ask, Body, Manifest, Message, Open};
use crate::report::Check;
use crate::run::RunId;
use std::time::Duration;
use tokio::time::timeout;

/// How long the target may take for one answer.
const ANSWER: Duration = Duration::from_secs(120);

/// What both hosts said.
#[derive(Debug, Clone)]
pub struct Probed {
    /// The checks of both, those that the plan waives marked.
    pub checks: Vec<Check>,
    /// Files of the workload that the plan could copy.
    pub proposed: Vec<ProposedTree>,
    /// Why the target could not be asked, if it could not.
    pub unreached: Option<Failure>,
}

/// Looks at the workload, and has the target check itself for it. The target takes the run on
/// for that and drops it again.
pub async fn probe(
    hauler: &mut dyn SourceHauler,
    dial: &dyn Dial,
    plan: &Plan,
    target_graph: &Parts,
    run: &RunId,
) -> Result<Probed, Failure> {
    let inspection = hauler.inspect().await?;
    let mut probed = Probed {
        checks: inspection.checks,
        proposed: hauler.proposed_trees(),
        unreached: None,
    };
    if !inspection.manifest.0.is_null() {
        let open = Open {
            plan: plan.clone(),
            graph: target_graph.clone(),
        };
        match ask_target(dial, run, open, inspection.manifest).await {
            Ok(checks) => probed.checks.extend(checks),
            Err(failure) => probed.unreached = Some(failure),
        }
    }
    for check in &mut probed.checks {
        check.waived = plan.checks.waives(&check.id);
    }
    Ok(probed)
}

async fn ask_target(
    dial: &dyn Dial,
    run: &RunId,
    open: Open,
    manifest: Manifest,
) -> Result<Vec<Check>, Failure> {
    let mut link = dial.dial().await?;
    let asked = async {
        ask(&mut link, run, Ask::Open(Box::new(open))).await?;
        let answer = ask(&mut link, run, Ask::Preflight(manifest)).await?;
        ask(&mut link, run, Ask::Drop).await?;
        Ok(answer)
    };
    let answer: Result<Answer, Failure> = asked.await;
    link.bulk.close("the probe has ended");
    match answer? {
        Answer::Checked(checks) => Ok(checks),
        _ => Err(Failure::new(
            "out-of-step",
            "the target answered something else",
        )),
    }
}

/// Asks, and waits for the answer; a failure that is answered is the result.
async fn ask(link: &mut Link, run: &RunId, ask: Ask) -> Result<Answer, Failure> {
    let lost = || Failure::lost("link-lost", "the link to the target was lost");
    let message = Message {
        run: run.clone(),
        attempt: 1,
        body: Body::Ask(ask),
    };
    link.outgoing.send(message).await.map_err(|_| lost())?;
    let answer = async {
        loop {
            match link.incoming.recv().await.ok_or_else(lost)?.body {
                Body::Answer(Answer::Failed(failure)) => return Err(failure),
                Body::Answer(answer) => return Ok(answer),
                // The states that the target passes.
                Body::Trail(_) | Body::Ask(_) => {}
            }
        }
    };
    timeout(ANSWER, answer)
        .await
        .map_err(|_| Failure::lost("no-answer", "the target does not answer"))?
}
