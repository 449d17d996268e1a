//! What a client is told at the end: one table, by version and cause. What a rule refuses is `refusal`'s.

use super::end::{Blame, Cause, End};
use super::refusal::{self, Answer, Subject};
use crate::mqtt::Version;
use crate::mqtt::error::DecodeError;
use crate::mqtt::reason::ReasonCode;
use crate::policy::{OnDeny, Reason};

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
    if let Cause::Refused(reason) | Cause::FilterRefused(reason) = end.cause {
        return refused_connect(version, reason);
    }
    let Some(code) = connack_code(end) else { return Farewell::Silence };
    match version {
        Version::V50 => Farewell::ConnAck(code),
        Version::V31 | Version::V311 => return_code(&end.cause, code)
            .and_then(ReasonCode::from_return_code)
            .map_or(Farewell::Silence, Farewell::ConnAck),
    }
}

fn refused_connect(version: Version, reason: Reason) -> Farewell {
    match refusal::answer(Subject::Connect, version, OnDeny::Reject, reason) {
        Answer::ConnAck(code) => Farewell::ConnAck(code),
        Answer::Disconnect(code) => Farewell::Disconnect(code),
        Answer::GoesOn
        | Answer::Nothing
        | Answer::PubAck(_)
        | Answer::PubRec(_)
        | Answer::SubAck(_)
        | Answer::Granted
        | Answer::Close => Farewell::Silence,
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
        // Told by the table of refusals.
        | Cause::Refused(_)
        | Cause::FilterRefused(_)
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
        Cause::KeepAliveZero => Some(5),
        Cause::ClientDisconnect
        | Cause::BrokerDisconnect
        | Cause::ClientLost
        | Cause::BrokerLost
        | Cause::Tls
        | Cause::WebSocket
        | Cause::BrokerUnreachable
        | Cause::RefusedByBroker
        | Cause::Version
        | Cause::Refused(_)
        | Cause::FilterRefused(_)
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
        Cause::Refused(reason) => Some(refusal::disconnect_code(false, reason)),
        Cause::FilterRefused(reason) => Some(refusal::disconnect_code(true, reason)),
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
