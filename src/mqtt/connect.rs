//! CONNECT, the first packet, which settles the version and says who wants what.

use std::fmt;

use super::{
    Direction, Limits, Version,
    error::DecodeError,
    frame::{FixedHeader, PacketType, QoS, with_length},
    property::{Place, Properties, Property, Rules},
    reader::Reader,
    text, topic,
};

/// CONNECT of any version. What MQTT 3.1 and 3.1.1 lack has the value that its absence means in 5.0.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Connect<'a> {
    /// Settled by protocol name and level.
    pub version: Version,
    /// Clean Start, or Clean Session before MQTT 5.0.
    pub clean_start: bool,
    /// Seconds; 0 for none.
    pub keep_alive: u16,
    /// Empty where the Server is to assign one.
    pub client_id: &'a str,
    /// Who it claims to be.
    pub username: Option<&'a str>,
    /// A secret: `Debug` does not show it.
    pub password: Option<&'a [u8]>,
    /// To be published when the client is lost.
    pub will: Option<Will<'a>>,
    /// Seconds. Before MQTT 5.0: 0 with Clean Session, else for ever.
    pub session_expiry: u32,
    /// 65,535 where absent.
    pub receive_maximum: u16,
    /// Bytes; no limit where absent.
    pub maximum_packet_size: Option<u32>,
    /// 0 where absent.
    pub topic_alias_maximum: u16,
    /// Whether Reason Strings and User Properties may explain a failure; yes where absent.
    pub request_problem_information: bool,
    /// Whether Response Information is wanted; no where absent.
    pub request_response_information: bool,
    /// Opens an enhanced authentication.
    pub authentication_method: Option<&'a str>,
    /// MQTT 5.0.
    pub properties: Properties<'a>,
}

/// The Will Message of a CONNECT.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Will<'a> {
    /// Where it is to be published.
    pub topic: &'a str,
    /// The Application Message.
    pub payload: &'a [u8],
    /// How surely it is to be delivered.
    pub qos: QoS,
    /// To be kept for later subscribers.
    pub retain: bool,
    /// Where the answer is to go; MQTT 5.0.
    pub response_topic: Option<&'a str>,
    /// Payload Format Indicator 1: the client says that the payload is UTF-8.
    pub payload_is_utf8: bool,
    /// MQTT 5.0.
    pub properties: Properties<'a>,
}

impl Will<'_> {
    /// Whether the payload is not the UTF-8 that its Payload Format Indicator promises (5.0 §3.1.3.2.3).
    #[must_use]
    pub fn payload_contradicts_format(&self) -> bool {
        self.payload_is_utf8 && std::str::from_utf8(self.payload).is_err()
    }
}

impl fmt::Debug for Connect<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect")
            .field("version", &self.version)
            .field("clean_start", &self.clean_start)
            .field("keep_alive", &self.keep_alive)
            .field("client_id", &self.client_id)
            .field("username", &self.username)
            .field("password", &self.password.map(|_| "…"))
            .field("will", &self.will)
            .field("properties", &self.properties)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Will<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Will")
            .field("topic", &self.topic)
            .field("payload_bytes", &self.payload.len())
            .field("qos", &self.qos)
            .field("retain", &self.retain)
            .field("properties", &self.properties)
            .finish_non_exhaustive()
    }
}

/// Why a CONNECT is refused, and in which version's form to say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectError {
    /// The rule that it breaks.
    pub error: DecodeError,
    /// The version to answer in. For a protocol level that does not exist it is the nearest one that the client may
    /// understand; `None` when the packet can't be a CONNECT of any version, which is not answered at all.
    pub version: Option<Version>,
}

/// The fixed header of the packet that opens a Network Connection, as soon as it is whole.
///
/// # Errors
/// `NotConnect` for any other packet, and whatever is wrong with its flags or its length.
pub fn connect_header(bytes: &[u8], limits: &Limits) -> Result<Option<FixedHeader>, DecodeError> {
    let Some((&first, rest)) = bytes.split_first() else { return Ok(None) };
    if PacketType::of(first) != Some(PacketType::Connect) {
        return Err(DecodeError::NotConnect);
    }
    if first & 0x0F != 0 {
        return Err(DecodeError::ReservedFlags);
    }
    let Some(header) = with_length(PacketType::Connect, 0, rest)? else { return Ok(None) };
    if header.total_len() > limits.max_connect_bytes {
        return Err(DecodeError::PacketTooLarge);
    }
    Ok(Some(header))
}

