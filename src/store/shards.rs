//! What all tables are made of: keys in a shape that hashes fast, locks that few wait for, and room that is counted.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::policy::Key;

/// Locks of one table. A power of two.
pub(super) const SHARDS: usize = 16;

/// A key, in halves: it takes no padding beside small values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place([u64; 2]);

impl From<Key> for Place {
    fn from(Key(key): Key) -> Self {
        Self([half(key >> 64), half(key)])
    }
}

impl From<u128> for Place {
    fn from(key: u128) -> Self {
        Key(key).into()
    }
}

impl From<Place> for u128 {
    fn from(Place([high, low]): Place) -> Self {
        Self::from(high) << 64 | Self::from(low)
    }
}

impl Hash for Place {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self([high, low]) = self;
        state.write_u64(*high);
        state.write_u64(*low);
    }
}

fn half(value: u128) -> u64 {
    u64::try_from(value & u128::from(u64::MAX)).unwrap_or_default()
}

/// Both halves of a product: each bit of it depends on all that was multiplied.
fn fold(one: u64, other: u64) -> u64 {
    let product = u128::from(one) * u128::from(other);
    half(product) ^ half(product >> 64)
}

/// What makes hashes of one process differ from those of another: whoever chooses keys does not choose where they
/// meet. Keys are digests already, so one multiplication per half spreads them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seed(pub(super) [u64; 2]);

impl Seed {
    pub(super) fn random() -> Self {
        let one = || RandomState::new().build_hasher().finish() | 1;
        Self([one(), one()])
    }

    /// A message and its sender in one number; who does not know the seed finds no other pair with the same.
    pub(super) fn mark(&self, digest: u64, sender: Key) -> u64 {
        let mut hasher = self.build_hasher();
        hasher.write_u64(digest);
        Place::from(sender).hash(&mut hasher);
        hasher.finish()
    }
}

impl BuildHasher for Seed {
    type Hasher = Mix;

    fn build_hasher(&self) -> Mix {
        let Self([state, by]) = *self;
        Mix { state, by }
    }
}

pub(super) struct Mix {
    state: u64,
    by: u64,
}

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.state
    }

    fn write_u64(&mut self, value: u64) {
        self.state = fold(self.state ^ value, self.by);
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }
}

/// A map by [`Place`].
pub(super) type Map<V> = HashMap<Place, V, Seed>;

/// One table in parts, each behind its own lock.
#[derive(Debug)]
pub(super) struct Shards<T> {
    seed: Seed,
    parts: Vec<Mutex<T>>,
}

impl<T> Shards<T> {
    pub(super) fn new(make: impl Fn(Seed) -> T) -> Self {
        let seed = Seed::random();
        Self { seed, parts: (0..SHARDS).map(|_| Mutex::new(make(seed))).collect() }
    }

    /// The number of the part that a key belongs to.
    pub(super) fn part_of(&self, place: Place) -> usize {
        // Maps go by the lowest and the highest bits; these here are others.
        let hash = self.seed.hash_one(place) >> 40;
        usize::try_from(hash).unwrap_or_default() & (SHARDS - 1)
    }

    /// Waits for nobody for long: no lock is held while another is waited for, or while anything is written.
    pub(super) fn lock(&self, part: usize) -> Option<MutexGuard<'_, T>> {
        Some(self.parts.get(part)?.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The numbers of all parts, that one first.
    pub(super) fn from(first: usize) -> impl Iterator<Item = usize> {
        (0..SHARDS).map(move |step| (first + step) & (SHARDS - 1))
    }
}

/// Room for so many entries in all parts together.
#[derive(Debug)]
pub(super) struct Room {
    max: usize,
    taken: AtomicUsize,
}

impl Room {
    pub(super) fn new(max: usize) -> Self {
        Self { max, taken: AtomicUsize::new(0) }
    }

    /// Takes room for one, if there is any.
    pub(super) fn take(&self) -> bool {
        let more = |taken: usize| (taken < self.max).then_some(taken + 1);
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    /// Whether there is none.
    pub(super) fn is_full(&self) -> bool {
        self.taken() >= self.max
    }

    /// Takes it for what was read back from disk, whether there is any or not: nothing of that is forgotten.
    pub(super) fn force(&self) {
        self.taken.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn give_back(&self, entries: usize) {
        self.taken.fetch_sub(entries, Ordering::Relaxed);
    }

    pub(super) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }
}
