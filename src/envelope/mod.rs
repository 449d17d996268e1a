//! A quarantined message as JSON: what the gateway publishes, a person reads and `tidegate quarantine` replays.
//!
//! `docs/howto/quarantine.md` shows one, key by key. Not here: how it comes to the broker (`gateway`) and which messages
//! are quarantined (`enforce`). Whoever may publish below the quarantine topic may have written what is read here: it is
//! judged like any bytes from the network. Read [`Envelope`] first.

mod read;
#[cfg(test)]
mod tests;
mod write;

use crate::enforce::Quarantined;
use crate::identity::Identity;
use crate::mqtt::frame::{PacketType, QoS};
use crate::mqtt::packet::{Publish, PublishProperties};
use crate::mqtt::property::{Place, Properties};
use crate::mqtt::{Direction, Limits, Version, encode};
pub use read::{Flaw, MAX_BYTES, parse};
pub(crate) use write::{as_text, rfc3339, without_hidden};

/// The version of the form, in every envelope.
pub const VERSION: u64 = 1;

/// A message that was refused, and all that is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// When it was refused: UTC, RFC 3339 with milliseconds.
    pub time: Box<str>,
    /// Why, a reason of `docs/audit.md`.
    pub reason: Box<str>,
    /// Id of the rule or limit that decided.
    pub rule: Box<str>,
    /// Version of the policy in force.
    pub policy: Box<str>,
    /// What of its payload was wrong.
    pub detail: Option<Detail>,
    /// Who sent it to the gateway.
    pub direction: Direction,
    /// The listener of the client's connection.
    pub listener: Box<str>,
    /// Number of that connection, as in the audit file.
    pub connection: u64,
    /// Who the client is proven to be.
    pub identity: Option<Box<str>>,
    /// Its Client Identifier.
    pub client_id: Box<str>,
    /// Its user name: a claim.
    pub username: Option<Box<str>>,
    /// The address and port that it dialled from.
    pub source: Box<str>,
    /// The Topic Name of the message.
    pub topic: Box<str>,
    /// How surely it was to be delivered.
    pub qos: QoS,
    /// It was to be kept, or had been.
    pub retain: bool,
    /// It was said to have been sent before.
    pub dup: bool,
    /// Its properties, as they stand in a PUBLISH of MQTT 5.0.
    pub properties: Box<[u8]>,
    /// The Application Message.
    pub payload: Box<[u8]>,
}

/// Why a message that was queued did not come to the quarantine topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// The broker takes no packet of that size.
    TooLarge,
    /// The broker refused it: in 5.0 with a reason, before by ending every connection over it.
    Refused,
    /// The gateway ended before the broker had taken it.
    ShutDown,
    /// The settings name that broker no more.
    BrokerRemoved,
}

impl Loss {
    /// Every one, for references and metric families.
    pub const ALL: [Self; 4] = [Self::TooLarge, Self::Refused, Self::ShutDown, Self::BrokerRemoved];

    /// The word that records and metrics use; never changes.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::Refused => "refused",
            Self::ShutDown => "shut_down",
            Self::BrokerRemoved => "broker_removed",
        }
    }
}

/// What of a payload was wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detail {
    /// Which field, metric or topic; empty for the whole.
    pub field: Box<str>,
    /// What of it.
    pub problem: Box<str>,
}

/// Where and when a message was refused.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// Whose connection it was.
    pub identity: &'a Identity,
    /// The number of that connection.
    pub connection: u64,
    /// Milliseconds since 1970.
    pub unix_millis: i64,
}

impl Envelope {
    /// The envelope of a message, and the topic that it is published to.
    #[must_use]
    pub fn new(held: Quarantined, about: &About<'_>) -> (Box<str>, Self) {
        let About { identity, connection, unix_millis } = *about;
        let detail = held.detail.map(|detail| Detail { field: detail.field, problem: detail.problem.into() });
        let envelope = Self {
            time: write::time(unix_millis),
            reason: held.reason.label().into(),
            rule: held.rule,
            policy: (&*held.policy_version).into(),
            detail,
            direction: held.direction,
            listener: (&*identity.listener).into(),
            connection,
            identity: identity.name.as_deref().map(Into::into),
            client_id: (&*identity.client_id).into(),
            username: identity.username.as_deref().map(Into::into),
            source: identity.source.to_string().into(),
            topic: held.topic,
            qos: held.qos,
            retain: held.retain,
            dup: held.dup,
            properties: held.properties,
            payload: held.payload,
        };
        (held.held_at, envelope)
    }

    /// Bytes that it holds in memory, about.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        let texts = [&self.rule, &self.policy, &self.listener, &self.client_id, &self.source, &self.topic];
        let texts: usize = texts.iter().map(|text| text.len()).sum();
        let more = [&self.identity, &self.username].into_iter().flatten().map(|text| text.len()).sum::<usize>();
        size_of::<Self>() + texts + more + self.properties.len() + self.payload.len()
    }

    /// One line of JSON, without a newline.
    #[must_use]
    pub fn to_json(&self) -> String {
        write::json(self)
    }

    /// Its properties, to be looked at one by one.
    #[must_use]
    pub fn properties(&self) -> Properties<'_> {
        let place = Place::Packet(PacketType::Publish);
        Properties::new(&self.properties, place, Direction::FromClient, &lenient()).unwrap_or_default()
    }

    /// Appends the message as it was, as a PUBLISH with this Packet Identifier; before 5.0 without its properties.
    pub fn publish(&self, version: Version, packet_id: Option<std::num::NonZeroU16>, out: &mut Vec<u8>) {
        let all = if version == Version::V50 { self.properties() } else { Properties::NONE };
        let message = Publish {
            dup: false,
            qos: self.qos,
            retain: self.retain,
            topic: &self.topic,
            packet_id,
            properties: PublishProperties { all, ..PublishProperties::default() },
            payload: &self.payload,
        };
        encode::publish(version, &message, out);
    }
}

/// What MQTT itself permits.
fn lenient() -> Limits {
    Limits {
        max_packet_bytes: usize::MAX,
        max_control_bytes: usize::MAX,
        max_topic_bytes: usize::MAX,
        max_topic_levels: usize::MAX,
        max_user_properties: usize::MAX,
        refuse_control_characters: false,
        ..Limits::default()
    }
}
