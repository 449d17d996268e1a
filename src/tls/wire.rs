//! Bytes on their way out, in memory that is initialised once.

use std::fmt;

/// Growth step: what is asked for is rounded up to this.
const STEP_BYTES: usize = 4096;

/// A byte queue whose spare room is always initialised, so that TLS records are written into it without zeroing it
/// again for each message. Filled at the back, consumed from the front.
///
/// It never gives memory back by itself: keep one per thread, or call [`WireBuffer::shrink`].
#[derive(Default)]
pub struct WireBuffer {
    // INVARIANT: start <= end <= bytes.len()
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl WireBuffer {
    /// An empty one that owns no memory.
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), start: 0, end: 0 }
    }

    /// An empty one with room for `bytes` bytes.
    pub fn with_room(bytes: usize) -> Self {
        Self { bytes: vec![0; bytes], start: 0, end: 0 }
    }

    /// What is to be sent.
    pub fn filled(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    /// Bytes to be sent.
    pub const fn len(&self) -> usize {
        self.end - self.start
    }

    /// Nothing is to be sent.
    pub const fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Bytes of memory owned.
    pub const fn room(&self) -> usize {
        self.bytes.len()
    }

    /// Drop the first `sent` bytes.
    pub fn consume(&mut self, sent: usize) {
        self.start = self.start.saturating_add(sent).min(self.end);
        if self.start == self.end {
            self.clear();
        }
    }

    /// Drop everything, keep the memory.
    pub const fn clear(&mut self) {
        self.start = 0;
        self.end = 0;
    }

    /// Give memory back when more than `max_bytes` of it are owned and nothing is to be sent.
    pub fn shrink(&mut self, max_bytes: usize) {
        if self.is_empty() && self.bytes.len() > max_bytes {
            self.clear();
            self.bytes.truncate(max_bytes);
            self.bytes.shrink_to_fit();
        }
    }

    /// Room of at least `least` bytes behind what is filled. What is written there counts after [`WireBuffer::advance`].
    pub fn spare(&mut self, least: usize) -> &mut [u8] {
        if self.bytes.len() - self.end < least {
            self.make_room(least);
        }
        self.bytes.get_mut(self.end..).unwrap_or_default()
    }

    /// The first `written` bytes of the spare room are now filled.
    pub fn advance(&mut self, written: usize) {
        self.end = self.end.saturating_add(written).min(self.bytes.len());
    }

    /// Append `bytes`.
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        if let Some(target) = self.spare(bytes.len()).get_mut(..bytes.len()) {
            target.copy_from_slice(bytes);
        }
        self.advance(bytes.len());
    }

    fn make_room(&mut self, least: usize) {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let needed = self.end.saturating_add(least);
        if self.bytes.len() < needed {
            self.bytes.resize(needed.next_multiple_of(STEP_BYTES), 0);
        }
    }
}

impl fmt::Debug for WireBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WireBuffer").field("len", &self.len()).field("room", &self.room()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out_in_order_however_it_is_cut() {
        let mut queue = WireBuffer::new();
        let mut sent = Vec::new();
        let mut expected = Vec::new();
        for round in 0..200_usize {
            let chunk: Vec<u8> = (0..round * 37 % 5000).map(|i| u8::try_from((i + round) % 251).unwrap()).collect();
            queue.extend_from_slice(&chunk);
            expected.extend_from_slice(&chunk);
            let take = (round * 53 % 4000).min(queue.len());
            sent.extend_from_slice(&queue.filled()[..take]);
            queue.consume(take);
        }
        sent.extend_from_slice(queue.filled());
        assert_eq!(sent, expected);
    }

    #[test]
    fn memory_is_kept_until_it_is_asked_back() {
        let mut queue = WireBuffer::with_room(16);
        queue.extend_from_slice(&[7; 9000]);
        assert_eq!((queue.len(), queue.room()), (9000, 12288));
        queue.shrink(4096);
        assert_eq!(queue.room(), 12288, "what is still to be sent is not dropped");
        queue.consume(usize::MAX);
        assert!(queue.is_empty());
        queue.shrink(4096);
        assert_eq!(queue.room(), 4096);
    }
}
