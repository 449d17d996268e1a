//! How much may happen in how long: token buckets, as the generic cell rate algorithm keeps them.
//!
//! A bucket is one number: when it will be full again. So it is shared by all who draw from it without a lock, and what
//! nobody has drawn from for long enough says nothing and need not be kept. Pure: time comes in. Not here: who has which
//! bucket (`policy`), where they are kept (`store`). Read [`Bucket::take`] first.

#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A time, in nanoseconds since an [`Epoch`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tick(pub u64);

impl Tick {
    /// So much later; at the end of time, no later than that.
    #[must_use]
    pub fn after(self, time: Duration) -> Self {
        Self(self.0.saturating_add(nanos(time)))
    }

    /// How long it is until then; nothing where it is past.
    #[must_use]
    pub const fn until(self, then: Self) -> Duration {
        Duration::from_nanos(then.0.saturating_sub(self.0))
    }
}

/// What ticks are counted from: the same for all that share buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch(Instant);

impl Epoch {
    /// Counts from `start`, which all times that are asked about come after.
    #[must_use]
    pub const fn new(start: Instant) -> Self {
        Self(start)
    }

    /// When `now` is.
    #[must_use]
    #[inline]
    pub fn tick(self, now: Instant) -> Tick {
        Tick(nanos(now.saturating_duration_since(self.0)))
    }
}

/// So many tokens in so long, and so many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    tokens: u64,
    per: Duration,
    burst: u64,
    /// Nanoseconds for one token, in units of 2^-[`Self::FRACTION_BITS`]; rounded up.
    interval: u128,
    /// The time that one token takes to come, and that `burst` tokens do, in nanoseconds.
    one: u64,
    room: u64,
}

impl Rate {
    const FRACTION_BITS: u32 = 20;

    /// `tokens` in `per`, all of which may be taken at once. What would be nothing is one.
    #[must_use]
    pub fn new(tokens: u64, per: Duration) -> Self {
        let (tokens, per) = (tokens.max(1), per.max(Duration::from_nanos(1)));
        let interval = (u128::from(nanos(per)) << Self::FRACTION_BITS).div_ceil(u128::from(tokens));
        Self { tokens, per, burst: 1, interval, one: time_of(interval, 1), room: 0 }.with_burst(tokens)
    }

    /// The same, with so many tokens at once; at least one.
    #[must_use]
    pub fn with_burst(self, burst: u64) -> Self {
        let burst = burst.max(1);
        Self { burst, room: time_of(self.interval, burst), ..self }
    }

    /// Tokens in [`Rate::per`].
    #[must_use]
    pub const fn tokens(&self) -> u64 {
        self.tokens
    }

    /// How long it takes for [`Rate::tokens`].
    #[must_use]
    pub const fn per(&self) -> Duration {
        self.per
    }

    /// Tokens that may be taken at once.
    #[must_use]
    pub const fn burst(&self) -> u64 {
        self.burst
    }

    /// The time that so many tokens take to come, in nanoseconds.
    #[inline]
    fn time_of(&self, tokens: u64) -> u64 {
        if tokens == 1 { self.one } else { time_of(self.interval, tokens) }
    }
}

fn time_of(interval: u128, tokens: u64) -> u64 {
    let exact = interval.saturating_mul(u128::from(tokens));
    u64::try_from(exact >> Rate::FRACTION_BITS).unwrap_or(u64::MAX)
}

/// Tokens that come at a rate, and are taken.
///
/// In any time there are taken at most [`Rate::burst`] tokens, and those that come in that time, however many take from it
/// at once; beyond that, the excess of one whose cost alone is above the burst.
#[derive(Debug, Default)]
pub struct Bucket {
    /// When it is full again.
    full_at: AtomicU64,
}

/// There are too few tokens: when there will be enough, if nobody else takes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait(pub Tick);

impl Bucket {
    /// A full one.
    #[must_use]
    pub const fn new() -> Self {
        Self { full_at: AtomicU64::new(0) }
    }

    /// Whether `cost` tokens are there. Nothing is taken.
    ///
    /// # Errors
    /// When they will be.
    #[inline]
    pub fn look(&self, rate: &Rate, cost: u64, now: Tick) -> Result<(), Wait> {
        drawn(self.full_at.load(Ordering::Relaxed), rate, cost, now).map(|_| ())
    }

    /// Takes `cost` tokens. What costs more than the burst is let through by a full bucket, and is paid for in full.
    ///
    /// # Errors
    /// When they will be there; nothing is taken then.
    #[inline]
    pub fn take(&self, rate: &Rate, cost: u64, now: Tick) -> Result<(), Wait> {
        let mut full_at = self.full_at.load(Ordering::Relaxed);
        loop {
            let then = drawn(full_at, rate, cost, now)?;
            match self.full_at.compare_exchange_weak(full_at, then, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(changed) => full_at = changed,
            }
        }
    }

    /// Takes `cost` tokens, there or not: for what has happened already. Whoever comes next waits for them.
    pub fn charge(&self, rate: &Rate, cost: u64, now: Tick) {
        let _ = self.full_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |full_at| {
            Some(full_at.max(now.0).saturating_add(rate.time_of(cost)))
        });
    }

    /// Tokens that are missing until it is full; one that is partly there is missing.
    #[must_use]
    pub fn missing(&self, rate: &Rate, now: Tick) -> u64 {
        let time = u128::from(self.full_at.load(Ordering::Relaxed).saturating_sub(now.0));
        let tokens = (time << Rate::FRACTION_BITS).div_ceil(rate.interval);
        u64::try_from(tokens).unwrap_or(u64::MAX)
    }

    /// Whether it is full: then it says nothing that a new one would not.
    #[must_use]
    pub fn is_full(&self, now: Tick) -> bool {
        self.full_at.load(Ordering::Relaxed) <= now.0
    }
}

/// When a bucket is full again that `cost` tokens are taken from.
#[inline]
fn drawn(full_at: u64, rate: &Rate, cost: u64, now: Tick) -> Result<u64, Wait> {
    let (time, room) = (rate.time_of(cost), rate.room);
    let from = full_at.max(now.0);
    let then = from.saturating_add(time);
    // What never fits waits for a full bucket.
    let enough_at = if time > room { full_at } else { then.saturating_sub(room) };
    if enough_at <= now.0 { Ok(then) } else { Err(Wait(Tick(enough_at))) }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
