//! Buckets of rates, by rule and by whom they are for. They hang on what a client can't choose, and outlive connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::recent::Round;
use super::shards::{Place, Room, SHARDS, Shards};
use crate::rate::{Bucket, Tick};

/// What is looked at, whether it says anything still, before something new is taken in. More than one: what comes is
/// less than what goes.
const LOOKED_AT: usize = 2;
/// The same when there is no room.
const LOOKED_AT_WHEN_FULL: usize = 32;
/// So many other parts of the table are looked at then.
const PARTS_WHEN_FULL: usize = 8;

/// A bounded table of buckets.
///
/// INVARIANT: a bucket is forgotten only when it is full and nobody holds it: nobody gets a new one in place of one that
/// is drawn upon, however many others come. Where there is no room, whoever is new shares one with all others who are.
#[derive(Debug)]
pub(super) struct Buckets {
    shards: Shards<Round<Arc<Bucket>>>,
    room: Room,
    /// Of a rule's newcomers for whom there was no room, together.
    spare: Shards<Round<Arc<Bucket>>>,
    shared: AtomicU64,
    /// Where to look next when there is no room.
    hand: AtomicUsize,
}

impl Buckets {
    pub(super) fn new(max: usize) -> Self {
        Self {
            shards: Shards::new(Round::new),
            room: Room::new(max),
            spare: Shards::new(Round::new),
            shared: AtomicU64::new(0),
            hand: AtomicUsize::new(0),
        }
    }

    /// The bucket of `whose` under `rule`; made where there is none.
    pub(super) fn get(&self, rule: Place, whose: Place, now: Tick) -> Arc<Bucket> {
        let part = self.shards.part_of(whose);
        let mut made = self.make(part, whose, now);
        if made.is_none() && self.forget_elsewhere(part, now) {
            made = self.make(part, whose, now);
        }
        made.unwrap_or_else(|| self.shared(rule))
    }

    fn make(&self, part: usize, whose: Place, now: Tick) -> Option<Arc<Bucket>> {
        let mut shard = self.shards.lock(part)?;
        if let Some(known) = shard.renew(whose) {
            return Some(Arc::clone(known));
        }
        self.forget(&mut shard, LOOKED_AT, now);
        if !self.room.take() {
            self.forget(&mut shard, LOOKED_AT_WHEN_FULL, now);
            if !self.room.take() {
                return None;
            }
        }
        let bucket = Arc::new(Bucket::new());
        shard.push(whose, Arc::clone(&bucket));
        Some(bucket)
    }

    /// Looks for what says nothing in some other parts, which is not the same ones each time, and says whether any was
    /// found.
    fn forget_elsewhere(&self, part: usize, now: Tick) -> bool {
        let begin = self.hand.fetch_add(PARTS_WHEN_FULL, Ordering::Relaxed);
        let parts = (begin..begin.saturating_add(PARTS_WHEN_FULL)).map(|other| other % SHARDS);
        parts.filter(|other| *other != part).any(|other| {
            self.shards.lock(other).is_some_and(|mut shard| self.forget(&mut shard, LOOKED_AT_WHEN_FULL, now) > 0)
        })
    }

    /// The bucket that [`Buckets::get`] would give, where it says anything: none is made.
    pub(super) fn known(&self, rule: Place, whose: Place) -> Option<Arc<Bucket>> {
        let known = |shards: &Shards<Round<Arc<Bucket>>>, place| {
            shards.lock(shards.part_of(place)).and_then(|shard| shard.get(place).cloned())
        };
        known(&self.shards, whose).or_else(|| self.room.is_full().then(|| known(&self.spare, rule)).flatten())
    }

    fn forget(&self, shard: &mut Round<Arc<Bucket>>, most: usize, now: Tick) -> usize {
        // Whoever holds one got it here, under this lock.
        let is_over = |bucket: &Arc<Bucket>| Arc::strong_count(bucket) == 1 && bucket.is_full(now);
        let forgotten = (0..most).filter(|_| shard.forget_if(is_over)).count();
        self.room.give_back(forgotten);
        forgotten
    }

    /// One for each rule: there are no more of them than policies and settings have.
    fn shared(&self, rule: Place) -> Arc<Bucket> {
        self.shared.fetch_add(1, Ordering::Relaxed);
        let Some(mut spare) = self.spare.lock(self.spare.part_of(rule)) else { return Arc::default() };
        if let Some(known) = spare.renew(rule) {
            return Arc::clone(known);
        }
        let bucket = Arc::new(Bucket::new());
        spare.push(rule, Arc::clone(&bucket));
        bucket
    }

    pub(super) fn len(&self) -> usize {
        self.room.taken()
    }

    /// How often somebody had to share for want of room.
    pub(super) fn refused(&self) -> u64 {
        self.shared.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::rate::Rate;

    const RULE: u128 = 7;

    fn rate() -> Rate {
        Rate::new(1, Duration::from_secs(1))
    }

    fn get(buckets: &Buckets, whose: u128, now: u64) -> Arc<Bucket> {
        buckets.get(RULE.into(), whose.into(), Tick(now))
    }

    #[test]
    fn whoever_comes_back_finds_the_bucket_as_it_was_left() {
        let buckets = Buckets::new(10);
        assert_eq!(get(&buckets, 1, 0).take(&rate(), 1, Tick(0)), Ok(()));
        assert!(get(&buckets, 1, 1).take(&rate(), 1, Tick(1)).is_err());
        assert!(get(&buckets, 2, 1).take(&rate(), 1, Tick(1)).is_ok());
    }

    #[test]
    fn a_million_strangers_neither_grow_the_table_nor_drive_out_what_is_drawn_upon() {
        let buckets = Buckets::new(1_000);
        let drawn = get(&buckets, 0, 0);
        assert_eq!(drawn.take(&rate(), 1, Tick(0)), Ok(()));
        drop(drawn);
        let held = get(&buckets, 1, 0);
        for stranger in 2..1_000_000 {
            let _ = get(&buckets, stranger, 0).take(&rate(), 1, Tick(0));
            assert!(buckets.len() <= 1_000);
        }
        assert!(get(&buckets, 0, 1).take(&rate(), 1, Tick(1)).is_err(), "forgotten while it was drawn upon");
        assert!(Arc::ptr_eq(&held, &get(&buckets, 1, 1)), "forgotten while it was held");
        assert!(buckets.refused() > 900_000);
    }

    #[test]
    fn without_room_newcomers_share_one_bucket_of_their_rule() {
        let buckets = Buckets::new(1);
        let first = get(&buckets, 1, 0);
        let (one, other) = (get(&buckets, 2, 0), get(&buckets, 3, 0));
        assert!(Arc::ptr_eq(&one, &other) && !Arc::ptr_eq(&one, &first));
        let elsewhere = buckets.get(8.into(), 2.into(), Tick(0));
        assert!(!Arc::ptr_eq(&one, &elsewhere));
    }

    #[test]
    fn there_is_room_again_once_buckets_are_full_and_let_go() {
        let buckets = Buckets::new(100);
        for whose in 0..100 {
            get(&buckets, whose, 0).take(&rate(), 1, Tick(0)).unwrap();
        }
        let later = 2_000_000_000;
        for whose in 100..200 {
            get(&buckets, whose, later).take(&rate(), 1, Tick(later)).unwrap();
        }
        assert!(buckets.len() <= 100);
    }
}
