//! Reason Codes of MQTT 5.0, the return codes of 3.1 and 3.1.1 that they replace, and who may send which where.

use super::{Direction, Version, error::DecodeError, frame::PacketType};

macro_rules! reason_codes {
    ($($variant:ident = $value:literal, $name:literal;)+) => {
        /// A Reason Code of MQTT 5.0, §2.4.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum ReasonCode {
            $(#[doc = $name] $variant = $value,)+
        }

        impl ReasonCode {
            /// Every Reason Code, ascending.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The code with this number.
            #[must_use]
            pub const fn from_u8(value: u8) -> Option<Self> {
                match value { $($value => Some(Self::$variant),)+ _ => None }
            }

            /// Its name in the standard.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }
    };
}

reason_codes! {
    Success = 0x00, "Success, Normal disconnection or Granted QoS 0";
    GrantedQos1 = 0x01, "Granted QoS 1";
    GrantedQos2 = 0x02, "Granted QoS 2";
    DisconnectWithWill = 0x04, "Disconnect with Will Message";
    NoMatchingSubscribers = 0x10, "No matching subscribers";
    NoSubscriptionExisted = 0x11, "No subscription existed";
    ContinueAuthentication = 0x18, "Continue authentication";
    ReAuthenticate = 0x19, "Re-authenticate";
    UnspecifiedError = 0x80, "Unspecified error";
    MalformedPacket = 0x81, "Malformed Packet";
    ProtocolError = 0x82, "Protocol Error";
    ImplementationSpecificError = 0x83, "Implementation specific error";
    UnsupportedProtocolVersion = 0x84, "Unsupported Protocol Version";
    ClientIdentifierNotValid = 0x85, "Client Identifier not valid";
    BadUserNameOrPassword = 0x86, "Bad User Name or Password";
    NotAuthorized = 0x87, "Not authorized";
    ServerUnavailable = 0x88, "Server unavailable";
    ServerBusy = 0x89, "Server busy";
    Banned = 0x8A, "Banned";
    ServerShuttingDown = 0x8B, "Server shutting down";
    BadAuthenticationMethod = 0x8C, "Bad authentication method";
    KeepAliveTimeout = 0x8D, "Keep Alive timeout";
    SessionTakenOver = 0x8E, "Session taken over";
    TopicFilterInvalid = 0x8F, "Topic Filter invalid";
    TopicNameInvalid = 0x90, "Topic Name invalid";
    PacketIdentifierInUse = 0x91, "Packet Identifier in use";
    PacketIdentifierNotFound = 0x92, "Packet Identifier not found";
    ReceiveMaximumExceeded = 0x93, "Receive Maximum exceeded";
    TopicAliasInvalid = 0x94, "Topic Alias invalid";
    PacketTooLarge = 0x95, "Packet too large";
    MessageRateTooHigh = 0x96, "Message rate too high";
    QuotaExceeded = 0x97, "Quota exceeded";
    AdministrativeAction = 0x98, "Administrative action";
    PayloadFormatInvalid = 0x99, "Payload format invalid";
    RetainNotSupported = 0x9A, "Retain not supported";
    QosNotSupported = 0x9B, "QoS not supported";
    UseAnotherServer = 0x9C, "Use another server";
    ServerMoved = 0x9D, "Server moved";
    SharedSubscriptionsNotSupported = 0x9E, "Shared Subscriptions not supported";
    ConnectionRateExceeded = 0x9F, "Connection rate exceeded";
    MaximumConnectTime = 0xA0, "Maximum connect time";
    SubscriptionIdentifiersNotSupported = 0xA1, "Subscription Identifiers not supported";
    WildcardSubscriptionsNotSupported = 0xA2, "Wildcard Subscriptions not supported";
}

impl ReasonCode {
    /// Its number on the wire.
    #[must_use]
    pub const fn value(self) -> u8 {
        self as u8
    }

    /// Whether it says that something failed (0x80 and above).
    #[must_use]
    pub const fn is_error(self) -> bool {
        self.value() >= 0x80
    }

    /// The CONNACK return code of MQTT 3.1 and 3.1.1 that says the same (3.1.1 §3.2.2.3); `None` where those versions
    /// have no word for it and a Server just closes.
    #[must_use]
    pub const fn return_code(self) -> Option<u8> {
        match self.value() {
            0x00 => Some(0),
            0x84 => Some(1),
            0x85 => Some(2),
            0x88 | 0x89 | 0x97 | 0x9F => Some(3),
            0x86 => Some(4),
            0x87 | 0x8A => Some(5),
            _ => None,
        }
    }

    /// The Reason Code for a CONNACK return code of MQTT 3.1 or 3.1.1; `None` for the reserved ones.
    #[must_use]
    pub const fn from_return_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Success),
            1 => Some(Self::UnsupportedProtocolVersion),
            2 => Some(Self::ClientIdentifierNotValid),
            3 => Some(Self::ServerUnavailable),
            4 => Some(Self::BadUserNameOrPassword),
            5 => Some(Self::NotAuthorized),
            _ => None,
        }
    }
}

