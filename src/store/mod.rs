//! What outlives a connection: histories of values, facts, used nonces, counters, who still does not sign. Bounded, and
//! on disk where a state folder is set.
//!
//! Not here: what is judged by it (`policy`). Read [`Store`] first, which all connections share; `flush.rs` for what
//! outlives the process too.
//!
//! | table | when it is full | after a restart |
//! |---|---|---|
//! | histories | what was not renewed lately is forgotten, and counted: the next value there is a first one | gone: their keys are of this process |
//! | facts | what was not learnt anew lately is forgotten, and counted: an interlock on it denies | gone: what they say is too old within seconds |
//! | nonces | [`Used::Full`]: none is forgotten before it has expired | read back |
//! | counters | [`Used::Full`] for a new one: none is ever forgotten | read back |
//! | buckets | whoever is new shares one with all others who are: none is forgotten that is drawn upon | gone: all are full |
//! | known | the address that was known longest is forgotten, and counted: it is a stranger again | gone: all are strangers |
//! | acquaintances | the one that was seen longest ago is forgotten, and counted: it is a stranger again | gone: all are strangers |
//! | unsigned | who is new is not counted, and that is | gone: it is a day's count |
//! | bans | those that end soonest give way, and are counted | gone: who goes on as before is banned anew |

mod bans;
mod buckets;
mod counters;
mod flush;
mod folder;
mod known;
mod nonces;
mod recent;
mod shards;
#[cfg(test)]
mod tests;
mod unsigned;

use std::fmt;
use std::hash::RandomState;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use crate::config::State;
use crate::policy::{Count, Fact, History, Key, Known, Memory, NonceUse, Used};
use crate::rate::{Bucket, Epoch, Tick};
pub use bans::{Ban, Banned, Bans, Lengths, Offence};
use buckets::Buckets;
use counters::Counters;
pub(crate) use flush::unix_millis;
pub use flush::{Writer, Written, open};
pub use folder::OpenError;
use known::KnownGood;
use nonces::Nonces;
use recent::Recent;
use shards::Seed;
use unsigned::Unsigned;

/// How far apart the time of two connections may be, in milliseconds: each looks at the clock once for all that it has read.
const CLOCKS_APART_MILLIS: i64 = 1_000;

/// How many entries each table holds at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Values whose history is known.
    pub max_histories: usize,
    /// Facts.
    pub max_facts: usize,
    /// Used nonces of all groups together.
    pub max_nonces: usize,
    /// Counters.
    pub max_counters: usize,
    /// Buckets of rates.
    pub max_buckets: usize,
}

impl From<&State> for Bounds {
    fn from(settings: &State) -> Self {
        let State { max_histories, max_facts, max_nonces, max_counters, max_buckets, .. } = *settings;
        Self { max_histories, max_facts, max_nonces, max_counters, max_buckets }
    }
}

/// All that is remembered. One for the process: it outlives reloads.
pub struct Store {
    histories: Recent<Remembered>,
    facts: Recent<Fact>,
    nonces: Nonces,
    counters: Counters,
    unsigned: Unsigned,
    buckets: Buckets,
    known: KnownGood,
    acquaintances: KnownGood,
    bans: Bans,
    /// What the times of buckets are counted from.
    epoch: Epoch,
    keys: [RandomState; 2],
    /// Of marks, which stand for message and sender; on disk with them.
    seed: Seed,
}

#[derive(Clone, Copy, Debug)]
struct Remembered {
    history: History,
    expires_millis: i64,
}

impl Store {
    /// An empty one, of which nothing outlives the process.
    #[must_use]
    pub fn new(bounds: &Bounds) -> Self {
        Self::with(bounds, Seed::random(), false)
    }

    fn with(bounds: &Bounds, seed: Seed, is_kept: bool) -> Self {
        Self {
            histories: Recent::new(bounds.max_histories),
            facts: Recent::new(bounds.max_facts),
            nonces: Nonces::new(bounds.max_nonces, is_kept),
            counters: Counters::new(bounds.max_counters, is_kept),
            unsigned: Unsigned::new(),
            buckets: Buckets::new(bounds.max_buckets),
            known: KnownGood::new(known::MAX_KNOWN),
            acquaintances: KnownGood::new(known::MAX_KNOWN),
            bans: Bans::new(),
            epoch: Epoch::new(Instant::now()),
            keys: [RandomState::new(), RandomState::new()],
            seed,
        }
    }

