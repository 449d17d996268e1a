//! CONNACK: first, once, and tightened to the gateway's limits (5.0).

use std::num::{NonZeroU16, NonZeroU32};

use super::end::{Cause, End, Violation};
use super::event::Rewrite;
use super::relay::{Call, Step};
use super::{Blame, Connection, Phase};
use crate::mqtt::frame::{FixedHeader, PacketType, QoS};
use crate::mqtt::packet::ConnAck;
use crate::mqtt::property::Property;
use crate::mqtt::reason::ReasonCode;
use crate::mqtt::{Version, encode};
use crate::policy::Features;

impl Connection {
    pub(super) fn connack(
        &mut self,
        call: &mut Call<'_>,
        header: &FixedHeader,
        connack: &ConnAck<'_>,
    ) -> Result<Step, End> {
        if self.phase == Phase::Connected {
            return Err(self.illegal(Violation::SecondConnack, call.from));
        }
        if connack.session_present && self.clean_start {
            return Err(self.illegal(Violation::SessionPresent, call.from));
        }
        if connack.reason == ReasonCode::Success && connack.authentication_method.is_some() {
            self.judge_method(connack.authentication_method, call.from)?;
        }
        if connack.reason == ReasonCode::Success
            && let Some(id) = connack.assigned_client_id
        {
            self.standing.rename(id)?;
            self.ends = self.standing.ends();
            self.tell_news(call.out);
        }
        let len = header.total_len();
        self.phase = Phase::Connected;
        self.clock = call.now;
        if connack.reason != ReasonCode::Success {
            call.out.counts.add(PacketType::ConnAck as u8, len);
            call.out.onward.forward(call.next(len));
            call.at += len;
            let refused_with = Some(connack.reason);
            return Err(End { refused_with, ..End::new(Cause::RefusedByBroker, Blame::Broker) });
        }
        self.authentication.turn = None;
        let changes = self.tighten(call, connack);
        if changes.is_empty() {
            return Ok(Step::Forward(len));
        }
        let version = self.version;
        let mut tightened = Vec::new();
        encode::connack_with(version, connack, &changes, &mut tightened);
        if tightened.len() > usize::try_from(self.broker.max_packet_bytes).unwrap_or(usize::MAX) {
            // The client that takes so little is not told; it is held to the limits all the same.
            return Ok(Step::Forward(len));
        }
        call.out.onward.make(|bytes| bytes.extend_from_slice(&tightened));
        call.rewritten(PacketType::ConnAck, None, Rewrite::ConnackTightened);
        Ok(Step::Done(len))
    }

    /// Puts the stricter limits in force; in 5.0 gives those that the client must be told.
    fn tighten(&mut self, call: &Call<'_>, connack: &ConnAck<'_>) -> Vec<Property<'static>> {
        let terms = call.terms;
        let powers = self.standing.authority.powers();
        let asked = connack.server_keep_alive.unwrap_or(self.keep_alive);
        self.keep_alive = powers.keep_alive(terms.keep_alive(asked));
        let mut changes = Vec::new();
        if self.version != Version::V50 {
            return changes;
        }
        if self.keep_alive != asked {
            changes.push(Property::ServerKeepAlive(self.keep_alive));
        }
        self.client.receive_maximum =
            connack.receive_maximum.min(terms.receive_maximum.min(powers.receive_maximum).max(1));
        if let Some(maximum) = NonZeroU16::new(self.client.receive_maximum)
            && maximum.get() < connack.receive_maximum
        {
            changes.push(Property::ReceiveMaximum(maximum));
        }
        self.client.alias_maximum =
            connack.topic_alias_maximum.min(terms.topic_alias_maximum.min(powers.topic_alias_maximum));
        if self.client.alias_maximum < connack.topic_alias_maximum {
            changes.push(Property::TopicAliasMaximum(self.client.alias_maximum));
        }
        let own = u32::try_from(call.limits.max_packet_bytes).unwrap_or(u32::MAX);
        self.client.max_packet_bytes = connack.maximum_packet_size.map_or(own, |size| size.min(own));
        if let Some(size) = NonZeroU32::new(self.client.max_packet_bytes)
            && size.get() < connack.maximum_packet_size.unwrap_or(MAX_PACKET)
        {
            changes.push(Property::MaximumPacketSize(size));
        }
        self.shorten(connack, &mut changes);
        withhold(&powers, connack, &mut changes);
        changes
    }

    /// Tells the client how long its session lasts, where that is not as long as it asked for.
    fn shorten(&self, connack: &ConnAck<'_>, changes: &mut Vec<Property<'static>>) {
        let mut lasts = self.session_expiry;
        for property in connack.properties.iter() {
            if let Property::SessionExpiryInterval(told) = property {
                lasts = told;
            }
        }
        let most = self.max_session_expiry;
        if lasts > most {
            changes.push(Property::SessionExpiryInterval(most));
        }
    }
}

/// Tells the client what of the protocol it can make no use of: whatever it tried would be refused. What the broker
/// withholds is the broker's to enforce.
fn withhold(powers: &Features, connack: &ConnAck<'_>, changes: &mut Vec<Property<'static>>) {
    let Features { max_qos, retain, wildcard_subscriptions, shared_subscriptions, subscription_identifiers, .. } =
        *powers;
    let mut told = QoS::Two;
    for property in connack.properties.iter() {
        if let Property::MaximumQoS(one) = property {
            told = if one { QoS::One } else { QoS::Zero };
        }
    }
    if max_qos < told {
        changes.push(Property::MaximumQoS(max_qos == QoS::One));
    }
    let switches = [
        (retain, Property::RetainAvailable(false)),
        (wildcard_subscriptions, Property::WildcardSubscriptionAvailable(false)),
        (shared_subscriptions, Property::SharedSubscriptionAvailable(false)),
        (subscription_identifiers, Property::SubscriptionIdentifierAvailable(false)),
    ];
    let withheld = switches.into_iter().filter(|(has, _)| !has).map(|(_, property)| property);
    changes.extend(withheld.filter(|property| !connack.properties.iter().any(|known| known == *property)));
}

/// The largest packet that can be written (5.0 section 2.1.4).
const MAX_PACKET: u32 = 268_435_460;
