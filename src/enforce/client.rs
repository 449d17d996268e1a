//! What a client may send: everything but PUBLISH, which is `publish`'s.

use std::hash::BuildHasher;
use std::num::NonZeroU16;

use super::end::{Cause, End, Violation};
use super::exchange::{Acknowledgement, Awaits, Question, Release, Sending};
use super::relay::{Call, Step};
use super::subscriptions::Asked;
use super::{Blame, Connection, reply};
use crate::mqtt::error::DecodeError;
use crate::mqtt::frame::{FixedHeader, PacketType};
use crate::mqtt::packet::{Disconnect, Packet, Subscribe, Subscription, Unsubscribe};
use crate::mqtt::property::Property;
use crate::mqtt::reason::ReasonCode;
use crate::mqtt::{Direction, Version, encode};
use crate::policy::{self, Decision, Denial, Reason, Request};

/// Memory for SUBSCRIBE packets in flight whose SUBACK must be completed.
const MAX_ASKED_BYTES: usize = 256 << 10;

const TOO_MANY: Denial = Denial::limit("max_subscriptions", Reason::Quota);

/// What became of the filters of a SUBSCRIBE.
#[derive(Default)]
struct Weighed {
    asked: Asked,
    /// How many go on.
    passed: u16,
    /// The rule that refused last.
    rule: Option<String>,
}

impl Connection {
    pub(super) fn client_sends(
        &mut self,
        call: &mut Call<'_>,
        header: &FixedHeader,
        packet: &Packet<'_>,
    ) -> Result<Step, End> {
        let len = header.total_len();
        match packet {
            Packet::PubAck(ack) => self.acknowledge(call.from, ack.packet_id, Acknowledgement::PubAck)?,
            Packet::PubRec(ack) => {
                let failed = ack.reason.is_error();
                self.acknowledge(call.from, ack.packet_id, Acknowledgement::PubRec { failed })?;
            }
            Packet::PubComp(ack) => self.acknowledge(call.from, ack.packet_id, Acknowledgement::PubComp)?,
            Packet::PubRel(ack) => return self.release(call, len, ack.packet_id),
            Packet::Subscribe(subscribe) => return self.subscribe(call, header, subscribe),
            Packet::Unsubscribe(unsubscribe) => self.unsubscribe(call, header, unsubscribe)?,
            Packet::PingReq => self.pings = self.pings.saturating_add(1),
            Packet::Auth(auth) => self.client_authenticates(auth)?,
            Packet::Disconnect(disconnect) => return Err(self.goodbye(call, len, disconnect)),
            Packet::Publish(_) | Packet::ConnAck(_) | Packet::SubAck(_) | Packet::UnsubAck(_) | Packet::PingResp => {
                return Err(End::malformed(DecodeError::WrongDirection, call.from));
            }
        }
        Ok(Step::Forward(len))
    }

    /// An acknowledgement by `from` of what the other peer sent.
    pub(super) fn acknowledge(
        &mut self,
        from: Direction,
        id: NonZeroU16,
        acknowledgement: Acknowledgement,
    ) -> Result<(), End> {
        let sender = self.side_mut(from.opposite());
        let known = sender.exchanges.acknowledge(id, acknowledgement);
        known.map_err(|violation| self.illegal(violation, from))
    }

    /// A PUBREL by `from`, for a PUBLISH of its own.
    ///
    /// Of a client's that matches nothing the broker says so (PUBCOMP, in 5.0 with 0x92): MQTT.js sends one after a clean
    /// start as well, and esp-mqtt repeats one that its PUBCOMP has crossed.
    pub(super) fn release(&mut self, call: &mut Call<'_>, len: usize, id: NonZeroU16) -> Result<Step, End> {
        let (version, resumable) = (self.version, call.from == Direction::FromClient || !self.clean_start);
        let known = self.side_mut(call.from).exchanges.release(version, id, resumable);
        match known.map_err(|violation| self.illegal(violation, call.from))? {
            Release::Forward => Ok(Step::Forward(len)),
            Release::Answer => {
                self.answer(call, |bytes| {
                    encode::ack(version, PacketType::PubComp, id, ReasonCode::Success, None, bytes);
                });
                Ok(Step::Done(len))
            }
        }
    }

    fn subscribe(&mut self, call: &mut Call<'_>, header: &FixedHeader, subscribe: &Subscribe<'_>) -> Result<Step, End> {
        let id = subscribe.packet_id;
        let question = question(call, header, Awaits::SubAck);
        let sending = self.asking(call, id, question)?;
        if self.subscriptions.as_ref().is_some_and(|known| known.asked_bytes() > MAX_ASKED_BYTES) {
            return Ok(Step::Hold);
        }
        let weighed = self.weigh(call, subscribe)?;
        if weighed.passed == 0 {
            self.refuse_all(call, subscribe, &weighed);
            return Ok(Step::Done(header.total_len()));
        }
        self.remember(call, id, &weighed, sending)?;
        self.client.exchanges.asked(id, question, weighed.passed, sending);
        if weighed.asked.codes.is_empty() {
            return Ok(Step::Forward(header.total_len()));
        }
        let kept = subscribe.subscriptions().zip(weighed.asked.codes);
        let kept = kept.filter(|(_, code)| *code == Asked::BROKER).map(|(subscription, _)| subscription);
        let version = self.version;
        call.out.onward.make(|bytes| encode::subscribe(version, id, subscribe.properties.iter(), kept, bytes));
        Ok(Step::Done(header.total_len()))
    }

