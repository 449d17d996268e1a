//! What waits, bounded in number and bytes; what is under way to the broker counts until it is there.

use std::collections::VecDeque;
use std::sync::Mutex;

use tokio::sync::Notify;

use super::{Held, lock};

/// What became of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offer {
    Taken {
        /// How many wait now.
        waiting: usize,
    },
    /// It would never fit.
    TooLarge,
    /// There is no room now.
    Full,
}

/// Messages in the order in which they were refused.
pub(super) struct Queue {
    inner: Mutex<Inner>,
    /// Something was taken.
    news: Notify,
}

struct Inner {
    waiting: VecDeque<Held>,
    count: usize,
    bytes: usize,
    max: usize,
    max_bytes: usize,
}

impl Queue {
    pub(super) fn new(max: usize, max_bytes: usize) -> Self {
        let inner = Inner { waiting: VecDeque::new(), count: 0, bytes: 0, max, max_bytes };
        Self { inner: Mutex::new(inner), news: Notify::new() }
    }

    /// Other bounds: what waits beyond them stays.
    pub(super) fn rebound(&self, max: usize, max_bytes: usize) {
        let mut inner = lock(&self.inner);
        (inner.max, inner.max_bytes) = (max, max_bytes);
    }

    pub(super) fn offer(&self, held: Held) -> Offer {
        let bytes = held.bytes();
        let mut inner = lock(&self.inner);
        if bytes > inner.max_bytes {
            return Offer::TooLarge;
        }
        if inner.count >= inner.max || inner.bytes.saturating_add(bytes) > inner.max_bytes {
            return Offer::Full;
        }
        inner.count += 1;
        inner.bytes += bytes;
        inner.waiting.push_back(held);
        self.news.notify_one();
        Offer::Taken { waiting: inner.count }
    }

    /// The next to be sent; one that may have ended a connection only where it is sent `alone`.
    pub(super) fn next(&self, alone: bool) -> Option<Held> {
        lock(&self.inner).waiting.pop_front_if(|held| alone || held.tries == 0)
    }

    /// Whether nothing waits to be sent.
    pub(super) fn is_empty(&self) -> bool {
        lock(&self.inner).waiting.is_empty()
    }

    /// Puts back what was sent and not acknowledged, in its order, before the rest.
    pub(super) fn put_back(&self, held: impl DoubleEndedIterator<Item = Held>) {
        let mut inner = lock(&self.inner);
        held.rev().for_each(|held| inner.waiting.push_front(held));
    }

    /// One of so many bytes is over; how many wait still.
    pub(super) fn done(&self, bytes: usize) -> usize {
        let mut inner = lock(&self.inner);
        inner.count = inner.count.saturating_sub(1);
        inner.bytes = inner.bytes.saturating_sub(bytes);
        if inner.waiting.is_empty() {
            // One burst does not keep its room for ever.
            inner.waiting.shrink_to(16);
        }
        inner.count
    }

    /// Waits until something was taken.
    pub(super) async fn news(&self) {
        self.news.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::parse;

    fn held(payload_bytes: usize) -> Held {
        let payload = "A".repeat(payload_bytes.div_ceil(3) * 4);
        let json = format!("{{\"version\":1,\"topic\":\"a\",\"qos\":0,\"payload\":\"{payload}\"}}");
        Held { held_at: "q/a".into(), envelope: parse(json.as_bytes()).unwrap(), tries: 0 }
    }

    #[test]
    fn it_takes_no_more_than_its_bounds_and_counts_what_is_under_way() {
        let queue = Queue::new(2, 100_000);
        assert_eq!(queue.offer(held(3)), Offer::Taken { waiting: 1 });
        assert_eq!(queue.offer(held(3)), Offer::Taken { waiting: 2 });
        assert_eq!(queue.offer(held(3)), Offer::Full);
        let first = queue.next(true).unwrap();
        assert_eq!(queue.offer(held(3)), Offer::Full, "the first is not there yet");
        assert_eq!(queue.done(first.bytes()), 1);
        assert_eq!(queue.offer(held(3)), Offer::Taken { waiting: 2 });
    }

    #[test]
    fn bytes_are_bounded_too() {
        let one = held(30_000).bytes();
        let queue = Queue::new(100, one * 2 + 10);
        assert_eq!(queue.offer(held(300_000)), Offer::TooLarge);
        assert_eq!(queue.offer(held(30_000)), Offer::Taken { waiting: 1 });
        assert_eq!(queue.offer(held(30_000)), Offer::Taken { waiting: 2 });
        assert_eq!(queue.offer(held(30_000)), Offer::Full);
        assert_eq!(queue.done(one), 1);
        queue.rebound(100, one);
        assert_eq!(queue.offer(held(30)), Offer::Full);
    }

    #[test]
    fn what_was_not_acknowledged_comes_first_again_and_in_order() {
        let queue = Queue::new(10, 1 << 20);
        for bytes in [3, 6, 9, 12] {
            queue.offer(held(bytes));
        }
        let sent: Vec<Held> = (0..3).filter_map(|_| queue.next(true)).collect();
        queue.put_back(sent.into_iter());
        let order: Vec<usize> =
            std::iter::from_fn(|| queue.next(true)).map(|held| held.envelope.payload.len()).collect();
        assert_eq!(order, [3, 6, 9, 12]);
    }
}
