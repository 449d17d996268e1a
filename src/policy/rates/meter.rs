//! What one connection has of the rules about rates: which of them count, and the buckets that it draws from.

use std::sync::Arc;
use std::time::Duration;

use super::Metered;
use super::plan::{Limit, Plan};
use super::rule::{Per, Unit};
use super::whose::{self, Subject};
use crate::identity::Identity;
use crate::mqtt::Direction;
use crate::policy::Memory;
use crate::policy::number;
use crate::rate::{Bucket, Epoch, Rate, Tick, Wait};

/// What is counted of one connection, and by what.
#[derive(Debug, Default)]
pub(in crate::policy) struct Meter {
    /// What is counted at all, as bits of [`kind`].
    kinds: u8,
    /// Directions of which some messages are counted alone.
    pub(super) filtered: u8,
    /// Those before `standing` count all of a kind; others are in `sets`.
    counters: Vec<Counter>,
    standing: usize,
    /// Counters that count the same messages; each set once.
    sets: Vec<Box<[u32]>>,
    /// The set that was found last.
    pub(super) found: Vec<u32>,
    /// Where nobody says what ticks are counted from.
    epoch: Option<Epoch>,
}

/// Who counts.
#[derive(Debug)]
pub(super) struct Counter {
    pub(super) limit: u32,
    /// What it counts of a connection.
    kinds: u8,
    subject: Subject,
    held: Held,
    /// When the bucket was found.
    since: Tick,
}

/// The bucket that is drawn from.
#[derive(Debug)]
enum Held {
    /// Not looked for yet.
    Nothing,
    One(Arc<Bucket>),
    /// A part of the rate that is kept for a role, and the whole.
    Shared {
        rate: Box<Rate>,
        own: Arc<Bucket>,
        whole: Arc<Bucket>,
    },
    /// Those of the last topics; the first is of the very last.
    Topics(Box<Topics>),
}

/// The buckets of a few topics.
#[derive(Debug, Default)]
struct Topics {
    kept: Vec<(String, Arc<Bucket>)>,
    /// Which one gives way next.
    turn: usize,
}

/// What a bucket is found by.
#[derive(Clone, Copy)]
pub(super) struct Context<'c> {
    pub(super) plan: &'c Plan,
    pub(super) memory: Option<&'c dyn Memory>,
    pub(super) identity: &'c Identity,
    /// The role's name by its number.
    pub(super) role_name: &'c dyn Fn(u32) -> &'c str,
    pub(super) now: Tick,
}

pub(super) const PUBLISHED: u8 = 1;
pub(super) const DELIVERED: u8 = 2;
const PACKETS: u8 = 4;
const CONNECTIONS: u8 = 8;
const SUBSCRIPTIONS: u8 = 16;

/// What something is, as a bit.
#[inline]
pub(super) const fn kind(what: &Metered<'_>) -> u8 {
    match what {
        Metered::Message { from: Direction::FromClient, .. } => PUBLISHED,
        Metered::Message { from: Direction::FromBroker, .. } => DELIVERED,
        Metered::Packet { .. } => PACKETS,
        Metered::Connection => CONNECTIONS,
        Metered::Subscriptions(_) => SUBSCRIPTIONS,
    }
}

impl Meter {
    /// Sets that are kept for a connection.
    const MAX_SETS: usize = 64;
    /// The set of no counters.
    pub(in crate::policy) const NONE: u16 = u16::MAX;
    /// A bucket that was found so long ago is looked for again when it is empty: there may have been no room for one of
    /// the client's own.
    const LOOK_AGAIN: Duration = Duration::from_secs(10);

    /// What counts for someone with these roles; none where nothing does.
    pub(in crate::policy) fn new(plan: &Plan, held: &[u32]) -> Option<Box<Self>> {
        let rules = plan.of(held);
        if rules.is_empty() {
            return None;
        }
        let mut own = Self::default();
        for rule in rules.into_iter().filter_map(|rule| plan.rule(rule)) {
            if rule.is_filtered() {
                let published = if rule.said.rule.publish.is_empty() { 0 } else { PUBLISHED };
                own.filtered |= published | if rule.said.rule.receive.is_empty() { 0 } else { DELIVERED };
                continue;
            }
            for (place, limit) in rule.limits(plan) {
                for subject in Subject::of(rule, held) {
                    own.counters.push(Counter::new(place, limit.kinds(), subject));
                }
            }
        }
        own.standing = own.counters.len();
        own.kinds = own.counters.iter().fold(own.filtered, |kinds, counter| kinds | counter.kinds);
        Some(Box::new(own))
    }

