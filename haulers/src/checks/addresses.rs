//! Can the plan's addresses be taken from the source and given to the target?

use super::{failed, none_of};
use crate::network::{self, LinkName, Netns};
use crate::wiring::Moving;
use phaul_core::failure::Failure;
use phaul_core::graph::Side;
use phaul_core::plan::Plan;
use phaul_core::report::Check;

const ID: &str = "addresses";

/// At the source the host has them; at the target there are links for them, nobody here has
/// them yet, and they can be kept quiet. None where the plan moves no address.
pub(super) async fn check(side: Side, plan: &Plan) -> Option<Check> {
    if plan.network.addresses.is_empty() {
        return None;
    }
    let found = async {
        let host = Netns::own()?;
        let mut wrong = Vec::new();
        for moved in Moving::all(plan)? {
            wrong.extend(match side {
                Side::Source => at_source(&host, &moved).await?,
                Side::Target => at_target(&host, &moved).await?,
            });
        }
        if side == Side::Target {
            network::can_hush(&host).await?;
        }
        Ok::<_, Failure>(wrong)
    };
    Some(match found.await {
        Ok(wrong) => none_of(
            ID,
            side,
            &wrong,
            "the addresses of the plan can be moved",
            "see `ip address` on both hosts, and the plan's `network.addresses`",
        ),
        Err(failure) => failed(ID, side, failure.cause, &failure.hint.unwrap_or_default()),
    })
}

async fn at_source(host: &Netns, moved: &Moving) -> Result<Option<String>, Failure> {
    let Some(missing) = link_missing(host, &moved.from).await? else {
        let holds = network::holds(host, &moved.from, moved.ip).await?;
        return Ok((!holds).then(|| format!("{} has not the address {}", moved.from, moved.ip)));
    };
    Ok(Some(missing))
}

async fn at_target(host: &Netns, moved: &Moving) -> Result<Option<String>, Failure> {
    let Some(missing) = link_missing(host, &moved.to).await? else {
        let holds = network::holds(host, &moved.to, moved.ip).await?;
        return Ok(holds.then(|| format!("{} has the address {} already", moved.to, moved.ip)));
    };
    Ok(Some(missing))
}

async fn link_missing(host: &Netns, link: &LinkName) -> Result<Option<String>, Failure> {
    let there = network::exists(host, link).await?;
    Ok((!there).then(|| format!("there is no network interface {link}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use phaul_core::plan::{Address, Container, Haul, Target};
    use std::collections::BTreeMap;

    fn plan(link: &str) -> Plan {
        let to = Target {
            agent: "b:1".to_owned(),
            identity: "b".to_owned(),
            id: None,
            paths: BTreeMap::new(),
        };
        let container = Container {
            id: "web".to_owned(),
            root: None,
            bundle: None,
        };
        let mut plan = Plan::new("p", Haul::Runc(container), to);
        plan.network.addresses = vec![Address {
            ip: "127.0.0.1/8".to_owned(),
            from: link.to_owned(),
            to: link.to_owned(),
        }];
        plan
    }

    #[tokio::test]
    async fn an_address_is_where_it_is() {
        let source = check(Side::Source, &plan("lo")).await.unwrap();
        assert!(!source.stops(), "{}", source.text);
        let target = check(Side::Target, &plan("lo")).await.unwrap();
        assert!(target.stops() && target.text.contains("already"));
        let none = check(Side::Target, &plan("none0")).await.unwrap();
        assert!(none.stops() && none.text.contains("none0"));
    }
}