    /// Entries of each table; of nonces, those too that have expired and were not looked at since.
    #[must_use]
    pub fn entries_by_table(&self) -> Vec<(&'static str, u64)> {
        let (histories, facts) = (self.histories.len(), self.facts.len());
        let entries = [
            ("histories", histories),
            ("facts", facts),
            ("nonces", self.nonces.len()),
            ("counters", self.counters.len()),
            ("buckets", self.buckets.len()),
            ("known", self.known.len()),
            ("acquaintances", self.acquaintances.len()),
            ("bans", self.bans.len()),
        ];
        entries.map(|(table, entries)| (table, entries as u64)).into()
    }

    /// Entries that were forgotten for want of room, by table.
    #[must_use]
    pub fn evictions_by_table(&self) -> Vec<(&'static str, u64)> {
        let (histories, facts) = (self.histories.evicted(), self.facts.evicted());
        vec![
            ("histories", histories),
            ("facts", facts),
            ("known", self.known.evicted()),
            ("acquaintances", self.acquaintances.evicted()),
            ("unsigned", self.unsigned.left_out()),
            ("bans", self.bans.evicted()),
        ]
    }

    /// How often there was no room and nothing to forget, by table.
    #[must_use]
    pub fn full_by_table(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("nonces", self.nonces.refused()),
            ("counters", self.counters.refused()),
            ("buckets", self.buckets.refused()),
        ]
    }

    /// Who is shut out.
    #[must_use]
    pub const fn bans(&self) -> &Bans {
        &self.bans
    }

    /// How many identities were heard of without a signature in the last day, by the rule that asks for one.
    #[must_use]
    pub fn unsigned_identities(&self, now_millis: i64) -> Vec<(Box<str>, usize)> {
        self.unsigned.count(now_millis)
    }

    /// Whether a client was let in from this address within the last day. IPv6: from its /64.
    #[must_use]
    pub fn known_good(&self, address: IpAddr, now: Instant) -> bool {
        self.known.is_known(self.source(address), self.epoch.tick(now))
    }

    /// A client that has proven who it is was let in from this address.
    pub fn let_in(&self, address: IpAddr, now: Instant) {
        self.known.note(self.source(address), self.epoch.tick(now));
    }

    /// Somebody was right about a name, from a place that `key` stands for with it.
    pub fn acquaint(&self, key: Key, now: Instant) {
        self.acquaintances.note(key, self.epoch.tick(now));
    }

    /// Whether that was within the last day.
    #[must_use]
    pub fn is_acquainted(&self, key: Key, now: Instant) -> bool {
        self.acquaintances.is_known(key, self.epoch.tick(now))
    }

    fn source(&self, address: IpAddr) -> Key {
        Key::quick(&self.keys, &[b"source", &known::source(address)])
    }
}

impl Store {
    /// The bucket that [`Memory::bucket`] would give, where it says anything: none is made for whoever is only looked at.
    #[must_use]
    pub fn known_bucket(&self, rule: Key, whose: Key) -> Option<Arc<Bucket>> {
        self.buckets.known(rule.into(), whose.into())
    }
}

impl Memory for Store {
    fn history(&self, key: Key) -> Option<History> {
        self.histories.get(key.into()).map(|remembered| remembered.history)
    }

    fn remember(&self, key: Key, history: History, expires_millis: i64) {
        let now_millis = history.last_millis;
        let is_over = |old: &Remembered| old.expires_millis <= now_millis;
        self.histories.put(key.into(), Remembered { history, expires_millis }, |_| true, is_over);
    }

    fn fact(&self, key: Key) -> Option<Fact> {
        self.facts.get(key.into())
    }

    fn learn(&self, key: Key, mut fact: Fact) {
        if matches!(&fact.value, Known::Text(text) if text.len() > Known::MAX_TEXT_BYTES) {
            fact.value = Known::Other;
        }
        let millis = fact.millis;
        // Two connections see the clock a little apart; what is further ahead was learnt before it was set back.
        let is_older =
            |known: &Fact| known.millis <= millis || known.millis.saturating_sub(millis) > CLOCKS_APART_MILLIS;
        self.facts.put(key.into(), fact, is_older, |_| false);
    }

    fn use_nonce(&self, nonce: &NonceUse) -> Used {
        self.nonces.use_up(nonce, self.seed.mark(nonce.digest, nonce.sender))
    }

    fn advance(&self, count: &Count) -> Used {
        self.counters.advance(count, self.seed.mark(count.digest, count.sender))
    }

    fn unsigned(&self, rule: &str, who: Key, now_millis: i64) {
        self.unsigned.note(rule, who.into(), now_millis);
    }

    fn keys(&self) -> &[RandomState; 2] {
        &self.keys
    }

    fn bucket(&self, rule: Key, whose: Key, now: Tick) -> Arc<Bucket> {
        self.buckets.get(rule.into(), whose.into(), now)
    }

    fn epoch(&self) -> Epoch {
        self.epoch
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.entries_by_table()).finish()
    }
}
