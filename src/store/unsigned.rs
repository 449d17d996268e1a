//! Who still does not sign where a rule asks for it: how many, rule by rule.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

use super::shards::{Map, Place, Seed};

/// Rules at most; of more nothing is known.
pub(super) const MAX_RULES: usize = 1_000;
/// Identities of one rule at most; with more, those heard of last are left out until others have signed for a day.
pub(super) const MAX_IDENTITIES: usize = 10_000;
/// How long one counts that is not heard of again: a day, in milliseconds.
pub(super) const WINDOW_MILLIS: i64 = 24 * 3_600_000;

/// Who was heard of without a signature in the last day.
#[derive(Debug)]
pub(super) struct Unsigned {
    seed: Seed,
    rules: RwLock<HashMap<Box<str>, Mutex<Map<i64>>>>,
    left_out: AtomicU64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Unsigned {
    pub(super) fn new() -> Self {
        Self { seed: Seed::random(), rules: RwLock::default(), left_out: AtomicU64::new(0) }
    }

    pub(super) fn note(&self, rule: &str, who: Place, now_millis: i64) {
        {
            let rules = self.rules.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(known) = rules.get(rule) {
                return self.note_in(&mut lock(known), who, now_millis);
            }
        }
        let mut rules = self.rules.write().unwrap_or_else(PoisonError::into_inner);
        if rules.len() >= MAX_RULES && !rules.contains_key(rule) {
            // Rules of before a reload, perhaps.
            rules.retain(|_, known| !lock(known).is_empty());
        }
        if rules.len() >= MAX_RULES && !rules.contains_key(rule) {
            self.left_out.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let known = rules.entry(rule.into()).or_insert_with(|| Mutex::new(Map::with_hasher(self.seed)));
        self.note_in(&mut lock(known), who, now_millis);
    }

    fn note_in(&self, known: &mut Map<i64>, who: Place, now_millis: i64) {
        if let Some(last) = known.get_mut(&who) {
            *last = now_millis;
        } else if known.len() < MAX_IDENTITIES {
            known.insert(who, now_millis);
        } else {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many there are, rule by rule; a rule that everybody signs for by now stands at zero.
    pub(super) fn count(&self, now_millis: i64) -> Vec<(Box<str>, usize)> {
        let rules = self.rules.read().unwrap_or_else(PoisonError::into_inner);
        let counts = rules.iter().map(|(rule, known)| {
            let mut known = lock(known);
            known.retain(|_, last| now_millis.saturating_sub(*last) < WINDOW_MILLIS);
            (rule.clone(), known.len())
        });
        counts.collect()
    }

    pub(super) fn left_out(&self) -> u64 {
        self.left_out.load(Ordering::Relaxed)
    }
}
