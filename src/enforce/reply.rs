//! What a peer is told: one table, by packet, version and reason.

use super::end::{Blame, Cause, End};
use crate::mqtt::Version;
use crate::mqtt::error::DecodeError;
use crate::mqtt::reason::ReasonCode;
use crate::policy::Reason;

/// The Reason Code of a PUBACK or PUBREC that refuses a PUBLISH (5.0). In 3.x there is none: the PUBLISH is acknowledged
/// and goes nowhere ([MQTT-3.3.5-2]).
pub(super) const fn publish_code(reason: Reason) -> ReasonCode {
    match reason {
        Reason::Payload | Reason::PayloadFormat => ReasonCode::PayloadFormatInvalid,
        Reason::Topic => ReasonCode::TopicNameInvalid,
        Reason::Quota | Reason::TooLarge | Reason::PayloadSize => ReasonCode::QuotaExceeded,
        Reason::NotAuthorized
        | Reason::BadCredentials
        | Reason::Unidentified
        | Reason::UserName
        | Reason::Unavailable
        | Reason::BrokerCredentials
        | Reason::ResponseTopic
        | Reason::ClientIdentifier
        | Reason::Banned
        | Reason::Qos
        | Reason::Retain
        | Reason::SharedSubscription
        | Reason::Wildcard
        | Reason::SubscriptionIdentifier => ReasonCode::NotAuthorized,
    }
}

/// The code that refuses a Topic Filter in a SUBACK; `None` in 3.1, which has no such code.
pub(super) const fn filter_code(version: Version, reason: Reason) -> Option<ReasonCode> {
    match version {
        Version::V31 => None,
        Version::V311 => Some(ReasonCode::UnspecifiedError),
        Version::V50 => Some(filter_reason_code(reason)),
    }
}

const fn filter_reason_code(reason: Reason) -> ReasonCode {
    match reason {
        Reason::Quota => ReasonCode::QuotaExceeded,
        Reason::SharedSubscription => ReasonCode::SharedSubscriptionsNotSupported,
        Reason::Wildcard => ReasonCode::WildcardSubscriptionsNotSupported,
        Reason::SubscriptionIdentifier => ReasonCode::SubscriptionIdentifiersNotSupported,
        Reason::Topic => ReasonCode::TopicFilterInvalid,
        Reason::NotAuthorized
        | Reason::BadCredentials
        | Reason::Unidentified
        | Reason::UserName
        | Reason::Unavailable
        | Reason::BrokerCredentials
        | Reason::PayloadSize
        | Reason::ResponseTopic
        | Reason::ClientIdentifier
        | Reason::Banned
        | Reason::Payload
        | Reason::PayloadFormat
        | Reason::Qos
        | Reason::Retain
        | Reason::TooLarge => ReasonCode::NotAuthorized,
    }
}

/// The Reason Code of a CONNACK that refuses a CONNECT or its Will (5.0; 3.x has the nearest return code).
const fn connect_code(reason: Reason) -> ReasonCode {
    match reason {
        Reason::NotAuthorized
        | Reason::Unidentified
        | Reason::UserName
        | Reason::BrokerCredentials
        | Reason::ResponseTopic
        | Reason::SharedSubscription
        | Reason::Wildcard
        | Reason::SubscriptionIdentifier => ReasonCode::NotAuthorized,
        Reason::Unavailable => ReasonCode::ServerUnavailable,
        Reason::BadCredentials => ReasonCode::BadUserNameOrPassword,
        Reason::ClientIdentifier => ReasonCode::ClientIdentifierNotValid,
        Reason::Banned => ReasonCode::Banned,
        Reason::Payload | Reason::PayloadFormat => ReasonCode::PayloadFormatInvalid,
        Reason::Topic => ReasonCode::TopicNameInvalid,
        Reason::Qos => ReasonCode::QosNotSupported,
        Reason::Retain => ReasonCode::RetainNotSupported,
        Reason::Quota => ReasonCode::QuotaExceeded,
        Reason::TooLarge | Reason::PayloadSize => ReasonCode::PacketTooLarge,
    }
}

/// The last packet to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Farewell {
    /// The connection is closed and nothing sent.
    Silence,
    /// CONNACK with this Reason Code, or in 3.x the return code that means the same.
    ConnAck(ReasonCode),
    /// DISCONNECT with this Reason Code (5.0).
    Disconnect(ReasonCode),
}

/// How a connection whose CONNACK has not been sent ends.
pub(super) fn before_connack(version: Version, end: &End) -> Farewell {
    let Some(code) = connack_code(end) else { return Farewell::Silence };
    match version {
        Version::V50 => Farewell::ConnAck(code),
        Version::V31 | Version::V311 => return_code(&end.cause, code)
            .and_then(ReasonCode::from_return_code)
            .map_or(Farewell::Silence, Farewell::ConnAck),
    }
}