/// Judges one whole CONNECT.
///
/// # Errors
/// The first rule that it breaks, with the version that it names.
pub fn decode_connect<'a>(frame: &'a [u8], limits: &Limits) -> Result<Connect<'a>, ConnectError> {
    let unversioned = |error| ConnectError { error, version: None };
    let header = connect_header(frame, limits).map_err(unversioned)?.ok_or(unversioned(DecodeError::Truncated))?;
    let body = frame.get(header.header_len..).unwrap_or_default();
    let mut reader = Reader::new(body);
    let version = version(&mut reader)?;
    let versioned = |error| ConnectError { error, version: Some(version) };
    if body.len() < header.remaining_len {
        return Err(versioned(DecodeError::Truncated));
    }
    if body.len() > header.remaining_len {
        return Err(versioned(DecodeError::TrailingBytes));
    }
    Decoder { reader, version, limits }.connect().map_err(versioned)
}

/// Protocol name and level. [MQTT-3.1.2-1] [MQTT-3.1.2-2]
fn version(reader: &mut Reader<'_>) -> Result<Version, ConnectError> {
    let unversioned = |error| ConnectError { error, version: None };
    let name = reader.binary().map_err(unversioned)?;
    let of_name = match name {
        b"MQTT" => Version::V311,
        b"MQIsdp" => Version::V31,
        _ => return Err(unversioned(DecodeError::ProtocolName)),
    };
    let level = reader.u8().map_err(unversioned)?;
    match (of_name, level) {
        (Version::V31, 3) => Ok(Version::V31),
        (Version::V311, 4) => Ok(Version::V311),
        (Version::V311, 5) => Ok(Version::V50),
        // Mosquitto's bridges set the top bit of the level and try again without it once refused in the old form.
        (Version::V311, 6..=0x7F) => {
            Err(ConnectError { error: DecodeError::ProtocolLevel, version: Some(Version::V50) })
        }
        _ => Err(ConnectError { error: DecodeError::ProtocolLevel, version: Some(of_name) }),
    }
}

/// The Connect Flags, judged.
struct Flags {
    clean_start: bool,
    will: Option<(QoS, bool)>,
    username: bool,
    password: bool,
}

impl Flags {
    fn judge(byte: u8, version: Version) -> Result<Self, DecodeError> {
        if byte & 1 != 0 {
            return Err(DecodeError::ConnectFlagReserved);
        }
        let qos = QoS::from_u8(byte >> 3 & 0b11).ok_or(DecodeError::WillQosInvalid)?;
        let has_will = byte & 0b100 != 0;
        // 3.1 disregards them.
        if !has_will && byte & 0b0011_1000 != 0 && version != Version::V31 {
            return Err(DecodeError::WillFlagsWithoutWill);
        }
        let (username, password) = (byte & 0x80 != 0, byte & 0x40 != 0);
        if password && !username && version != Version::V50 {
            return Err(DecodeError::PasswordWithoutUserName);
        }
        let will = has_will.then_some((qos, byte & 0x20 != 0));
        Ok(Self { clean_start: byte & 0b10 != 0, will, username, password })
    }
}

struct Decoder<'a, 'l> {
    reader: Reader<'a>,
    version: Version,
    limits: &'l Limits,
}

