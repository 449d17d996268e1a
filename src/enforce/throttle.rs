//! A side that waits for a rate to have room: which packet waits, and what overtakes it.
//!
//! What waits stays in the caller's hands, in order. Whole acknowledgements and pings behind it are judged and go on at
//! once, unless it is packets themselves that are too many: a client that publishes too much can still be commanded. Not
//! here: what rates say ([`crate::policy::Allowance`]), and the clock that presents what waits again (`gateway`). Read
//! [`Connection::overtake`] first.

use std::num::NonZeroU16;
use std::time::{Duration, Instant};

use super::Connection;
use super::end::{End, Violation};
use super::exchange::IdMap;
use super::relay::{Call, MAX_WAITING, Step};
use crate::mqtt::frame::{FixedHeader, PacketType, QoS};
use crate::mqtt::{Direction, encode};
use crate::rate::{Epoch, Tick};

/// Bytes of what waits beyond which its sender is not read.
pub(super) const MAX_HELD: usize = 64 << 10;

/// The shortest wait: what sleeps can't wake sooner.
const MIN_WAIT: Duration = Duration::from_millis(1);
/// How often the shortest wait doubles for what finds no room again and again: many may wait for the same.
const MAX_DOUBLINGS: u32 = 7;

/// Where a side stands whose next packet waits.
#[derive(Debug)]
pub(super) struct Throttle {
    /// When that packet is judged again.
    until: Instant,
    /// When what may overtake it is looked at; never, where nothing is to be.
    overtaking: Overtaking,
    /// The packet has been counted as one that had to wait.
    pub(super) counted: bool,
    /// How often it was judged again in vain.
    vain: u32,
    /// Bytes from that packet on of whole packets that stay where they are.
    seen: usize,
    /// Packet Identifiers of QoS 2 messages among them.
    messages: IdMap<u16, u16>,
    /// So much waits that its sender is not read.
    is_full: bool,
    /// A PUBREL is among them: the order of PUBREL packets is not to change.
    release_stays: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Overtaking {
    /// As it comes.
    Open,
    /// Packets are too many until then.
    Rests(Instant),
    /// Behind what was seen last, nothing is looked at before its turn.
    Shut,
}

/// What is too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// What the packet says: others may overtake it.
    Content,
    /// Packets, whatever they are.
    Packets,
}

impl Throttle {
    fn new(until: Instant) -> Self {
        Self {
            until,
            overtaking: Overtaking::Open,
            counted: false,
            vain: 0,
            seen: 0,
            messages: IdMap::default(),
            is_full: false,
            release_stays: false,
        }
    }

    /// The least that the packet at the front waits now. Where others were faster it is ever longer, and not the same for
    /// all: else all who wait for one rate would come back at once, for each token of it.
    fn pause(&mut self, Tick(now): Tick) -> Duration {
        self.vain = if self.counted { (self.vain + 1).min(MAX_DOUBLINGS) } else { 0 };
        let least = MIN_WAIT * (1 << self.vain);
        // As far as anybody's moments differ.
        if self.vain == 0 { least } else { least + least * u32::from(now.to_le_bytes()[0]) / 256 }
    }

    /// When something is to be looked at again.
    pub(super) fn resumes(&self) -> Instant {
        match self.overtaking {
            Overtaking::Rests(until) => until.min(self.until),
            Overtaking::Open | Overtaking::Shut => self.until,
        }
    }

    /// A packet of so many bytes, or a part of one, goes from the front.
    fn gone(&mut self, bytes: &[u8]) {
        self.counted = false;
        if self.seen < bytes.len() {
            // It was not whole when it was last looked for.
            self.seen = 0;
            return;
        }
        self.seen -= bytes.len();
        if let Some(id) = message_id(bytes)
            && let Some(count) = self.messages.get_mut(&id.get())
        {
            *count -= 1;
            if *count == 0 {
                self.messages.remove(&id.get());
            }
        }
        if self.seen == 0 {
            (self.overtaking, self.release_stays) = (Overtaking::Open, false);
        }
    }

    fn stays(&mut self, header: &FixedHeader, bytes: &[u8]) {
        self.seen += bytes.len();
        self.release_stays |= header.packet_type == PacketType::PubRel;
        if let Some(id) = message_id(bytes) {
            let count = self.messages.entry(id.get()).or_default();
            *count = count.saturating_add(1);
        }
    }

