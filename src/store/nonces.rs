//! Used nonces. One that could still be played again is never forgotten: where there is no room, none is taken.
//!
//! A group is a rule and a key. Its nonces stand in the order in which they came, which is nearly that in which they
//! expire; one is forgotten once it and all before it have expired.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use super::shards::{Map, Place, Room, Seed, Shards};
use crate::policy::{NonceUse, Used};

/// Expired nonces of its own group that one call forgets at most. More than one, so that a group comes down to what is
/// alive.
const EXPIRED_PER_CALL: usize = 4;
/// Groups of its part that one call looks at beside its own, and how many nonces of each it forgets at most.
const OTHERS_PER_CALL: usize = 1;
/// The same, for each part, when all is full.
const OTHERS_WHEN_FULL: usize = 8;

/// A used nonce, as it is written to disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NonceRow {
    pub(super) expires_millis: i64,
    pub(super) group: Place,
    pub(super) nonce: Place,
    pub(super) mark: u64,
}

/// All used nonces.
#[derive(Debug)]
pub(super) struct Nonces {
    shards: Shards<Part>,
    room: Room,
    /// The latest end of a nonce that was forgotten. Of one that ends no later nobody can tell whether it was used,
    /// which matters when the clock is set back.
    forgotten: AtomicI64,
    refused: AtomicU64,
    /// Whether somebody asks for what is not yet on disk.
    is_kept: bool,
}

#[derive(Debug)]
struct Part {
    groups: Map<Group>,
    /// Every group once; whose turn it is to be looked at, first.
    turns: VecDeque<Place>,
    /// Groups with something that is not on disk.
    dirty: Vec<Place>,
    seed: Seed,
}

#[derive(Debug)]
struct Group {
    used: Map<u64>,
    queue: VecDeque<(i64, Place)>,
    /// How many at the end of the queue are not on disk.
    unsaved: usize,
}

/// There is no room in all.
struct NoRoom;

impl Nonces {
    pub(super) fn new(max: usize, is_kept: bool) -> Self {
        let part = |seed| Part { groups: Map::with_hasher(seed), turns: VecDeque::new(), dirty: Vec::new(), seed };
        let (forgotten, refused) = (AtomicI64::new(i64::MIN), AtomicU64::new(0));
        Self { shards: Shards::new(part), room: Room::new(max), forgotten, refused, is_kept }
    }

