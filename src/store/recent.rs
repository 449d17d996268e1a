//! A table that forgets what was not renewed lately when it is full.

use std::sync::atomic::{AtomicU64, Ordering};

use super::shards::{Map, Place, Room, Seed, Shards};

/// What is looked at, whether it still counts for anything, in one call. More than one: what comes is less than what goes.
const LOOKED_AT_PER_CALL: usize = 2;
/// What is passed over for being renewed, in one call at most.
const MAX_STEPS: usize = 16;

/// A bounded table. When it is full, something new pushes out what was not put lately in its part of the table.
#[derive(Debug)]
pub(super) struct Recent<V> {
    shards: Shards<Round<V>>,
    room: Room,
    evicted: AtomicU64,
}

impl<V: Clone> Recent<V> {
    pub(super) fn new(max: usize) -> Self {
        Self { shards: Shards::new(Round::new), room: Room::new(max), evicted: AtomicU64::new(0) }
    }

    pub(super) fn get(&self, place: Place) -> Option<V> {
        self.shards.lock(self.shards.part_of(place))?.get(place).cloned()
    }

    /// Puts a value where there is none, or one that it `replaces`. What `is_over` is forgotten first.
    pub(super) fn put(&self, place: Place, value: V, replaces: impl Fn(&V) -> bool, is_over: impl Fn(&V) -> bool) {
        let part = self.shards.part_of(place);
        {
            let Some(mut shard) = self.shards.lock(part) else { return };
            if let Some(known) = shard.renew(place) {
                if replaces(known) {
                    *known = value;
                }
                return;
            }
            let expired = (0..LOOKED_AT_PER_CALL).filter(|_| shard.forget_if(&is_over)).count();
            self.room.give_back(expired);
            // What is pushed out leaves its room to what comes.
            if self.room.take() || self.evict(&mut shard) {
                shard.push(place, value);
                return;
            }
        }
        // Full, and this part of it is empty.
        let makes_room = |part| self.shards.lock(part).is_some_and(|mut shard| self.evict(&mut shard));
        if !Shards::<Round<V>>::from(part).any(makes_room) {
            return;
        }
        let Some(mut shard) = self.shards.lock(part) else { return };
        match shard.renew(place) {
            Some(known) => {
                if replaces(known) {
                    *known = value;
                }
                self.room.give_back(1);
            }
            None => shard.push(place, value),
        }
    }

    fn evict(&self, shard: &mut Round<V>) -> bool {
        let is_evicted = shard.forget_one();
        if is_evicted {
            self.evicted.fetch_add(1, Ordering::Relaxed);
        }
        is_evicted
    }

    pub(super) fn len(&self) -> usize {
        self.room.taken()
    }

    pub(super) fn evicted(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }
}

/// A map that goes round its entries when it looks for one to forget: one that was renewed since it came by last is left
/// for the next round. That is nearly what was renewed longest ago, and renewing touches nothing but the entry.
#[derive(Debug)]
pub(super) struct Round<V> {
    entries: Map<Entry<V>>,
    /// Every key once.
    round: Vec<Place>,
    /// Whose turn it is to make room.
    hand: usize,
    /// Whose turn it is to be looked at. Another than `hand`: together they would come by some for ever, and never by others.
    eye: usize,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    is_renewed: bool,
}

impl<V> Round<V> {
    pub(super) fn new(seed: Seed) -> Self {
        Self { entries: Map::with_hasher(seed), round: Vec::new(), hand: 0, eye: 0 }
    }

    pub(super) fn get(&self, place: Place) -> Option<&V> {
        self.entries.get(&place).map(|entry| &entry.value)
    }

    /// An entry, which is put anew.
    pub(super) fn renew(&mut self, place: Place) -> Option<&mut V> {
        let entry = self.entries.get_mut(&place)?;
        entry.is_renewed = true;
        Some(&mut entry.value)
    }

    /// Adds an entry for a key that has none.
    pub(super) fn push(&mut self, place: Place, value: V) {
        self.entries.insert(place, Entry { value, is_renewed: false });
        self.round.push(place);
    }

    /// Whose turn it is to make room, renewed or not.
    fn next(&mut self) -> Option<&mut Entry<V>> {
        if self.hand >= self.round.len() {
            self.hand = 0;
        }
        self.entries.get_mut(self.round.get(self.hand)?)
    }

    /// Looks at the next one, and takes it away if that is so.
    pub(super) fn forget_if(&mut self, is_over: impl FnOnce(&V) -> bool) -> bool {
        if self.eye >= self.round.len() {
            self.eye = 0;
        }
        let looked_at = self.round.get(self.eye).and_then(|place| self.entries.get(place));
        let is_over = looked_at.is_some_and(|entry| is_over(&entry.value));
        if is_over {
            self.remove(self.eye);
        }
        self.eye += 1;
        is_over
    }

    /// Takes away one that was not renewed lately, and says whether there was any.
    fn forget_one(&mut self) -> bool {
        for _ in 0..MAX_STEPS {
            match self.next() {
                None => return false,
                Some(entry) if entry.is_renewed => entry.is_renewed = false,
                Some(_) => break,
            }
            self.hand += 1;
        }
        let has_one = self.next().is_some();
        self.remove(self.hand);
        // What came last lies there now.
        self.hand += 1;
        has_one
    }

    fn remove(&mut self, at: usize) {
        if at < self.round.len() {
            self.entries.remove(&self.round.swap_remove(at));
        }
    }
}