    /// Whether a PUBREL would go before the message that it releases, or before another PUBREL.
    fn keeps(&self, header: &FixedHeader, bytes: &[u8]) -> bool {
        let body = bytes.get(header.header_len..).unwrap_or_default();
        let id = body.first_chunk().map_or(0, |id| u16::from_be_bytes(*id));
        self.release_stays || self.messages.contains_key(&id)
    }
}

/// The Packet Identifier of a whole PUBLISH at QoS 2.
fn message_id(bytes: &[u8]) -> Option<NonZeroU16> {
    let (first, rest) = bytes.split_first()?;
    let is_message = PacketType::of(*first) == Some(PacketType::Publish) && first & 0b0110 == QoS::Two.value() << 1;
    let length = rest.iter().position(|byte| byte & 0x80 == 0)?;
    let (topic_len, body) = rest.get(length + 1..)?.split_first_chunk()?;
    let id = body.get(usize::from(u16::from_be_bytes(*topic_len))..)?.first_chunk()?;
    NonZeroU16::new(u16::from_be_bytes(*id)).filter(|_| is_message)
}

/// What goes by what waits, by type.
const fn overtakes(packet_type: PacketType) -> bool {
    match packet_type {
        PacketType::PubAck
        | PacketType::PubRec
        | PacketType::PubRel
        | PacketType::PubComp
        | PacketType::SubAck
        | PacketType::UnsubAck
        | PacketType::PingReq
        | PacketType::PingResp => true,
        PacketType::Connect
        | PacketType::ConnAck
        | PacketType::Publish
        | PacketType::Subscribe
        | PacketType::Unsubscribe
        | PacketType::Disconnect
        | PacketType::Auth => false,
    }
}

impl Connection {
    /// When what waits on this side is to be presented again.
    #[must_use]
    pub fn resumes(&self, side: Direction) -> Option<Instant> {
        self.side(side).throttle.as_ref().map(|throttle| throttle.resumes())
    }

    /// Whether what one of the sides sends waits for a rate to have room.
    #[must_use]
    pub fn is_throttled(&self) -> bool {
        self.client.throttle.is_some() || self.broker.throttle.is_some()
    }

    /// What waits is judged again at once: by other rules.
    pub(super) fn ask_again(&mut self, now: Instant) {
        for side in [&mut self.client, &mut self.broker] {
            if let Some(throttle) = &mut side.throttle {
                throttle.until = now;
            }
        }
    }

    /// The next packet waits.
    pub(super) fn hold_back(&mut self, call: &Call<'_>, until: Duration, held: Held) -> &mut Throttle {
        let moment = Epoch::new(self.standing.began()).tick(call.now);
        let side = self.side_mut(call.from);
        let throttle = side.throttle.get_or_insert_with(|| Box::new(Throttle::new(call.now)));
        let until = call.now + until.max(throttle.pause(moment));
        throttle.until = until;
        match (held, throttle.overtaking) {
            (Held::Packets, Overtaking::Open | Overtaking::Rests(_)) => throttle.overtaking = Overtaking::Rests(until),
            (Held::Packets, Overtaking::Shut) | (Held::Content, _) => {}
        }
        throttle
    }

    /// Whether the next packet has had to wait before.
    pub(super) fn is_waiting(&self, side: Direction) -> bool {
        self.side(side).throttle.as_ref().is_some_and(|throttle| throttle.counted)
    }

    /// Whether the next packet waits still.
    pub(super) fn waits(&self, call: &Call<'_>) -> bool {
        self.side(call.from).throttle.as_ref().is_some_and(|throttle| throttle.until > call.now)
    }

    /// Whether so much waits that its sender is not read. The broker's answers to pings can't be looked for then: its
    /// client would take it for dead.
    pub(super) fn note_full(&mut self, call: &mut Call<'_>, is_full: bool) {
        if let Some(throttle) = &mut self.side_mut(call.from).throttle {
            throttle.is_full = is_full;
        }
        if call.from == Direction::FromBroker && is_full {
            for _ in self.pings_answered..self.pings {
                call.out.onward.make(encode::pingresp);
            }
            self.pings_answered = self.pings;
        }
    }

