//! At the target.

use super::{Kept, Moving};
use crate::network::{
    self, Described, Frames, HostEnd, LinkName, Mac, Netns, Quiet, Towards,
};
use crate::tasks::Task;
use phaul_core::executor::ports::{Ledger, Resource};
use phaul_core::failure::Failure;
use phaul_core::plan::Plan;
use phaul_core::protocol::Manifest;
use phaul_core::run::RunId;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Under this name the links are noted down that were made for a container.
const LINKS: &str = "links";

/// The network of a workload at the target.
#[derive(Debug)]
pub(crate) struct TargetWiring {
    plan: Plan,
    run: RunId,
}

/// A link that was made for a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Made {
    inner: LinkName,
    host: LinkName,
    bridge: Option<LinkName>,
    mac: Option<Mac>,
    addresses: Vec<IpAddr>,
}

impl Made {
    fn resource(&self) -> Resource {
        Resource::Link {
            name: self.host.to_string(),
        }
    }
}

impl TargetWiring {
    /// The network of a plan's workload.
    pub(crate) fn new(plan: &Plan, run: &RunId) -> Self {
        Self {
            plan: plan.clone(),
            run: run.clone(),
        }
    }

    fn resource(&self, moved: &Moving) -> Resource {
        Resource::Address {
            ip: moved.ip.to_string(),
            link: moved.to.to_string(),
            quiet: self.run.to_string(),
        }
    }

    /// Gives the addresses that move to this host, and keeps them quiet: sockets can be bound to
    /// them, and nobody notices.
    pub(crate) async fn give(&self, ledger: &mut dyn Ledger) -> Result<(), Failure> {
        let moving = Moving::all(&self.plan)?;
        if moving.is_empty() {
            return Ok(());
        }
        for resource in moving.iter().map(|moved| self.resource(moved)) {
            if !ledger.standing().contains(&resource) {
                ledger.make(resource)?;
            }
        }
        let host = Netns::own()?;
        let ips: Vec<IpAddr> = moving.iter().map(|moved| moved.ip).collect();
        network::hush(&host, &ips, self.run.as_str(), Quiet::Wholly).await?;
        for moved in &moving {
            network::give(&host, &moved.to, moved.ip, moved.prefix).await?;
        }
        Ok(())
    }

    /// Makes a container's links in the new namespace of its first process. They are plugged into
    /// nothing.
    pub(crate) async fn build(
        &self,
        root: Task,
        described: &Described,
        ledger: &mut dyn Ledger,
    ) -> Result<(), Failure> {
        let [own, host] = [Netns::of_task(root.pid)?, Netns::own()?];
        let mut made = Vec::new();
        for (link, end) in described.pairs() {
            let addresses = described.all().addresses.iter();
            let addresses = addresses.filter(|address| address.link == link.name);
            made.push(Made {
                inner: link.name.clone(),
                host: network::free_name(&host, &end.name, self.run.as_str()).await?,
                bridge: end.bridge.clone(),
                mac: link.mac,
                addresses: addresses.map(|address| address.ip).collect(),
            });
        }
        let value = serde_json::to_value(&made)
            .map_err(|error| Failure::new("ledger", error.to_string()))?;
        ledger.fact(LINKS, value)?;
        for resource in made.iter().map(Made::resource) {
            if !ledger.standing().contains(&resource) {
                ledger.make(resource)?;
            }
        }
        let ends: Vec<HostEnd> = made
            .into_iter()
            .map(|made| HostEnd {
                inner: made.inner,
                host: made.host,
            })
            .collect();
        network::build(&own, &host, described, &ends).await
    }

    /// Connects the workload, which is about to run, and tells the network where it is.
    pub(crate) async fn connect(
        &self,
        root: Option<Task>,
        ledger: &mut dyn Ledger,
    ) -> Result<(), Failure> {
        let host = Netns::own()?;
        for made in noted(ledger) {
            if let Some(bridge) = &made.bridge {
                network::plug(&host, &made.host, bridge).await?;
            }
            let own = root.map(|root| Netns::of_task(root.pid)).transpose()?;
            if let Some(own) = own {
                told(network::announce(&own, &made.inner, &made.addresses, made.mac).await);
            }
        }
        let moving = Moving::all(&self.plan)?;
        if !moving.is_empty() {
            network::unhush(&host, self.run.as_str()).await?;
        }
        for moved in &moving {
            told(network::announce(&host, &moved.to, &[moved.ip], None).await);
        }
        Ok(())
    }

    /// The workload runs: its links and addresses are its own, and it gets the frames that the
    /// source has kept.
    pub(crate) async fn connected(&self, farewell: &Manifest, ledger: &mut dyn Ledger) {
        let links = noted(ledger);
        self.keep(ledger);
        let kept: Kept = match serde_json::from_value(farewell.0.clone()) {
            Ok(kept) => kept,
            Err(error) => {
                if !farewell.0.is_null() {
                    tracing::warn!(%error, "the frames that the source kept cannot be read");
                }
                return;
            }
        };
        let Ok(host) = Netns::own() else { return };
        for (inner, frames) in &kept.inner {
            let made = links.iter().find(|made| made.inner == *inner);
            if let Some((made, mac)) = made.and_then(|made| Some((made, made.mac?))) {
                let towards = Towards::Mac(mac);
                let sent = network::replay_out_of(&host, &made.host, frames, &towards);
                replayed(frames, sent.await);
            }
        }
        let ips = Moving::all(&self.plan).unwrap_or_default();
        let towards = Towards::Ips(ips.into_iter().map(|moved| moved.ip).collect());
        for frames in &kept.host {
            let sent = network::replay_into_host(&host, frames, &towards);
            replayed(frames, sent.await);
        }
    }

    /// Links and addresses are the workload's: nothing undoes them any more.
    pub(crate) fn keep(&self, ledger: &mut dyn Ledger) {
        let links = noted(ledger).into_iter().map(|made| made.resource());
        let moving = Moving::all(&self.plan).unwrap_or_default();
        let addresses = moving.iter().map(|moved| self.resource(moved));
        for resource in links.chain(addresses).collect::<Vec<_>>() {
            if let Err(failure) = ledger.gone(&resource) {
                tracing::warn!(cause = failure.cause, "the release cannot be noted down");
            }
        }
    }
}

fn noted(ledger: &dyn Ledger) -> Vec<Made> {
    let value = ledger.recall(LINKS);
    value
        .and_then(|value| serde_json::from_value(value).ok())
        .unwrap_or_default()
}

/// An announcement makes it quicker and is no condition: neighbours ask in the end.
fn told(announced: Result<(), Failure>) {
    if let Err(failure) = announced {
        tracing::warn!(cause = failure.cause, "an address is not announced");
    }
}

fn replayed(frames: &Frames, sent: Result<network::Replayed, Failure>) {
    match sent {
        Ok(sent) => tracing::debug!(kept = frames.len(), sent = sent.sent, "frames sent again"),
        Err(failure) => tracing::warn!(cause = failure.cause, "kept frames are lost"),
    }
}
