//! From a stream of bytes to whole Control Packets: the fixed header, judged as early as each byte allows.
//!
//! What is inside the packet is [`super::packet`]'s to say.

use super::{
    Context, Direction, Version,
    error::DecodeError,
    reader::{Integer, variable_byte_integer},
};

/// The type of a Control Packet: the high four bits of its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
#[expect(missing_docs, reason = "the standard's own names")]
pub enum PacketType {
    Connect = 1,
    ConnAck = 2,
    Publish = 3,
    PubAck = 4,
    PubRec = 5,
    PubRel = 6,
    PubComp = 7,
    Subscribe = 8,
    SubAck = 9,
    Unsubscribe = 10,
    UnsubAck = 11,
    PingReq = 12,
    PingResp = 13,
    Disconnect = 14,
    /// MQTT 5.0 only.
    Auth = 15,
}

impl PacketType {
    /// Every type, in the order of their numbers.
    pub const ALL: [Self; 15] = [
        Self::Connect,
        Self::ConnAck,
        Self::Publish,
        Self::PubAck,
        Self::PubRec,
        Self::PubRel,
        Self::PubComp,
        Self::Subscribe,
        Self::SubAck,
        Self::Unsubscribe,
        Self::UnsubAck,
        Self::PingReq,
        Self::PingResp,
        Self::Disconnect,
        Self::Auth,
    ];

    /// The type that a packet's first byte names; `None` for the reserved 0.
    #[must_use]
    #[inline]
    pub const fn of(first: u8) -> Option<Self> {
        Some(match first >> 4 {
            1 => Self::Connect,
            2 => Self::ConnAck,
            3 => Self::Publish,
            4 => Self::PubAck,
            5 => Self::PubRec,
            6 => Self::PubRel,
            7 => Self::PubComp,
            8 => Self::Subscribe,
            9 => Self::SubAck,
            10 => Self::Unsubscribe,
            11 => Self::UnsubAck,
            12 => Self::PingReq,
            13 => Self::PingResp,
            14 => Self::Disconnect,
            15 => Self::Auth,
            _ => return None,
        })
    }

    /// Its name in the standard, in capitals.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "CONNECT",
            Self::ConnAck => "CONNACK",
            Self::Publish => "PUBLISH",
            Self::PubAck => "PUBACK",
            Self::PubRec => "PUBREC",
            Self::PubRel => "PUBREL",
            Self::PubComp => "PUBCOMP",
            Self::Subscribe => "SUBSCRIBE",
            Self::SubAck => "SUBACK",
            Self::Unsubscribe => "UNSUBSCRIBE",
            Self::UnsubAck => "UNSUBACK",
            Self::PingReq => "PINGREQ",
            Self::PingResp => "PINGRESP",
            Self::Disconnect => "DISCONNECT",
            Self::Auth => "AUTH",
        }
    }

    /// Whether this side may send it at all (3.1.1 §2.2.1, 5.0 §2.1.2).
    const fn may_come(self, direction: Direction, version: Version) -> bool {
        match self {
            Self::Publish | Self::PubAck | Self::PubRec | Self::PubRel | Self::PubComp | Self::Auth => true,
            Self::Disconnect => matches!(direction, Direction::FromClient) || matches!(version, Version::V50),
            Self::Connect | Self::Subscribe | Self::Unsubscribe | Self::PingReq => {
                matches!(direction, Direction::FromClient)
            }
            Self::ConnAck | Self::SubAck | Self::UnsubAck | Self::PingResp => {
                matches!(direction, Direction::FromBroker)
            }
        }
    }
}

/// How surely a message is delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum QoS {
    /// At most once.
    #[default]
    Zero = 0,
    /// At least once.
    One = 1,
    /// Exactly once.
    Two = 2,
}

impl QoS {
    /// The level with this number; `None` from 3 on.
    #[must_use]
    #[inline]
    pub const fn from_u8(value: u8) -> Option<Self> {
        match value {
            0 => Some(Self::Zero),
            1 => Some(Self::One),
            2 => Some(Self::Two),
            _ => None,
        }
    }

