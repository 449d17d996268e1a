//! How long to wait before the broker is tried again.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

/// The first pause after a failure, and the longest.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(60)];

/// A connection that lasted so long was a good one: the pauses begin anew.
const GOOD: Duration = Duration::from_secs(10);

/// How long to wait, longer with each failure, and never in step with others.
pub(super) struct Pauses {
    next: Duration,
    spread: RandomState,
    count: u64,
}

impl Pauses {
    pub(super) fn new() -> Self {
        let [first, _] = PAUSES;
        Self { next: first, spread: RandomState::new(), count: 0 }
    }

    /// Between half and all of it.
    pub(super) fn take(&mut self) -> Duration {
        let [_, longest] = PAUSES;
        let half = self.next / 2;
        self.next = (self.next * 2).min(longest);
        self.count += 1;
        let parts = u32::try_from(self.spread.hash_one(self.count) % 1000).unwrap_or_default();
        half + half * parts / 1000
    }

    pub(super) fn lasted(&mut self, time: Duration) {
        if time >= GOOD {
            *self = Self::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_minute_are_never_the_same_for_all_and_begin_anew_after_a_good_connection() {
        let mut pauses = Pauses::new();
        let mut longest = Duration::from_millis(500);
        for _ in 0..20 {
            let pause = pauses.take();
            assert!(pause >= longest / 2 && pause <= longest, "{pause:?} {longest:?}");
            longest = (longest * 2).min(Duration::from_secs(60));
        }
        pauses.lasted(Duration::from_secs(1));
        assert!(pauses.take() >= Duration::from_secs(30), "a broker that closes at once is left alone");
        pauses.lasted(GOOD);
        assert!(pauses.take() <= Duration::from_millis(500));
        let firsts: Vec<Duration> = (0..20).map(|_| Pauses::new().take()).collect();
        assert!(firsts.iter().any(|first| *first != firsts[0]));
    }
}
