//! What a client may send: everything but PUBLISH, which is `publish`'s, SUBSCRIBE and UNSUBSCRIBE, which are `subscribe`'s.

use std::num::NonZeroU16;

use super::end::{Cause, End, Violation};
use super::event::Rewrite;
use super::exchange::{Acknowledgement, Release};
use super::relay::{Call, Step};
use super::{Blame, Connection};
use crate::mqtt::error::DecodeError;
use crate::mqtt::frame::{FixedHeader, PacketType};
use crate::mqtt::packet::{Disconnect, Packet};
use crate::mqtt::property::Property;
use crate::mqtt::reason::ReasonCode;
use crate::mqtt::{Direction, encode};

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
            Packet::Unsubscribe(unsubscribe) => return self.unsubscribe(call, header, unsubscribe),
            Packet::PingReq => self.ping(call),
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

    /// The client's DISCONNECT goes on, and is the last packet that is looked at.
    fn goodbye(&self, call: &mut Call<'_>, len: usize, disconnect: &Disconnect<'_>) -> End {
        // 5.0 section 3.14.2.2.2.
        if self.session_expiry == 0 && disconnect.session_expiry.is_some_and(|seconds| seconds > 0) {
            return self.illegal(Violation::SessionExpiry, call.from);
        }
        call.out.counts.add(PacketType::Disconnect as u8, len);
        if disconnect.session_expiry.is_some_and(|seconds| seconds > self.max_session_expiry) {
            let shorter = [Property::SessionExpiryInterval(self.max_session_expiry)];
            let properties = disconnect.properties.with(&shorter);
            call.out.onward.make(|bytes| encode::disconnect(disconnect.reason, properties, bytes));
            call.rewritten(PacketType::Disconnect, None, Rewrite::SessionShortened);
        } else {
            call.out.onward.forward(call.next(len));
        }
        call.at += len;
        let leaves_will = disconnect.reason != ReasonCode::Success;
        End { leaves_will, ..End::new(Cause::ClientDisconnect, Blame::Client) }
    }
}
