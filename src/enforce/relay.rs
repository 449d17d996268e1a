//! From a stream of bytes to packets and on: the loop of one `receive`.

use std::ops::Range;
use std::time::{Duration, Instant};

use super::end::{End, Violation};
use super::event::{Event, Kind, Rewrite, Text};
use super::output::Output;
use super::side::Inside;
use super::throttle::MAX_HELD;
use super::{Connection, Phase, Received, Terms};
use crate::mqtt::error::DecodeError;
use crate::mqtt::frame::{FixedHeader, Frame, PacketType};
use crate::mqtt::{Context, Direction, Limits};
use crate::policy::Denial;

/// What a sender may leave unread of answers while the other peer sends it a large PUBLISH.
pub(super) const MAX_WAITING: usize = 16 << 10;

/// One call of `receive`.
pub(super) struct Call<'c> {
    pub(super) terms: &'c Terms,
    /// Bounds on single packets.
    pub(super) limits: &'c Limits,
    pub(super) from: Direction,
    pub(super) now: Instant,
    pub(super) input: &'c [u8],
    /// Bytes of `input` that are done with.
    pub(super) at: usize,
    pub(super) out: &'c mut Output,
}

impl<'c> Call<'c> {
    /// What is not done with.
    pub(super) fn rest(&self) -> &'c [u8] {
        self.input.get(self.at..).unwrap_or_default()
    }

    /// The next `len` bytes, as a range of `input`.
    pub(super) const fn next(&self, len: usize) -> Range<usize> {
        self.at..self.at + len
    }

    /// Bytes that stay with the caller.
    fn held_bytes(&self) -> usize {
        let overtaken: usize = self.out.overtaken.iter().map(ExactSizeIterator::len).sum();
        self.rest().len().saturating_sub(overtaken)
    }

    pub(super) fn refused(&mut self, packet_type: PacketType, topic: Option<&str>, denial: &Denial) {
        self.event(Kind::refused(denial), packet_type, topic);
    }

    pub(super) fn observed(&mut self, packet_type: PacketType, topic: Option<&str>, denial: &Denial) {
        self.event(Kind::observed(denial), packet_type, topic);
    }

    pub(super) fn rewritten(&mut self, packet_type: PacketType, topic: Option<&str>, rewrite: Rewrite) {
        self.event(Kind::Rewritten(rewrite), packet_type, topic);
    }

    pub(super) fn event(&mut self, kind: Kind, packet_type: PacketType, topic: Option<&str>) {
        self.out.events.push(Event {
            kind,
            direction: self.from,
            packet_type,
            topic: topic.map(Text::new),
            policy_version: self.terms.policy.version().clone(),
        });
    }
}

/// What becomes of one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It goes on as it came.
    Forward(usize),
    /// So many bytes are done with and the packet with them; what was to be written is.
    Done(usize),
    /// So many bytes are done with, and the packet goes on.
    Part(usize),
    /// More of it must come.
    More,
    /// It must wait for the other direction.
    Hold,
    /// It must wait for a rate to have room.
    Wait,
}

impl Connection {
    /// Judges packet after packet, as far as `call.input` reaches.
    pub(super) fn relay(&mut self, call: &mut Call<'_>) -> Result<Received, End> {
        let mut whole = false;
        let mut hold = false;
        let mut waits = self.waits(call);
        while call.at < call.input.len() && !waits && !hold {
            let step = self.step(call)?;
            if let Step::Forward(len) | Step::Done(len) | Step::Part(len) = step {
                self.gone_on(call, len, !matches!(step, Step::Part(_)));
            }
            match step {
                Step::Forward(len) => {
                    call.out.onward.forward(call.next(len));
                    call.at += len;
                    whole = true;
                }
                Step::Done(len) => {
                    call.at += len;
                    whole = true;
                }
                Step::Part(len) => call.at += len,
                Step::More => break,
                Step::Hold => hold = true,
                Step::Wait => waits = true,
            }
        }
        let rests = hold || waits;
        if waits {
            self.overtake(call)?;
            hold = call.held_bytes() >= MAX_HELD;
            self.note_full(call, hold);
        } else {
            self.side_mut(call.from).throttle = None;
        }
        self.note_time(call, whole, rests);
        Ok(Received { consumed: call.at, hold })
    }

