//! At the target.

use super::given::{self, There};
use super::{Kept, Moving, replayed, told};
use crate::ledger;
use crate::network::{self, Described, HostEnd, HostLink, Link, LinkName, Mac, Netns, Towards};
use crate::tasks::Task;
use phaul_core::executor::ports::{Ledger, Resource};
use phaul_core::failure::Failure;
use phaul_core::plan::Plan;
use phaul_core::protocol::Manifest;
use phaul_core::run::RunId;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::path::Path;

/// Under this name the links are noted down that were made for a container.
const LINKS: &str = "links";

/// Under this name the resources are noted down of a namespace that was made by its path.
const GIVEN: &str = "network-given";

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
            ledger::make_once(ledger, resource)?;
        }
        let host = Netns::own()?;
        let ips: Vec<IpAddr> = moving.iter().map(|moved| moved.ip).collect();
        network::hush(&host, &ips, self.run.as_str()).await?;
        for moved in &moving {
            network::give(&host, &moved.to, moved.ip, moved.prefix).await?;
        }
        Ok(())
    }

    /// Makes sure that the namespace is there that somebody made for the container at the
    /// source, with its links plugged into nothing.
    pub(crate) async fn build_given(
        &self,
        path: &Path,
        described: &Described,
        ledger: &mut dyn Ledger,
    ) -> Result<(), Failure> {
        if !noted(ledger).is_empty() && path.exists() {
            return Ok(());
        }
        match given::look(path, described).await? {
            There::Nothing => {
                let made = given::make(path, ledger)?;
                ledger::fact(ledger, GIVEN, &made)?;
                self.build(Netns::at(path)?, described, ledger).await
            }
            There::Left(ends) => {
                let pairs = described.pairs().zip(ends);
                let made = pairs.map(|((link, end), host)| made(described, link, end, host));
                ledger::fact(ledger, LINKS, &made.collect::<Vec<_>>())
            }
            There::Other => {
                let cause = format!("{} is another network namespace", path.display());
                Err(Failure::new("network-namespace", cause))
            }
        }
    }

    /// Makes a container's links in an empty namespace. They are plugged into nothing.
    pub(crate) async fn build(
        &self,
        own: Netns,
        described: &Described,
        ledger: &mut dyn Ledger,
    ) -> Result<(), Failure> {
        let host = Netns::own()?;
        let mut all = Vec::new();
        for (link, end) in described.pairs() {
            let host = network::free_name(&host, &end.name, self.run.as_str()).await?;
            all.push(made(described, link, end, host));
        }
        ledger::fact(ledger, LINKS, &all)?;
        for resource in all.iter().map(Made::resource) {
            ledger::make_once(ledger, resource)?;
        }
        let ends: Vec<HostEnd> = all
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
        let links = noted(ledger);
        // Only links of its own are announced from within.
        let own = root.filter(|_| !links.is_empty());
        let own = own.map(|root| Netns::of_task(root.pid)).transpose()?;
        for made in links {
            if let Some(bridge) = &made.bridge {
                network::plug(&host, &made.host, bridge).await?;
            }
            if let Some(own) = &own {
                told(network::announce(own, &made.inner, &made.addresses, made.mac).await);
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
        let given: Vec<Resource> = ledger::recall(&*ledger, GIVEN).unwrap_or_default();
        let links = noted(ledger).into_iter().map(|made| made.resource());
        let moving = Moving::all(&self.plan).unwrap_or_default();
        let addresses = moving.iter().map(|moved| self.resource(moved));
        for resource in links.chain(addresses).chain(given).collect::<Vec<_>>() {
            if let Err(failure) = ledger.gone(&resource) {
                tracing::warn!(cause = failure.cause, "the release cannot be noted down");
            }
        }
    }
}

fn made(described: &Described, link: &Link, end: &HostLink, host: LinkName) -> Made {
    let addresses = described.all().addresses.iter();
    let addresses = addresses.filter(|address| address.link == link.name);
    Made {
        inner: link.name.clone(),
        host,
        bridge: end.bridge.clone(),
        mac: link.mac,
        addresses: addresses.map(|address| address.ip).collect(),
    }
}

fn noted(ledger: &dyn Ledger) -> Vec<Made> {
    ledger::recall(ledger, LINKS).unwrap_or_default()
}
