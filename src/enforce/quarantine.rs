//! Messages that a rule quarantines: rejected, and published with the reason where the operator can look at them.
//!
//! The topic is `QUARANTINE/REASON/RULE/TOPIC`, QoS 0, not retained, on the client's own connection to the broker. In 5.0
//! User Properties say more. Nothing is waited for and nothing answered: a broker may refuse it like any other PUBLISH.

use super::Connection;
use super::event::Quarantine;
use super::publish::Judged;
use super::relay::Call;
use crate::mqtt::frame::{PacketType, QoS};
use crate::mqtt::packet::{Publish, PublishProperties};
use crate::mqtt::property::{Place, Properties, Property};
use crate::mqtt::{Direction, Version, encode, topic};
use crate::policy::{Denial, Policy, Reason};

/// What begins so is said by the gateway alone.
const PREFIX: &str = "tidegate-";

/// User Properties of the gateway's own, at most.
const OWN: usize = 5;

impl Connection {
    /// Writes the message for the quarantine topic, where there can be one.
    pub(super) fn exhibit(
        &self,
        call: &Call<'_>,
        judged: &Judged<'_>,
        topic: &str,
        denial: &Denial,
        out: &mut Vec<u8>,
    ) -> Quarantine {
        let policy = self.standing.authority.policy();
        if was_held(topic, policy.quarantine_topic()) {
            return Quarantine::Again;
        }
        let Some(payload) = judged.payload else { return Quarantine::TooLarge };
        let name = format!(
            "{}/{}/{}/{topic}",
            policy.quarantine_topic(),
            denial.reason.label(),
            as_level(denial.rule.as_str())
        );
        if topic::check_name(&name, call.limits).is_err() {
            return Quarantine::Topic;
        }
        let mut block = Vec::new();
        let mut properties = PublishProperties::default();
        if self.version == Version::V50 {
            self.describe(policy, judged, denial, call.limits.max_user_properties, &mut block);
            let place = Place::Packet(PacketType::Publish);
            match Properties::new(&block, place, Direction::FromClient, call.limits) {
                Ok(all) => properties.all = all,
                Err(_) => return Quarantine::TooLarge,
            }
        }
        // Fixed header, topic length, property length.
        let most = payload.len() + name.len() + block.len() + 11;
        let max = usize::try_from(self.client.max_packet_bytes).unwrap_or(usize::MAX);
        if most > max.min(call.limits.max_packet_bytes) {
            return Quarantine::TooLarge;
        }
        let (dup, qos, retain) = (false, QoS::Zero, false);
        let message = Publish { dup, qos, retain, topic: &name, packet_id: None, properties, payload };
        encode::publish(self.version, &message, out);
        Quarantine::Published
    }

    /// Sends it to the broker.
    pub(super) fn quarantine(&mut self, call: &mut Call<'_>, message: &[u8]) {
        match call.from {
            Direction::FromClient => call.out.onward.make(|bytes| bytes.extend_from_slice(message)),
            Direction::FromBroker => self.answer(call, |bytes| bytes.extend_from_slice(message)),
        }
    }