    /// Whether anything of such a kind is counted.
    #[inline]
    pub(super) const fn counts(&self, kind: u8) -> bool {
        self.kinds & kind != 0
    }

    /// What ticks are counted from.
    #[inline]
    pub(super) fn epoch(&mut self, memory: Option<&dyn Memory>, now: std::time::Instant) -> Epoch {
        *self.epoch.get_or_insert_with(|| memory.map_or_else(|| Epoch::new(now), Memory::epoch))
    }

    /// That, once something has been counted.
    pub(super) const fn known_epoch(&self) -> Option<Epoch> {
        self.epoch
    }

    /// The number of the set of the rules that were found last; none where there is no room for one more.
    pub(super) fn intern(&mut self, plan: &Plan, held: &[u32]) -> Option<u16> {
        let found = std::mem::take(&mut self.found);
        let mut set: Vec<u32> = Vec::new();
        for rule in found.iter().filter_map(|rule| plan.rule(*rule)) {
            for (place, limit) in rule.limits(plan) {
                for subject in Subject::of(rule, held) {
                    set.push(self.filtered_counter(place, limit.kinds(), subject));
                }
            }
        }
        self.found = found;
        if set.is_empty() {
            return Some(Self::NONE);
        }
        let known = self.sets.iter().position(|known| **known == *set);
        if known.is_none() && self.sets.len() >= Self::MAX_SETS {
            return None;
        }
        let place = known.unwrap_or_else(|| {
            self.sets.push(set.into());
            self.sets.len() - 1
        });
        u16::try_from(place).ok()
    }

    /// The place of a counter of some messages, behind those that always count.
    fn filtered_counter(&mut self, limit: u32, kinds: u8, subject: Subject) -> u32 {
        let others = self.counters.get(self.standing..).unwrap_or_default();
        let known = others.iter().position(|known| known.limit == limit && known.subject == subject);
        number(known.unwrap_or_else(|| {
            self.counters.push(Counter::new(limit, kinds, subject));
            self.counters.len() - 1 - self.standing
        }))
    }

    /// Lets go of all sets, once no stance names one any more.
    pub(in crate::policy) fn forget(&mut self) {
        self.sets = Vec::new();
        self.counters.truncate(self.standing);
    }

    /// Goes through those that count something, as long as `go` says so.
    #[inline]
    pub(super) fn each(&mut self, kind: u8, set: u16, mut go: impl FnMut(&mut Counter) -> bool) {
        let Self { counters, standing, sets, .. } = self;
        let Some((standing, others)) = counters.split_at_mut_checked(*standing) else { return };
        for counter in standing.iter_mut().filter(|counter| counter.kinds & kind != 0) {
            if !go(counter) {
                return;
            }
        }
        for place in sets.get(usize::from(set)).into_iter().flat_map(|set| &**set) {
            if let Some(counter) = others.get_mut(*place as usize)
                && !go(counter)
            {
                return;
            }
        }
    }
}

impl Limit {
    /// What it counts of a connection where no filter says which messages.
    const fn kinds(&self) -> u8 {
        match self.unit {
            Unit::Messages | Unit::Bytes => PUBLISHED,
            Unit::Packets => PACKETS,
            Unit::Connections => CONNECTIONS,
            Unit::Subscriptions => SUBSCRIPTIONS,
        }
    }

    /// How many tokens something costs.
    #[inline]
    pub(super) fn cost(&self, what: &Metered<'_>) -> u64 {
        match what {
            Metered::Message { payload_bytes, .. } if self.unit == Unit::Bytes => *payload_bytes as u64,
            Metered::Message { payload_bytes, .. } if self.weigh > 0 => {
                (*payload_bytes as u64).div_ceil(self.weigh).max(1)
            }
            Metered::Subscriptions(count) => *count as u64,
            Metered::Message { .. } | Metered::Packet { .. } | Metered::Connection => 1,
        }
    }
}

impl Counter {
    const fn new(limit: u32, kinds: u8, subject: Subject) -> Self {
        Self { limit, kinds, subject, held: Held::Nothing, since: Tick(0) }
    }

    /// Whether there is room; where not, from when on.
    #[inline]
    pub(super) fn look(
        &mut self,
        limit: &Limit,
        cost: u64,
        what: &Metered<'_>,
        context: &Context<'_>,
    ) -> Result<(), Wait> {
        self.find(limit, what, context);
        let looked = match &self.held {
            Held::Nothing => Ok(()),
            Held::One(bucket) => bucket.look(&limit.rate, cost, context.now),
            Held::Shared { rate, own, whole } => {
                sooner(own.look(rate, cost, context.now), || whole.look(&limit.rate, cost, context.now))
            }
            Held::Topics(topics) => topics.bucket().map_or(Ok(()), |one| one.look(&limit.rate, cost, context.now)),
        };
        if looked.is_err() && context.memory.is_some() && self.since.until(context.now) >= Meter::LOOK_AGAIN {
            self.held = Held::Nothing;
        }
        looked
    }

