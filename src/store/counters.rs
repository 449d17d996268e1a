//! Counters that only go up, each with the last messages that moved it. None is ever forgotten: where there is no room,
//! no new one is taken.

use std::sync::atomic::{AtomicU64, Ordering};

use super::shards::{Map, Place, Room, Shards};
use crate::policy::{Count, Used};

/// Messages of one counter that are known again when they are delivered again: what a client has in flight.
pub(super) const RECENT: usize = 16;

/// A counter, as it is written to disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CounterRow {
    pub(super) group: Place,
    pub(super) counter: Counter,
}

/// Where one counter stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Counter {
    pub(super) last: u64,
    /// When it moved last, in milliseconds since 1970.
    pub(super) moved_millis: i64,
    /// A ring of marks; `moves` says where it begins.
    recent: [u64; RECENT],
    moves: usize,
    is_dirty: bool,
}

impl Counter {
    /// One that stands there, moved by these, oldest first.
    pub(super) fn new(last: u64, moved_millis: i64, marks: impl IntoIterator<Item = u64>) -> Self {
        let mut counter = Self { last, moved_millis, recent: [0; RECENT], moves: 0, is_dirty: false };
        marks.into_iter().for_each(|mark| counter.note(mark));
        counter
    }

    fn note(&mut self, mark: u64) {
        if let Some(place) = self.recent.get_mut(self.moves % RECENT) {
            *place = mark;
        }
        // Only whether it is full, and where it begins, counts.
        self.moves = if self.moves + 1 < 2 * RECENT { self.moves + 1 } else { RECENT };
    }

    /// Marks of the messages that moved it last, oldest first.
    pub(super) fn marks(&self) -> impl Iterator<Item = u64> {
        let kept = self.moves.min(RECENT);
        let first = if kept < RECENT { 0 } else { self.moves % RECENT };
        self.recent.iter().cycle().skip(first).take(kept).copied()
    }

    fn advance(&mut self, count: &Count, mark: u64) -> Used {
        if count.value > self.last {
            self.last = count.value;
            self.moved_millis = count.now_millis;
            self.note(mark);
            return Used::First;
        }
        if self.marks().any(|known| known == mark) { Used::Redelivered } else { Used::Replayed }
    }
}

/// All counters.
#[derive(Debug)]
pub(super) struct Counters {
    shards: Shards<Part>,
    room: Room,
    refused: AtomicU64,
    /// Whether somebody asks for what is not yet on disk.
    is_kept: bool,
}

#[derive(Debug)]
struct Part {
    counters: Map<Counter>,
    dirty: Vec<Place>,
}

impl Counters {
    pub(super) fn new(max: usize, is_kept: bool) -> Self {
        let part = |seed| Part { counters: Map::with_hasher(seed), dirty: Vec::new() };
        Self { shards: Shards::new(part), room: Room::new(max), refused: AtomicU64::new(0), is_kept }
    }

    /// Moves one up; `mark` stands for message and sender.
    pub(super) fn advance(&self, count: &Count, mark: u64) -> Used {
        let group = Place::from(count.group);
        let Some(mut guard) = self.shards.lock(self.shards.part_of(group)) else { return Used::Full };
        let Part { counters, dirty } = &mut *guard;
        let counter = match counters.get_mut(&group) {
            Some(counter) => {
                let used = counter.advance(count, mark);
                if used != Used::First {
                    return used;
                }
                counter
            }
            None if self.room.take() => {
                counters.entry(group).or_insert(Counter::new(count.value, count.now_millis, [mark]))
            }
            None => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                return Used::Full;
            }
        };
        if self.is_kept && !counter.is_dirty {
            counter.is_dirty = true;
            dirty.push(group);
        }
        Used::First
    }

    /// Takes one that was read back from disk, whether there is room for it or not.
    pub(super) fn restore(&self, row: CounterRow) {
        let Some(mut part) = self.shards.lock(self.shards.part_of(row.group)) else { return };
        self.room.force();
        part.counters.insert(row.group, row.counter);
    }

    /// What is not on disk yet, in pieces: no lock is held for more than `piece` of them.
    pub(super) fn take_unsaved(&self, piece: usize, rows: &mut Vec<CounterRow>) {
        for part in Shards::<Part>::from(0) {
            while self.shards.lock(part).is_some_and(|mut part| part.take_unsaved(piece, rows)) {}
        }
    }

    pub(super) fn len(&self) -> usize {
        self.room.taken()
    }

    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

impl Part {
    /// Whether there is more.
    fn take_unsaved(&mut self, piece: usize, rows: &mut Vec<CounterRow>) -> bool {
        let Self { counters, dirty } = self;
        let first = dirty.len().saturating_sub(piece);
        for group in dirty.drain(first..) {
            if let Some(counter) = counters.get_mut(&group) {
                counter.is_dirty = false;
                rows.push(CounterRow { group, counter: counter.clone() });
            }
        }
        !dirty.is_empty()
    }
}