    /// Its number on the wire.
    #[must_use]
    pub const fn value(self) -> u8 {
        self as u8
    }
}

/// The fixed header of one Control Packet, judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FixedHeader {
    /// What the packet is.
    pub packet_type: PacketType,
    /// The low four bits of the first byte.
    pub flags: u8,
    /// Bytes of the fixed header itself: 2 to 5.
    pub header_len: usize,
    /// Bytes that follow it.
    pub remaining_len: usize,
}

impl FixedHeader {
    /// Bytes of the whole packet.
    #[must_use]
    #[inline]
    pub const fn total_len(&self) -> usize {
        self.header_len + self.remaining_len
    }

    /// DUP, of a PUBLISH.
    #[must_use]
    pub const fn dup(&self) -> bool {
        self.flags & 0b1000 != 0
    }

    /// RETAIN, of a PUBLISH.
    #[must_use]
    pub const fn retain(&self) -> bool {
        self.flags & 0b0001 != 0
    }

    /// The QoS of a PUBLISH.
    #[must_use]
    #[inline]
    pub const fn qos(&self) -> QoS {
        match self.flags & 0b0110 {
            0b0000 => QoS::Zero,
            0b0010 => QoS::One,
            // INVARIANT: a header with QoS 3 is never made.
            _ => QoS::Two,
        }
    }
}

/// One whole Control Packet as it was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Its fixed header.
    pub header: FixedHeader,
    /// All of its bytes, fixed header included.
    pub bytes: &'a [u8],
}

impl<'a> Frame<'a> {
    /// What follows the fixed header.
    #[must_use]
    #[inline]
    pub fn body(&self) -> &'a [u8] {
        self.bytes.get(self.header.header_len..).unwrap_or_default()
    }
}

impl Context<'_> {
    /// The fixed header at the front of `bytes`, as soon as it is whole.
    ///
    /// Type, direction, flags and size are judged here, so that nothing is buffered for a packet that can't pass.
    ///
    /// # Errors
    /// The first rule that the bytes break, however few of them there are.
    #[inline]
    pub fn header(&self, bytes: &[u8]) -> Result<Option<FixedHeader>, DecodeError> {
        let Some((&first, rest)) = bytes.split_first() else { return Ok(None) };
        let packet_type = self.judge_first(first)?;
        let Some(header) = with_length(packet_type, first & 0x0F, rest)? else { return Ok(None) };
        self.judge_length(&header)?;
        Ok(Some(header))
    }

    /// The whole packet at the front of `bytes`, if it has come.
    ///
    /// # Errors
    /// As [`Context::header`].
    #[inline]
    pub fn frame<'a>(&self, bytes: &'a [u8]) -> Result<Option<Frame<'a>>, DecodeError> {
        let Some(header) = self.header(bytes)? else { return Ok(None) };
        Ok(bytes.get(..header.total_len()).map(|bytes| Frame { header, bytes }))
    }

    #[inline]
    fn judge_first(&self, first: u8) -> Result<PacketType, DecodeError> {
        let packet_type = PacketType::of(first).ok_or(DecodeError::UnknownPacketType)?;
        let flags = first & 0x0F;
        if packet_type == PacketType::Publish {
            return match flags {
                _ if flags & 0b0110 == 0b0110 => Err(DecodeError::QosInvalid),
                _ if flags & 0b1110 == 0b1000 => Err(DecodeError::DupAtQos0),
                _ => Ok(packet_type),
            };
        }
        if packet_type == PacketType::Auth && self.version != Version::V50 {
            return Err(DecodeError::UnknownPacketType);
        }
        if !packet_type.may_come(self.direction, self.version) {
            return Err(DecodeError::WrongDirection);
        }
        if packet_type == PacketType::Connect {
            return Err(DecodeError::SecondConnect);
        }
        if !flags_are_legal(packet_type, flags, self.version) {
            return Err(DecodeError::ReservedFlags);
        }
        Ok(packet_type)
    }

    #[inline]
    fn judge_length(&self, header: &FixedHeader) -> Result<(), DecodeError> {
        let (least, most) = length_range(header, self.version);
        let mut limit = self.limits.max_packet_bytes;
        if header.packet_type != PacketType::Publish {
            limit = limit.min(self.limits.max_control_bytes);
        }
        if header.remaining_len < least || header.remaining_len > most {
            return Err(DecodeError::LengthInvalid);
        }
        if header.total_len() > limit {
            return Err(DecodeError::PacketTooLarge);
        }
        Ok(())
    }
}