impl<'a> Decoder<'a, '_> {
    fn connect(mut self) -> Result<Connect<'a>, DecodeError> {
        let flags = Flags::judge(self.reader.u8()?, self.version)?;
        let mut connect = Connect::bare(self.version, flags.clean_start, self.reader.u16()?);
        connect.properties = self.properties(Place::Packet(PacketType::Connect), |property| connect.note(property))?;
        connect.client_id = self.client_id(flags.clean_start)?;
        connect.will = flags.will.map(|(qos, retain)| self.will(qos, retain)).transpose()?;
        if flags.username && !self.left_out() {
            connect.username = Some(self.reader.string()?);
        }
        if flags.password && !self.left_out() {
            connect.password = Some(self.reader.binary()?);
        }
        self.reader.finish()?;
        Ok(connect)
    }

    /// 3.1 §3.1: the Remaining Length takes precedence over the flags; a user name or password may be missing.
    fn left_out(&self) -> bool {
        self.version == Version::V31 && self.reader.is_empty()
    }

    fn properties(&mut self, place: Place, each: impl FnMut(&Property<'a>)) -> Result<Properties<'a>, DecodeError> {
        let rules = Rules { place, direction: Direction::FromClient, limits: self.limits };
        match self.version {
            Version::V50 => Properties::read(&mut self.reader, &rules, each),
            Version::V31 | Version::V311 => Ok(Properties::NONE),
        }
    }

    fn client_id(&mut self, clean_start: bool) -> Result<&'a str, DecodeError> {
        let bytes = self.reader.binary()?;
        if bytes.len() > self.limits.max_client_id_bytes {
            return Err(DecodeError::ClientIdentifierTooLong);
        }
        let id = text::utf8(bytes)?;
        if self.limits.refuse_control_characters && text::holds_control(id) {
            return Err(DecodeError::ControlCharacter);
        }
        let may_be_empty = match self.version {
            Version::V31 => false,
            Version::V311 => clean_start,
            Version::V50 => true,
        };
        if id.is_empty() && !may_be_empty { Err(DecodeError::ClientIdentifierEmpty) } else { Ok(id) }
    }

    fn will(&mut self, qos: QoS, retain: bool) -> Result<Will<'a>, DecodeError> {
        let (mut response_topic, mut payload_is_utf8) = (None, false);
        let properties = self.properties(Place::Will, |property| {
            if let Property::ResponseTopic(topic) = property {
                response_topic = Some(*topic);
            } else if let Property::PayloadFormatIndicator(utf8) = property {
                payload_is_utf8 = *utf8;
            }
        })?;
        let topic = topic::name(self.reader.binary()?, self.limits)?;
        let payload = self.reader.binary()?;
        Ok(Will { topic, payload, qos, retain, response_topic, payload_is_utf8, properties })
    }
}

impl<'a> Connect<'a> {
    /// A CONNECT that says no more than this.
    #[must_use]
    pub const fn bare(version: Version, clean_start: bool, keep_alive: u16) -> Self {
        let for_ever = !clean_start && !matches!(version, Version::V50);
        Self {
            version,
            clean_start,
            keep_alive,
            client_id: "",
            username: None,
            password: None,
            will: None,
            session_expiry: if for_ever { u32::MAX } else { 0 },
            receive_maximum: u16::MAX,
            maximum_packet_size: None,
            topic_alias_maximum: 0,
            request_problem_information: true,
            request_response_information: false,
            authentication_method: None,
            properties: Properties::NONE,
        }
    }

    fn note(&mut self, property: &Property<'a>) {
        if let Property::SessionExpiryInterval(seconds) = property {
            self.session_expiry = *seconds;
        } else if let Property::ReceiveMaximum(maximum) = property {
            self.receive_maximum = maximum.get();
        } else if let Property::MaximumPacketSize(size) = property {
            self.maximum_packet_size = Some(size.get());
        } else if let Property::TopicAliasMaximum(maximum) = property {
            self.topic_alias_maximum = *maximum;
        } else if let Property::RequestProblemInformation(wanted) = property {
            self.request_problem_information = *wanted;
        } else if let Property::RequestResponseInformation(wanted) = property {
            self.request_response_information = *wanted;
        } else if let Property::AuthenticationMethod(name) = property {
            self.authentication_method = Some(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_secret() {
        let block = b"\x15\0\x01m\x16\0\x06secret";
        let place = Place::Packet(PacketType::Connect);
        let will = Will {
            topic: "w",
            payload: b"secret",
            qos: QoS::Zero,
            retain: false,
            response_topic: None,
            payload_is_utf8: false,
            properties: Properties::NONE,
        };
        let connect = Connect {
            username: Some("user"),
            password: Some(b"secret"),
            will: Some(will),
            properties: Properties::new(block, place, Direction::FromClient, &Limits::default()).unwrap(),
            ..Connect::bare(Version::V50, true, 0)
        };
        let shown = format!("{connect:?}");
        let secret = [format!("{:?}", b"secret"), "secret".to_owned()];
        assert!(shown.contains("user") && !secret.iter().any(|secret| shown.contains(secret.as_str())), "{shown}");
    }
}
