//! What a broker may send: everything but PUBLISH, which is `publish`'s, CONNACK, which is `connack`'s, and SUBACK, which
//! is `subscribe`'s.

use super::end::{Cause, End, Violation};
use super::exchange::{Acknowledgement, Awaits};
use super::relay::{Call, Step};
use super::{Blame, Connection};
use crate::mqtt::Direction;
use crate::mqtt::error::DecodeError;
use crate::mqtt::frame::{FixedHeader, PacketType};
use crate::mqtt::packet::{Packet, UnsubAck};

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
            Packet::PingResp => return self.pong(len),
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

    fn unsuback(&mut self, unsuback: &UnsubAck<'_>) -> Result<(), End> {
        let id = unsuback.packet_id;
        let asked_for = self.client.exchanges.codes(id, Awaits::UnsubAck);
        if asked_for.is_some_and(|count| usize::from(count) != unsuback.count()) {
            return Err(self.illegal(Violation::CodeCount, Direction::FromBroker));
        }
        self.acknowledge(Direction::FromBroker, id, Acknowledgement::UnsubAck)
    }
}
