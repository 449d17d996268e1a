//! PUBLISH, whole or only as far as its payload.

use std::num::NonZeroU16;

use super::super::{
    Context, Version,
    error::DecodeError,
    frame::{FixedHeader, Frame, PacketType, QoS},
    property::{Properties, Property},
    reader::{Integer, Reader, variable_byte_integer},
    topic,
};

/// PUBLISH.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Publish<'a> {
    /// Sent before.
    pub dup: bool,
    /// How surely it is to be delivered.
    pub qos: QoS,
    /// To be kept for later subscribers, or kept from before.
    pub retain: bool,
    /// The Topic Name; empty when a Topic Alias stands for it.
    pub topic: &'a str,
    /// Present above QoS 0.
    pub packet_id: Option<NonZeroU16>,
    /// MQTT 5.0.
    pub properties: PublishProperties<'a>,
    /// The Application Message.
    pub payload: &'a [u8],
}

/// A PUBLISH without its payload, which may still be on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublishHead<'a> {
    /// Sent before.
    pub dup: bool,
    /// How surely it is to be delivered.
    pub qos: QoS,
    /// To be kept for later subscribers, or kept from before.
    pub retain: bool,
    /// The Topic Name; empty when a Topic Alias stands for it.
    pub topic: &'a str,
    /// Present above QoS 0.
    pub packet_id: Option<NonZeroU16>,
    /// MQTT 5.0.
    pub properties: PublishProperties<'a>,
    /// Bytes of the packet before its payload, fixed header included.
    pub head_len: usize,
}

/// The properties of a PUBLISH, with those at hand that decide something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PublishProperties<'a> {
    /// Stands for the Topic Name, or is to stand for it from now on.
    pub topic_alias: Option<NonZeroU16>,
    /// Where the answer is to go.
    pub response_topic: Option<&'a str>,
    /// Payload Format Indicator 1: the sender says that the payload is UTF-8.
    pub payload_is_utf8: bool,
    /// All of them.
    pub all: Properties<'a>,
}

impl<'a> Publish<'a> {
    /// Whether the payload is not the UTF-8 that its Payload Format Indicator promises (5.0 §3.3.2.3.2).
    ///
    /// Not malformed: whoever judges the payload answers with 0x99.
    #[must_use]
    pub fn payload_contradicts_format(&self) -> bool {
        self.properties.payload_is_utf8 && std::str::from_utf8(self.payload).is_err()
    }

    /// All but the payload; `total_len` is that of its packet.
    #[must_use]
    pub const fn head(&self, total_len: usize) -> PublishHead<'a> {
        PublishHead {
            dup: self.dup,
            qos: self.qos,
            retain: self.retain,
            topic: self.topic,
            packet_id: self.packet_id,
            properties: self.properties,
            head_len: total_len - self.payload.len(),
        }
    }
}

