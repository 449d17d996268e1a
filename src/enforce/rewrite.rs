//! Messages that go on changed: a PUBLISH or a Will with another payload, or other User Properties.
//!
//! All else stays as it came, bit for bit: DUP, QoS, RETAIN, Packet Identifier, Topic Alias, and every other property in
//! its order. Not here: whether a message is changed (`policy`), and Topic Names put back (`pass`). Read [`Anew`] first.

use super::event;
use super::publish::Judged;
use super::relay::lenient;
use crate::mqtt::connect::Will;
use crate::mqtt::frame::PacketType;
use crate::mqtt::packet::{PublishHead, PublishProperties};
use crate::mqtt::property::{Place, Properties, Property};
use crate::mqtt::{Direction, Limits, Version, encode};
use crate::policy::{Denial, Reason, Rewrite, Rewritten};

/// What a rule wants to be written, and MQTT has no place for.
const NOT_CARRIED: Denial = Denial::limit("user_properties", Reason::Unsigned);
const TOO_LARGE_TO_CARRY: Denial = Denial::limit("max_packet_bytes", Reason::TooLarge);
const CONTRADICTS_FORMAT: Denial = Denial::limit("payload_format_indicator", Reason::PayloadFormat);

/// The longest that a string or a Will's payload can be.
const MAX_FIELD_BYTES: usize = 65_535;

/// A PUBLISH written anew.
pub(super) struct Anew {
    /// All of its bytes.
    pub(super) bytes: Vec<u8>,
    pub(super) what: event::Rewrite,
}

impl Anew {
    /// Writes `judged` anew; with this Topic Name, or with none where its alias is to stand for it.
    pub(super) fn publish(
        version: Version,
        judged: &Judged<'_>,
        topic: &str,
        change: &Rewrite,
    ) -> Result<Self, Denial> {
        let head = &judged.head;
        // Changed only if seen whole.
        let received = judged.payload.ok_or(TOO_LARGE_TO_CARRY)?;
        let payload = change.payload.as_deref().unwrap_or(received);
        if head.properties.payload_is_utf8 && std::str::from_utf8(payload).is_err() {
            return Err(CONTRADICTS_FORMAT);
        }
        let block = properties(version, head.properties.all, change)?;
        let all = match &block {
            Some(block) => reread(block, Place::Packet(PacketType::Publish))?,
            None => head.properties.all,
        };
        let head = PublishHead { topic, properties: PublishProperties { all, ..head.properties }, ..*head };
        let mut bytes = Vec::with_capacity(payload.len() + topic.len() + all.bytes().len() + 16);
        encode::publish_head(version, &head, payload.len(), &mut bytes);
        bytes.extend_from_slice(payload);
        Ok(Self { bytes, what: event(change.what) })
    }
}

/// The Will that goes on in place of another.
#[derive(Debug)]
pub(super) struct WillAnew {
    change: Box<Rewrite>,
    block: Option<Vec<u8>>,
}

impl WillAnew {
    /// Finds out what goes on in place of `will`.
    pub(super) fn of(version: Version, will: &Will<'_>, change: Box<Rewrite>) -> Result<Self, Denial> {
        let payload = change.payload.as_deref().unwrap_or(will.payload);
        if payload.len() > MAX_FIELD_BYTES {
            return Err(TOO_LARGE_TO_CARRY);
        }
        if will.payload_is_utf8 && std::str::from_utf8(payload).is_err() {
            return Err(CONTRADICTS_FORMAT);
        }
        let block = properties(version, will.properties, &change)?;
        if let Some(block) = &block {
            reread(block, Place::Will)?;
        }
        Ok(Self { change, block })
    }

    /// The Will as it goes on.
    pub(super) fn apply<'w>(&'w self, will: Will<'w>) -> Will<'w> {
        let payload = self.change.payload.as_deref().unwrap_or(will.payload);
        let block = self.block.as_deref().and_then(|block| reread(block, Place::Will).ok());
        Will { payload, properties: block.unwrap_or(will.properties), ..will }
    }

    /// What has been done to it.
    pub(super) fn what(&self) -> event::Rewrite {
        event(self.change.what)
    }
}

const fn event(what: Rewritten) -> event::Rewrite {
    match what {
        Rewritten::Stripped => event::Rewrite::SignatureStripped,
        Rewritten::Signed => event::Rewrite::Signed,
    }
}

/// The property block that goes on, where it is another.
fn properties(version: Version, received: Properties<'_>, change: &Rewrite) -> Result<Option<Vec<u8>>, Denial> {
    let Rewrite { drop_properties, add_properties, .. } = change;
    if version != Version::V50 {
        return if add_properties.is_empty() { Ok(None) } else { Err(NOT_CARRIED) };
    }
    if drop_properties.is_empty() && add_properties.is_empty() {
        return Ok(None);
    }
    let mut added = add_properties.iter().flat_map(|(name, value)| [name, value]);
    if added.any(|text| text.len() > MAX_FIELD_BYTES) {
        return Err(TOO_LARGE_TO_CARRY);
    }
    let mut block = Vec::with_capacity(received.bytes().len() + 256);
    for (property, bytes) in received.with_bytes() {
        let is_dropped =
            matches!(property, Property::UserProperty(name, _) if drop_properties.iter().any(|one| **one == *name));
        if !is_dropped {
            block.extend_from_slice(bytes);
        }
    }
    let added = add_properties.iter().map(|(name, value)| Property::UserProperty(name, value));
    encode::properties(added, &mut block);
    Ok(Some(block))
}

/// A block of the gateway's own making, by no bounds but MQTT's: what came was within them.
pub(super) fn reread(block: &[u8], place: Place) -> Result<Properties<'_>, Denial> {
    let limits = lenient(&Limits { max_control_bytes: usize::MAX, ..Limits::default() });
    // Read as a broker's: in a PUBLISH it may say all that a client may.
    Properties::new(block, place, Direction::FromBroker, &limits).map_err(|_| NOT_CARRIED)
}
