//! Can a container's own network be made anew at the target?

use super::{failed, none_of, passed};
use crate::kinds::container::{Network, Spec, mapped};
use crate::network::{self, Described, Netns};
use crate::wiring::{There, look_at_given};
use phaul_core::failure::Failure;
use phaul_core::graph::Side;
use phaul_core::plan::Plan;
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
            wrong.push(format!(
                "{link} ends in {host} on the host, which is in no bridge"
            ));
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

/// At the target: the bridges are there, and where its namespace is to be there is room for it.
pub(super) async fn target(plan: &Plan, spec: &Spec, described: &Described) -> Check {
    match in_the_way(plan, spec, described).await {
        Err(failure) => failed(ID, Side::Target, failure.cause, "see `ip link`"),
        Ok(missing) if missing.is_empty() => {
            passed(ID, Side::Target, "the container's network can be made here")
        }
        Ok(missing) => none_of(
            ID,
            Side::Target,
            &missing,
            "",
            "make the bridge on this host, in the same network; move away what is in the way",
        ),
    }
}

async fn in_the_way(
    plan: &Plan,
    spec: &Spec,
    described: &Described,
) -> Result<Vec<String>, Failure> {
    let host = Netns::own()?;
    let mut missing = Vec::new();
    for (_, end) in described.pairs() {
        if let Some(bridge) = &end.bridge
            && !network::exists(&host, bridge).await?
        {
            missing.push(format!("there is no bridge {bridge}"));
        }
    }
    if let Network::At(path) = spec.network() {
        let path = mapped(&plan.to.paths, &path);
        if let There::Other = look_at_given(&path, described).await? {
            let path = path.display();
            missing.push(format!(
                "{path} is a network namespace that is in use or differs"
            ));
        }
    }
    Ok(missing)
}
