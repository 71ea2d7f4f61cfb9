//! At the source.

use super::{Kept, Moving, replayed, told};
use crate::ledger;
use crate::network::{self, Capture, LinkName, Mac, Netns, Taken, Towards};
use crate::tasks::Task;
use phaul_core::executor::ports::Ledger;
use phaul_core::failure::Failure;
use phaul_core::plan::Plan;
use phaul_core::protocol::Manifest;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// Under this name the addresses are noted down that were taken from the host.
const TAKEN: &str = "addresses-taken";
/// Under this name the locks are noted down that were there before CRIU made its own.
const LOCKS: &str = "locks-before";

/// Under this name the links are noted down that were unplugged: each with its bridge.
const UNPLUGGED: &str = "links-unplugged";
/// Under this name the path of the namespace is noted down that somebody made for the workload.
const GIVEN: &str = "network-given";

/// The network of a workload at the source.
#[derive(Debug)]
pub(crate) struct SourceWiring {
    plan: Plan,
    kept: Vec<Keeping>,
    /// The host's ends of the workload's links, with their bridges, where its namespace is one
    /// that stays when it ends.
    plugged: Vec<(LinkName, LinkName)>,
}

/// Frames that are being kept.
#[derive(Debug)]
struct Keeping {
    capture: Capture,
    /// The link on the host that sees them.
    link: LinkName,
    whose: Whose,
}

#[derive(Debug)]
enum Whose {
    /// A container's: its link within its namespace.
    Container(LinkName, Mac),
    /// The host's own.
    Host(Vec<IpAddr>),
}

impl SourceWiring {
    /// The network of a plan's workload.
    pub(crate) fn new(plan: &Plan) -> Self {
        Self {
            plan: plan.clone(),
            kept: Vec::new(),
            plugged: Vec::new(),
        }
    }

    /// Begins to keep frames, right before the freeze. `given` is the path of the namespace, if
    /// somebody made it for the workload.
    pub(crate) async fn keep(
        &mut self,
        root: Task,
        given: Option<&Path>,
        ledger: &mut dyn Ledger,
    ) -> Result<(), Failure> {
        self.kept.clear();
        self.plugged.clear();
        if let Some(given) = given {
            ledger.fact(GIVEN, given.to_string_lossy().into())?;
        }
        let [own, host] = [Netns::of_task(root.pid)?, Netns::own()?];
        let before = network::locks(&host).await.unwrap_or_default();
        ledger.fact(LOCKS, before.into())?;
        if !own.is(&host)? {
            let described = network::describe(&own, &host).await?;
            for (link, end) in described.pairs() {
                if let (Some(_), Some(bridge)) = (given, &end.bridge) {
                    self.plugged.push((end.name.clone(), bridge.clone()));
                }
                if let Some(mac) = link.mac {
                    let whose = Whose::Container(link.name.clone(), mac);
                    self.begin(&host, &end.name, Towards::Mac(mac), whose)
                        .await?;
                }
            }
        }
        let moving = Moving::all(&self.plan)?;
        let mut links: Vec<LinkName> = moving.iter().map(|moved| moved.from.clone()).collect();
        links.sort();
        links.dedup();
        for link in links {
            let ips = moving.iter().filter(|moved| moved.from == link);
            let ips: Vec<IpAddr> = ips.map(|moved| moved.ip).collect();
            let towards = Towards::Ips(ips.clone());
            self.begin(&host, &link, towards, Whose::Host(ips)).await?;
        }
        Ok(())
    }

    async fn begin(
        &mut self,
        host: &Netns,
        link: &LinkName,
        towards: Towards,
        whose: Whose,
    ) -> Result<(), Failure> {
        let capture = Capture::start(host, link, towards).await?;
        self.kept.push(Keeping {
            capture,
            link: link.clone(),
            whose,
        });
        Ok(())
    }

    /// Takes the addresses that move from the host, and unplugs the links that would stay.
    pub(crate) async fn take(&self, ledger: &mut dyn Ledger) -> Result<(), Failure> {
        let host = Netns::own()?;
        ledger::fact(ledger, UNPLUGGED, &self.plugged)?;
        for (link, _) in &self.plugged {
            network::unplug(&host, link).await?;
        }
        let mut taken: Vec<Taken> = Vec::new();
        for moved in Moving::all(&self.plan)? {
            taken.push(network::look(&host, &moved.from, moved.ip).await?);
        }
        if taken.is_empty() {
            return Ok(());
        }
        ledger::fact(ledger, TAKEN, &taken)?;
        for address in &mut taken {
            // Of the routes only those that really went are given back.
            *address = network::take(&host, address).await?;
        }
        ledger::fact(ledger, TAKEN, &taken)
    }

