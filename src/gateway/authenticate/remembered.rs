//! Answers that are remembered for a short while, by a keyed digest of what was asked: no secret is kept.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::{hmac, rand};

/// A bounded memory of answers.
pub(super) struct Remembered<V> {
    key: hmac::Key,
    max: usize,
    kept: Mutex<Kept<V>>,
}

/// What was asked; without the key of this run it says nothing of it.
pub(super) type Digest = [u8; 32];

struct Kept<V> {
    answers: HashMap<Digest, (Instant, V)>,
    /// In the order in which they were learnt, with the end of each.
    order: VecDeque<(Digest, Instant)>,
}

impl<V: Clone> Remembered<V> {
    /// Room for `max` answers, under a key of its own. None where the machine gives no random bytes.
    pub(super) fn new(max: usize) -> Option<Self> {
        let mut key = [0; 32];
        rand::fill(&mut key).ok()?;
        let kept = Kept { answers: HashMap::new(), order: VecDeque::new() };
        Some(Self { key: hmac::Key::new(hmac::HMAC_SHA256, &key), max, kept: Mutex::new(kept) })
    }

    /// The digest of these parts in this order.
    pub(super) fn digest(&self, parts: &[&[u8]]) -> Digest {
        let mut context = hmac::Context::with_key(&self.key);
        for part in parts {
            // The length keeps `ab`, `c` apart from `a`, `bc`.
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        context.sign().as_ref().try_into().unwrap_or_default()
    }

    /// The answer, while it is remembered.
    pub(super) fn recall(&self, digest: &Digest, now: Instant) -> Option<V> {
        let kept = self.lock();
        kept.answers.get(digest).filter(|(until, _)| *until > now).map(|(_, answer)| answer.clone())
    }

    /// Remembers an answer for a while; the one learnt first makes room.
    pub(super) fn learn(&self, digest: Digest, answer: V, now: Instant, lasting: Duration) {
        let Some(until) = now.checked_add(lasting).filter(|until| *until > now) else { return };
        let mut kept = self.lock();
        kept.answers.insert(digest, (until, answer));
        kept.order.push_back((digest, until));
        while kept.order.len() > self.max || kept.order.front().is_some_and(|(_, until)| *until <= now) {
            let Some((oldest, ended)) = kept.order.pop_front() else { break };
            // Unless it was learnt again since.
            if kept.answers.get(&oldest).is_some_and(|(until, _)| *until == ended) {
                kept.answers.remove(&oldest);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept<V>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn an_answer_is_remembered_for_its_time_and_no_more_than_there_is_room_for() {
        let remembered = Remembered::new(3).unwrap();
        let now = Instant::now();
        let digests: Vec<Digest> = (0..5_u8).map(|number| remembered.digest(&[&[number]])).collect();
        remembered.learn(digests[0], 'a', now, SECOND);
        assert_eq!(remembered.recall(&digests[0], now), Some('a'));
        assert_eq!(remembered.recall(&digests[0], now + SECOND), None);
        remembered.learn(digests[0], 'b', now + SECOND, SECOND);
        assert_eq!(remembered.recall(&digests[0], now + SECOND), Some('b'), "the end of the first is not its own");
        for (digest, answer) in digests.iter().zip("bcdef".chars()).skip(1) {
            remembered.learn(*digest, answer, now + SECOND, SECOND);
        }
        let found: Vec<_> = digests.iter().map(|digest| remembered.recall(digest, now + SECOND)).collect();
        assert_eq!(found, [None, None, Some('d'), Some('e'), Some('f')]);
        assert_eq!(remembered.lock().answers.len(), 3);
        remembered.learn(digests[0], 'g', now + SECOND, Duration::ZERO);
        assert_eq!(remembered.recall(&digests[0], now + SECOND), None, "nothing is remembered for no time");
    }

    #[test]
    fn digests_tell_parts_apart_and_differ_from_run_to_run() {
        let (one, other) = (Remembered::<()>::new(1).unwrap(), Remembered::<()>::new(1).unwrap());
        assert_eq!(one.digest(&[b"ab", b"c"]), one.digest(&[b"ab", b"c"]));
        assert_ne!(one.digest(&[b"ab", b"c"]), one.digest(&[b"a", b"bc"]));
        assert_ne!(one.digest(&[b"ab", b"c"]), other.digest(&[b"ab", b"c"]));
    }
}
