//! The table of refusals: what becomes of what is refused, by packet, version, `on_deny` and reason.
//!
//! All of it is here and nowhere else; the part that a reader of the documentation needs is written from it by
//! [`super::reference`]. Not here: ends that no rule asked for (`reply`). Read [`answer`] first.

use crate::mqtt::Version;
use crate::mqtt::frame::QoS;
use crate::mqtt::reason::ReasonCode;
use crate::policy::{OnDeny, Reason};

/// What is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// A CONNECT.
    Connect,
    /// The Will of a CONNECT.
    Will,
    /// A PUBLISH of the client's.
    Publish(QoS),
    /// A PUBLISH of the broker's.
    Delivery(QoS),
    /// One Topic Filter of a SUBSCRIBE.
    Filter,
}

#[cfg(test)]
impl Subject {
    pub(super) const ALL: [Self; 9] = [
        Self::Connect,
        Self::Will,
        Self::Publish(QoS::Zero),
        Self::Publish(QoS::One),
        Self::Publish(QoS::Two),
        Self::Delivery(QoS::Zero),
        Self::Delivery(QoS::One),
        Self::Delivery(QoS::Two),
        Self::Filter,
    ];
}

/// What its sender is told, and what follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Nothing: it goes on as it came.
    GoesOn,
    /// Nothing, and it stays here.
    Nothing,
    /// CONNACK, before MQTT 5.0 with the return code that means the same; then the connection is closed.
    ConnAck(ReasonCode),
    /// PUBACK; before MQTT 5.0 it has no Reason Code.
    PubAck(ReasonCode),
    /// PUBREC. With a failure, which 5.0 alone has, the exchange is over; else PUBREL is answered with PUBCOMP.
    PubRec(ReasonCode),
    /// This code in the filter's place of the SUBACK.
    SubAck(ReasonCode),
    /// The QoS that was asked for in the filter's place of the SUBACK.
    Granted,
    /// DISCONNECT; then the connection is closed. The client is told, whoever sent what is refused.
    Disconnect(ReasonCode),
    /// The connection is closed.
    Close,
}

/// What becomes of `subject`.
#[must_use]
pub(super) const fn answer(subject: Subject, version: Version, on_deny: OnDeny, reason: Reason) -> Answer {
    match (on_deny, subject) {
        (OnDeny::Monitor, _) => Answer::GoesOn,
        // A client that is not connected can't be made to believe that it is; nor one whose Will is gone, that it has one.
        (_, Subject::Connect | Subject::Will) => Answer::ConnAck(connack_code(version, reason)),
        (OnDeny::Disconnect, _) => match version {
            Version::V31 | Version::V311 => Answer::Close,
            Version::V50 => Answer::Disconnect(disconnect_code(matches!(subject, Subject::Filter), reason)),
        },
        (OnDeny::Reject | OnDeny::Quarantine, Subject::Filter) => match version {
            // It has no code for a failure.
            Version::V31 => Answer::Close,
            Version::V311 => Answer::SubAck(ReasonCode::UnspecifiedError),
            Version::V50 => Answer::SubAck(filter_code(reason)),
        },
        (OnDeny::Acknowledge, Subject::Filter) => Answer::Granted,
        (_, Subject::Publish(QoS::Zero) | Subject::Delivery(QoS::Zero)) => Answer::Nothing,
        (_, Subject::Publish(QoS::One) | Subject::Delivery(QoS::One)) => {
            Answer::PubAck(publish_code(version, on_deny, reason))
        }
        (_, Subject::Publish(QoS::Two)) => Answer::PubRec(publish_code(version, on_deny, reason)),
        // Mosquitto 2.0 never gives back the place in its window of an exchange that a PUBREC ends.
        (_, Subject::Delivery(QoS::Two)) => Answer::PubRec(ReasonCode::Success),
    }
}

/// Before MQTT 5.0 an acknowledgement has no code, and a refused PUBLISH is acknowledged all the same ([MQTT-3.3.5-2]).
const fn publish_code(version: Version, on_deny: OnDeny, reason: Reason) -> ReasonCode {
    match (version, on_deny) {
        (Version::V31 | Version::V311, _) | (Version::V50, OnDeny::Acknowledge) => return ReasonCode::Success,
        (Version::V50, OnDeny::Reject | OnDeny::Disconnect | OnDeny::Quarantine | OnDeny::Monitor) => {}
    }
    match reason {
        Reason::Payload | Reason::PayloadFormat | Reason::Interlock => ReasonCode::PayloadFormatInvalid,
        Reason::Topic => ReasonCode::TopicNameInvalid,
        Reason::Quota | Reason::Rate | Reason::TooLarge | Reason::PayloadSize => ReasonCode::QuotaExceeded,
        Reason::NotAuthorized
        | Reason::BadCredentials
        | Reason::Unidentified
        | Reason::Unsigned
        | Reason::Signature
        | Reason::Stale
        | Reason::Replayed
        | Reason::UserName
        | Reason::BrokerCredentials
        | Reason::Unavailable
        | Reason::ResponseTopic
        | Reason::ClientIdentifier
        | Reason::Banned
        | Reason::Qos
        | Reason::Retain
        | Reason::SharedSubscription
        | Reason::Wildcard
        | Reason::SubscriptionIdentifier
        | Reason::Version
        | Reason::AuthenticationMethod
        | Reason::Session
        | Reason::Will => ReasonCode::NotAuthorized,
    }
}

