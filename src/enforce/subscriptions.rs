//! The subscriptions of one connection, as far as their number is limited, and the SUBSCRIBE packets in flight.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroU16;

use super::exchange::{IdMap, IdSet};

/// Keyed hashes of the Topic Filters that are subscribed, and what is still to be said of those asked for.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    held: IdSet<u64>,
    asked: IdMap<u16, Asked>,
    asked_bytes: usize,
    /// SUBSCRIBE packets in the order that they came, from the first that the broker has not answered.
    turns: VecDeque<Turn>,
    /// One of them was sent again.
    repeated: bool,
}

/// Whose SUBACK is next.
#[derive(Debug)]
enum Turn {
    /// The broker's. A broker answers in an order of its own, should it want to.
    Broker { id: NonZeroU16, answered: bool },
    /// The gateway's.
    Gateway(Box<[u8]>),
}

impl Turn {
    fn bytes(&self) -> usize {
        size_of::<Self>()
            + match self {
                Self::Broker { .. } => 0,
                Self::Gateway(suback) => suback.len(),
            }
    }

    fn awaits(&self, of: NonZeroU16) -> bool {
        matches!(self, Self::Broker { id, answered: false } if *id == of)
    }

    fn answer(&mut self, of: NonZeroU16) {
        if let Self::Broker { id, answered } = self
            && *id == of
        {
            *answered = true;
        }
    }

    const fn is_over(&self) -> bool {
        match self {
            Self::Broker { answered, .. } => *answered,
            Self::Gateway(_) => true,
        }
    }
}

/// What must be remembered of a SUBSCRIBE until its SUBACK.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked {
    /// For each filter the client asked for, the code that refuses it, or [`Asked::BROKER`]. Empty: none is refused.
    pub(super) codes: Vec<u8>,
    /// Filters that were not subscribed before: place among those sent on, and hash.
    pub(super) fresh: Vec<(u16, u64)>,
    /// How often it was sent again.
    repeats: u16,
}

impl Asked {
    /// The place of a filter that the broker answers.
    pub(super) const BROKER: u8 = 0xFF;

    fn bytes(&self) -> usize {
        size_of::<Self>() + self.codes.len() + self.fresh.len() * size_of::<(u16, u64)>()
    }
}

impl Subscriptions {
    /// Takes a filter on, unless it would be more than `max`. `Some(true)`: it is new.
    pub(super) fn hold(&mut self, keys: &RandomState, filter: &str, max: usize) -> Option<(u64, bool)> {
        let hash = keys.hash_one(filter);
        if self.held.contains(&hash) {
            return Some((hash, false));
        }
        (self.held.len() < max).then(|| (hash, self.held.insert(hash)))
    }

    /// How many there are.
    pub(super) fn held(&self) -> usize {
        self.held.len()
    }

    /// Lets a filter go.
    pub(super) fn release(&mut self, keys: &RandomState, filter: &str) {
        self.release_hash(keys.hash_one(filter));
    }

    fn release_hash(&mut self, hash: u64) {
        self.held.remove(&hash);
        if self.held.is_empty() && self.held.capacity() > 64 {
            self.held = IdSet::default();
        }
    }

    /// Remembers a SUBSCRIBE that was sent on.
    pub(super) fn ask(&mut self, id: NonZeroU16, asked: Asked) {
        // Its identifier is free: a broker that has not answered every repeat is not waited for.
        if self.repeated {
            self.turns.iter_mut().for_each(|turn| turn.answer(id));
        }
        self.push(Turn::Broker { id, answered: false });
        if let Some(before) = self.asked.remove(&id.get()) {
            self.asked_bytes = self.asked_bytes.saturating_sub(before.bytes());
        }
        if asked.codes.is_empty() && asked.fresh.is_empty() {
            return;
        }
        self.asked_bytes += asked.bytes();
        self.asked.insert(id.get(), asked);
    }

    /// Counts a SUBSCRIBE that was sent on again; false if it is not the same in the broker's eyes.
    pub(super) fn ask_again(&mut self, id: NonZeroU16, asked: &Asked) -> bool {
        let same = match self.asked.get_mut(&id.get()) {
            None => asked.codes.is_empty(),
            Some(before) if before.codes == asked.codes => {
                before.repeats = before.repeats.saturating_add(1);
                true
            }
            Some(_) => false,
        };
        if same {
            self.repeated = true;
            self.push(Turn::Broker { id, answered: false });
        }
        same
    }

    /// Lets go of what a SUBSCRIBE took on that is not sent on.
    pub(super) fn forget(&mut self, asked: &Asked) {
        asked.fresh.iter().for_each(|(_, hash)| self.release_hash(*hash));
    }

    /// Takes the gateway's own SUBACK, or gives it back: no SUBSCRIBE before it is waiting.
    pub(super) fn queue(&mut self, suback: Vec<u8>) -> Option<Vec<u8>> {
        if self.turns.is_empty() {
            return Some(suback);
        }
        self.push(Turn::Gateway(suback.into()));
        None
    }

    /// Appends those of the gateway's own whose turn it is.
    pub(super) fn due(&mut self, out: &mut Vec<u8>) {
        while let Some(turn) = self.turns.pop_front_if(|turn| turn.is_over()) {
            self.asked_bytes = self.asked_bytes.saturating_sub(turn.bytes());
            if let Turn::Gateway(suback) = turn {
                out.extend_from_slice(&suback);
            }
        }
        if self.turns.is_empty() {
            self.turns = VecDeque::new();
            self.repeated = false;
        }
    }

    fn push(&mut self, turn: Turn) {
        self.asked_bytes += turn.bytes();
        self.turns.push_back(turn);
    }

    /// Bytes held for SUBSCRIBE packets in flight.
    pub(super) const fn asked_bytes(&self) -> usize {
        self.asked_bytes
    }

    /// Ends a SUBSCRIBE by the broker's `codes`: what was refused is let go.
    pub(super) fn answered(&mut self, id: NonZeroU16, codes: impl Iterator<Item = u8>) -> Asked {
        let asked = self.take(id);
        if let Some(turn) = self.turns.iter_mut().find(|turn| turn.awaits(id)) {
            turn.answer(id);
        }
        let mut fresh = asked.fresh.iter().peekable();
        for (place, code) in codes.enumerate() {
            if let Some(&(_, hash)) = fresh.next_if(|(at, _)| usize::from(*at) == place)
                && code >= 0x80
            {
                self.release_hash(hash);
            }
        }
        if self.asked.is_empty() {
            self.asked = IdMap::default();
        }
        asked
    }

    /// What was asked; kept as long as a repeat of it is to be answered.
    fn take(&mut self, id: NonZeroU16) -> Asked {
        if let Some(asked) = self.asked.get_mut(&id.get())
            && asked.repeats > 0
        {
            asked.repeats -= 1;
            return asked.clone();
        }
        let asked = self.asked.remove(&id.get()).unwrap_or_default();
        self.asked_bytes = self.asked_bytes.saturating_sub(asked.bytes());
        asked
    }
}
