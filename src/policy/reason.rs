//! Why something is refused: a closed set with stable labels.

/// Why a request is refused. What the peer is told for each is decided by `enforce`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// No rule allows it, or one denies it.
    NotAuthorized,
    /// User name, password or token do not hold.
    BadCredentials,
    /// Nothing proves who the client is.
    Unidentified,
    /// The user name is not this client's to use.
    UserName,
    /// What would prove who the client is can't be asked.
    Unavailable,
    /// Nothing is kept of the client that the broker could be shown in its place.
    BrokerCredentials,
    /// The Client Identifier is not this client's to use.
    ClientIdentifier,
    /// The client is banned.
    Banned,
    /// The payload breaks a rule.
    Payload,
    /// The payload contradicts its Payload Format Indicator.
    PayloadFormat,
    /// A signature is required, and there is none.
    Unsigned,
    /// The signature does not hold.
    Signature,
    /// It was signed too long ago, or is from the future.
    Stale,
    /// It was signed for one use, and that is used up.
    Replayed,
    /// The plant is not in the state that it takes.
    Interlock,
    /// The topic is refused for what it is, whoever uses it.
    Topic,
    /// The QoS is above what is allowed.
    Qos,
    /// Retained messages are not allowed.
    Retain,
    /// A limit of number is used up.
    Quota,
    /// It comes too fast.
    Rate,
    /// It is too large to be judged, or to be delivered.
    TooLarge,
    /// The payload is larger than is granted.
    PayloadSize,
    /// The Response Topic is none that the requester may receive.
    ResponseTopic,
    /// Shared Subscriptions are not allowed.
    SharedSubscription,
    /// Wildcards in Topic Filters are not allowed.
    Wildcard,
    /// Subscription Identifiers are not allowed.
    SubscriptionIdentifier,
    /// This version of MQTT is not allowed.
    Version,
    /// Enhanced authentication is not allowed.
    AuthenticationMethod,
    /// Sessions that outlive their connection are not allowed.
    Session,
    /// Wills are not allowed.
    Will,
}

impl Reason {
    /// Every reason, for references and metric families.
    pub const ALL: [Self; 30] = [
        Self::NotAuthorized,
        Self::BadCredentials,
        Self::Unidentified,
        Self::UserName,
        Self::Unavailable,
        Self::BrokerCredentials,
        Self::ClientIdentifier,
        Self::Banned,
        Self::Payload,
        Self::PayloadFormat,
        Self::Unsigned,
        Self::Signature,
        Self::Stale,
        Self::Replayed,
        Self::Interlock,
        Self::Topic,
        Self::Qos,
        Self::Retain,
        Self::Quota,
        Self::Rate,
        Self::TooLarge,
        Self::PayloadSize,
        Self::ResponseTopic,
        Self::SharedSubscription,
        Self::Wildcard,
        Self::SubscriptionIdentifier,
        Self::Version,
        Self::AuthenticationMethod,
        Self::Session,
        Self::Will,
    ];

    /// The word that records and metrics use; never changes.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::NotAuthorized => "not_authorized",
            Self::BadCredentials => "bad_credentials",
            Self::Unidentified => "unidentified",
            Self::UserName => "user_name",
            Self::Unavailable => "unavailable",
            Self::BrokerCredentials => "broker_credentials",
            Self::ClientIdentifier => "client_identifier",
            Self::Banned => "banned",
            Self::Payload => "payload",
            Self::PayloadFormat => "payload_format",
            Self::Unsigned => "unsigned",
            Self::Signature => "signature",
            Self::Stale => "stale",
            Self::Replayed => "replayed",
            Self::Interlock => "interlock",
            Self::Topic => "topic",
            Self::Qos => "qos",
            Self::Retain => "retain",
            Self::Quota => "quota",
            Self::Rate => "rate",
            Self::TooLarge => "too_large",
            Self::PayloadSize => "payload_size",
            Self::ResponseTopic => "response_topic",
            Self::SharedSubscription => "shared_subscription",
            Self::Wildcard => "wildcard",
            Self::SubscriptionIdentifier => "subscription_identifier",
            Self::Version => "protocol_version",
            Self::AuthenticationMethod => "authentication_method",
            Self::Session => "session",
            Self::Will => "will",
        }
    }
}