const fn filter_code(reason: Reason) -> ReasonCode {
    match reason {
        Reason::Quota | Reason::Rate => ReasonCode::QuotaExceeded,
        Reason::SharedSubscription => ReasonCode::SharedSubscriptionsNotSupported,
        Reason::Wildcard => ReasonCode::WildcardSubscriptionsNotSupported,
        Reason::SubscriptionIdentifier => ReasonCode::SubscriptionIdentifiersNotSupported,
        Reason::Topic => ReasonCode::TopicFilterInvalid,
        Reason::NotAuthorized
        | Reason::BadCredentials
        | Reason::Unidentified
        | Reason::Unsigned
        | Reason::Signature
        | Reason::Stale
        | Reason::Replayed
        | Reason::UserName
        | Reason::BrokerCredentials
        | Reason::Unavailable
        | Reason::PayloadSize
        | Reason::ResponseTopic
        | Reason::ClientIdentifier
        | Reason::Banned
        | Reason::Payload
        | Reason::PayloadFormat
        | Reason::Interlock
        | Reason::Qos
        | Reason::Retain
        | Reason::TooLarge
        | Reason::Version
        | Reason::AuthenticationMethod
        | Reason::Session
        | Reason::Will => ReasonCode::NotAuthorized,
    }
}

/// The Reason Code of a CONNACK; in 3.x that of the nearest return code.
const fn connack_code(version: Version, reason: Reason) -> ReasonCode {
    let code = match reason {
        Reason::NotAuthorized
        | Reason::Unidentified
        | Reason::Unsigned
        | Reason::Signature
        | Reason::Stale
        | Reason::Replayed
        | Reason::UserName
        | Reason::BrokerCredentials
        | Reason::ResponseTopic
        | Reason::SharedSubscription
        | Reason::Wildcard
        | Reason::SubscriptionIdentifier
        | Reason::Session
        | Reason::Will => ReasonCode::NotAuthorized,
        Reason::Version => ReasonCode::UnsupportedProtocolVersion,
        Reason::AuthenticationMethod => ReasonCode::BadAuthenticationMethod,
        Reason::Unavailable => ReasonCode::ServerUnavailable,
        Reason::BadCredentials => ReasonCode::BadUserNameOrPassword,
        Reason::ClientIdentifier => ReasonCode::ClientIdentifierNotValid,
        Reason::Banned => ReasonCode::Banned,
        Reason::Payload | Reason::PayloadFormat | Reason::Interlock => ReasonCode::PayloadFormatInvalid,
        Reason::Topic => ReasonCode::TopicNameInvalid,
        Reason::Qos => ReasonCode::QosNotSupported,
        Reason::Retain => ReasonCode::RetainNotSupported,
        Reason::Quota => ReasonCode::QuotaExceeded,
        Reason::Rate => ReasonCode::ConnectionRateExceeded,
        Reason::TooLarge | Reason::PayloadSize => ReasonCode::PacketTooLarge,
    };
    match version {
        Version::V50 => code,
        Version::V31 | Version::V311 => match code.return_code() {
            Some(number) => match ReasonCode::from_return_code(number) {
                Some(code) => code,
                None => ReasonCode::NotAuthorized,
            },
            None => ReasonCode::NotAuthorized,
        },
    }
}

