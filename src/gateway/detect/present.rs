//! Who is connected: by broker and Client Identifier, as whoever comes beside another drives it out; and by network, as
//! where clients are connected from is not shut out for what others do there.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::identity::Network;
use crate::policy::Key;

/// How many connections each has. It holds what is connected, so the bound on connections bounds it.
#[derive(Debug, Default)]
pub(super) struct Present {
    places: Mutex<Counts<Key>>,
    networks: Mutex<Counts<Network>>,
}

type Counts<K> = HashMap<K, u32>;

impl Present {
    /// One more of a Client Identifier, and whether there was one.
    pub(super) fn enter(&self, place: Key) -> bool {
        add(&mut lock(&self.places), place) > 1
    }

    /// One less.
    pub(super) fn leave(&self, place: Key) {
        subtract(&mut lock(&self.places), place);
    }

    /// One more that was let in from there.
    pub(super) fn let_in(&self, network: Network) {
        add(&mut lock(&self.networks), network);
    }

    /// One less.
    pub(super) fn gone(&self, network: Network) {
        subtract(&mut lock(&self.networks), network);
    }

    /// Whether anybody is connected from there that was let in.
    pub(super) fn is_home(&self, network: Network) -> bool {
        lock(&self.networks).contains_key(&network)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        lock(&self.places).len() + lock(&self.networks).len()
    }
}

fn add<K: Eq + Hash>(counts: &mut Counts<K>, key: K) -> u32 {
    let count = counts.entry(key).or_default();
    *count = count.saturating_add(1);
    *count
}

fn subtract<K: Eq + Hash>(counts: &mut Counts<K>, key: K) {
    if let Entry::Occupied(mut entry) = counts.entry(key) {
        *entry.get_mut() = entry.get().saturating_sub(1);
        if *entry.get() == 0 {
            entry.remove();
        }
    }
}

/// A count is whole after each statement, so one left by a panic is still right.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
