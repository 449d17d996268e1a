//! What of the protocol clients may make use of: switches and bounds, said for a listener and for roles.
//!
//! The strictest of all that holds for a client counts. Pure: what a client is told of them, and what is rewritten for
//! them, is `enforce`'s; who withholds them from one client, `withhold`'s. Read [`Features`] first.

mod withhold;

pub(super) use withhold::Withheld;

use super::judge::Wanted;
use super::{Message, Mode, Reason, Request};
use crate::mqtt::Version;
use crate::mqtt::frame::QoS;

/// What may be made use of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Features {
    /// Messages to be retained, Wills included.
    pub retain: bool,
    /// `+` and `#` in Topic Filters.
    pub wildcard_subscriptions: bool,
    /// Shared Subscriptions.
    pub shared_subscriptions: bool,
    /// Subscription Identifiers (5.0).
    pub subscription_identifiers: bool,
    /// Topics whose first level is `$SYS`.
    pub sys_topics: bool,
    /// Wills.
    pub wills: bool,
    /// Enhanced authentication (5.0).
    pub enhanced_authentication: bool,
    /// Sessions that outlive their connection.
    pub persistent_sessions: Persistence,
    /// Seconds that a session may outlive its connection by; [`u32::MAX`] is for ever (5.0).
    pub max_session_expiry: u32,
    /// The highest QoS, of what is published and of what is subscribed.
    pub max_qos: QoS,
    /// Protocol versions: 3.1, 3.1.1, 5.0.
    pub versions: [bool; 3],
    /// Levels of Topic Names that are published to, and of Topic Filters.
    pub max_topic_levels: usize,
    /// Bytes of such.
    pub max_topic_bytes: usize,
    /// Bytes of a Client Identifier.
    pub max_client_id_bytes: usize,
    /// Topic Filters in one SUBSCRIBE.
    pub max_filters: usize,
    /// Subscriptions of one connection.
    pub max_subscriptions: usize,
    /// Bytes of a payload that is published, Wills included.
    pub max_payload_bytes: usize,
    /// Seconds; one that is shorter than the longest possible replaces a Keep Alive of zero.
    pub max_keep_alive: u16,
    /// Messages above QoS 0 that a client may have in flight (5.0).
    pub receive_maximum: u16,
    /// Topic Aliases, each way (5.0).
    pub topic_alias_maximum: u16,
}

/// What becomes of a session that is to outlive its connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Persistence {
    /// It does.
    #[default]
    Allow,
    /// It ends with the connection: CONNECT goes on so.
    End,
    /// CONNECT is refused.
    Refuse,
}

/// What a listener leaves its clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shield {
    /// What they may make use of.
    pub features: Features,
    /// Whether the rest is refused.
    pub mode: Mode,
}

impl Default for Shield {
    fn default() -> Self {
        Self { features: Features::ALL, mode: Mode::Enforce }
    }
}

