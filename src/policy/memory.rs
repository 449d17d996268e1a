//! What rules remember beyond one connection. Kept elsewhere (`store`); here is what it must do.

use std::fmt;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::Arc;

use aws_lc_rs::digest;

use crate::rate::{Bucket, Epoch, Tick};

/// What stands for something remembered. Two things have the same only if they are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(pub u128);

impl Key {
    /// The same in every process: of what is kept over a restart.
    #[must_use]
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let digest = context.finish();
        Self(digest.as_ref().first_chunk().copied().map_or(0, u128::from_be_bytes))
    }

    /// Cheaper, and of this process alone.
    #[must_use]
    pub fn quick(keys: &[RandomState; 2], parts: &[&[u8]]) -> Self {
        let [high, low] = keys.each_ref().map(|keys| {
            let mut hasher = keys.build_hasher();
            for part in parts {
                hasher.write_usize(part.len());
                hasher.write(part);
            }
            u128::from(hasher.finish())
        });
        Self(high << 64 | low)
    }
}

/// What is remembered of a value: the last that was accepted, and what came before it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct History {
    /// The last value; of what is no number, a number that stands for it.
    pub last: f64,
    /// When it was accepted, in milliseconds since 1970.
    pub last_millis: i64,
    /// How low all that was accepted lets it still be called: the least of the values, each raised since by as much as it
    /// may have changed.
    pub low: f64,
    /// How high, alike.
    pub high: f64,
    /// Since when the value has been what it is.
    pub same_since_millis: i64,
}

/// What is known of the plant: a value that a client published.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    /// The value.
    pub value: Known,
    /// When it was accepted, in milliseconds since 1970.
    pub millis: i64,
}

/// A value that is kept.
#[derive(Clone, Debug, PartialEq)]
pub enum Known {
    /// Truth or falsehood.
    Bool(bool),
    /// A number.
    Number(f64),
    /// Text of at most [`Known::MAX_TEXT_BYTES`]; shared, so that looking at it takes no copy.
    Text(Arc<str>),
    /// Something that no interlock can hold against anything.
    Other,
}

impl Known {
    /// The longest text that is kept, in bytes.
    pub const MAX_TEXT_BYTES: usize = 256;
}

/// A nonce that is to be used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NonceUse {
    /// What its number is bounded by: the key, and to whom it is shown.
    pub group: Key,
    /// Nonces of this group that are kept at most; beyond, none is taken until one has expired.
    pub max_in_group: usize,
    /// The nonce, and to whom it was shown.
    pub nonce: Key,
    /// Of the message.
    pub digest: u64,
    /// Who sent it; by [`Key::of`], as all keys here: they are kept over a restart.
    pub sender: Key,
    /// The time, in milliseconds since 1970.
    pub now_millis: i64,
    /// From when on it need not be kept: a message with it would be too old.
    pub expires_millis: i64,
}

/// A counter that is to go up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// The key, and to whom it is shown.
    pub group: Key,
    /// Where it is to stand: above where it stood. Where nothing is known, any value is.
    pub value: u64,
    /// Of the message, the value with it.
    pub digest: u64,
    /// Who sent it; by [`Key::of`], as all keys here: they are kept over a restart.
    pub sender: Key,
    /// The time, in milliseconds since 1970.
    pub now_millis: i64,
}

/// Whether a nonce, or a counter's value, was used before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Used {
    /// It was not.
    First,
    /// It was, by the same sender for the same message.
    Redelivered,
    /// It was, for something else; or the counter is behind.
    Replayed,
    /// Nobody can tell: there is no room to remember it.
    Full,
}

/// What all connections remember together. Everything is bounded; what is pushed out is counted by whoever keeps it.
pub trait Memory: fmt::Debug + Send + Sync {
    /// What is remembered of a value.
    fn history(&self, key: Key) -> Option<History>;

    /// Remembers it; from `expires_millis` on it counts for nothing.
    fn remember(&self, key: Key, history: History, expires_millis: i64);

    /// What is known of the plant.
    fn fact(&self, key: Key) -> Option<Fact>;

    /// Takes note of it, unless something newer is known. What is far newer was learnt before the clock was set back, and
    /// gives way.
    fn learn(&self, key: Key, fact: Fact);

    /// Uses up a nonce, in one step with asking whether it was.
    fn use_nonce(&self, nonce: &NonceUse) -> Used;

    /// Counts up, in one step with asking whether that is up.
    fn advance(&self, count: &Count) -> Used;

    /// Takes note of who still does not sign where a rule asks for it.
    fn unsigned(&self, rule: &str, who: Key, now_millis: i64);

    /// Keys of [`Key::quick`].
    fn keys(&self) -> &[RandomState; 2];

    /// The bucket of `whose` under `rule`. As long as somebody holds it, and until it is full again, whoever asks gets the
    /// same one; where there is no room for one more, one that all share for whom there is none.
    fn bucket(&self, rule: Key, whose: Key, now: Tick) -> Arc<Bucket>;

    /// What the times of buckets are counted from.
    fn epoch(&self) -> Epoch;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_not_taken_for_one_another() {
        let keys = [RandomState::new(), RandomState::new()];
        let (one, other): ([&[u8]; 2], [&[u8]; 2]) = ([b"ab", b"c"], [b"a", b"bc"]);
        assert_ne!(Key::of(&one), Key::of(&other));
        assert_ne!(Key::quick(&keys, &one), Key::quick(&keys, &other));
        assert_eq!(Key::of(&one), Key::of(&one));
        assert_eq!(Key::quick(&keys, &one), Key::quick(&keys, &one));
    }
}
