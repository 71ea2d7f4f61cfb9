//! Can a container's own network be made anew at the target?

use super::{failed, none_of, passed};
use crate::network::{self, Described, Netns};
use phaul_core::failure::Failure;
use phaul_core::graph::Side;
use phaul_core::report::Check;

const ID: &str = "network";

/// At the source: there is nothing in it that phaul cannot make.
pub(super) fn source(described: &Described) -> Check {
    let all = described.all();
    let mut wrong = all.unsupported.clone();
    if all.has_firewall {
        wrong.push("it has rules of a firewall".to_owned());
    }
    for (link, host) in described.pairs() {
        if host.bridge.is_none() {
            let (link, host) = (&link.name, &host.name);
            wrong.push(format!("{link} ends in {host} on the host, which is in no bridge"));
        }
    }
    none_of(
        ID,
        Side::Source,
        &wrong,
        "the container's network can be made anew",
        "phaul makes pairs of `veth` in bridges, with addresses and routes; give it such a network, or the host's",
    )
}

/// At the target: the bridges are there.
pub(super) async fn target(described: &Described) -> Check {
    match missing_bridges(described).await {
        Err(failure) => failed(ID, Side::Target, failure.cause, "see `ip link`"),
        Ok(missing) if missing.is_empty() => {
            passed(ID, Side::Target, "the container's network can be made here")
        }
        Ok(missing) => none_of(
            ID,
            Side::Target,
            &missing,
            "",
            "make a bridge of that name on this host, in the same network",
        ),
    }
}

async fn missing_bridges(described: &Described) -> Result<Vec<String>, Failure> {
    let host = Netns::own()?;
    let mut missing = Vec::new();
    for (_, end) in described.pairs() {
        if let Some(bridge) = &end.bridge
            && !network::exists(&host, bridge).await?
        {
            missing.push(format!("there is no bridge {bridge}"));
        }
    }
    Ok(missing)
}