macro_rules! features {
    ($($(#[doc = $doc:literal])+ $Name:ident $key:literal $what:literal $reason:ident;)+) => {
        /// One of the [`Features`] that can be refused to a client.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Feature {
            $($(#[doc = $doc])+ $Name,)+
        }

        impl Feature {
            /// Every one, in the order in which they are named where several are refused.
            pub const ALL: &'static [Self] = &[$(Self::$Name,)+];

            /// The rule that a refusal by a listener is attributed to: the name of its setting.
            #[must_use]
            pub const fn rule(self) -> &'static str {
                match self { $(Self::$Name => concat!("shield.", $key),)+ }
            }

            /// What it is, after the words "may not use".
            #[must_use]
            pub const fn what(self) -> &'static str {
                match self { $(Self::$Name => $what,)+ }
            }

            /// Why it is refused.
            #[must_use]
            pub const fn reason(self) -> Reason {
                match self { $(Self::$Name => Reason::$reason,)+ }
            }
        }
    };
}

features! {
    /// `+` and `#` in a Topic Filter.
    WildcardSubscriptions "wildcard_subscriptions" "wildcards" Wildcard;
    /// A Shared Subscription.
    SharedSubscriptions "shared_subscriptions" "Shared Subscriptions" SharedSubscription;
    /// A Subscription Identifier.
    SubscriptionIdentifiers "subscription_identifiers" "Subscription Identifiers" SubscriptionIdentifier;
    /// A protocol version.
    Versions "versions" "this version of MQTT" Version;
    /// An Authentication Method.
    EnhancedAuthentication "enhanced_authentication" "enhanced authentication" AuthenticationMethod;
    /// A Client Identifier of so many bytes.
    MaxClientIdBytes "max_client_id_bytes" "so long a Client Identifier" ClientIdentifier;
    /// A session that outlives its connection.
    PersistentSessions "persistent_sessions" "sessions that outlive their connection" Session;
    /// A Will.
    Wills "wills" "Wills" Will;
    /// A retained message.
    Retain "retain" "retained messages" Retain;
    /// A QoS.
    MaxQos "max_qos" "this QoS" Qos;
    /// A topic below `$SYS`.
    SysTopics "sys_topics" "topics below `$SYS`" NotAuthorized;
    /// A topic of so many levels.
    MaxTopicLevels "max_topic_levels" "topics of so many levels" Topic;
    /// A topic of so many bytes.
    MaxTopicBytes "max_topic_bytes" "topics of so many bytes" Topic;
    /// A payload of so many bytes.
    MaxPayloadBytes "max_payload_bytes" "payloads of so many bytes" PayloadSize;
    /// So many Topic Filters in one SUBSCRIBE.
    MaxFilters "max_filters" "so many Topic Filters in one SUBSCRIBE" Quota;
    /// So many subscriptions.
    MaxSubscriptions "max_subscriptions" "so many subscriptions" Quota;
}

/// Some features.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Set(u32);

impl Set {
    fn with(self, feature: Feature, is_in: bool) -> Self {
        if is_in { Self(self.0 | 1 << feature as u8) } else { self }
    }

    const fn is_empty(self) -> bool {
        self.0 == 0
    }

    const fn has(self, feature: Feature) -> bool {
        self.0 & 1 << feature as u8 != 0
    }
}

impl Features {
    /// All that the protocol has.
    pub const ALL: Self = Self {
        retain: true,
        wildcard_subscriptions: true,
        shared_subscriptions: true,
        subscription_identifiers: true,
        sys_topics: true,
        wills: true,
        enhanced_authentication: true,
        persistent_sessions: Persistence::Allow,
        max_session_expiry: u32::MAX,
        max_qos: QoS::Two,
        versions: [true; 3],
        max_topic_levels: usize::MAX,
        max_topic_bytes: usize::MAX,
        max_client_id_bytes: usize::MAX,
        max_filters: usize::MAX,
        max_subscriptions: usize::MAX,
        max_payload_bytes: usize::MAX,
        max_keep_alive: u16::MAX,
        receive_maximum: u16::MAX,
        topic_alias_maximum: u16::MAX,
    };

    /// Whether nothing is withheld.
    #[must_use]
    pub fn is_all(&self) -> bool {
        *self == Self::ALL
    }

    /// What both leave.
    #[must_use]
    pub fn stricter(&self, other: &Self) -> Self {
        let [v31, v311, v50] = self.versions;
        let [also31, also311, also50] = other.versions;
        Self {
            retain: self.retain && other.retain,
            wildcard_subscriptions: self.wildcard_subscriptions && other.wildcard_subscriptions,
            shared_subscriptions: self.shared_subscriptions && other.shared_subscriptions,
            subscription_identifiers: self.subscription_identifiers && other.subscription_identifiers,
            sys_topics: self.sys_topics && other.sys_topics,
            wills: self.wills && other.wills,
            enhanced_authentication: self.enhanced_authentication && other.enhanced_authentication,
            persistent_sessions: self.persistent_sessions.max(other.persistent_sessions),
            max_session_expiry: self.max_session_expiry.min(other.max_session_expiry),
            max_qos: self.max_qos.min(other.max_qos),
            versions: [v31 && also31, v311 && also311, v50 && also50],
            max_topic_levels: self.max_topic_levels.min(other.max_topic_levels),
            max_topic_bytes: self.max_topic_bytes.min(other.max_topic_bytes),
            max_client_id_bytes: self.max_client_id_bytes.min(other.max_client_id_bytes),
            max_filters: self.max_filters.min(other.max_filters),
            max_subscriptions: self.max_subscriptions.min(other.max_subscriptions),
            max_payload_bytes: self.max_payload_bytes.min(other.max_payload_bytes),
            max_keep_alive: self.max_keep_alive.min(other.max_keep_alive),
            receive_maximum: self.receive_maximum.min(other.receive_maximum),
            topic_alias_maximum: self.topic_alias_maximum.min(other.topic_alias_maximum),
        }
    }

    /// Seconds that a session may outlive its connection by.
    #[must_use]
    pub fn session_expiry(&self) -> u32 {
        if self.persistent_sessions == Persistence::Allow { self.max_session_expiry } else { 0 }
    }

    /// The Keep Alive that is enforced where `asked` is; 0 is none.
    #[must_use]
    pub fn keep_alive(&self, asked: u16) -> u16 {
        let is_bounded = self.max_keep_alive < u16::MAX;
        if asked == 0 && is_bounded { self.max_keep_alive } else { asked.min(self.max_keep_alive) }
    }

    fn speaks(&self, version: Version) -> bool {
        let [v31, v311, v50] = self.versions;
        match version {
            Version::V31 => v31,
            Version::V311 => v311,
            Version::V50 => v50,
        }
    }

    /// What of them a request makes use of, and may not. A subscription above the highest QoS is no such: it goes on at
    /// that.
    fn refuse(&self, request: &Request<'_>) -> Set {
        match request {
            Request::Connect(connect) => Set::default()
                .with(Feature::Versions, !self.speaks(connect.version))
                .with(Feature::EnhancedAuthentication, connect.enhanced_authentication && !self.enhanced_authentication)
                .with(Feature::MaxClientIdBytes, connect.client_id_bytes > self.max_client_id_bytes)
                .with(
                    Feature::PersistentSessions,
                    connect.session_expiry > 0 && self.persistent_sessions == Persistence::Refuse,
                ),
            Request::Will(message) => self.refuse_message(message).with(Feature::Wills, !self.wills),
            Request::Publish(message) => self.refuse_message(message),
            Request::Receive(Message { topic, .. }) | Request::Respond(topic) => self.refuse_sys(topic),
            Request::Subscribe(subscription) => self.refuse_subscription(&Wanted::new(subscription)),
        }
    }

    fn refuse_message(&self, message: &Message<'_>) -> Set {
        self.refuse_topic(message.topic)
            .with(Feature::Retain, message.retain && !self.retain)
            .with(Feature::MaxQos, message.qos > self.max_qos)
            .with(Feature::MaxPayloadBytes, message.payload_bytes > self.max_payload_bytes)
    }

    fn refuse_subscription(&self, wanted: &Wanted<'_>) -> Set {
        self.refuse_topic(wanted.filter)
            .with(Feature::WildcardSubscriptions, !self.wildcard_subscriptions && wanted.filter.contains(['+', '#']))
            .with(Feature::SharedSubscriptions, !self.shared_subscriptions && wanted.group.is_some())
            .with(Feature::SubscriptionIdentifiers, !self.subscription_identifiers && wanted.has_identifier)
    }

    fn refuse_topic(&self, topic: &str) -> Set {
        let too_deep = || topic.bytes().filter(|byte| *byte == b'/').count() >= self.max_topic_levels;
        self.refuse_sys(topic)
            .with(Feature::MaxTopicBytes, topic.len() > self.max_topic_bytes)
            .with(Feature::MaxTopicLevels, topic.len() >= self.max_topic_levels && too_deep())
    }

    fn refuse_sys(&self, topic: &str) -> Set {
        let is_sys =
            |topic: &str| topic.strip_prefix("$SYS").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        Set::default().with(Feature::SysTopics, !self.sys_topics && is_sys(topic))
    }

    fn most(&self, feature: Feature) -> usize {
        match feature {
            Feature::MaxFilters => self.max_filters,
            Feature::MaxSubscriptions => self.max_subscriptions,
            Feature::WildcardSubscriptions
            | Feature::SharedSubscriptions
            | Feature::SubscriptionIdentifiers
            | Feature::Versions
            | Feature::EnhancedAuthentication
            | Feature::MaxClientIdBytes
            | Feature::PersistentSessions
            | Feature::Wills
            | Feature::Retain
            | Feature::MaxQos
            | Feature::SysTopics
            | Feature::MaxTopicLevels
            | Feature::MaxTopicBytes
            | Feature::MaxPayloadBytes => usize::MAX,
        }
    }
}
