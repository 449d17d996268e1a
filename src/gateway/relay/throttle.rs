//! What waits for a rate to have room: presented again in time, and through before a client that is gone is let go.
//!
//! Which packets wait, and which overtake them, is decided in [`crate::enforce`].

use std::ops::Range;
use std::task::Context;
use std::time::{Duration, Instant};

use super::super::scratch::Scratch;
use super::super::transport::{Input, TransportError};
use super::Relay;
use crate::enforce::end::End;
use crate::mqtt::Direction;

/// How long what a client has sent may take to go on once the client is gone.
const MAX_LEFT: Duration = Duration::from_secs(600);

/// A client that is gone, and of which something waits.
pub(super) struct Left {
    /// Why, if not in good order.
    error: Option<TransportError>,
    /// When it is waited for no longer.
    pub(super) until: Instant,
}

impl Relay {
    /// When what waits on this side can be judged again: not before what went before is written.
    pub(super) fn resumes(&self, from: Direction) -> Option<Instant> {
        let onward = match from {
            Direction::FromClient => &self.broker,
            Direction::FromBroker => &self.client,
        };
        let is_blocked = onward.transport.unsent_bytes() > 0 || self.recorder.is_waiting();
        self.connection.resumes(from).filter(|_| !is_blocked)
    }

    /// Presents what waits.
    pub(super) fn resume(
        &mut self,
        from: Direction,
        cx: &mut Context<'_>,
        scratch: &mut Scratch,
        now: Instant,
    ) -> Result<(), End> {
        self.take(from, Input::Wire(0), cx, scratch, now)
    }

    /// That peer is gone. What a client has sent before goes on first; a broker that is gone takes nothing any more, so
    /// what of its own waits is its to send again.
    pub(super) fn leave(
        &mut self,
        from: Direction,
        error: Option<TransportError>,
        cx: &mut Context<'_>,
        scratch: &mut Scratch,
        now: Instant,
    ) -> Result<(), End> {
        if from == Direction::FromBroker || self.connection.resumes(from).is_none() {
            return Err(self.lose(from, error.as_ref(), cx, scratch));
        }
        self.left = Some(Box::new(Left { error, until: now + MAX_LEFT }));
        Ok(())
    }

    /// Lets a client that is gone go, once what it has left is through, or has waited for too long.
    pub(super) fn meet_leaving(
        &mut self,
        cx: &mut Context<'_>,
        scratch: &mut Scratch,
        now: Instant,
    ) -> Result<(), End> {
        let is_through = self.connection.resumes(Direction::FromClient).is_none() && !self.client.hold;
        match self.left.take_if(|left| is_through || left.until <= now) {
            Some(left) => Err(self.lose(Direction::FromClient, left.error.as_ref(), cx, scratch)),
            None => Ok(()),
        }
    }

    /// Counts the time that something waits.
    pub(super) fn count_throttling(&mut self, now: Instant) {
        if let Some(throttling) = &mut self.throttling {
            throttling.goes_on(now);
        }
        if !self.connection.is_throttled() {
            self.throttling = None;
        } else if self.throttling.is_none() {
            self.throttling = Some(Box::new(self.recorder.throttled(now)));
        }
    }
}

/// What is left of `bytes` without the first `consumed` and these ranges.
pub(super) fn without(bytes: &[u8], consumed: usize, ranges: &[Range<usize>]) -> Vec<u8> {
    let gone: usize = ranges.iter().map(ExactSizeIterator::len).sum();
    let mut left = Vec::with_capacity(bytes.len().saturating_sub(consumed + gone));
    let mut at = consumed;
    for range in ranges {
        left.extend_from_slice(bytes.get(at..range.start).unwrap_or_default());
        at = range.end;
    }
    left.extend_from_slice(bytes.get(at..).unwrap_or_default());
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_overtook_is_left_out_and_the_rest_keeps_its_order() {
        let bytes = b"0123456789";
        for (consumed, ends, left) in [
            (0, &[][..], &b"0123456789"[..]),
            (2, &[(3, 5)], b"256789"),
            (0, &[(3, 5), (5, 6), (8, 10)], b"01267"),
            (10, &[], b""),
            (4, &[(4, 10)], b""),
        ] {
            let ranges: Vec<Range<usize>> = ends.iter().map(|(start, end)| *start..*end).collect();
            assert_eq!(without(bytes, consumed, &ranges), left, "{consumed} {ranges:?}");
        }
    }
}
