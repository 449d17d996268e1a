//! What of the protocol a role leaves its clients.

use super::tables::RoleTable;
use crate::config::read::Located;
use crate::config::settings::expiry;
use crate::mqtt::Version;
use crate::policy::Features;

/// What the role says.
pub(super) fn features(table: &RoleTable) -> Features {
    let number = |given: &Option<Located<usize>>| given.as_ref().map_or(usize::MAX, |number| number.value);
    let short = |given: &Option<Located<u16>>| given.as_ref().map_or(u16::MAX, |number| number.value);
    let speaks = |version: Version| table.versions.iter().any(|known| known.value == version);
    Features {
        retain: table.retain,
        wildcard_subscriptions: table.wildcard_subscriptions,
        shared_subscriptions: table.shared_subscriptions,
        subscription_identifiers: table.subscription_identifiers,
        sys_topics: table.sys_topics,
        wills: table.wills,
        enhanced_authentication: table.enhanced_authentication,
        persistent_sessions: table.persistent_sessions,
        max_session_expiry: expiry(table.max_session_expiry.as_ref()),
        max_qos: table.max_qos,
        versions: [Version::V31, Version::V311, Version::V50].map(speaks),
        max_topic_levels: number(&table.max_topic_levels),
        max_topic_bytes: number(&table.max_topic_bytes),
        max_client_id_bytes: number(&table.max_client_id_bytes),
        max_filters: number(&table.max_filters),
        max_subscriptions: number(&table.max_subscriptions),
        max_payload_bytes: number(&table.max_payload_bytes),
        max_keep_alive: short(&table.max_keep_alive),
        receive_maximum: short(&table.receive_maximum),
        topic_alias_maximum: short(&table.topic_alias_maximum),
    }
}