    /// The client pings the broker: that hears of it, whoever answers.
    pub(super) fn ping(&mut self, call: &mut Call<'_>) {
        self.pings = self.pings.saturating_add(1);
        if self.broker.throttle.as_ref().is_some_and(|throttle| throttle.is_full) {
            self.pings_answered = self.pings_answered.saturating_add(1);
            self.answer(call, encode::pingresp);
        }
    }

    /// The broker answers a ping, which may have been answered in its place.
    pub(super) fn pong(&mut self, len: usize) -> Result<Step, End> {
        let asked = self.pings.checked_sub(1);
        self.pings = asked.ok_or_else(|| self.illegal(Violation::UnaskedPingResp, Direction::FromBroker))?;
        let is_answered = self.pings_answered > 0;
        self.pings_answered = self.pings_answered.saturating_sub(1);
        Ok(if is_answered { Step::Done(len) } else { Step::Forward(len) })
    }

    /// So many bytes from the front are done with.
    pub(super) fn gone_on(&mut self, call: &Call<'_>, len: usize, is_whole: bool) {
        let side = self.side_mut(call.from);
        side.is_counted = false;
        side.streamed = if is_whole { 0 } else { side.streamed + len };
        if let Some(throttle) = &mut side.throttle {
            throttle.gone(call.rest().get(..len).unwrap_or_default());
        }
    }

    /// Judges what may go by the packet that waits at `call.at`, as far as it is there. What breaks a rule waits for its
    /// turn: what came before it is not lost over it.
    pub(super) fn overtake(&mut self, call: &mut Call<'_>) -> Result<(), End> {
        let front = call.at;
        let Some(mut throttle) = self.side_mut(call.from).throttle.take() else { return Ok(()) };
        if let Overtaking::Rests(until) = throttle.overtaking
            && until <= call.now
        {
            throttle.overtaking = Overtaking::Open;
        }
        call.at = front + throttle.seen;
        let mut result = Ok(());
        while throttle.overtaking == Overtaking::Open && call.at < call.input.len() {
            match self.pass_by(call, &mut throttle, call.at == front) {
                Ok(0) => break,
                Ok(len) => call.at += len,
                Err(end) => {
                    result = Err(end);
                    break;
                }
            }
        }
        call.at = front;
        self.side_mut(call.from).throttle = Some(throttle);
        result
    }

    /// Gives the bytes of the next packet; none where nothing more is to be looked at for now.
    fn pass_by(&mut self, call: &mut Call<'_>, throttle: &mut Throttle, is_first: bool) -> Result<usize, End> {
        let Ok(header) = self.header(call) else {
            throttle.overtaking = Overtaking::Shut;
            return Ok(0);
        };
        let Some(header) = header else { return Ok(0) };
        let (packet_type, len) = (header.packet_type, header.total_len());
        let Some(bytes) = call.rest().get(..len) else { return Ok(0) };
        let is_goodbye = packet_type == PacketType::Disconnect;
        if is_goodbye && call.from == Direction::FromBroker {
            return self.control(call, header).map(|_| 0);
        }
        if is_first || !overtakes(packet_type) || (packet_type == PacketType::PubRel && throttle.keeps(&header, bytes))
        {
            throttle.stays(&header, bytes);
            // Nothing comes behind a DISCONNECT.
            if is_goodbye {
                throttle.overtaking = Overtaking::Shut;
            }
            return Ok(len);
        }
        if self.side(call.from).waiting.len() > MAX_WAITING {
            return Ok(0);
        }
        if let Some((wait, _)) = self.count_packet(call, &header)? {
            throttle.overtaking = Overtaking::Rests(call.now + wait.max(MIN_WAIT));
            return Ok(0);
        }
        let judged = self.judge_phase(call.from, packet_type).and_then(|()| self.control(call, header));
        match judged {
            Ok(Step::Forward(_)) => call.out.onward.forward(call.next(len)),
            Ok(Step::Done(_)) => {}
            Ok(Step::Part(_) | Step::More | Step::Hold | Step::Wait) | Err(_) => {
                throttle.overtaking = Overtaking::Shut;
                return Ok(0);
            }
        }
        call.out.counts.add(packet_type as u8, len);
        call.out.overtaken.push(call.next(len));
        Ok(len)
    }
}
