//! The network of a workload at the cut-over: what is kept, taken, made and announced, and when.
//!
//! A container's own namespace is made anew at the target, its links plugged into nothing until
//! the workload runs; one that somebody made for it is made there as well, and its links are
//! unplugged at the source. Addresses of the host are removed at the source and kept quiet at the
//! target until then. Frames that come in meanwhile are kept at the source and sent again
//! wherever the workload runs: a sender waits for as long as the pause lasts, and not for the
//! next step of its retransmission timer.

mod given;
mod source;
mod target;

pub(crate) use given::{There, look as look_at_given};
pub(crate) use source::SourceWiring;
pub(crate) use target::TargetWiring;

use crate::network::{Frames, LinkName, Replayed};
use phaul_core::failure::Failure;
use phaul_core::plan::{Address, Plan};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// An address of the host that moves.
#[derive(Debug, Clone)]
pub(crate) struct Moving {
    /// The address.
    pub ip: IpAddr,
    /// The length of its prefix.
    pub prefix: u8,
    /// Its interface at the source.
    pub from: LinkName,
    /// Its interface at the target.
    pub to: LinkName,
}

impl Moving {
    fn of(address: &Address) -> Result<Self, Failure> {
        let wrong = || {
            let cause = format!("{:?} cannot be an address that moves", address.ip);
            Failure::new("network-address", cause)
        };
        let (ip, prefix) = address.ip.split_once('/').ok_or_else(wrong)?;
        Ok(Self {
            ip: ip.parse().map_err(|_| wrong())?,
            prefix: prefix.parse().map_err(|_| wrong())?,
            from: address.from.parse().map_err(|_| wrong())?,
            to: address.to.parse().map_err(|_| wrong())?,
        })
    }

    /// Those of a plan.
    pub(crate) fn all(plan: &Plan) -> Result<Vec<Self>, Failure> {
        plan.network.addresses.iter().map(Self::of).collect()
    }
}

/// The frames that were kept, by where they are to go.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    /// Towards a container: the name of the link within its namespace.
    inner: Vec<(LinkName, Frames)>,
    /// Towards addresses of the host.
    host: Vec<Frames>,
}

/// An announcement makes it quicker and is no condition: neighbours ask in the end.
fn told(announced: Result<(), Failure>) {
    if let Err(failure) = announced {
        tracing::warn!(cause = failure.cause, "an address is not announced");
    }
}

/// Frames that could not be sent again are lost to the workload as if they had been on the way.
fn replayed(frames: &Frames, sent: Result<Replayed, Failure>) {
    match sent {
        Ok(sent) => {
            let (kept, lost) = (frames.len(), frames.lost());
            tracing::debug!(
                kept,
                lost,
                sent = sent.sent,
                refused = sent.refused,
                "kept frames sent again"
            );
        }
        Err(failure) => tracing::warn!(cause = failure.cause, "kept frames are lost"),
    }
}