/// Completes a fixed header by the Remaining Length at the front of `rest`.
#[inline]
pub(super) fn with_length(packet_type: PacketType, flags: u8, rest: &[u8]) -> Result<Option<FixedHeader>, DecodeError> {
    match variable_byte_integer(rest) {
        Integer::Whole { value, len } => {
            let remaining_len = usize::try_from(value).map_err(|_| DecodeError::PacketTooLarge)?;
            Ok(Some(FixedHeader { packet_type, flags, header_len: 1 + len, remaining_len }))
        }
        Integer::More => Ok(None),
        Integer::TooLong => Err(DecodeError::RemainingLengthTooLong),
        Integer::NotMinimal => Err(DecodeError::RemainingLengthNotMinimal),
    }
}

/// [MQTT-2.2.2-2], 5.0 [MQTT-2.1.3-1]. MQTT 3.1 sends SUBSCRIBE, UNSUBSCRIBE and PUBREL at QoS 1 and lets them be
/// repeated with DUP (3.1 §2.1). phpMQTT gives its SUBSCRIBE the QoS that it asks for, and brokers of 3.1 take it.
const fn flags_are_legal(packet_type: PacketType, flags: u8, version: Version) -> bool {
    match packet_type {
        PacketType::Subscribe if matches!((version, flags), (Version::V31, 0b0000 | 0b0100)) => true,
        PacketType::PubRel | PacketType::Subscribe | PacketType::Unsubscribe => {
            flags == 0b0010 || (flags == 0b1010 && matches!(version, Version::V31))
        }
        PacketType::Publish => true,
        PacketType::Connect
        | PacketType::ConnAck
        | PacketType::PubAck
        | PacketType::PubRec
        | PacketType::PubComp
        | PacketType::SubAck
        | PacketType::UnsubAck
        | PacketType::PingReq
        | PacketType::PingResp
        | PacketType::Disconnect
        | PacketType::Auth => flags == 0,
    }
}

/// The least and the most that a Remaining Length can be for its packet.
#[inline]
const fn length_range(header: &FixedHeader, version: Version) -> (usize, usize) {
    const ANY: usize = usize::MAX;
    let v5 = matches!(version, Version::V50);
    match header.packet_type {
        PacketType::Publish => {
            let packet_id = if header.flags & 0b0110 == 0 { 0 } else { 2 };
            (2 + packet_id + v5 as usize, ANY)
        }
        PacketType::PingReq | PacketType::PingResp => (0, 0),
        PacketType::Disconnect | PacketType::Auth if v5 => (0, ANY),
        PacketType::Disconnect | PacketType::Auth => (0, 0),
        PacketType::UnsubAck if v5 => (3, ANY),
        PacketType::ConnAck | PacketType::PubAck | PacketType::PubRec | PacketType::PubRel | PacketType::PubComp
            if v5 =>
        {
            (2, ANY)
        }
        PacketType::ConnAck
        | PacketType::PubAck
        | PacketType::PubRec
        | PacketType::PubRel
        | PacketType::PubComp
        | PacketType::UnsubAck => (2, 2),
        PacketType::Subscribe | PacketType::SubAck | PacketType::Unsubscribe => (2 + v5 as usize, ANY),
        PacketType::Connect => (10, ANY),
    }
}
