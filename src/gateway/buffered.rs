//! What all connections together hold in buffers of their own, and the bound on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The sum over all connections.
#[derive(Debug)]
pub(super) struct BufferedTotal {
    bytes: AtomicUsize,
    max_bytes: AtomicUsize,
}

impl BufferedTotal {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self { bytes: AtomicUsize::new(0), max_bytes: AtomicUsize::new(max_bytes) }
    }

    /// Another bound from now on. What is held may stay.
    pub(super) fn rebound(&self, max_bytes: usize) {
        self.max_bytes.store(max_bytes, Ordering::Relaxed);
    }

    /// Bytes that may be held.
    pub(super) fn max_bytes(&self) -> usize {
        self.max_bytes.load(Ordering::Relaxed)
    }

    /// Bytes held now.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// One connection's part of it; gives it back when dropped.
#[derive(Debug)]
pub(super) struct Buffered {
    total: Arc<BufferedTotal>,
    bytes: usize,
}

impl Buffered {
    pub(super) fn new(total: Arc<BufferedTotal>) -> Self {
        Self { total, bytes: 0 }
    }

    /// Says what the connection holds now. False when that is more than before and the total is over its bound.
    pub(super) fn set(&mut self, bytes: usize) -> bool {
        let before = std::mem::replace(&mut self.bytes, bytes);
        if bytes <= before {
            if bytes < before {
                self.total.bytes.fetch_sub(before - bytes, Ordering::Relaxed);
            }
            return true;
        }
        let more = bytes - before;
        let total = self.total.bytes.fetch_add(more, Ordering::Relaxed).saturating_add(more);
        total <= self.total.max_bytes()
    }
}

impl Drop for Buffered {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_growth_over_the_bound_is_refused() {
        let total = Arc::new(BufferedTotal::new(100));
        let (mut one, mut two) = (Buffered::new(Arc::clone(&total)), Buffered::new(Arc::clone(&total)));
        assert!(one.set(80) && two.set(20));
        assert!(!two.set(21), "the last byte is one too many");
        assert!(two.set(20) && one.set(80), "what is held already may stay");
        total.rebound(99);
        assert!(two.set(19) && !two.set(20), "another bound holds at once");
        total.rebound(100);
        drop(one);
        assert!(two.set(100));
        drop(two);
        assert_eq!(total.bytes(), 0);
    }
}
