//! What a broker may send: everything but PUBLISH, which is `publish`'s, and CONNACK, which is `connack`'s.

use super::end::{Cause, End, Violation};
use super::exchange::{Acknowledgement, Awaits};
use super::relay::{Call, Step};
use super::subscriptions::Asked;
use super::{Blame, Connection};
use crate::mqtt::error::DecodeError;
use crate::mqtt::frame::{FixedHeader, PacketType};
use crate::mqtt::packet::{Packet, SubAck, UnsubAck};
use crate::mqtt::reason::ReasonCode;
use crate::mqtt::{Direction, encode};

impl Connection {
    pub(super) fn broker_sends(
        &mut self,
        call: &mut Call<'_>,
        header: &FixedHeader,
        packet: &Packet<'_>,
    ) -> Result<Step, End> {
        let len = header.total_len();
        match packet {
            Packet::ConnAck(connack) => return self.connack(call, header, connack),
            Packet::PubAck(ack) => self.acknowledge(call.from, ack.packet_id, Acknowledgement::PubAck)?,
            Packet::PubRec(ack) => {
                let failed = ack.reason.is_error();
                self.acknowledge(call.from, ack.packet_id, Acknowledgement::PubRec { failed })?;
            }
            Packet::PubComp(ack) => self.acknowledge(call.from, ack.packet_id, Acknowledgement::PubComp)?,
            Packet::PubRel(ack) => return self.release(call, len, ack.packet_id),
            Packet::SubAck(suback) => return self.suback(call, len, suback),
            Packet::UnsubAck(unsuback) => self.unsuback(unsuback)?,
            Packet::PingResp => {
                let asked = self.pings.checked_sub(1);
                self.pings = asked.ok_or_else(|| self.illegal(Violation::UnaskedPingResp, call.from))?;
            }
            Packet::Auth(auth) => self.broker_authenticates(auth)?,
            Packet::Disconnect(_) => {
                call.out.counts.add(PacketType::Disconnect as u8, len);
                call.out.onward.forward(call.next(len));
                call.at += len;
                return Err(End::new(Cause::BrokerDisconnect, Blame::Broker));
            }
            Packet::Publish(_) | Packet::Subscribe(_) | Packet::Unsubscribe(_) | Packet::PingReq => {
                return Err(End::malformed(DecodeError::WrongDirection, call.from));
            }
        }
        Ok(Step::Forward(len))
    }

    /// A SUBACK is held to the filters that went on, and completed by those that did not.
    fn suback(&mut self, call: &mut Call<'_>, len: usize, suback: &SubAck<'_>) -> Result<Step, End> {
        let id = suback.packet_id;
        let asked_for = self.client.exchanges.codes(id, Awaits::SubAck);
        if asked_for.is_some_and(|count| usize::from(count) != suback.count()) {
            return Err(self.illegal(Violation::CodeCount, call.from));
        }
        self.acknowledge(call.from, id, Acknowledgement::SubAck)?;
        let Some(known) = &mut self.subscriptions else { return Ok(Step::Forward(len)) };
        let asked = known.answered(id, suback.codes().map(ReasonCode::value));
        if asked.codes.is_empty() {
            return Ok(Step::Forward(len));
        }
        self.complete(call, suback, &asked);
        Ok(Step::Done(len))
    }

    fn complete(&self, call: &mut Call<'_>, suback: &SubAck<'_>, asked: &Asked) {
        let codes = || {
            let mut granted = suback.codes();
            asked.codes.iter().filter_map(move |&code| match code {
                Asked::BROKER => granted.next(),
                refused => ReasonCode::from_u8(refused),
            })
        };
        let (version, id) = (self.version, suback.packet_id);
        let mut whole = Vec::new();
        encode::suback(version, id, suback.properties.iter(), codes(), &mut whole);
        if self.is_too_large(Direction::FromClient, whole.len()) {
            whole.clear();
            encode::suback(version, id, None, codes(), &mut whole);
        }
        call.out.onward.make(|bytes| bytes.extend_from_slice(&whole));
    }

    fn unsuback(&mut self, unsuback: &UnsubAck<'_>) -> Result<(), End> {
        let id = unsuback.packet_id;
        let asked_for = self.client.exchanges.codes(id, Awaits::UnsubAck);
        if asked_for.is_some_and(|count| usize::from(count) != unsuback.count()) {
            return Err(self.illegal(Violation::CodeCount, Direction::FromBroker));
        }
        self.acknowledge(Direction::FromBroker, id, Acknowledgement::UnsubAck)
    }
}