impl<'a> PublishHead<'a> {
    /// The whole message, once its payload is there.
    #[must_use]
    pub const fn with_payload(&self, payload: &'a [u8]) -> Publish<'a> {
        Publish {
            dup: self.dup,
            qos: self.qos,
            retain: self.retain,
            topic: self.topic,
            packet_id: self.packet_id,
            properties: self.properties,
            payload,
        }
    }
}

impl Context<'_> {
    /// Judges a whole PUBLISH.
    ///
    /// # Errors
    /// The first rule that it breaks.
    #[inline]
    pub fn publish<'a>(&self, frame: &Frame<'a>) -> Result<Publish<'a>, DecodeError> {
        let header = &frame.header;
        let mut reader = Reader::new(frame.body());
        let topic = topic_name(reader.binary()?, self)?;
        let packet_id = if header.flags & 0b0110 == 0 { None } else { Some(reader.packet_id()?) };
        let properties = match self.version {
            Version::V50 => self.publish_properties(&mut reader)?,
            Version::V31 | Version::V311 => PublishProperties::default(),
        };
        if topic.is_empty() && properties.topic_alias.is_none() {
            return Err(DecodeError::TopicNameEmpty);
        }
        let (dup, qos, retain) = (header.dup(), header.qos(), header.retain());
        Ok(Publish { dup, qos, retain, topic, packet_id, properties, payload: reader.rest() })
    }

    /// Judges a PUBLISH as soon as all before its payload is at the front of `bytes`, which begin with its fixed header.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn publish_head<'a>(
        &self,
        header: &FixedHeader,
        bytes: &'a [u8],
    ) -> Result<Option<PublishHead<'a>>, DecodeError> {
        let Some(head_len) = self.head_len(header, bytes)? else { return Ok(None) };
        let Some(head) = bytes.get(..head_len) else { return Ok(None) };
        let publish = self.publish(&Frame { header: *header, bytes: head })?;
        Ok(Some(publish.head(head_len)))
    }

    /// Bytes of a PUBLISH before its payload, as soon as its lengths are there; every length is judged when it comes.
    fn head_len(&self, header: &FixedHeader, bytes: &[u8]) -> Result<Option<usize>, DecodeError> {
        let Some(topic_len) = bytes.get(header.header_len..).and_then(|body| body.first_chunk()) else {
            return Ok(None);
        };
        let topic_len = usize::from(u16::from_be_bytes(*topic_len));
        if topic_len > self.limits.max_topic_bytes {
            return Err(DecodeError::TopicNameTooLong);
        }
        let packet_id_len = if header.flags & 0b0110 == 0 { 0 } else { 2 };
        let mut head_len = header.header_len + 2 + topic_len + packet_id_len;
        if head_len > header.total_len() {
            return Err(DecodeError::Truncated);
        }
        if self.version == Version::V50 {
            let Some(properties) = bytes.get(head_len..) else { return Ok(None) };
            let available = properties.get(..header.total_len() - head_len).unwrap_or(properties);
            let Some(len) = self.properties_len(header.total_len() - head_len, available)? else { return Ok(None) };
            head_len += len;
        }
        Ok(Some(head_len))
    }

    /// Bytes of a property block with its length, at the front of `bytes`; `room` is what the packet has left.
    fn properties_len(&self, room: usize, bytes: &[u8]) -> Result<Option<usize>, DecodeError> {
        let (value, len) = match variable_byte_integer(bytes) {
            Integer::Whole { value, len } => (usize::try_from(value).unwrap_or(usize::MAX - 4), len),
            Integer::More if bytes.len() < room => return Ok(None),
            Integer::More => return Err(DecodeError::Truncated),
            Integer::TooLong => return Err(DecodeError::VariableByteIntegerTooLong),
            Integer::NotMinimal => return Err(DecodeError::VariableByteIntegerNotMinimal),
        };
        if value > self.limits.max_control_bytes {
            return Err(DecodeError::PacketTooLarge);
        }
        if len + value > room { Err(DecodeError::PropertiesOverrun) } else { Ok(Some(len + value)) }
    }

    fn publish_properties<'a>(&self, reader: &mut Reader<'a>) -> Result<PublishProperties<'a>, DecodeError> {
        let mut found = PublishProperties::default();
        found.all = Properties::read(reader, &self.rules(PacketType::Publish), |property| found.note(property))?;
        Ok(found)
    }
}

impl<'a> PublishProperties<'a> {
    fn note(&mut self, property: &Property<'a>) {
        if let Property::TopicAlias(alias) = property {
            self.topic_alias = Some(*alias);
        } else if let Property::ResponseTopic(topic) = property {
            self.response_topic = Some(topic);
        } else if let Property::PayloadFormatIndicator(utf8) = property {
            self.payload_is_utf8 = *utf8;
        }
    }
}

/// A Topic Name, or in MQTT 5.0 nothing, for which a Topic Alias must then stand.
#[inline]
fn topic_name<'a>(bytes: &'a [u8], context: &Context<'_>) -> Result<&'a str, DecodeError> {
    if bytes.is_empty() && context.version == Version::V50 { Ok("") } else { topic::name(bytes, context.limits) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mqtt::{Direction, Limits};

    /// The verdict on a head that has come, and on its first `early` bytes.
    fn check(bytes: &[u8], early: usize, expected: Result<Option<usize>, DecodeError>) {
        let limits = Limits { max_control_bytes: 16, max_topic_bytes: 8, ..Limits::default() };
        let context = Context { version: Version::V50, direction: Direction::FromBroker, limits: &limits };
        let header = context.header(bytes).unwrap().unwrap();
        let head = |bytes| context.publish_head(&header, bytes).map(|head| head.map(|head| head.head_len));
        assert_eq!(head(bytes), expected, "{bytes:?}");
        let at_once = if expected.is_err() { expected } else { Ok(None) };
        assert_eq!(head(&bytes[..early]), at_once, "the first {early} of {bytes:?}");
    }

    #[test]
    fn a_head_is_judged_as_soon_as_its_lengths_show_it() {
        let correlation = |len: u8| [&[0x30, 40, 0, 1, b'a', len, 0x09, 0, len - 3][..], &[0; 40]].concat();
        check(&correlation(16), 21, Ok(Some(22)));
        check(&correlation(17), 6, Err(DecodeError::PacketTooLarge));
        let topic = |len: u8| [&[0x30, 40, 0, len][..], &[b'a'; 8], &[0; 40]].concat();
        check(&topic(8), 12, Ok(Some(13)));
        check(&topic(9), 4, Err(DecodeError::TopicNameTooLong));
        check(&[0x30, 5, 0, 4, b'a', b'b', b'c'], 4, Err(DecodeError::Truncated));
        check(&[0x30, 5, 0, 1, b'a', 2, 0x01, 0, 0], 6, Err(DecodeError::PropertiesOverrun));
        check(&[0x30, 5, 0, 1, b'a', 0x80, 0x80, 0], 8, Err(DecodeError::Truncated));
        check(&[0x30, 5, 0, 1, b'a', 0x82, 0, 0], 7, Err(DecodeError::VariableByteIntegerNotMinimal));
    }
}