    /// Keeps what the SUBACK is completed by.
    fn remember(&mut self, call: &Call<'_>, id: NonZeroU16, weighed: &Weighed, sending: Sending) -> Result<(), End> {
        let known = self.subscriptions.get_or_insert_default();
        match sending {
            Sending::First => known.ask(id, weighed.asked.clone()),
            Sending::Repeat | Sending::RefusedRepeat if known.ask_again(id, &weighed.asked) => {}
            Sending::Repeat | Sending::RefusedRepeat => {
                return Err(self.illegal(Violation::IdentifierInUse, call.from));
            }
        }
        Ok(())
    }

    fn asking(&self, call: &Call<'_>, id: NonZeroU16, question: Question) -> Result<Sending, End> {
        let sending = self.client.exchanges.asking(self.version, id, question);
        sending.map_err(|violation| self.illegal(violation, call.from))
    }

    /// Judges each Topic Filter, and counts what is new.
    fn weigh(&mut self, call: &mut Call<'_>, subscribe: &Subscribe<'_>) -> Result<Weighed, End> {
        let mut weighed = Weighed::default();
        let count = u16::try_from(subscribe.count);
        let count = count.map_err(|_| End::malformed(DecodeError::TooManyFilters, call.from))?;
        for (place, subscription) in subscribe.subscriptions().enumerate() {
            let Some(denial) = self.take_on(call, &subscription, &mut weighed) else {
                weighed.passed += 1;
                continue;
            };
            let filter = subscription.filter.text();
            call.refused(PacketType::Subscribe, Some(filter), &denial);
            let Some(code) = reply::filter_code(self.version, denial.reason) else {
                return Err(End::refused(Cause::FilterRefused(denial.reason), denial.rule.as_str()));
            };
            weighed.rule = Some(denial.rule.as_str().to_owned());
            let codes = &mut weighed.asked.codes;
            codes.resize(usize::from(count), Asked::BROKER);
            if let Some(refused) = codes.get_mut(place) {
                *refused = code.value();
            }
        }
        Ok(weighed)
    }

    fn take_on(&mut self, call: &Call<'_>, subscription: &Subscription<'_>, weighed: &mut Weighed) -> Option<Denial> {
        let filter = subscription.filter.text();
        let request = Request::Subscribe(policy::Subscription { filter, qos: subscription.qos, has_identifier: false });
        if let Decision::Deny(denial) = self.authority.decide(&self.identity, &request) {
            return Some(denial);
        }
        let known = self.subscriptions.get_or_insert_default();
        match known.hold(&call.terms.hash_keys, filter, call.terms.max_subscriptions) {
            None => Some(TOO_MANY),
            Some((hash, true)) => {
                weighed.asked.fresh.push((weighed.passed, hash));
                None
            }
            Some((_, false)) => None,
        }
    }

    /// Nothing goes on: the gateway's own SUBACK.
    fn refuse_all(&mut self, call: &mut Call<'_>, subscribe: &Subscribe<'_>, weighed: &Weighed) {
        let codes = || weighed.asked.codes.iter().filter_map(|&code| ReasonCode::from_u8(code));
        let words = weighed.rule.as_deref().and_then(|rule| self.explanation(call.from, rule));
        let (version, id) = (self.version, subscribe.packet_id);
        let mut suback = Vec::new();
        encode::suback(version, id, words.as_deref().map(Property::ReasonString), codes(), &mut suback);
        if self.is_too_large(call.from, suback.len()) {
            suback.clear();
            encode::suback(version, id, None, codes(), &mut suback);
        }
        self.answer(call, |bytes| bytes.extend_from_slice(&suback));
    }

    fn unsubscribe(&mut self, call: &Call<'_>, header: &FixedHeader, unsubscribe: &Unsubscribe<'_>) -> Result<(), End> {
        let codes = match self.version {
            Version::V31 | Version::V311 => 0,
            Version::V50 => {
                u16::try_from(unsubscribe.count).map_err(|_| End::malformed(DecodeError::TooManyFilters, call.from))?
            }
        };
        let (id, question) = (unsubscribe.packet_id, question(call, header, Awaits::UnsubAck));
        let sending = self.asking(call, id, question)?;
        self.client.exchanges.asked(id, question, codes, sending);
        if let Some(known) = &mut self.subscriptions {
            unsubscribe.filters().for_each(|filter| known.release(&call.terms.hash_keys, filter.text()));
        }
        Ok(())
    }

    /// The client's DISCONNECT goes on, and is the last packet that is looked at.
    fn goodbye(&self, call: &mut Call<'_>, len: usize, disconnect: &Disconnect<'_>) -> End {
        // 5.0 section 3.14.2.2.2.
        if self.session_ends && disconnect.session_expiry.is_some_and(|seconds| seconds > 0) {
            return self.illegal(Violation::SessionExpiry, call.from);
        }
        call.out.counts.add(PacketType::Disconnect as u8, len);
        call.out.onward.forward(call.next(len));
        call.at += len;
        End::new(Cause::ClientDisconnect, Blame::Client)
    }
}

/// The SUBSCRIBE or UNSUBSCRIBE that comes next.
fn question(call: &Call<'_>, header: &FixedHeader, awaits: Awaits) -> Question {
    let body = call.rest().get(header.header_len..header.total_len()).unwrap_or_default();
    let [a, b, c, d, ..] = call.terms.hash_keys.hash_one(body).to_le_bytes();
    Question { awaits, digest: u32::from_le_bytes([a, b, c, d]) }
}