    /// Gives back the addresses that were taken, if any were, and plugs the links in again.
    pub(crate) async fn give_back(&self, ledger: &mut dyn Ledger) -> Result<(), Failure> {
        let taken: Vec<Taken> = ledger::recall(&*ledger, TAKEN).unwrap_or_default();
        let unplugged: Vec<(LinkName, LinkName)> =
            ledger::recall(&*ledger, UNPLUGGED).unwrap_or_default();
        if taken.is_empty() && unplugged.is_empty() {
            return Ok(());
        }
        let host = Netns::own()?;
        for (link, bridge) in &unplugged {
            network::plug(&host, link, bridge).await?;
        }
        for address in taken.iter().rev() {
            network::give_back(&host, address).await?;
        }
        for address in &taken {
            let (link, ip) = (&address.address.link, address.address.ip);
            told(network::announce(&host, link, &[ip], None).await);
        }
        ledger::fact::<[Taken]>(ledger, TAKEN, &[])?;
        ledger::fact::<[(LinkName, LinkName)]>(ledger, UNPLUGGED, &[])
    }

    /// The workload runs on here: it gets the frames that were kept.
    pub(crate) async fn replay(&mut self) {
        let Ok(host) = Netns::own() else { return };
        for keeping in std::mem::take(&mut self.kept) {
            let Ok(frames) = keeping.capture.stop().await else {
                continue;
            };
            let sent = match keeping.whose {
                Whose::Container(_, mac) => {
                    let towards = Towards::Mac(mac);
                    network::replay_out_of(&host, &keeping.link, &frames, &towards).await
                }
                Whose::Host(ips) => {
                    network::replay_into_host(&host, &frames, &Towards::Ips(ips)).await
                }
            };
            replayed(&frames, sent);
        }
    }

    /// The workload runs at the target: what it gets of the frames that were kept.
    pub(crate) async fn farewell(&mut self) -> Manifest {
        let mut kept = Kept::default();
        for keeping in std::mem::take(&mut self.kept) {
            match (keeping.capture.stop().await, keeping.whose) {
                (Err(failure), _) => tracing::warn!(cause = failure.cause, "kept frames are lost"),
                (Ok(frames), Whose::Container(link, _)) => kept.inner.push((link, frames)),
                (Ok(frames), Whose::Host(_)) => kept.host.push(frames),
            }
        }
        // Plain data with string keys becomes JSON.
        Manifest(serde_json::to_value(kept).unwrap_or_default())
    }

    /// Puts right what a CRIU that was killed left at the connections of these tasks, which
    /// must not run yet.
    pub(crate) async fn mend(&self, tasks: &[Task]) -> Result<(), Failure> {
        let Some(root) = tasks.first() else {
            return Ok(());
        };
        let pids: Vec<i32> = tasks.iter().map(|task| task.pid).collect();
        let netns = Netns::of_task(root.pid)?;
        let mended = network::mend(&pids, &netns, &[]).await?;
        if mended.sockets > 0 || !mended.locks.is_empty() {
            tracing::info!(
                sockets = mended.sockets,
                "connections that CRIU left were mended"
            );
        }
        Ok(())
    }

    /// After success: the locks that CRIU leaves on the host for connections that moved.
    pub(crate) async fn clean(&self, ledger: &mut dyn Ledger) -> Result<(), Failure> {
        if ledger.recall(LOCKS).is_none() {
            return Ok(());
        }
        let before: Vec<String> = ledger::recall(&*ledger, LOCKS).unwrap_or_default();
        let given: Option<PathBuf> = ledger::recall(&*ledger, GIVEN);
        let given = given.and_then(|path| Netns::at(&path).ok());
        for (netns, before) in [(Some(Netns::own()?), &*before), (given, &[])] {
            let Some(netns) = netns else { continue };
            // A kernel without them has no locks either.
            if let Err(failure) = network::unlock_leftovers(&netns, before).await {
                tracing::debug!(cause = failure.cause, "no locks could be looked for");
            }
        }
        Ok(())
    }
}