/// Reads the code byte of `packet_type` as sent by `direction`.
///
/// # Errors
/// The violation of that packet type, when the code is unknown, belongs to other packets, or is the other side's.
pub(super) fn judge(
    packet_type: PacketType,
    version: Version,
    direction: Direction,
    code: u8,
) -> Result<ReasonCode, DecodeError> {
    let reason = match (packet_type, version) {
        (PacketType::ConnAck, Version::V31 | Version::V311) => ReasonCode::from_return_code(code),
        (PacketType::SubAck, Version::V31 | Version::V311) if !matches!(code, 0..=2 | 0x80) => None,
        _ if carries(packet_type, direction, code) => ReasonCode::from_u8(code),
        _ => None,
    };
    reason.ok_or(violation(packet_type))
}

/// Whether MQTT 5.0 lets `packet_type` from this side carry `code`: §3.2.2.2, §3.4.2.1, §3.5.2.1, §3.6.2.1, §3.7.2.1,
/// §3.9.3, §3.11.3, §3.14.2.1, §3.15.2.1.
fn carries(packet_type: PacketType, direction: Direction, code: u8) -> bool {
    let from_broker = direction == Direction::FromBroker;
    match packet_type {
        PacketType::ConnAck => matches!(
            code,
            0x00 | 0x80..=0x8A | 0x8C | 0x90 | 0x95 | 0x97 | 0x99..=0x9D | 0x9F
        ),
        PacketType::PubAck | PacketType::PubRec => match code {
            0x10 => from_broker,
            _ => matches!(code, 0x00 | 0x80 | 0x83 | 0x87 | 0x90 | 0x91 | 0x97 | 0x99),
        },
        PacketType::PubRel | PacketType::PubComp => matches!(code, 0x00 | 0x92),
        PacketType::SubAck => {
            matches!(code, 0x00..=0x02 | 0x80 | 0x83 | 0x87 | 0x8F | 0x91 | 0x97 | 0x9E | 0xA1 | 0xA2)
        }
        PacketType::UnsubAck => matches!(code, 0x00 | 0x11 | 0x80 | 0x83 | 0x87 | 0x8F | 0x91),
        PacketType::Disconnect => match code {
            0x00 | 0x80..=0x83 | 0x90 | 0x93..=0x99 => true,
            0x04 => !from_broker,
            0x87 | 0x89 | 0x8B..=0x8F | 0x9A..=0xA2 => from_broker,
            _ => false,
        },
        PacketType::Auth => match code {
            0x18 => true,
            0x00 => from_broker,
            0x19 => !from_broker,
            _ => false,
        },
        PacketType::Connect
        | PacketType::Publish
        | PacketType::Subscribe
        | PacketType::Unsubscribe
        | PacketType::PingReq
        | PacketType::PingResp => false,
    }
}

const fn violation(packet_type: PacketType) -> DecodeError {
    match packet_type {
        PacketType::ConnAck => DecodeError::ConnAckCode,
        PacketType::PubAck => DecodeError::PubAckCode,
        PacketType::PubRec => DecodeError::PubRecCode,
        PacketType::PubRel => DecodeError::PubRelCode,
        PacketType::PubComp => DecodeError::PubCompCode,
        PacketType::SubAck => DecodeError::SubAckCode,
        PacketType::UnsubAck => DecodeError::UnsubAckCode,
        PacketType::Auth => DecodeError::AuthCode,
        // The rest hold no code and are never asked about.
        PacketType::Disconnect
        | PacketType::Connect
        | PacketType::Publish
        | PacketType::Subscribe
        | PacketType::Unsubscribe
        | PacketType::PingReq
        | PacketType::PingResp => DecodeError::DisconnectCode,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_return_codes_are_read_back() {
        for code in ReasonCode::ALL {
            assert_eq!(ReasonCode::from_u8(code.value()), Some(*code));
        }
        for code in 0..=u8::MAX {
            assert_eq!(
                ReasonCode::from_return_code(code).map(ReasonCode::return_code),
                (code < 6).then_some(Some(code))
            );
        }
    }
}
