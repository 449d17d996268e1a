//! What a value must be to those that came before it.

use std::time::Duration;

use super::fault::Fault;
use super::rule::{Check, First};
use crate::payload::Value;
use crate::policy::memory::{History, Key, Memory};

/// How values follow one another.
///
/// Of all values that were accepted one is remembered, and how low and high all of them together let the next one be: a
/// value v at the time t lets it be v ± `by` × (1 + (now - t) / `per`). So in any `per` a value changes by at most
/// 2 × `by`, from one message to the next by at most `by`, and in the long run by no more than `by` in each `per`.
#[derive(Debug)]
pub(super) struct Course {
    change: Option<Pace>,
    min_interval: i64,
    stuck_after: Option<i64>,
    first: First,
    forget_after: i64,
}

/// By so much in so many milliseconds.
#[derive(Clone, Copy, Debug)]
struct Pace {
    by: f64,
    per: f64,
}

impl Course {
    /// What a check asks of values in turn, if it does.
    ///
    /// # Errors
    /// What can't be asked.
    pub(super) fn of(check: &Check) -> Result<Option<Self>, String> {
        if check.max_change.is_none() && check.min_interval.is_none() && check.stuck_after.is_none() {
            return Ok(None);
        }
        let change = match check.max_change {
            Some(change) if !change.by.is_finite() || change.by < 0.0 => {
                return Err("its `max_change` is no number that can be".to_owned());
            }
            Some(change) if change.per.as_millis() == 0 => return Err("its `per` is no time at all".to_owned()),
            Some(change) => Some(Pace { by: change.by, per: change.per.as_secs_f64() * 1000.0 }),
            None => None,
        };
        let forget_after = millis(check.forget_after);
        let longest = [check.max_change.map(|change| change.per), check.min_interval, check.stuck_after];
        if longest.into_iter().flatten().any(|one| millis(one) > forget_after) {
            return Err("its `forget_after` is shorter than what it is to remember".to_owned());
        }
        Ok(Some(Self {
            change,
            min_interval: check.min_interval.map_or(0, millis),
            stuck_after: check.stuck_after.map(millis),
            first: check.first,
            forget_after,
        }))
    }

    /// A value as a number; of what is none, one that stands for it.
    pub(super) fn number(&self, value: &Value<'_>, memory: &dyn Memory) -> f64 {
        const EXACT: i128 = 1 << 53;
        let stand_in = |bytes: &[u8]| {
            let Key(key) = Key::quick(memory.keys(), &[b"value", bytes]);
            u32::try_from(key & u128::from(u32::MAX)).map_or(0.0, f64::from)
                + u32::try_from(key >> 32 & 0xf_ffff).map_or(0.0, |high| f64::from(high) * 4_294_967_296.0)
        };
        match value {
            Value::Integer(value) if self.change.is_none() && !(-EXACT..=EXACT).contains(value) => {
                stand_in(&value.to_be_bytes())
            }
            Value::Integer(value) => *value as f64,
            Value::Float(value) => *value,
            Value::Bool(value) => f64::from(u8::from(*value)),
            Value::Text(text) => stand_in(text.as_bytes()),
            Value::Bytes(bytes) => stand_in(bytes),
            Value::List(count) | Value::Object(count) => *count as f64,
            Value::Null => -1.0,
        }
    }

    /// Judges a value by what is remembered of those before it; gives what is to be remembered once it is accepted.
    ///
    /// # Errors
    /// The word for what is wrong, and what is to be remembered all the same.
    pub(super) fn judge(
        &self,
        known: Option<History>,
        value: f64,
        now: i64,
    ) -> Result<History, (&'static str, Option<History>)> {
        let known = known.filter(|known| elapsed(known.last_millis, now) <= self.forget_after);
        let Some(known) = known else {
            let fresh = History { last: value, last_millis: now, low: value, high: value, same_since_millis: now };
            return match self.first {
                First::Allow => Ok(fresh),
                First::Deny => Err((Fault::NO_HISTORY, Some(fresh))),
            };
        };
        let passed = elapsed(known.last_millis, now);
        // What lies further ahead was accepted before the clock was set back: it would hold up all that comes until then.
        if passed < self.min_interval && known.last_millis.saturating_sub(now) <= self.min_interval {
            return Err((Fault::TOO_SOON, None));
        }
        let (low, high) = match self.change {
            None => (value, value),
            Some(pace) => pace.follow(&known, value, passed as f64).ok_or((Fault::CHANGED_TOO_FAST, None))?,
        };
        let is_same = known.last.total_cmp(&value).is_eq();
        let same_since_millis = if is_same { known.same_since_millis.min(now) } else { now };
        if self.stuck_after.is_some_and(|stuck_after| elapsed(same_since_millis, now) >= stuck_after) {
            return Err((Fault::STUCK, None));
        }
        Ok(History { last: value, last_millis: now, low, high, same_since_millis })
    }

    /// The same for a Will, that is published at a time nobody knows: by its size of change alone.
    pub(super) fn judge_will(&self, known: Option<History>, value: f64, now: i64) -> Result<(), &'static str> {
        let own = Self { min_interval: 0, stuck_after: None, ..*self };
        own.judge(known, value, now).map(|_| ()).map_err(|(problem, _)| problem)
    }

    /// Until when a value is remembered.
    pub(super) fn expires(&self, now: i64) -> i64 {
        now.saturating_add(self.forget_after)
    }
}

impl Pace {
    /// The bounds that follow if the value is taken; none if it changed too fast.
    fn follow(self, known: &History, value: f64, passed: f64) -> Option<(f64, f64)> {
        // What is written in decimals is seldom a sum of what the machine counts in.
        let slack = 4.0 * f64::EPSILON * (value.abs() + known.last.abs() + self.by);
        let drift = self.by * (passed / self.per);
        if (value - known.last).abs() > drift.max(self.by) + slack {
            return None;
        }
        let (low, high) = (known.low + drift, known.high - drift);
        if value > low + self.by + slack || value < high - self.by - slack {
            return None;
        }
        Some((low.min(value), high.max(value)))
    }
}

/// Milliseconds between; none where the clock was set back.
fn elapsed(since: i64, now: i64) -> i64 {
    now.saturating_sub(since).max(0)
}

pub(super) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