    /// Keeps the clocks: Keep Alive counts whole packets, a started packet counts from its first byte. A delivery that is
    /// passed through counts from its last: the broker is read no faster than the client takes it.
    fn note_time(&mut self, call: &Call<'_>, whole: bool, hold: bool) {
        let connected = self.phase == Phase::Connected;
        let slow_after = call.terms.guards.slow_after;
        let side = self.side_mut(call.from);
        let was_held = std::mem::replace(&mut side.held, hold);
        let unfinished = side.is_streaming() || (call.at < call.input.len() && !hold);
        let paced = call.from == Direction::FromBroker && side.is_forwarding();
        side.started = match side.started {
            _ if !unfinished => None,
            Some(at) if !whole && !paced => Some(at),
            Some(_) | None => Some(call.now),
        };
        let per_second = if call.from == Direction::FromClient { call.terms.guards.min_bytes_per_second } else { 0 };
        let arrived = side.streamed + call.rest().len();
        let earned =
            arrived.saturating_mul(1000).checked_div(per_second).map(|millis| Duration::from_millis(millis as u64));
        side.slow_at = side.started.zip(earned).map(|(started, earned)| started + slow_after + earned);
        if connected && call.from == Direction::FromClient && (whole || was_held) {
            self.clock = call.now;
        }
    }

    fn step(&mut self, call: &mut Call<'_>) -> Result<Step, End> {
        if self.side(call.from).is_streaming() {
            return Ok(self.stream(call));
        }
        if self.side(call.from).waiting.len() > MAX_WAITING {
            return Ok(Step::Hold);
        }
        if u32::try_from(call.rest().len()).is_ok_and(|here| here < self.side(call.from).awaited_bytes) {
            return Ok(Step::More);
        }
        if self.phase == Phase::AwaitConnack && call.from == Direction::FromClient && !self.client_may_authenticate() {
            return Ok(Step::Hold);
        }
        let Some(header) = self.header(call)? else { return Ok(Step::More) };
        self.judge_phase(call.from, header.packet_type)?;
        if let Some(step) = self.count_next(call, &header)? {
            return Ok(step);
        }
        let step = match header.packet_type {
            PacketType::Publish => self.publish(call, &header)?,
            PacketType::Connect
            | PacketType::ConnAck
            | PacketType::PubAck
            | PacketType::PubRec
            | PacketType::PubRel
            | PacketType::PubComp
            | PacketType::Subscribe
            | PacketType::SubAck
            | PacketType::Unsubscribe
            | PacketType::UnsubAck
            | PacketType::PingReq
            | PacketType::PingResp
            | PacketType::Disconnect
            | PacketType::Auth => self.control(call, header)?,
        };
        if matches!(step, Step::Forward(_) | Step::Done(_) | Step::Part(_)) {
            call.out.counts.add(header.packet_type as u8, header.total_len());
        }
        Ok(step)
    }

    /// Before CONNACK there is CONNACK, and an enhanced authentication, which the client may leave ([MQTT-3.1.2-30]).
    pub(super) fn judge_phase(&self, from: Direction, packet_type: PacketType) -> Result<(), End> {
        match (self.phase, from, packet_type) {
            (Phase::Connected, ..)
            | (Phase::AwaitConnack, _, PacketType::Auth)
            | (Phase::AwaitConnack, Direction::FromClient, PacketType::Disconnect)
            | (Phase::AwaitConnack, Direction::FromBroker, PacketType::ConnAck) => Ok(()),
            (Phase::AwaitConnack, Direction::FromClient, _) => Err(self.illegal(Violation::DuringAuthentication, from)),
            (Phase::AwaitConnack, Direction::FromBroker, _) => Err(self.illegal(Violation::BeforeConnack, from)),
        }
    }

