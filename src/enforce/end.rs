//! Why a connection ends, by whose doing, and the statement of the standard that was broken.

use std::time::Duration;

use super::event::{Detail, Text};
use crate::mqtt::error::DecodeError;
use crate::mqtt::reason::ReasonCode;
use crate::mqtt::{Direction, Version};
use crate::policy::{Denial, Reason};

/// The end of a connection: what an [`super::Output`] still holds is written, then both sides are closed, the broker's
/// without a DISCONNECT of the gateway's making. It is recorded once, by whoever closes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// Why.
    pub cause: Cause,
    /// By whose doing.
    pub blame: Blame,
    /// The broken statement, as `[MQTT-3.1.0-1]`.
    pub statement: Option<&'static str>,
    /// Id of the rule or limit that refused.
    pub rule: Option<Text>,
    /// What of a payload is wrong, where that is why.
    pub detail: Option<Box<Detail>>,
    /// Client Identifier of a refused CONNECT that decoded.
    pub client_id: Option<Text>,
    /// What the broker answered CONNECT with, where that is why.
    pub refused_with: Option<ReasonCode>,
    /// The client says goodbye, and asks for its Will to be published (5.0).
    pub leaves_will: bool,
    /// The rule says that the client is to be banned, too: for so long, the first time.
    pub ban: Option<Duration>,
}

impl End {
    /// An end that breaks no statement.
    #[must_use]
    pub const fn new(cause: Cause, blame: Blame) -> Self {
        let (statement, rule, detail, client_id, refused_with, ban) = (None, None, None, None, None, None);
        Self { cause, blame, statement, rule, detail, client_id, refused_with, leaves_will: false, ban }
    }

    /// A packet of `sender` does not decode.
    pub(super) fn malformed(error: DecodeError, sender: Direction) -> Self {
        Self { statement: Some(error.statement()), ..Self::new(Cause::Malformed(error), sender.into()) }
    }

    /// A packet of `sender` may not be sent in this state.
    pub(super) fn illegal(violation: Violation, version: Version, sender: Direction) -> Self {
        let statement = violation.statement(version, sender);
        Self { statement, ..Self::new(Cause::Illegal(violation), sender.into()) }
    }

    /// A rule or limit refuses what would let the connection be, or ends it for what it refuses.
    pub(super) fn refused(cause: Cause, rule: &str) -> Self {
        Self { rule: Some(Text::new(rule)), ..Self::new(cause, Blame::Client) }
    }

    /// What is denied ends the connection.
    pub(super) fn denied(denial: &Denial, blame: Blame) -> Self {
        let cause = Cause::Refused(denial.reason);
        Self { blame, detail: Detail::of(denial.detail.as_deref()), ..Self::refused(cause, denial.rule.as_str()) }
    }
}

/// Whose doing an end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Blame {
    /// The client's.
    Client,
    /// The broker's.
    Broker,
    /// The gateway's own.
    Gateway,
}

impl Blame {
    /// The word that records and metrics use; never changes.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Broker => "broker",
            Self::Gateway => "gateway",
        }
    }
}

impl From<Direction> for Blame {
    fn from(direction: Direction) -> Self {
        match direction {
            Direction::FromClient => Self::Client,
            Direction::FromBroker => Self::Broker,
        }
    }
}

/// Why a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The client said goodbye.
    ClientDisconnect,
    /// The broker said goodbye (5.0).
    BrokerDisconnect,
    /// The client's side is gone without a DISCONNECT.
    ClientLost,
    /// The broker's side is gone.
    BrokerLost,
    /// What came was not TLS any more, or told of a failure of TLS.
    Tls,
    /// What came was not WebSocket any more, or not what MQTT may use of it.
    WebSocket,
    /// No server of the broker could be reached.
    BrokerUnreachable,
    /// The broker answered CONNECT with a failure.
    RefusedByBroker,
    /// A packet does not decode.
    Malformed(DecodeError),
    /// A packet that decodes, and may not be sent in this state.
    Illegal(Violation),
    /// The protocol level is unknown or not accepted here.
    Version,
    /// CONNECT was refused, or is under a new policy; or a PUBLISH was, by a rule that disconnects.
    Refused(Reason),
    /// A Topic Filter was refused by a rule that disconnects, or in 3.1, which has no answer for that.
    FilterRefused(Reason),
    /// A Keep Alive of zero, where the listener refuses it.
    KeepAliveZero,
    /// Nothing came for one and a half times the Keep Alive.
    KeepAlive,
    /// A started packet was not finished in time.
    PacketDeadline,
    /// No CONNECT came in time.
    ConnectDeadline,
    /// No CONNACK came in time.
    ConnackDeadline,
    /// A peer did not take what was written to it in time.
    WriteDeadline,
    /// What proves the client's identity, or the time that it may stay, has ended.
    Expired,
    /// The client's certificate is not good any more.
    CertificateRevoked,
    /// The client's password or token is not good any more.
    CredentialsRevoked,
    /// The gateway stops.
    ShutDown,
    /// A bound of the gateway's own was reached.
    Overload,
}

