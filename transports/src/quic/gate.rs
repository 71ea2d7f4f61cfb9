//! How many callers a listener lets in at the same time.
//!
//! Two bounds: on all together, links and callers on their way to one, so that memory is
//! bounded; and on the callers from one address, so that one host that opens connections and
//! says nothing cannot keep out the others.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts who is in.
#[derive(Debug)]
pub(super) struct Gate {
    all_max: usize,
    callers_max: usize,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    callers: HashMap<IpAddr, usize>,
}

/// A caller that has not said hello yet; leaves when dropped.
#[derive(Debug)]
pub(super) struct Caller {
    gate: Arc<Gate>,
    address: IpAddr,
    stays: bool,
}

/// A link; leaves when dropped.
#[derive(Debug)]
pub(super) struct Seat {
    gate: Arc<Gate>,
}

impl Gate {
    pub(super) fn new(all_max: usize, callers_max: usize) -> Arc<Self> {
        Arc::new(Self {
            all_max,
            callers_max,
            counts: Mutex::default(),
        })
    }

    /// Lets a caller in, if there is room.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Caller> {
        let mut counts = self.counts();
        let callers = counts.callers.get(&address).copied().unwrap_or(0);
        if counts.all >= self.all_max || callers >= self.callers_max {
            return None;
        }
        counts.all += 1;
        counts.callers.insert(address, callers + 1);
        Some(Caller {
            gate: Arc::clone(self),
            address,
            stays: false,
        })
    }

    /// Whether callers should first prove that their address is their own: with one that is
    /// made up, they would get round the bound for one address.
    pub(super) fn is_crowded(&self) -> bool {
        self.counts().all * 2 >= self.all_max
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        // Every change is whole before anything could panic.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Caller {
    /// The caller has become a link.
    pub(super) fn stay(mut self) -> Seat {
        self.stays = true;
        Seat {
            gate: Arc::clone(&self.gate),
        }
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        let mut counts = self.gate.counts();
        if let Some(callers) = counts.callers.get_mut(&self.address) {
            *callers -= 1;
            if *callers == 0 {
                counts.callers.remove(&self.address);
            }
        }
        if !self.stays {
            counts.all -= 1;
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.gate.counts().all -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(number: u8) -> IpAddr {
        [10, 0, 0, number].into()
    }

    #[test]
    fn one_host_cannot_keep_out_the_others() {
        let gate = Gate::new(64, 2);
        let first = gate.enter(host(1)).unwrap();
        let _second = gate.enter(host(1)).unwrap();
        assert!(gate.enter(host(1)).is_none());
        assert!(gate.enter(host(2)).is_some());
        let _link = first.stay();
        assert!(gate.enter(host(1)).is_some(), "a link is no caller");
    }

    #[test]
    fn there_is_room_for_so_many_and_no_more() {
        let gate = Gate::new(3, 9);
        let seats: Vec<Seat> = (0..2)
            .map(|n| gate.enter(host(n)).unwrap().stay())
            .collect();
        assert!(gate.is_crowded());
        let caller = gate.enter(host(7)).unwrap();
        assert!(gate.enter(host(8)).is_none());
        drop(caller);
        assert!(gate.enter(host(8)).is_some());
        drop(seats);
        assert!(!gate.is_crowded());
        assert!(gate.counts().callers.is_empty() && gate.counts().all == 0);
    }
}