    /// Uses one up; `mark` stands for message and sender.
    pub(super) fn use_up(&self, wanted: &NonceUse, mark: u64) -> Used {
        let part = self.shards.part_of(wanted.group.into());
        let used = self.try_to(wanted, mark, part).or_else(|NoRoom| {
            for part in Shards::<Part>::from(part) {
                if let Some(mut part) = self.shards.lock(part) {
                    self.look_at_others(&mut part, OTHERS_WHEN_FULL, wanted.now_millis);
                }
            }
            self.try_to(wanted, mark, part)
        });
        let used = used.unwrap_or(Used::Full);
        if used == Used::Full {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        used
    }

    fn try_to(&self, wanted: &NonceUse, mark: u64, part: usize) -> Result<Used, NoRoom> {
        let (name, nonce) = (Place::from(wanted.group), Place::from(wanted.nonce));
        let Some(mut guard) = self.shards.lock(part) else { return Err(NoRoom) };
        let part = &mut *guard;
        let kept = match part.groups.get_mut(&name) {
            Some(group) => {
                if let Some(known) = group.used.get(&nonce) {
                    return Ok(if *known == mark { Used::Redelivered } else { Used::Replayed });
                }
                self.forget(group, wanted.now_millis);
                group.used.len()
            }
            None => 0,
        };
        // INVARIANT: asked after what has expired is forgotten, and under the lock of its group.
        if kept >= wanted.max_in_group || wanted.expires_millis <= self.forgotten.load(Ordering::Acquire) {
            return Ok(Used::Full);
        }
        if !self.room.take() {
            return Err(NoRoom);
        }
        part.insert(name, nonce, mark, wanted.expires_millis, self.is_kept);
        self.look_at_others(part, OTHERS_PER_CALL, wanted.now_millis);
        Ok(Used::First)
    }

    fn forget(&self, group: &mut Group, now_millis: i64) {
        for _ in 0..EXPIRED_PER_CALL {
            let Some((expires, nonce)) = group.pop_expired(now_millis) else { return };
            self.forgotten.fetch_max(expires, Ordering::AcqRel);
            group.used.remove(&nonce);
            self.room.give_back(1);
        }
    }

    /// Forgets what has expired in groups that nobody uses any more.
    fn look_at_others(&self, part: &mut Part, groups: usize, now_millis: i64) {
        for _ in 0..groups.min(part.turns.len()) {
            let Some(name) = part.turns.pop_front() else { return };
            let Some(group) = part.groups.get_mut(&name) else { continue };
            self.forget(group, now_millis);
            if group.queue.is_empty() {
                part.groups.remove(&name);
            } else {
                part.turns.push_back(name);
            }
        }
    }

    /// Takes one that was read back from disk, whether there is room for it or not.
    pub(super) fn restore(&self, row: &NonceRow) {
        let Some(mut part) = self.shards.lock(self.shards.part_of(row.group)) else { return };
        self.room.force();
        part.insert(row.group, row.nonce, row.mark, row.expires_millis, false);
    }

    /// What is not on disk yet, in pieces: no lock is held for more than `piece` of them.
    pub(super) fn take_unsaved(&self, piece: usize, rows: &mut Vec<NonceRow>) {
        for part in Shards::<Part>::from(0) {
            while self.shards.lock(part).is_some_and(|mut part| part.take_unsaved(piece, rows)) {}
        }
    }

    pub(super) fn forgotten(&self) -> i64 {
        self.forgotten.load(Ordering::Acquire)
    }

    pub(super) fn forget_until(&self, expires_millis: i64) {
        self.forgotten.fetch_max(expires_millis, Ordering::AcqRel);
    }

    pub(super) fn len(&self) -> usize {
        self.room.taken()
    }

    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

impl Part {
    fn insert(&mut self, name: Place, nonce: Place, mark: u64, expires_millis: i64, is_unsaved: bool) {
        let Self { groups, turns, dirty, seed } = self;
        let group = groups.entry(name).or_insert_with(|| {
            turns.push_back(name);
            Group { used: Map::with_hasher(*seed), queue: VecDeque::new(), unsaved: 0 }
        });
        group.used.insert(nonce, mark);
        group.queue.push_back((expires_millis, nonce));
        if is_unsaved {
            if group.unsaved == 0 {
                dirty.push(name);
            }
            group.unsaved += 1;
        }
    }

    /// Whether there is more.
    fn take_unsaved(&mut self, piece: usize, rows: &mut Vec<NonceRow>) -> bool {
        let Some(name) = self.dirty.last().copied() else { return false };
        let Some(group) = self.groups.get_mut(&name).filter(|group| group.unsaved > 0) else {
            self.dirty.pop();
            return true;
        };
        let first = group.queue.len() - group.unsaved;
        for (expires_millis, nonce) in group.queue.range(first..).take(piece) {
            if let Some(&mark) = group.used.get(nonce) {
                rows.push(NonceRow { expires_millis: *expires_millis, group: name, nonce: *nonce, mark });
            }
        }
        group.unsaved = group.unsaved.saturating_sub(piece);
        if group.unsaved == 0 {
            self.dirty.pop();
        }
        true
    }
}

impl Group {
    fn pop_expired(&mut self, now_millis: i64) -> Option<(i64, Place)> {
        let (expires, _) = self.queue.front()?;
        if *expires > now_millis {
            return None;
        }
        let expired = self.queue.pop_front();
        self.unsaved = self.unsaved.min(self.queue.len());
        expired
    }
}
