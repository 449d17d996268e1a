//! Properties of MQTT 5.0: one pass over a block holds each to be known, in its place, in range and not repeated.
//!
//! Nothing is stored: [`Properties`] is the block itself, judged, and reads it again when asked.

use std::num::{NonZeroU16, NonZeroU32};

use super::{Direction, Limits, error::DecodeError, frame::PacketType, reader::Reader, topic};

/// Where a property block stands: in a packet, or in the Will of a CONNECT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Among the fields of this packet.
    Packet(PacketType),
    /// Will Properties, §3.1.3.2.
    Will,
}

/// One property, §2.2.2.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the standard's own names")]
pub enum Property<'a> {
    PayloadFormatIndicator(bool),
    /// Seconds.
    MessageExpiryInterval(u32),
    ContentType(&'a str),
    ResponseTopic(&'a str),
    CorrelationData(&'a [u8]),
    SubscriptionIdentifier(NonZeroU32),
    /// Seconds.
    SessionExpiryInterval(u32),
    AssignedClientIdentifier(&'a str),
    /// Seconds.
    ServerKeepAlive(u16),
    AuthenticationMethod(&'a str),
    AuthenticationData(&'a [u8]),
    RequestProblemInformation(bool),
    /// Seconds.
    WillDelayInterval(u32),
    RequestResponseInformation(bool),
    ResponseInformation(&'a str),
    ServerReference(&'a str),
    ReasonString(&'a str),
    ReceiveMaximum(NonZeroU16),
    TopicAliasMaximum(u16),
    TopicAlias(NonZeroU16),
    /// QoS 1 when true, else QoS 0.
    MaximumQoS(bool),
    RetainAvailable(bool),
    UserProperty(&'a str, &'a str),
    MaximumPacketSize(NonZeroU32),
    WildcardSubscriptionAvailable(bool),
    SubscriptionIdentifierAvailable(bool),
    SharedSubscriptionAvailable(bool),
}

impl Property<'_> {
    /// Its identifier on the wire.
    #[must_use]
    pub const fn identifier(&self) -> u8 {
        match self {
            Self::PayloadFormatIndicator(_) => 0x01,
            Self::MessageExpiryInterval(_) => 0x02,
            Self::ContentType(_) => 0x03,
            Self::ResponseTopic(_) => 0x08,
            Self::CorrelationData(_) => 0x09,
            Self::SubscriptionIdentifier(_) => 0x0B,
            Self::SessionExpiryInterval(_) => 0x11,
            Self::AssignedClientIdentifier(_) => 0x12,
            Self::ServerKeepAlive(_) => 0x13,
            Self::AuthenticationMethod(_) => 0x15,
            Self::AuthenticationData(_) => 0x16,
            Self::RequestProblemInformation(_) => 0x17,
            Self::WillDelayInterval(_) => 0x18,
            Self::RequestResponseInformation(_) => 0x19,
            Self::ResponseInformation(_) => 0x1A,
            Self::ServerReference(_) => 0x1C,
            Self::ReasonString(_) => 0x1F,
            Self::ReceiveMaximum(_) => 0x21,
            Self::TopicAliasMaximum(_) => 0x22,
            Self::TopicAlias(_) => 0x23,
            Self::MaximumQoS(_) => 0x24,
            Self::RetainAvailable(_) => 0x25,
            Self::UserProperty(..) => 0x26,
            Self::MaximumPacketSize(_) => 0x27,
            Self::WildcardSubscriptionAvailable(_) => 0x28,
            Self::SubscriptionIdentifierAvailable(_) => 0x29,
            Self::SharedSubscriptionAvailable(_) => 0x2A,
        }
    }
}

impl Place {
    /// Its bit in a set of places.
    const fn bit(self) -> u16 {
        match self {
            Self::Will => 1,
            Self::Packet(packet_type) => 1 << packet_type as u8,
        }
    }
}

/// Where the property with this identifier may stand, §2.2.2.2 table 2-4; nowhere when there is no such property.
#[inline]
const fn places(identifier: u32) -> u16 {
    const fn of(packet_type: PacketType) -> u16 {
        Place::Packet(packet_type).bit()
    }
    const WILL: u16 = Place::Will.bit();
    const CONNECT: u16 = of(PacketType::Connect);
    const CONNACK: u16 = of(PacketType::ConnAck);
    const PUBLISH: u16 = of(PacketType::Publish);
    const SUBSCRIBE: u16 = of(PacketType::Subscribe);
    const DISCONNECT: u16 = of(PacketType::Disconnect);
    const AUTH: u16 = of(PacketType::Auth);
    const ACKS: u16 =
        of(PacketType::PubAck) | of(PacketType::PubRec) | of(PacketType::PubRel) | of(PacketType::PubComp);
    const ANSWERS: u16 = CONNACK | ACKS | of(PacketType::SubAck) | of(PacketType::UnsubAck) | DISCONNECT | AUTH;
    match identifier {
        0x01 | 0x02 | 0x03 | 0x08 | 0x09 => PUBLISH | WILL,
        0x0B => PUBLISH | SUBSCRIBE,
        0x11 => CONNECT | CONNACK | DISCONNECT,
        0x12 | 0x13 | 0x1A | 0x24 | 0x25 | 0x28..=0x2A => CONNACK,
        0x15 | 0x16 => CONNECT | CONNACK | AUTH,
        0x17 | 0x19 => CONNECT,
        0x18 => WILL,
        0x1C => CONNACK | DISCONNECT,
        0x1F => ANSWERS,
        0x21 | 0x22 | 0x27 => CONNECT | CONNACK,
        0x23 => PUBLISH,
        0x26 => ANSWERS | CONNECT | PUBLISH | WILL | SUBSCRIBE | of(PacketType::Unsubscribe),
        _ => 0,
    }
}

/// What a property block is judged by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules<'l> {
    pub(super) place: Place,
    pub(super) direction: Direction,
    pub(super) limits: &'l Limits,
}

/// A property block that has been judged, without its length.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Properties<'a> {
    block: &'a [u8],
}

impl std::fmt::Debug for Properties<'_> {
    /// Lists what is there; Authentication Data is a secret and stays out.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter().filter(|p| !matches!(p, Property::AuthenticationData(_)))).finish()
    }
}

impl<'a> Properties<'a> {
    /// No properties.
    pub const NONE: Self = Self { block: &[] };

    /// Judges a block, without its length, as it would stand in a packet from `direction`.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn new(block: &'a [u8], place: Place, direction: Direction, limits: &Limits) -> Result<Self, DecodeError> {
        Self::judge(block, &Rules { place, direction, limits }, |_| {})
    }

    /// Reads a Property Length and so many bytes, judges them, and shows each property to `each`.
    #[inline]
    pub(super) fn read(
        reader: &mut Reader<'a>,
        rules: &Rules<'_>,
        each: impl FnMut(&Property<'a>),
    ) -> Result<Self, DecodeError> {
        let len = usize::try_from(reader.variable_byte_integer()?).map_err(|_| DecodeError::PropertiesOverrun)?;
        let block = reader.take(len).map_err(|_| DecodeError::PropertiesOverrun)?;
        // Nearly every PUBLISH ends here. An AUTH must hold a property even so.
        if block.is_empty() && rules.place != Place::Packet(PacketType::Auth) {
            Ok(Self::NONE)
        } else {
            Self::judge(block, rules, each)
        }
    }

    fn judge(block: &'a [u8], rules: &Rules<'_>, mut each: impl FnMut(&Property<'a>)) -> Result<Self, DecodeError> {
        if block.len() > rules.limits.max_control_bytes {
            return Err(DecodeError::PacketTooLarge);
        }
        let mut reader = Reader::of_properties(block);
        let mut seen = Seen::default();
        while !reader.is_empty() {
            let property = property(&mut reader, rules.place)?;
            seen.note(&property, rules)?;
            if let Property::ResponseTopic(text) = property {
                topic::check_name(text, rules.limits).map_err(of_response_topic)?;
            }
            each(&property);
        }
        seen.finish(rules.place)?;
        Ok(Self { block })
    }

    /// The properties, in the order of the packet.
    pub fn iter(&self) -> impl Iterator<Item = Property<'a>> + use<'a> {
        self.with_bytes().map(|(property, _)| property)
    }

    /// Each property with its own bytes, identifier included.
    pub fn with_bytes(&self) -> impl Iterator<Item = (Property<'a>, &'a [u8])> + use<'a> {
        let mut reader = Reader::of_properties(self.block);
        std::iter::from_fn(move || {
            let before = reader.rest();
            let identifier = reader.variable_byte_integer().ok()?;
            let property = value(identifier, &mut reader).ok()?;
            let bytes = before.get(..before.len() - reader.rest().len())?;
            Some((property, bytes))
        })
    }

    /// The properties with `changes` made: each takes the place of the one it names, or comes last.
    pub fn with<'p>(&self, changes: &'p [Property<'p>]) -> impl Iterator<Item = Property<'p>>
    where
        'a: 'p,
    {
        let same = |one: &Property<'_>, other: &Property<'_>| one.identifier() == other.identifier();
        let properties = *self;
        let kept = self.iter().map(move |found| *changes.iter().find(|change| same(change, &found)).unwrap_or(&found));
        let added = changes.iter().filter(move |change| !properties.iter().any(|found| same(change, &found)));
        kept.chain(added.copied())
    }

    /// The bytes of all of them, without the Property Length.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.block
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.block.is_empty()
    }
}

/// What has been met so far in one block.
#[derive(Default)]
struct Seen {
    /// One bit for each identifier; the highest is 0x2A.
    identifiers: u64,
    user_properties: usize,
}

impl Seen {
    const AUTHENTICATION_METHOD: u64 = 1 << 0x15;
    const AUTHENTICATION_DATA: u64 = 1 << 0x16;

    fn note(&mut self, property: &Property<'_>, rules: &Rules<'_>) -> Result<(), DecodeError> {
        if matches!(property, Property::UserProperty(..)) {
            self.user_properties += 1;
            let bounded = self.user_properties <= rules.limits.max_user_properties;
            return if bounded { Ok(()) } else { Err(DecodeError::TooManyUserProperties) };
        }
        let from_broker = rules.direction == Direction::FromBroker;
        if matches!(property, Property::SubscriptionIdentifier(_)) && rules.place == Place::Packet(PacketType::Publish)
        {
            // One for each subscription that matched, §3.3.2.3.8.
            return if from_broker { Ok(()) } else { Err(DecodeError::SubscriptionIdentifierFromClient) };
        }
        if matches!(property, Property::SessionExpiryInterval(_))
            && rules.place == Place::Packet(PacketType::Disconnect)
            && from_broker
        {
            return Err(DecodeError::SessionExpiryFromServer);
        }
        let bit = 1 << property.identifier();
        if self.identifiers & bit != 0 {
            return Err(DecodeError::PropertyRepeated);
        }
        self.identifiers |= bit;
        Ok(())
    }

    fn finish(&self, place: Place) -> Result<(), DecodeError> {
        let method = self.identifiers & Self::AUTHENTICATION_METHOD != 0;
        if !method && self.identifiers & Self::AUTHENTICATION_DATA != 0 {
            return Err(DecodeError::AuthenticationDataAlone);
        }
        if !method && place == Place::Packet(PacketType::Auth) {
            return Err(DecodeError::AuthenticationMethodMissing);
        }
        Ok(())
    }
}

const fn of_response_topic(error: DecodeError) -> DecodeError {
    if matches!(error, DecodeError::TopicNameWildcard) { DecodeError::ResponseTopicWildcard } else { error }
}

/// Reads one property that may stand in `place`.
#[inline]
fn property<'a>(reader: &mut Reader<'a>, place: Place) -> Result<Property<'a>, DecodeError> {
    let identifier = reader.variable_byte_integer()?;
    match places(identifier) {
        0 => Err(DecodeError::PropertyUnknown),
        places if places & place.bit() == 0 => Err(DecodeError::PropertyMisplaced),
        _ => value(identifier, reader),
    }
}

/// Reads what stands behind an identifier, by its type, §2.2.2.2.
#[inline]
fn value<'a>(identifier: u32, reader: &mut Reader<'a>) -> Result<Property<'a>, DecodeError> {
    Ok(match identifier {
        0x01 => Property::PayloadFormatIndicator(boolean(reader)?),
        0x02 => Property::MessageExpiryInterval(reader.u32()?),
        0x03 => Property::ContentType(reader.string()?),
        0x08 => Property::ResponseTopic(reader.string()?),
        0x09 => Property::CorrelationData(reader.binary()?),
        0x0B => Property::SubscriptionIdentifier(
            NonZeroU32::new(reader.variable_byte_integer()?).ok_or(DecodeError::SubscriptionIdentifierZero)?,
        ),
        0x11 => Property::SessionExpiryInterval(reader.u32()?),
        0x12 => Property::AssignedClientIdentifier(reader.string()?),
        0x13 => Property::ServerKeepAlive(reader.u16()?),
        0x15 => Property::AuthenticationMethod(reader.string()?),
        0x16 => Property::AuthenticationData(reader.binary()?),
        0x17 => Property::RequestProblemInformation(boolean(reader)?),
        0x18 => Property::WillDelayInterval(reader.u32()?),
        0x19 => Property::RequestResponseInformation(boolean(reader)?),
        0x1A => Property::ResponseInformation(reader.string()?),
        0x1C => Property::ServerReference(reader.string()?),
        0x1F => Property::ReasonString(reader.string()?),
        0x21 => Property::ReceiveMaximum(NonZeroU16::new(reader.u16()?).ok_or(DecodeError::ReceiveMaximumZero)?),
        0x22 => Property::TopicAliasMaximum(reader.u16()?),
        0x23 => Property::TopicAlias(NonZeroU16::new(reader.u16()?).ok_or(DecodeError::TopicAliasZero)?),
        0x24 => Property::MaximumQoS(boolean(reader)?),
        0x25 => Property::RetainAvailable(boolean(reader)?),
        0x26 => Property::UserProperty(reader.string()?, reader.string()?),
        0x27 => Property::MaximumPacketSize(NonZeroU32::new(reader.u32()?).ok_or(DecodeError::MaximumPacketSizeZero)?),
        0x28 => Property::WildcardSubscriptionAvailable(boolean(reader)?),
        0x29 => Property::SubscriptionIdentifierAvailable(boolean(reader)?),
        0x2A => Property::SharedSubscriptionAvailable(boolean(reader)?),
        _ => return Err(DecodeError::PropertyUnknown),
    })
}

fn boolean(reader: &mut Reader<'_>) -> Result<bool, DecodeError> {
    match reader.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(DecodeError::PropertyNotBoolean),
    }
}
