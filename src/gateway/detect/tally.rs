//! Whose bucket something is counted in.

use std::sync::Arc;
use std::time::Instant;

use super::{Detectors, Limits, TOGETHER};
use crate::identity::{Identity, Who};
use crate::metrics::Detector;
use crate::policy::{Key, Memory as _};
use crate::rate::{Bucket, Rate, Tick};

/// How often somebody may do something.
pub(super) struct Tally {
    rule: Key,
    whose: Key,
    rate: Rate,
}

/// The same for so many.
pub(super) fn times(rate: &Rate, count: u64) -> Rate {
    Rate::new(rate.tokens().saturating_mul(count), rate.per()).with_burst(rate.burst().saturating_mul(count))
}

impl Detectors {
    /// What a client is held to under its Client Identifier, and what all are held to together that are the same by who
    /// they are. No Client Identifier counts alone: a stranger could use up what is another's.
    pub(super) fn tallies(
        &self,
        detector: Detector,
        rate: &Rate,
        limits: &Limits,
        identity: &Identity,
    ) -> [Option<Tally>; 2] {
        let who = identity.who();
        let own = (!identity.client_id.is_empty()).then(|| {
            self.tally(detector.label(), *rate, Some(who), self.key(&[b"client", identity.client_id.as_bytes()]))
        });
        let is_exempt = matches!(who, Who::Address(_)) && limits.is_exempt(identity.source.ip());
        let together = (!is_exempt).then(|| self.tally(detector.label(), times(rate, TOGETHER), Some(who), Key(0)));
        [own, together]
    }

    /// What somebody is held to, or all are, in something.
    pub(super) fn tally(&self, label: &str, rate: Rate, who: Option<Who<'_>>, what: Key) -> Tally {
        let (label, what) = (label.as_bytes(), what.0.to_be_bytes());
        let numbers;
        let (kind, name): (&[u8], &[u8]) = match who {
            None => (b"all", &[]),
            Some(Who::Client(name)) => (b"name", name.as_bytes()),
            Some(Who::Address(network)) => {
                numbers = network.numbers().map(u64::to_be_bytes);
                (b"address", numbers.as_flattened())
            }
        };
        let whose = self.key(&[b"detector", label, kind, name, &what]);
        Tally { rule: self.key(&[b"detector", label, kind]), whose, rate }
    }

    /// A Client Identifier at a broker.
    pub(super) fn place(&self, [broker, client_id]: [&str; 2]) -> Key {
        self.key(&[b"client", broker.as_bytes(), client_id.as_bytes()])
    }

    pub(super) fn key(&self, parts: &[&[u8]]) -> Key {
        Key::quick(self.store.keys(), parts)
    }

    /// Whether there is nothing left.
    pub(super) fn is_spent(&self, tally: &Tally, now: Instant) -> bool {
        let Tally { rule, whose, rate } = tally;
        let bucket = self.store.known_bucket(*rule, *whose);
        bucket.is_some_and(|bucket| bucket.look(rate, 1, self.store.epoch().tick(now)).is_err())
    }

    /// Counts something that has happened, whatever is left.
    pub(super) fn charge(&self, tally: &Tally, now: Instant) {
        let now = self.store.epoch().tick(now);
        self.bucket(tally, now).charge(&tally.rate, 1, now);
    }

    /// Counts something that has happened, if there is room for it.
    pub(super) fn take(&self, tally: &Tally, now: Instant) -> bool {
        let now = self.store.epoch().tick(now);
        self.bucket(tally, now).take(&tally.rate, 1, now).is_ok()
    }

    /// The same, and says how much is counted now.
    pub(super) fn taken(&self, tally: &Tally, now: Instant) -> u64 {
        let now = self.store.epoch().tick(now);
        let bucket = self.bucket(tally, now);
        // Beyond, it is not remembered any better.
        let _ = bucket.take(&tally.rate, 1, now);
        bucket.missing(&tally.rate, now)
    }

    fn bucket(&self, tally: &Tally, now: Tick) -> Arc<Bucket> {
        self.store.bucket(tally.rule, tally.whose, now)
    }
}