impl Cause {
    /// The word that records and metrics use; never changes.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::ClientDisconnect => "client_disconnect",
            Self::BrokerDisconnect => "broker_disconnect",
            Self::ClientLost => "client_lost",
            Self::BrokerLost => "broker_lost",
            Self::Tls => "tls_failed",
            Self::WebSocket => "websocket_failed",
            Self::BrokerUnreachable => "broker_unreachable",
            Self::RefusedByBroker => "refused_by_broker",
            Self::Malformed(error) => error.label(),
            Self::Illegal(violation) => violation.label(),
            Self::Version => "protocol_version",
            Self::Refused(reason) | Self::FilterRefused(reason) => reason.label(),
            Self::KeepAliveZero => "keep_alive_zero",
            Self::KeepAlive => "keep_alive",
            Self::PacketDeadline => "packet_deadline",
            Self::ConnectDeadline => "connect_deadline",
            Self::ConnackDeadline => "connack_deadline",
            Self::WriteDeadline => "write_deadline",
            Self::Expired => "expired",
            Self::CertificateRevoked => "certificate_revoked",
            Self::CredentialsRevoked => "credentials_revoked",
            Self::ShutDown => "shut_down",
            Self::Overload => "overload",
        }
    }
}

/// A well-formed packet that may not be sent in this state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Violation {
    /// The broker sent something before CONNACK.
    BeforeConnack,
    /// The client sent something but AUTH or DISCONNECT in the middle of enhanced authentication.
    DuringAuthentication,
    /// A second CONNACK.
    SecondConnack,
    /// CONNACK tells of a session that a clean start cannot have.
    SessionPresent,
    /// A Packet Identifier that is in use.
    IdentifierInUse,
    /// An acknowledgement of what was never sent.
    UnknownIdentifier,
    /// SUBACK or UNSUBACK with another number of codes than filters were asked.
    CodeCount,
    /// More unacknowledged PUBLISH packets than the Receive Maximum.
    ReceiveMaximum,
    /// A Topic Alias over the Topic Alias Maximum.
    AliasMaximum,
    /// A Topic Alias that stands for nothing.
    UnknownAlias,
    /// A packet over the receiver's Maximum Packet Size.
    MaximumPacketSize,
    /// AUTH without Authentication Method in CONNECT, or not the sender's turn.
    AuthOutOfTurn,
    /// AUTH with another Authentication Method than CONNECT.
    AuthMethod,
    /// DISCONNECT sets a Session Expiry Interval where CONNECT had none.
    SessionExpiry,
    /// PINGRESP that no PINGREQ asked for.
    UnaskedPingResp,
}

impl Violation {
    /// Every violation, for references and metric families.
    pub const ALL: [Self; 15] = [
        Self::BeforeConnack,
        Self::DuringAuthentication,
        Self::SecondConnack,
        Self::SessionPresent,
        Self::IdentifierInUse,
        Self::UnknownIdentifier,
        Self::CodeCount,
        Self::ReceiveMaximum,
        Self::AliasMaximum,
        Self::UnknownAlias,
        Self::MaximumPacketSize,
        Self::AuthOutOfTurn,
        Self::AuthMethod,
        Self::SessionExpiry,
        Self::UnaskedPingResp,
    ];