    /// Takes what was looked for just now.
    #[inline]
    pub(super) fn take(&self, limit: &Limit, cost: u64, now: Tick) -> Result<(), Wait> {
        match &self.held {
            Held::Nothing => Ok(()),
            Held::One(bucket) => bucket.take(&limit.rate, cost, now),
            Held::Shared { rate, own, whole } => {
                let taken = own.take(rate, cost, now);
                if taken.is_ok() {
                    // It is used up for all others, too, even if there is nothing left of the whole.
                    whole.charge(&limit.rate, cost, now);
                }
                sooner(taken, || whole.take(&limit.rate, cost, now))
            }
            Held::Topics(topics) => topics.bucket().map_or(Ok(()), |one| one.take(&limit.rate, cost, now)),
        }
    }

    /// Finds the bucket, if it is not at hand.
    #[inline]
    fn find(&mut self, limit: &Limit, what: &Metered<'_>, context: &Context<'_>) {
        let topic = match what {
            Metered::Message { topic, .. } if limit.per == Per::Topic => Some(*topic),
            Metered::Message { .. } | Metered::Packet { .. } | Metered::Connection | Metered::Subscriptions(_) => None,
        };
        let is_at_hand = match (&mut self.held, topic) {
            (Held::Topics(topics), Some(topic)) => topics.brings_forward(topic),
            (Held::One(_) | Held::Shared { .. }, _) => true,
            (Held::Nothing, _) | (Held::Topics(_), None) => false,
        };
        if !is_at_hand {
            self.search(limit, topic, context);
        }
    }

    fn search(&mut self, limit: &Limit, topic: Option<&str>, context: &Context<'_>) {
        self.since = context.now;
        let Some(rule) = context.plan.rule(limit.rule) else { return };
        let bucket = |more: &[&[u8]]| whose::bucket(rule, limit, self.subject, topic, more, context);
        match (topic, self.subject) {
            (Some(topic), _) => {
                let found = bucket(&[]);
                if !matches!(self.held, Held::Topics(_)) {
                    self.held = Held::Topics(Box::default());
                }
                if let Held::Topics(topics) = &mut self.held {
                    topics.keep(topic, found);
                }
            }
            (None, Subject::Share(role)) => {
                let Some((_, share)) = rule.said.shares.iter().find(|(other, _)| *other == role) else { return };
                let rate = Box::new(limit.share(share));
                self.held = Held::Shared { rate, own: bucket(&[b"share", share.role.as_bytes()]), whole: bucket(&[]) };
            }
            (None, Subject::Client | Subject::Role(_)) => self.held = Held::One(bucket(&[])),
        }
    }
}

/// The first that has room; where neither has, the earlier of both.
#[inline]
fn sooner(one: Result<(), Wait>, other: impl FnOnce() -> Result<(), Wait>) -> Result<(), Wait> {
    let Err(Wait(first)) = one else { return Ok(()) };
    other().map_err(|Wait(second)| Wait(first.min(second)))
}

impl Topics {
    /// Topics whose buckets are at hand.
    const MAX: usize = 8;
    /// Bytes of a topic that is told again.
    const MAX_BYTES: usize = 256;

    /// Of the topic that was brought forward, or kept.
    #[inline]
    fn bucket(&self) -> Option<&Arc<Bucket>> {
        self.kept.first().map(|(_, bucket)| bucket)
    }

    /// Whether the bucket of a topic is at hand; it is the first then.
    #[inline]
    fn brings_forward(&mut self, topic: &str) -> bool {
        let Some(at) = self.kept.iter().position(|(known, _)| known == topic && !known.is_empty()) else {
            return false;
        };
        self.kept.swap(0, at);
        true
    }

    /// Keeps the bucket of a topic, as the first. A long one is not known again.
    fn keep(&mut self, topic: &str, bucket: Arc<Bucket>) {
        if self.kept.len() < Self::MAX {
            self.kept.push((String::new(), Arc::default()));
            self.turn = self.kept.len() - 1;
        } else {
            self.turn = self.turn % (Self::MAX - 1) + 1;
        }
        if let Some((name, held)) = self.kept.get_mut(self.turn) {
            name.clear();
            if topic.len() <= Self::MAX_BYTES {
                name.push_str(topic);
            }
            *held = bucket;
        }
        self.kept.swap(0, self.turn);
    }
}