fn connack_code(end: &End) -> Option<ReasonCode> {
    if end.blame == Blame::Broker {
        return match end.cause {
            Cause::Malformed(_) | Cause::Illegal(_) | Cause::PacketDeadline => Some(ReasonCode::UnspecifiedError),
            Cause::RefusedByBroker | Cause::BrokerDisconnect => None,
            Cause::ClientDisconnect
            | Cause::ClientLost
            | Cause::BrokerLost
            | Cause::Tls
            | Cause::WebSocket
            | Cause::BrokerUnreachable
            | Cause::Version
            | Cause::Refused(_)
            | Cause::FilterRefused(_)
            | Cause::KeepAliveZero
            | Cause::KeepAlive
            | Cause::ConnectDeadline
            | Cause::ConnackDeadline
            | Cause::WriteDeadline
            | Cause::Expired
            | Cause::CertificateRevoked
            | Cause::CredentialsRevoked
            | Cause::ShutDown
            | Cause::Overload => Some(ReasonCode::ServerUnavailable),
        };
    }
    match end.cause {
        Cause::Malformed(error) => Some(error.reason_code()),
        Cause::Illegal(violation) => ReasonCode::from_u8(violation.reason_code()),
        Cause::Version => Some(ReasonCode::UnsupportedProtocolVersion),
        Cause::Refused(reason) | Cause::FilterRefused(reason) => Some(connect_code(reason)),
        Cause::KeepAliveZero => Some(ReasonCode::ImplementationSpecificError),
        Cause::BrokerLost | Cause::BrokerUnreachable | Cause::ConnackDeadline | Cause::ShutDown => {
            Some(ReasonCode::ServerUnavailable)
        }
        Cause::Expired | Cause::CertificateRevoked | Cause::CredentialsRevoked => Some(ReasonCode::NotAuthorized),
        Cause::Overload => Some(ReasonCode::QuotaExceeded),
        Cause::ClientDisconnect
        | Cause::ClientLost
        | Cause::Tls
        | Cause::WebSocket
        | Cause::BrokerDisconnect
        | Cause::RefusedByBroker
        | Cause::KeepAlive
        | Cause::PacketDeadline
        | Cause::ConnectDeadline
        | Cause::WriteDeadline => None,
    }
}

/// The 3.x return code. A malformed CONNECT gets none, but a Client Identifier that is refused has its own.
fn return_code(cause: &Cause, code: ReasonCode) -> Option<u8> {
    match cause {
        Cause::Malformed(DecodeError::ClientIdentifierEmpty | DecodeError::ClientIdentifierTooLong) => Some(2),
        Cause::Malformed(_) | Cause::Illegal(_) if code != ReasonCode::UnspecifiedError => None,
        Cause::Malformed(_) | Cause::Illegal(_) | Cause::PacketDeadline => Some(3),
        Cause::Refused(_) | Cause::FilterRefused(_) | Cause::KeepAliveZero => Some(code.return_code().unwrap_or(5)),
        Cause::ClientDisconnect
        | Cause::BrokerDisconnect
        | Cause::ClientLost
        | Cause::BrokerLost
        | Cause::Tls
        | Cause::WebSocket
        | Cause::BrokerUnreachable
        | Cause::RefusedByBroker
        | Cause::Version
        | Cause::KeepAlive
        | Cause::ConnectDeadline
        | Cause::ConnackDeadline
        | Cause::WriteDeadline
        | Cause::Expired
        | Cause::CertificateRevoked
        | Cause::CredentialsRevoked
        | Cause::ShutDown
        | Cause::Overload => code.return_code(),
    }
}

/// How a connection ends whose client has seen CONNACK.
pub(super) fn after_connack(version: Version, end: &End) -> Farewell {
    match (version, disconnect_code(end)) {
        (Version::V50, Some(code)) => Farewell::Disconnect(code),
        (Version::V50, None) | (Version::V31 | Version::V311, _) => Farewell::Silence,
    }
}

fn disconnect_code(end: &End) -> Option<ReasonCode> {
    let broker = end.blame == Blame::Broker;
    match end.cause {
        Cause::Malformed(_) | Cause::Illegal(_) | Cause::PacketDeadline if broker => Some(ReasonCode::UnspecifiedError),
        Cause::Malformed(error) => Some(error.reason_code()),
        Cause::Illegal(violation) => ReasonCode::from_u8(violation.reason_code()),
        // Server unavailable (0x88) is for CONNACK alone; this is the nearest that a DISCONNECT may carry (5.0 §3.14.2.1).
        Cause::BrokerLost | Cause::BrokerUnreachable => Some(ReasonCode::ServerBusy),
        Cause::WriteDeadline | Cause::Tls if broker => Some(ReasonCode::ServerBusy),
        Cause::Refused(_) | Cause::FilterRefused(_) => Some(ReasonCode::NotAuthorized),
        Cause::Expired => Some(ReasonCode::MaximumConnectTime),
        Cause::CertificateRevoked | Cause::CredentialsRevoked => Some(ReasonCode::NotAuthorized),
        Cause::KeepAlive => Some(ReasonCode::KeepAliveTimeout),
        Cause::PacketDeadline => Some(ReasonCode::ImplementationSpecificError),
        Cause::ShutDown => Some(ReasonCode::ServerShuttingDown),
        Cause::Overload => Some(ReasonCode::QuotaExceeded),
        Cause::ClientDisconnect
        | Cause::ClientLost
        | Cause::Tls
        | Cause::WebSocket
        | Cause::BrokerDisconnect
        | Cause::RefusedByBroker
        | Cause::Version
        | Cause::KeepAliveZero
        | Cause::ConnectDeadline
        | Cause::ConnackDeadline
        | Cause::WriteDeadline => None,
    }
}
