//! Why something is refused: a closed set with stable labels.

/// Why a request is refused. What the peer is told for each is decided by `enforce`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// No rule allows it, or one denies it.
    NotAuthorized,
    /// User name, password or token do not hold.
    BadCredentials,
    /// The Client Identifier is not this client's to use.
    ClientIdentifier,
    /// The client is banned.
    Banned,
    /// The payload breaks a rule.
    Payload,
    /// The payload contradicts its Payload Format Indicator.
    PayloadFormat,
    /// The topic is refused for what it is, whoever uses it.
    Topic,
    /// The QoS is above what is allowed.
    Qos,
    /// Retained messages are not allowed.
    Retain,
    /// A limit of number or rate is used up.
    Quota,
    /// It is too large to be judged, or to be delivered.
    TooLarge,
    /// Shared Subscriptions are not allowed.
    SharedSubscription,
    /// Wildcards in Topic Filters are not allowed.
    Wildcard,
    /// Subscription Identifiers are not allowed.
    SubscriptionIdentifier,
}

impl Reason {
    /// Every reason, for references and metric families.
    pub const ALL: [Self; 14] = [
        Self::NotAuthorized,
        Self::BadCredentials,
        Self::ClientIdentifier,
        Self::Banned,
        Self::Payload,
        Self::PayloadFormat,
        Self::Topic,
        Self::Qos,
        Self::Retain,
        Self::Quota,
        Self::TooLarge,
        Self::SharedSubscription,
        Self::Wildcard,
        Self::SubscriptionIdentifier,
    ];

    /// The word that records and metrics use; never changes.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::NotAuthorized => "not_authorized",
            Self::BadCredentials => "bad_credentials",
            Self::ClientIdentifier => "client_identifier",
            Self::Banned => "banned",
            Self::Payload => "payload",
            Self::PayloadFormat => "payload_format",
            Self::Topic => "topic",
            Self::Qos => "qos",
            Self::Retain => "retain",
            Self::Quota => "quota",
            Self::TooLarge => "too_large",
            Self::SharedSubscription => "shared_subscription",
            Self::Wildcard => "wildcard",
            Self::SubscriptionIdentifier => "subscription_identifier",
        }
    }
}
