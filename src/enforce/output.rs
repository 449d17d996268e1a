//! What one call of the state machine hands to the sockets.

use std::ops::Range;

use super::event::Event;
use super::guards::Guard;
use super::quarantine::Quarantined;
use crate::policy::RuleId;

/// Everything that one call says is to be written, recorded and counted.
///
/// Made once per thread and reused: [`Output::clear`] keeps the room. Calls append; whoever has written it clears it,
/// before the next `input`, because ranges of [`Segment::Received`] speak of one `input` alone.
#[derive(Debug, Default)]
pub struct Output {
    /// For the side that did not send `input`.
    pub onward: Onward,
    /// For the side that sent `input`: answers by the gateway. In calls without an `input` (a deadline, a lost peer,
    /// a shutdown): for the client.
    pub back: Vec<u8>,
    /// What of `input`, behind [`super::Received::consumed`], is done with all the same: it went by what waits. In order.
    pub overtaken: Vec<Range<usize>>,
    /// For each packet that began to wait, the rule that it waits for.
    pub waits: Vec<RuleId>,
    /// What was too much, whatever the policy says: once for each packet.
    pub guarded: Vec<Guard>,
    /// Refusals and rewrites, in order. The end of a connection is not among them: it is the call's `Err`.
    pub events: Vec<Event>,
    /// Messages for the quarantine topic: one for each event whose message is [`super::Quarantine::Queued`], in the same order.
    pub quarantined: Vec<Quarantined>,
    /// Packets of `input` that were judged.
    pub counts: Counts,
}

impl Output {
    /// Forgets everything and keeps the room, as far as an ordinary call needs it.
    pub fn clear(&mut self) {
        clear(&mut self.onward.segments, 1024);
        clear(&mut self.onward.made, 64 << 10);
        clear(&mut self.back, 64 << 10);
        clear(&mut self.overtaken, 64);
        clear(&mut self.waits, 16);
        clear(&mut self.guarded, 16);
        clear(&mut self.events, 256);
        clear(&mut self.quarantined, 16);
        self.counts = Counts::default();
    }

    /// Whether nothing is to be written to either side.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.onward.segments.is_empty() && self.back.is_empty()
    }
}

fn clear<T>(list: &mut Vec<T>, kept: usize) {
    list.clear();
    if list.capacity() > kept {
        list.shrink_to(kept);
    }
}

/// What goes to the other side, in order.
#[derive(Debug, Default)]
pub struct Onward {
    /// The pieces; neighbouring permitted packets are one piece.
    pub segments: Vec<Segment>,
    /// The bytes that [`Segment::Made`] speaks of.
    pub made: Vec<u8>,
}

/// One piece of what goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// These bytes of `input`, as they came.
    Received(Range<usize>),
    /// These bytes of [`Onward::made`].
    Made(Range<usize>),
}

impl Onward {
    /// Sends on `range` of the input, joined to the piece before it where they touch.
    pub(super) fn forward(&mut self, range: Range<usize>) {
        if range.is_empty() {
            return;
        }
        match self.segments.last_mut() {
            Some(Segment::Received(last)) if last.end == range.start => last.end = range.end,
            Some(Segment::Received(_) | Segment::Made(_)) | None => self.segments.push(Segment::Received(range)),
        }
    }

    /// Sends on whatever `write` appends.
    pub(super) fn make<T>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        let start = self.made.len();
        let result = write(&mut self.made);
        let range = start..self.made.len();
        match self.segments.last_mut() {
            _ if range.is_empty() => {}
            Some(Segment::Made(last)) => last.end = range.end,
            Some(Segment::Received(_)) | None => self.segments.push(Segment::Made(range)),
        }
        result
    }

    /// Appends the bytes of every piece to `bytes`, for `input` as it was given to the call.
    pub fn copy_to(&self, input: &[u8], bytes: &mut Vec<u8>) {
        for segment in &self.segments {
            let piece = match segment {
                Segment::Received(range) => input.get(range.clone()),
                Segment::Made(range) => self.made.get(range.clone()),
            };
            bytes.extend_from_slice(piece.unwrap_or_default());
        }
    }
}

/// Packets and bytes received, by type: index 1 is CONNECT, 3 PUBLISH, 15 AUTH, as in the fixed header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Control Packets, refused ones among them.
    pub packets: [u32; 16],
    /// Their bytes. A PUBLISH that is passed through in pieces counts whole with its first piece.
    pub bytes: [u64; 16],
}

impl Counts {
    /// Counts one packet of type `number` (1 to 15).
    pub fn add(&mut self, number: u8, bytes: usize) {
        let index = usize::from(number & 0x0F);
        if let (Some(packets), Some(sum)) = (self.packets.get_mut(index), self.bytes.get_mut(index)) {
            *packets += 1;
            *sum += bytes as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_packets_are_one_piece() {
        let mut onward = Onward::default();
        onward.forward(0..4);
        onward.forward(4..9);
        onward.make(|bytes| bytes.extend_from_slice(b"ab"));
        onward.make(|bytes| bytes.extend_from_slice(b"c"));
        onward.make(|_| ());
        onward.forward(12..14);
        onward.forward(14..14);
        assert_eq!(onward.segments, [Segment::Received(0..9), Segment::Made(0..3), Segment::Received(12..14)]);
        let mut bytes = Vec::new();
        onward.copy_to(b"0123456789ABCDEF", &mut bytes);
        assert_eq!(bytes, b"012345678abcCD");
    }
}
