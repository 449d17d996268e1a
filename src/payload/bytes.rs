//! A reader of bytes that can't read over their end.

use super::FlawKind;
use super::walk::{Open, Stop, stop};

pub(super) struct Bytes<'p> {
    bytes: &'p [u8],
    pub(super) at: usize,
}

impl<'p> Bytes<'p> {
    pub(super) const fn new(bytes: &'p [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// A flaw at the byte to read next.
    #[cold]
    pub(super) fn stop(&self, what: FlawKind) -> Stop {
        stop(what, self.at)
    }

    #[inline]
    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline]
    pub(super) fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// The bytes from one on, up to the next to read.
    pub(super) fn since(&self, start: usize) -> &'p [u8] {
        self.bytes.get(start..self.at).unwrap_or_default()
    }

    #[inline]
    pub(super) fn byte(&mut self) -> Result<u8, Stop> {
        let byte = self.peek().ok_or_else(|| self.stop(FlawKind::Truncated))?;
        self.at += 1;
        Ok(byte)
    }

    #[inline]
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Stop> {
        let array = self.bytes.get(self.at..).and_then(<[u8]>::first_chunk).copied();
        let array = array.ok_or_else(|| stop(FlawKind::Truncated, self.bytes.len()))?;
        self.at += N;
        Ok(array)
    }

    #[inline]
    pub(super) fn take(&mut self, len: u64) -> Result<&'p [u8], Stop> {
        let taken = usize::try_from(len).ok().and_then(|len| self.bytes.get(self.at..)?.get(..len));
        let taken = taken.ok_or_else(|| stop(FlawKind::Truncated, self.bytes.len()))?;
        self.at += taken.len();
        Ok(taken)
    }

    #[inline]
    pub(super) fn text(&mut self, len: u64) -> Result<&'p str, Stop> {
        let start = self.at;
        let bytes = self.take(len)?;
        std::str::from_utf8(bytes).map_err(|error| stop(FlawKind::NotUtf8, start + error.valid_up_to()))
    }

    /// So many values are to come, of at least so many bytes each: what can't be there is known at once.
    #[inline]
    pub(super) fn several(&self, count: u64, each: u64) -> Result<Open, Stop> {
        let left = usize::try_from(count).ok().filter(|_| count.saturating_mul(each) <= self.left() as u64);
        let left = left.ok_or_else(|| stop(FlawKind::Truncated, self.bytes.len()))?;
        Ok(Open { left: Some(left), first: true })
    }

    pub(super) fn end(&self) -> Result<(), Stop> {
        if self.left() == 0 { Ok(()) } else { Err(self.stop(FlawKind::TrailingBytes)) }
    }
}