    /// The word that records and metrics use; never changes.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::BeforeConnack => "before_connack",
            Self::DuringAuthentication => "during_authentication",
            Self::SecondConnack => "second_connack",
            Self::SessionPresent => "session_present",
            Self::IdentifierInUse => "identifier_in_use",
            Self::UnknownIdentifier => "unknown_identifier",
            Self::CodeCount => "code_count",
            Self::ReceiveMaximum => "receive_maximum",
            Self::AliasMaximum => "alias_maximum",
            Self::UnknownAlias => "unknown_alias",
            Self::MaximumPacketSize => "maximum_packet_size",
            Self::AuthOutOfTurn => "auth_out_of_turn",
            Self::AuthMethod => "auth_method",
            Self::SessionExpiry => "session_expiry",
            Self::UnaskedPingResp => "unasked_pingresp",
        }
    }

    /// The Reason Code of a 5.0 DISCONNECT for it.
    #[must_use]
    pub const fn reason_code(self) -> u8 {
        match self {
            Self::ReceiveMaximum => 0x93,
            Self::AliasMaximum => 0x94,
            Self::MaximumPacketSize => 0x95,
            Self::BeforeConnack
            | Self::DuringAuthentication
            | Self::SecondConnack
            | Self::SessionPresent
            | Self::IdentifierInUse
            | Self::UnknownIdentifier
            | Self::CodeCount
            | Self::UnknownAlias
            | Self::AuthOutOfTurn
            | Self::AuthMethod
            | Self::SessionExpiry
            | Self::UnaskedPingResp => 0x82,
        }
    }

    /// The statement it breaks, where the standard of that version numbers one.
    #[must_use]
    pub const fn statement(self, version: Version, sender: Direction) -> Option<&'static str> {
        match version {
            Version::V31 => None,
            Version::V311 => self.statement_v311(sender),
            Version::V50 => self.statement_v50(sender),
        }
    }

    const fn statement_v311(self, sender: Direction) -> Option<&'static str> {
        match (self, sender) {
            (Self::BeforeConnack | Self::SecondConnack, _) => Some("[MQTT-3.2.0-1]"),
            (Self::SessionPresent, _) => Some("[MQTT-3.2.2-1]"),
            (Self::IdentifierInUse, Direction::FromClient) => Some("[MQTT-2.3.1-2]"),
            (Self::IdentifierInUse, Direction::FromBroker) => Some("[MQTT-2.3.1-4]"),
            (Self::UnknownIdentifier, _) => Some("[MQTT-2.3.1-6]"),
            (Self::CodeCount, _) => Some("[MQTT-3.8.4-5]"),
            (
                Self::DuringAuthentication
                | Self::ReceiveMaximum
                | Self::AliasMaximum
                | Self::UnknownAlias
                | Self::MaximumPacketSize
                | Self::AuthOutOfTurn
                | Self::AuthMethod
                | Self::SessionExpiry
                | Self::UnaskedPingResp,
                _,
            ) => None,
        }
    }

    const fn statement_v50(self, sender: Direction) -> Option<&'static str> {
        match (self, sender) {
            (Self::BeforeConnack, _) => Some("[MQTT-3.2.0-1]"),
            (Self::SecondConnack, _) => Some("[MQTT-3.2.0-2]"),
            (Self::DuringAuthentication, _) => Some("[MQTT-3.1.2-30]"),
            (Self::SessionPresent, _) => Some("[MQTT-3.2.2-2]"),
            (Self::IdentifierInUse, Direction::FromClient) => Some("[MQTT-2.2.1-3]"),
            (Self::IdentifierInUse, Direction::FromBroker) => Some("[MQTT-2.2.1-4]"),
            (Self::UnknownIdentifier, _) => Some("[MQTT-2.2.1-5]"),
            (Self::CodeCount, _) => Some("[MQTT-3.8.4-6]"),
            // Of clients alone: a broker's excess is left to its client.
            (Self::ReceiveMaximum, _) => Some("[MQTT-3.3.4-7]"),
            (Self::AliasMaximum, Direction::FromClient) => Some("[MQTT-3.3.2-9]"),
            (Self::AliasMaximum, Direction::FromBroker) => Some("[MQTT-3.3.2-11]"),
            (Self::MaximumPacketSize, Direction::FromClient) => Some("[MQTT-3.2.2-15]"),
            (Self::MaximumPacketSize, Direction::FromBroker) => Some("[MQTT-3.1.2-24]"),
            (Self::AuthOutOfTurn, Direction::FromClient) => Some("[MQTT-4.12.0-7]"),
            (Self::AuthOutOfTurn, Direction::FromBroker) => Some("[MQTT-4.12.0-6]"),
            (Self::AuthMethod, _) => Some("[MQTT-4.12.0-5]"),
            (Self::UnknownAlias | Self::SessionExpiry | Self::UnaskedPingResp, _) => None,
        }
    }
}
