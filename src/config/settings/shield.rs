//! What a listener leaves its clients of the protocol, so that a broker is only asked for what the plant uses.

use std::time::Duration;

use super::bounds::MIB;
use crate::config::kinds::{Flag, Words, duration, list, optional, qos, seconds, size, table, word};
use crate::config::read::{Located, settings};
use crate::enforce::patches::{Patch, Patches};
use crate::mqtt::frame::QoS;
use crate::policy::{Features, Mode, Persistence, Shield};

/// The longest Session Expiry Interval that is not for ever.
pub(in crate::config) const LONGEST_EXPIRY: Duration = seconds(4_294_967_294);
/// The largest payload that MQTT can carry.
pub(in crate::config) const LARGEST_PAYLOAD: usize = 256 * MIB;

settings! {
    /// What of the protocol clients may make use of: what a plant does not use is better turned off. A role may leave its clients less (`[[role]]`); the stricter holds. What is turned off is refused, and CONNACK says so to 5.0 clients. Bounds on topics, Client Identifiers, subscriptions and packets are in `[limits]`, the longest Keep Alive is in `[keep_alive]`, and the versions are the listener's.
    pub(in crate::config) struct ShieldTable {
        /// Whether what is turned off is refused: `monitor` lets it go on, and records what would have been refused. Patches are not concerned.
        mode: Mode = Mode::Enforce, word();
        /// Messages to be retained, Wills included. Refused with 0x87; CONNECT with such a Will with 0x9A.
        retain: bool = true, Flag;
        /// `+` and `#` in Topic Filters. Refused with 0xA2.
        wildcard_subscriptions: bool = true, Flag;
        /// Shared Subscriptions (`$share/…`). Refused with 0x9E.
        shared_subscriptions: bool = true, Flag;
        /// Subscription Identifiers of 5.0. Refused with 0xA1.
        subscription_identifiers: bool = true, Flag;
        /// Topics whose first level is `$SYS`, in which brokers tell of themselves: published, subscribed, delivered. Where policies grant none, they are refused in any case.
        sys_topics: bool = true, Flag;
        /// Wills. CONNECT with one is refused with 0x87.
        wills: bool = true, Flag;
        /// Enhanced authentication of 5.0. CONNECT with an Authentication Method is refused with 0x8C.
        enhanced_authentication: bool = true, Flag;
        /// Sessions that outlive their connection: `end` has them end with it, which CONNECT then asks the broker for, `refuse` refuses the CONNECT that asks for one with 0x87.
        persistent_sessions: Persistence = Persistence::Allow, word();
        /// How long a session of 5.0 may outlive its connection; as long as the client asks for when not given. CONNECT and DISCONNECT then ask the broker for no more, and CONNACK tells the client. Before 5.0 a session has no such time, and `persistent_sessions` decides.
        max_session_expiry: Option<Located<Duration>> = None, optional(duration(Duration::ZERO..=LONGEST_EXPIRY));
        /// The highest QoS. A message above it is refused, a subscription goes on with it.
        max_qos: QoS = QoS::Two, qos();
        /// Guards against single weaknesses of brokers and clients, of [patches.md](patches.md).
        patches: PatchesTable = PatchesTable::default(), table();
        /// Bytes of a payload that is published, Wills included; as many as `limits.max_packet_bytes` leaves when not given. A larger one is refused with 0x97.
        max_payload_bytes: Option<Located<usize>> = None, optional(size(0..=LARGEST_PAYLOAD));
    }
}

settings! {
    /// Guards against single weaknesses of brokers and clients, of [patches.md](patches.md). What a listener says of them takes the place of what is said for all.
    pub(in crate::config) struct PatchesTable {
        /// Those that are turned on beside the ones that are on in any case.
        enable: Vec<Located<Patch>> = Vec::new(), list(word(), 0..=64);
        /// Those that are turned off.
        disable: Vec<Located<Patch>> = Vec::new(), list(word(), 0..=64);
    }
}

impl Words for Patch {
    const WORDS: &'static [(&'static str, Self)] = Self::WORDS;
}

impl PatchesTable {
    /// Those that are on.
    pub(in crate::config) fn said(&self) -> Patches {
        let enabled = self.enable.iter().fold(Patches::default(), |patches, patch| patches.with(patch.value));
        self.disable.iter().fold(enabled, |patches, patch| patches.without(patch.value))
    }
}

impl Words for Persistence {
    const WORDS: &'static [(&'static str, Self)] =
        &[("allow", Self::Allow), ("end", Self::End), ("refuse", Self::Refuse)];
}

/// Seconds of a Session Expiry Interval.
pub(in crate::config) fn expiry(given: Option<&Located<Duration>>) -> u32 {
    given.map_or(u32::MAX, |expiry| u32::try_from(expiry.value.as_secs()).unwrap_or(u32::MAX))
}

impl ShieldTable {
    /// What it says.
    pub(in crate::config) fn said(&self) -> Shield {
        let features = Features {
            retain: self.retain,
            wildcard_subscriptions: self.wildcard_subscriptions,
            shared_subscriptions: self.shared_subscriptions,
            subscription_identifiers: self.subscription_identifiers,
            sys_topics: self.sys_topics,
            wills: self.wills,
            enhanced_authentication: self.enhanced_authentication,
            persistent_sessions: self.persistent_sessions,
            max_session_expiry: expiry(self.max_session_expiry.as_ref()),
            max_qos: self.max_qos,
            max_payload_bytes: self.max_payload_bytes.as_ref().map_or(usize::MAX, |bytes| bytes.value),
            ..Features::ALL
        };
        Shield { features, mode: self.mode }
    }
}