/// The Reason Code of a DISCONNECT, out of those that a Server may send (5.0 §3.14.2.1).
pub(super) const fn disconnect_code(of_filter: bool, reason: Reason) -> ReasonCode {
    match reason {
        Reason::Payload | Reason::PayloadFormat | Reason::Interlock => ReasonCode::PayloadFormatInvalid,
        Reason::Topic if of_filter => ReasonCode::TopicFilterInvalid,
        Reason::Topic => ReasonCode::TopicNameInvalid,
        Reason::Qos => ReasonCode::QosNotSupported,
        Reason::Retain => ReasonCode::RetainNotSupported,
        Reason::Quota => ReasonCode::QuotaExceeded,
        Reason::Rate => ReasonCode::MessageRateTooHigh,
        Reason::TooLarge | Reason::PayloadSize => ReasonCode::PacketTooLarge,
        Reason::SharedSubscription => ReasonCode::SharedSubscriptionsNotSupported,
        Reason::Wildcard => ReasonCode::WildcardSubscriptionsNotSupported,
        Reason::SubscriptionIdentifier => ReasonCode::SubscriptionIdentifiersNotSupported,
        // Server unavailable is for CONNACK alone; so are Banned and what CONNECT gets wrong.
        Reason::Unavailable => ReasonCode::ServerBusy,
        Reason::NotAuthorized
        | Reason::BadCredentials
        | Reason::Unidentified
        | Reason::Unsigned
        | Reason::Signature
        | Reason::Stale
        | Reason::Replayed
        | Reason::UserName
        | Reason::BrokerCredentials
        | Reason::ClientIdentifier
        | Reason::Banned
        | Reason::ResponseTopic
        | Reason::Version
        | Reason::AuthenticationMethod
        | Reason::Session
        | Reason::Will => ReasonCode::NotAuthorized,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mqtt::frame::PacketType;
    use crate::mqtt::{Context, Direction, Limits, encode};

    const VERSIONS: [Version; 3] = [Version::V31, Version::V311, Version::V50];

    fn each(mut visit: impl FnMut(Subject, Version, OnDeny, Reason, Answer)) {
        for subject in Subject::ALL {
            for version in VERSIONS {
                for on_deny in OnDeny::ALL {
                    for reason in Reason::ALL {
                        visit(subject, version, on_deny, reason, answer(subject, version, on_deny, reason));
                    }
                }
            }
        }
    }

    /// The packet that an answer is, as the state machine writes it.
    fn bytes(version: Version, answer: Answer) -> Vec<u8> {
        let id = 1.try_into().unwrap();
        let mut out = Vec::new();
        match answer {
            Answer::ConnAck(code) => encode::connack(version, false, code, None, &mut out),
            Answer::PubAck(code) => encode::ack(version, PacketType::PubAck, id, code, None, &mut out),
            Answer::PubRec(code) => encode::ack(version, PacketType::PubRec, id, code, None, &mut out),
            Answer::SubAck(code) => encode::suback(version, id, None, [code], &mut out),
            Answer::Disconnect(code) => encode::disconnect(code, None, &mut out),
            Answer::GoesOn | Answer::Nothing | Answer::Granted | Answer::Close => {}
        }
        out
    }

    /// PUBACK and PUBREC go both ways; the rest is a broker's word, as a client reads it.
    #[test]
    fn every_answer_is_a_packet_that_its_reader_takes() {
        let limits = Limits::default();
        each(|subject, version, on_deny, reason, answer| {
            let packet = bytes(version, answer);
            let to_broker = matches!(subject, Subject::Delivery(_)) && !matches!(answer, Answer::Disconnect(_));
            let direction = if to_broker { Direction::FromClient } else { Direction::FromBroker };
            let context = Context { version, direction, limits: &limits };
            if let Some(frame) = context.frame(&packet).unwrap() {
                assert!(context.packet(frame).is_ok(), "{subject:?} {version:?} {on_deny:?} {reason:?}: {packet:02x?}");
            } else {
                assert!(packet.is_empty());
            }
        });
    }

    #[test]
    fn success_is_claimed_by_acknowledge_alone_where_there_are_words_for_failure() {
        each(|subject, version, on_deny, reason, answer| {
            let claims = match answer {
                Answer::PubAck(code) | Answer::PubRec(code) | Answer::SubAck(code) | Answer::ConnAck(code) => {
                    !code.is_error()
                }
                Answer::Granted => true,
                Answer::GoesOn | Answer::Nothing | Answer::Disconnect(_) | Answer::Close => false,
            };
            let wordless = match subject {
                Subject::Publish(_) | Subject::Delivery(QoS::Zero | QoS::One) => version != Version::V50,
                Subject::Delivery(QoS::Two) => true,
                Subject::Connect | Subject::Will | Subject::Filter => false,
            };
            assert!(!claims || wordless || on_deny == OnDeny::Acknowledge, "{subject:?} {version:?} {reason:?}");
            assert_eq!(answer == Answer::GoesOn, on_deny == OnDeny::Monitor);
        });
    }

    #[test]
    fn the_table_of_the_design_holds() {
        use OnDeny::Reject;
        use Version::{V31, V50, V311};
        let connack = |version, reason| {
            let given = answer(Subject::Connect, version, Reject, reason);
            let Answer::ConnAck(code) = given else { panic!("{given:?}") };
            if version == V50 { code.value() } else { code.return_code().unwrap() }
        };
        for (reason, old, new) in [
            (Reason::BadCredentials, 4, 0x86),
            (Reason::ClientIdentifier, 2, 0x85),
            (Reason::Unidentified, 5, 0x87),
            (Reason::UserName, 5, 0x87),
            (Reason::NotAuthorized, 5, 0x87),
            (Reason::Banned, 5, 0x8A),
            (Reason::Quota, 3, 0x97),
            (Reason::Rate, 3, 0x9F),
            (Reason::Unavailable, 3, 0x88),
            (Reason::Payload, 5, 0x99),
            (Reason::Retain, 5, 0x9A),
            (Reason::Qos, 5, 0x9B),
        ] {
            assert_eq!((connack(V31, reason), connack(V311, reason), connack(V50, reason)), (old, old, new));
        }
        let filter = |version, reason| answer(Subject::Filter, version, Reject, reason);
        assert_eq!(filter(V31, Reason::NotAuthorized), Answer::Close);
        assert_eq!(filter(V311, Reason::Wildcard), Answer::SubAck(ReasonCode::UnspecifiedError));
        assert_eq!(filter(V50, Reason::Wildcard), Answer::SubAck(ReasonCode::WildcardSubscriptionsNotSupported));
    }
}
