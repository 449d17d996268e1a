//! A table that forgets what was renewed longest ago when it is full.

use std::sync::atomic::{AtomicU64, Ordering};

use super::shards::{Map, Place, Room, Seed, Shards};

/// No slot.
const NONE: u32 = u32::MAX;

/// What is forgotten, because it counts for nothing any more, in one call at most.
const EXPIRED_PER_CALL: usize = 2;

/// A bounded table. When it is full, something new pushes out what was put longest ago in its part of the table.
#[derive(Debug)]
pub(super) struct Recent<V> {
    shards: Shards<Ordered<V>>,
    room: Room,
    evicted: AtomicU64,
}

impl<V: Clone> Recent<V> {
    pub(super) fn new(max: usize) -> Self {
        Self { shards: Shards::new(Ordered::new), room: Room::new(max), evicted: AtomicU64::new(0) }
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
            let mut expired = 0;
            while expired < EXPIRED_PER_CALL && shard.oldest().is_some_and(&is_over) && shard.pop_oldest().is_some() {
                expired += 1;
            }
            self.room.give_back(expired);
            // What is pushed out leaves its room to what comes.
            if self.room.take() || self.evict(&mut shard) {
                shard.push(place, value);
                return;
            }
        }
        // Full, and this part of it is empty.
        let makes_room = |part| self.shards.lock(part).is_some_and(|mut shard| self.evict(&mut shard));
        if !Shards::<Ordered<V>>::from(part).any(makes_room) {
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

    fn evict(&self, shard: &mut Ordered<V>) -> bool {
        let is_evicted = shard.pop_oldest().is_some();
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

/// A map whose entries stand in the order in which they were put: a list through slots that lie side by side.
#[derive(Debug)]
pub(super) struct Ordered<V> {
    at: Map<u32>,
    slots: Vec<Slot<V>>,
    newest: u32,
    oldest: u32,
}

#[derive(Debug)]
struct Slot<V> {
    place: Place,
    newer: u32,
    older: u32,
    value: V,
}

impl<V> Ordered<V> {
    pub(super) fn new(seed: Seed) -> Self {
        Self { at: Map::with_hasher(seed), slots: Vec::new(), newest: NONE, oldest: NONE }
    }

    pub(super) fn get(&self, place: Place) -> Option<&V> {
        self.slot(*self.at.get(&place)?).map(|slot| &slot.value)
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn oldest(&self) -> Option<&V> {
        self.slot(self.oldest).map(|slot| &slot.value)
    }

    /// Makes an entry the newest, where there is one.
    pub(super) fn renew(&mut self, place: Place) -> Option<&mut V> {
        let at = *self.at.get(&place)?;
        if at != self.newest {
            self.unlink(at);
            self.link_newest(at);
        }
        self.slot_mut(at).map(|slot| &mut slot.value)
    }

    /// Adds an entry for a key that has none.
    pub(super) fn push(&mut self, place: Place, value: V) {
        let Ok(at) = u32::try_from(self.slots.len()) else { return };
        self.slots.push(Slot { place, newer: NONE, older: NONE, value });
        self.at.insert(place, at);
        self.link_newest(at);
    }

    pub(super) fn pop_oldest(&mut self) -> Option<V> {
        let at = self.oldest;
        self.slot(at)?;
        self.unlink(at);
        let slot = self.slots.swap_remove(usize::try_from(at).ok()?);
        self.at.remove(&slot.place);
        self.moved(at);
        Some(slot.value)
    }

    /// What lay last lies at `to` now.
    fn moved(&mut self, to: u32) {
        let Some(&Slot { place, newer, older, .. }) = self.slot(to) else { return };
        if let Some(at) = self.at.get_mut(&place) {
            *at = to;
        }
        match self.slot_mut(newer) {
            Some(slot) => slot.older = to,
            None => self.newest = to,
        }
        match self.slot_mut(older) {
            Some(slot) => slot.newer = to,
            None => self.oldest = to,
        }
    }

    fn unlink(&mut self, at: u32) {
        let Some(&Slot { newer, older, .. }) = self.slot(at) else { return };
        match self.slot_mut(newer) {
            Some(slot) => slot.older = older,
            None => self.newest = older,
        }
        match self.slot_mut(older) {
            Some(slot) => slot.newer = newer,
            None => self.oldest = newer,
        }
    }

    fn link_newest(&mut self, at: u32) {
        let before = std::mem::replace(&mut self.newest, at);
        if let Some(slot) = self.slot_mut(at) {
            slot.newer = NONE;
            slot.older = before;
        }
        match self.slot_mut(before) {
            Some(slot) => slot.newer = at,
            None => self.oldest = at,
        }
    }

    fn slot(&self, at: u32) -> Option<&Slot<V>> {
        self.slots.get(usize::try_from(at).ok()?)
    }

    fn slot_mut(&mut self, at: u32) -> Option<&mut Slot<V>> {
        self.slots.get_mut(usize::try_from(at).ok()?)
    }
}