    /// Why, by which rule, under which policy, whose; and then the message's own properties, as far as they may be
    /// kept: a Topic Alias and Subscription Identifiers are between two peers, nobody is to answer, and a payload is
    /// not to be called text that is not.
    fn describe(&self, policy: &Policy, judged: &Judged<'_>, denial: &Denial, max_user: usize, out: &mut Vec<u8>) {
        let identity = self.standing.identity.name.as_deref().map(printable);
        let (rule, version) = (printable(denial.rule.as_str()), printable(policy.version()));
        let own = [
            Some(("tidegate-reason", denial.reason.label())),
            Some(("tidegate-rule", &*rule)),
            Some(("tidegate-policy-version", &*version)),
            identity.as_deref().map(|name| ("tidegate-identity", name)),
            judged.head.properties.response_topic.map(|topic| ("tidegate-response-topic", topic)),
        ];
        encode::properties(own.into_iter().flatten().map(|(name, value)| Property::UserProperty(name, value)), out);
        let is_text = judged.payload.is_some_and(|payload| std::str::from_utf8(payload).is_ok());
        let mut room = max_user.saturating_sub(OWN);
        let kept = judged.head.properties.all.iter().filter(|property| match property {
            Property::UserProperty(name, _) if !name.starts_with(PREFIX) && room > 0 => {
                room -= 1;
                true
            }
            Property::PayloadFormatIndicator(utf8) => is_text || !utf8,
            Property::MessageExpiryInterval(_) | Property::ContentType(_) | Property::CorrelationData(_) => true,
            Property::UserProperty(..)
            | Property::ResponseTopic(_)
            | Property::SubscriptionIdentifier(_)
            | Property::SessionExpiryInterval(_)
            | Property::AssignedClientIdentifier(_)
            | Property::ServerKeepAlive(_)
            | Property::AuthenticationMethod(_)
            | Property::AuthenticationData(_)
            | Property::RequestProblemInformation(_)
            | Property::WillDelayInterval(_)
            | Property::RequestResponseInformation(_)
            | Property::ResponseInformation(_)
            | Property::ServerReference(_)
            | Property::ReasonString(_)
            | Property::ReceiveMaximum(_)
            | Property::TopicAliasMaximum(_)
            | Property::TopicAlias(_)
            | Property::MaximumQoS(_)
            | Property::RetainAvailable(_)
            | Property::MaximumPacketSize(_)
            | Property::WildcardSubscriptionAvailable(_)
            | Property::SubscriptionIdentifierAvailable(_)
            | Property::SharedSubscriptionAvailable(_) => false,
        });
        encode::properties(kept, out);
    }
}

/// Whether a message has been to the quarantine topic: it lies there, or where a bridge or another quarantine has put it.
/// Else what two policies hold up of each other's would never end.
fn was_held(topic: &str, quarantine: &str) -> bool {
    let is_shown = |at: usize| {
        let reason =
            topic.get(at + 1..).and_then(|rest| below(rest, quarantine)).and_then(|rest| rest.strip_prefix('/'));
        let reason = reason.and_then(|rest| rest.split('/').next());
        reason.is_some_and(|reason| Reason::ALL.iter().any(|known| known.label() == reason))
    };
    is_under(topic, quarantine) || memchr::memchr_iter(b'/', topic.as_bytes()).any(is_shown)
}

/// Whether a Topic Name is the quarantine topic, or lies below it.
fn is_under(topic: &str, quarantine: &str) -> bool {
    below(topic, quarantine).is_some()
}

/// What follows the quarantine topic in a Topic Name.
fn below<'t>(topic: &'t str, quarantine: &str) -> Option<&'t str> {
    topic.strip_prefix(quarantine).filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The id of a rule as one level of a Topic Name.
fn as_level(rule: &str) -> String {
    rule.chars().map(|c| if matches!(c, '/' | '+' | '#') || c.is_control() { '_' } else { c }).collect()
}

/// A text that a UTF-8 Encoded String can hold.
fn printable(text: &str) -> std::borrow::Cow<'_, str> {
    if text.contains('\0') { text.replace('\0', "\u{FFFD}").into() } else { text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quarantine_topic_and_what_lies_below_it() {
        for (topic, expected) in
            [("q/a", true), ("q/a/", true), ("q/a/b/c", true), ("q", false), ("q/ab", false), ("x/q/a", false)]
        {
            assert_eq!(is_under(topic, "q/a"), expected, "{topic}");
        }
    }

    #[test]
    fn what_has_been_held_is_known_again_wherever_it_is_put() {
        for (topic, expected) in [
            ("q/a", true),
            ("q/a/b", true),
            ("x/q/a/qos/rule/b", true),
            ("x/y/q/a/not_authorized", true),
            ("/q/a/qos", true),
            ("x/q/a", false),
            ("x/q/a/b", false),
            ("x/q/ab/qos", false),
            ("xq/a/qos", false),
            ("ä/ö", false),
        ] {
            assert_eq!(was_held(topic, "q/a"), expected, "{topic}");
        }
    }

    #[test]
    fn a_rule_is_one_level_whatever_its_id() {
        assert_eq!(as_level("a/b+c#d\n\0é"), "a_b_c_d__é");
    }
}
