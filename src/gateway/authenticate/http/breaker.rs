//! Leaving a service alone that fails.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Open after so many failures in a row; after a pause one question may try, and its outcome decides.
pub(super) struct Breaker {
    max_failures: u32,
    pause: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    failures: u32,
    /// Nobody asks before.
    until: Option<Instant>,
    /// One is trying.
    probing: bool,
}

/// Leave to ask. Dropped without an outcome it says nothing of the service.
pub(super) struct Attempt<'b> {
    breaker: &'b Breaker,
    probes: bool,
}

impl Breaker {
    pub(super) fn new(max_failures: u32, pause: Duration) -> Self {
        Self { max_failures, pause, state: Mutex::default() }
    }

    /// Leave to ask, unless the service is to be left alone.
    pub(super) fn attempt(&self, now: Instant) -> Option<Attempt<'_>> {
        let mut state = self.lock();
        let Some(until) = state.until else { return Some(Attempt { breaker: self, probes: false }) };
        if now < until || state.probing {
            return None;
        }
        state.probing = true;
        Some(Attempt { breaker: self, probes: true })
    }

    /// Whether the service is left alone.
    pub(super) fn is_open(&self, now: Instant) -> bool {
        self.lock().until.is_some_and(|until| now < until)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Attempt<'_> {
    pub(super) fn succeeded(self) {
        *self.breaker.lock() = State::default();
    }

    pub(super) fn failed(self, now: Instant) {
        let breaker = self.breaker;
        let mut state = breaker.lock();
        state.failures = state.failures.saturating_add(1);
        if state.failures >= breaker.max_failures {
            state.until = now.checked_add(breaker.pause);
        }
        drop(state);
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if self.probes {
            self.breaker.lock().probing = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_secs(10);

    #[test]
    fn a_service_that_fails_is_left_alone_and_then_tried_by_one() {
        let (breaker, now) = (Breaker::new(3, PAUSE), Instant::now());
        let fail = |now| breaker.attempt(now).unwrap().failed(now);
        fail(now);
        fail(now);
        breaker.attempt(now).unwrap().succeeded();
        fail(now);
        fail(now);
        drop(breaker.attempt(now).unwrap());
        assert!(!breaker.is_open(now), "two in a row, and one without an outcome");
        let in_flight = breaker.attempt(now).unwrap();
        fail(now);
        assert!(breaker.is_open(now) && breaker.attempt(now).is_none());
        assert!(breaker.attempt(now + PAUSE - Duration::from_millis(1)).is_none());
        let probe = breaker.attempt(now + PAUSE).unwrap();
        assert!(breaker.attempt(now + PAUSE).is_none(), "one alone tries");
        drop(probe);
        fail(now + PAUSE);
        assert!(breaker.attempt(now + PAUSE).is_none(), "it failed again");
        breaker.attempt(now + 2 * PAUSE).unwrap().succeeded();
        assert!(!breaker.is_open(now + 2 * PAUSE) && breaker.attempt(now).is_some());
        in_flight.succeeded();
    }
}
