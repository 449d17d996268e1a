//! Clients that wait for the answer that they are not let in.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::{Detectors, Limits};
use crate::identity::Network;

/// Who waits: so many from each network. It has at most [`Limits::tarpit`] of them.
#[derive(Debug, Default)]
pub(super) struct Tarpit(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    all: usize,
    by_network: HashMap<Network, usize>,
}

/// How many clients may wait: each holds a place of those that are half open, which others want too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Places {
    pub(super) all: usize,
    pub(super) of_network: usize,
}

/// The place of one that waits; gives it back when dropped.
struct Place {
    detectors: Arc<Detectors>,
    network: Network,
}

impl Tarpit {
    fn enter(&self, network: Network, places: Places) -> bool {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_network = waiting.by_network.get(&network).copied().unwrap_or_default();
        let has_room = waiting.all < places.all && of_network < places.of_network;
        if has_room {
            waiting.all += 1;
            waiting.by_network.insert(network, of_network + 1);
        }
        has_room
    }

    fn leave(&self, network: Network) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.all = waiting.all.saturating_sub(1);
        if let Entry::Occupied(mut entry) = waiting.by_network.entry(network) {
            *entry.get_mut() = entry.get().saturating_sub(1);
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}

impl Detectors {
    /// Keeps the answer to a failed authentication back. Where too many wait, it is given at once: a tarpit that all
    /// places are in would keep everybody out.
    pub(in crate::gateway) async fn slow_down(self: &Arc<Self>, limits: &Limits, source: IpAddr) {
        let delay = self.delay(limits, source, Instant::now());
        let network = Network::of(source);
        if delay.is_zero() || !self.tarpit.enter(network, limits.tarpit) {
            return;
        }
        let _place = Place { detectors: Arc::clone(self), network };
        tokio::time::sleep(delay).await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.detectors.tarpit.leave(self.network);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_wait_than_there_are_places_in_all_and_for_each_network() {
        let tarpit = Tarpit::default();
        let places = Places { all: 3, of_network: 2 };
        let [one, other] = [1, 2].map(Network::V4);
        let entered = [one, one, one, other, other].map(|network| tarpit.enter(network, places));
        assert_eq!(entered, [true, true, false, true, false]);
        [one, one, other].into_iter().for_each(|network| tarpit.leave(network));
        let waiting = tarpit.0.lock().unwrap();
        assert_eq!((waiting.all, waiting.by_network.len()), (0, 0));
    }
}