    /// The next fixed header, judged. A PUBLISH of the broker's that is too large for the gateway is refused later, by
    /// itself.
    pub(super) fn header(&self, call: &Call<'_>) -> Result<Option<FixedHeader>, End> {
        let context = Context { version: self.version, direction: call.from, limits: call.limits };
        let header = match context.header(call.rest()) {
            Err(DecodeError::PacketTooLarge) if self.is_oversize_delivery(call) => {
                let limits = lenient(call.limits);
                Context { limits: &limits, ..context }.header(call.rest())
            }
            result => result,
        };
        let header = header.map_err(|error| End::malformed(error, call.from))?;
        if let Some(header) = &header {
            self.judge_size(call, header)?;
        }
        Ok(header)
    }

    fn is_oversize_delivery(&self, call: &Call<'_>) -> bool {
        let first = call.rest().first().copied().unwrap_or_default();
        call.from == Direction::FromBroker && PacketType::of(first) == Some(PacketType::Publish)
    }

    /// The Maximum Packet Size that the receiver announced (5.0).
    fn judge_size(&self, call: &Call<'_>, header: &FixedHeader) -> Result<(), End> {
        let max = usize::try_from(self.side(call.from).max_packet_bytes).unwrap_or(usize::MAX);
        if header.total_len() > max {
            return Err(self.illegal(Violation::MaximumPacketSize, call.from));
        }
        Ok(())
    }

    pub(super) fn control(&mut self, call: &mut Call<'_>, header: FixedHeader) -> Result<Step, End> {
        let Some(bytes) = call.rest().get(..header.total_len()) else { return Ok(Step::More) };
        let context = Context { version: self.version, direction: call.from, limits: call.limits };
        let packet = context.packet(Frame { header, bytes }).map_err(|error| End::malformed(error, call.from))?;
        match call.from {
            Direction::FromClient => self.client_sends(call, &header, &packet),
            Direction::FromBroker => self.broker_sends(call, &header, &packet),
        }
    }

    /// The next piece of a PUBLISH that comes in pieces.
    fn stream(&mut self, call: &mut Call<'_>) -> Step {
        let available = call.rest().len();
        match &mut self.side_mut(call.from).inside {
            Inside::Nothing => Step::Part(0),
            Inside::Forwarding(left) => {
                let len = available.min(*left);
                *left -= len;
                let through = *left == 0;
                call.out.onward.forward(call.next(len));
                if through {
                    self.through(call);
                    return Step::Done(len);
                }
                Step::Part(len)
            }
            Inside::Skipping(left, answer) => {
                let len = available.min(*left);
                *left -= len;
                if *left > 0 {
                    return Step::Part(len);
                }
                let answer = std::mem::take(answer);
                self.side_mut(call.from).inside = Inside::Nothing;
                self.answer(call, |bytes| bytes.extend_from_slice(&answer));
                Step::Done(len)
            }
        }
    }

    /// A PUBLISH has passed through: what waited for it follows.
    fn through(&mut self, call: &mut Call<'_>) {
        self.side_mut(call.from).inside = Inside::Nothing;
        let waiting = std::mem::take(&mut self.side_mut(call.from.opposite()).waiting);
        call.out.onward.make(|bytes| bytes.extend_from_slice(&waiting));
    }

    /// Writes a packet of the gateway's making to the sender, now or once the packet that it is receiving is through.
    pub(super) fn answer(&mut self, call: &mut Call<'_>, write: impl FnOnce(&mut Vec<u8>)) {
        if self.side(call.from.opposite()).is_forwarding() {
            write(&mut self.side_mut(call.from).waiting);
        } else {
            write(&mut call.out.back);
        }
    }

    pub(super) fn illegal(&self, violation: Violation, from: Direction) -> End {
        End::illegal(violation, self.version, from)
    }

    /// What happened to CONNECT: nobody could be told before.
    pub(super) fn tell_news(&mut self, out: &mut Output) {
        if !self.standing.news.is_empty() {
            out.events.append(&mut std::mem::take(&mut self.standing.news));
        }
    }
}

/// Bounds by which a PUBLISH is read that is not to go on: none but on what must be kept to read it.
pub(super) fn lenient(limits: &Limits) -> Limits {
    Limits {
        max_packet_bytes: usize::MAX,
        max_topic_bytes: usize::MAX,
        max_topic_levels: usize::MAX,
        max_user_properties: usize::MAX,
        refuse_control_characters: false,
        ..limits.clone()
    }
}
