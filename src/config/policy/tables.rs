//! The tables of a `policy.toml` as they are written.

use std::path::PathBuf;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::payload::tables::PayloadTable;
use super::rates::tables::RateTable;
use super::signature::tables::SignatureTable;
use crate::config::kinds::{
    Days, File, Flag, Glob, Hours, KeepAliveSeconds, Map, OneOrMany, Words, count, days, duration, glob, hours, label,
    list, name, one_or_many, optional, plain_text, prefix, qos, required, required_list, seconds, size, table,
    timezone, topic_filter, topic_name, word,
};
use crate::config::read::{Located, settings};
use crate::config::settings::{LARGEST_PAYLOAD, LONGEST_EXPIRY};
use crate::config::tables::every_version;
use crate::identity::{Pattern, Prefix};
use crate::mqtt::Version;
use crate::mqtt::frame::QoS;
use crate::policy::{Broad, Draft, Mode, OnDeny, Persistence, Priority};

/// Rules about what messages say: each may hold a schema or keys of its own.
const MANY_RULES: usize = 10_000;
/// Entries of a list in a policy.
pub(super) const MANY: usize = 100_000;

settings! {
    /// A policy.
    pub(in crate::config) struct PolicyTable {
        /// Names this state of the policy; appears in every event.
        version: Option<Located<String>> = None, required(label());
        /// Whether what is not permitted is refused: `enforce` refuses it, `monitor` lets everything go on and records what would have been refused.
        mode: Option<Located<Mode>> = Some(Located { value: Mode::Enforce, span: 0..0 }), optional(word());
        /// Permit whatever no `deny` denies. For trying the gateway out, and for placing it before the rules are known.
        permit_all: Option<Located<bool>> = Some(Located { value: false, span: 0..0 }), optional(Flag);
        /// What becomes of what no grant permits: `reject` answers with a failure where there is one, `acknowledge` claims success, `disconnect` ends the connection, `quarantine` rejects and publishes the message to `quarantine_topic`, `monitor` lets it go on and records it.
        on_deny: Option<Located<OnDeny>> = Some(Located { value: OnDeny::Reject, span: 0..0 }), optional(word());
        /// Where quarantined messages go: the levels before their own topic.
        quarantine_topic: Option<Located<String>> = Some(Located { value: Draft::QUARANTINE_TOPIC.to_owned(), span: 0..0 }), optional(topic_name());
        /// Clients that have something in common. A client has every role that fits it; `everyone` is built in.
        role: Vec<Located<RoleTable>> = Vec::new(), list(table(), 0..=MANY);
        /// What is permitted. What no grant permits is refused.
        grant: Vec<Located<GrantTable>> = Vec::new(), list(table(), 0..=MANY);
        /// What is refused, whatever grants permit.
        deny: Vec<Located<DenyTable>> = Vec::new(), list(table(), 0..=MANY);
        /// What payloads must be.
        payload: Vec<Located<PayloadTable>> = Vec::new(), list(table(), 0..=MANY_RULES);
        /// What signatures messages must have, or are given.
        signature: Vec<Located<SignatureTable>> = Vec::new(), list(table(), 0..=MANY_RULES);
        /// How much may come, in how long.
        rate: Vec<Located<RateTable>> = Vec::new(), list(table(), 0..=MANY_RULES);
    }
}

impl PolicyTable {
    /// The id of each rule, where it has one.
    pub(super) fn ids(&self) -> impl Iterator<Item = &Located<String>> {
        let grants = self.grant.iter().map(|grant| &grant.value.id);
        let denies = self.deny.iter().map(|deny| &deny.value.id);
        let payloads = self.payload.iter().map(|payload| &payload.value.id);
        let signatures = self.signature.iter().map(|signature| &signature.value.id);
        let rates = self.rate.iter().map(|rate| &rate.value.id);
        grants.chain(denies).chain(payloads).chain(signatures).chain(rates).flatten()
    }

    /// Each role that a rule names.
    pub(super) fn named_roles(&self) -> impl Iterator<Item = &Located<String>> {
        let grants = self.grant.iter().flat_map(|grant| &grant.value.roles);
        let denies = self.deny.iter().flat_map(|deny| &deny.value.roles);
        let payloads = self.payload.iter().flat_map(|payload| &payload.value.roles);
        let signatures = self.signature.iter().flat_map(|signature| &signature.value.roles);
        let rates = self.rate.iter().flat_map(|rate| rate.value.named_roles());
        grants.chain(denies).chain(payloads).chain(signatures).chain(rates)
    }
}

impl Words for Mode {
    const WORDS: &'static [(&'static str, Self)] = &[("enforce", Self::Enforce), ("monitor", Self::Monitor)];
}

impl Words for OnDeny {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("reject", Self::Reject),
        ("acknowledge", Self::Acknowledge),
        ("disconnect", Self::Disconnect),
        ("quarantine", Self::Quarantine),
        ("monitor", Self::Monitor),
    ];
}

impl Words for Broad {
    const WORDS: &'static [(&'static str, Self)] = &[("refuse", Self::Refuse), ("filter", Self::Filter)];
}

impl Words for Priority {
    const WORDS: &'static [(&'static str, Self)] =
        &[("bulk", Self::Bulk), ("normal", Self::Normal), ("vital", Self::Vital)];
}

settings! {
    /// Clients that have something in common. A client has every role that fits it.
    pub(in crate::config) struct RoleTable {
        /// Its name, by which rules mean it; unique.
        name: Option<Located<String>> = None, required(name());
        /// What is known of its clients; all of it must hold.
        conditions as "match": Option<Located<MatchTable>> = None, optional(table());
        /// File with the identities that have it, one a line, byte for byte; empty lines and those that begin with `#` do not count. Where `match` is given too, both must hold.
        members: Option<Located<PathBuf>> = None, optional(File);
        /// With `monitor` nothing is refused to clients of which every role says so.
        mode: Option<Located<Mode>> = Some(Located { value: Mode::Enforce, span: 0..0 }), optional(word());
        /// What becomes of a subscription to more than is granted, as of dashboards that ask for `#`: `refuse` refuses it, `filter` sends it on and delivers only what is granted.
        on_broad_subscription: Broad = Broad::Refuse, word();
        /// How long its clients may stay connected; without end when not given.
        max_lifetime: Option<Located<Duration>> = None, optional(duration(seconds(1)..=seconds(366 * 86_400)));
        /// Who gives way first when the gateway runs short of memory: `bulk` clients are read no more first, `vital` ones never. Of a client's roles the highest counts.
        priority: Priority = Priority::Normal, word();
        /// Whether its clients may use wildcards in Topic Filters.
        wildcard_subscriptions: bool = true, Flag;
        /// Whether its clients may use Shared Subscriptions.
        shared_subscriptions: bool = true, Flag;
        /// Whether its clients may use Subscription Identifiers (5.0).
        subscription_identifiers: bool = true, Flag;
        /// Whether its clients may have messages retained, Wills included. This and all that follows is as in `[shield]` of the settings, for its clients alone; the strictest of the listener and of all roles holds.
        retain: bool = true, Flag;
        /// Whether its clients may use topics whose first level is `$SYS`; a grant must permit them in any case.
        sys_topics: bool = true, Flag;
        /// Whether its clients may have Wills.
        wills: bool = true, Flag;
        /// Whether its clients may use enhanced authentication (5.0).
        enhanced_authentication: bool = true, Flag;
        /// Whether sessions of its clients may outlive their connection: `end` has them end with it, `refuse` refuses the CONNECT that asks for one.
        persistent_sessions: Persistence = Persistence::Allow, word();
        /// How long sessions of its clients may outlive their connection (5.0).
        max_session_expiry: Option<Located<Duration>> = None, optional(duration(Duration::ZERO..=LONGEST_EXPIRY));
        /// The highest QoS, of what its clients publish and subscribe.
        max_qos: QoS = QoS::Two, qos();
        /// Protocol versions of its clients.
        versions: Vec<Located<Version>> = every_version(), list(word(), 1..=3);
        /// Levels of the topics that its clients publish to and subscribe. This and the other bounds are the listener's (`[limits]`) when not given.
        max_topic_levels: Option<Located<usize>> = None, optional(count(1..=65_535));
        /// Bytes of such topics.
        max_topic_bytes: Option<Located<usize>> = None, optional(count(1..=65_535));
        /// Bytes of the Client Identifiers of its clients.
        max_client_id_bytes: Option<Located<usize>> = None, optional(count(1..=65_535));
        /// Topic Filters in one SUBSCRIBE of its clients; those beyond are refused with 0x97.
        max_filters: Option<Located<usize>> = None, optional(count(1..=65_535));
        /// Subscriptions that one of its clients may hold.
        max_subscriptions: Option<Located<usize>> = None, optional(count(1..=1_000_000));
        /// Bytes of a payload that its clients publish, Wills included.
        max_payload_bytes: Option<Located<usize>> = None, optional(size(0..=LARGEST_PAYLOAD));
        /// The longest Keep Alive of its clients, which a Keep Alive of zero then counts as. 5.0 clients are told; clients of before are held to it all the same.
        max_keep_alive: Option<Located<u16>> = None, optional(KeepAliveSeconds);
        /// Receive Maximum towards its clients: messages above QoS 0 that they may have in flight (5.0).
        receive_maximum: Option<Located<u16>> = None, optional(count(1..=65_535));
        /// Topic Alias Maximum of its clients, each way (5.0).
        topic_alias_maximum: Option<Located<u16>> = None, optional(count(0..=65_535));
    }
}

/// Texts, of which one must match.
pub(in crate::config) type Globs = Vec<Located<Pattern>>;

/// None said.
const ANY: Globs = Vec::new();

settings! {
    /// What is known of a client; all of it must hold. Where a client has several values, one of them must match.
    pub(in crate::config) struct MatchTable {
        /// Who it is proven to be.
        identity: Globs = ANY, one_or_many(glob());
        /// What proves it: `certificate`, `password`, `token`, `address`, `http`, `anonymous`, or `unproven`.
        method: Globs = ANY, one_or_many(glob());
        /// The name of the listener that it dials.
        listener: Globs = ANY, one_or_many(glob());
        /// The network that it dials from.
        address: Vec<Located<Prefix>> = Vec::new(), one_or_many(prefix());
        /// Its Client Identifier, which proves nothing unless the listener binds it.
        client_id: Globs = ANY, one_or_many(glob());
        /// Its user name, which proves nothing unless it is what `identity` comes from.
        username: Globs = ANY, one_or_many(glob());
        /// Its certificate.
        certificate: CertificateMatch = CertificateMatch::default(), table();
        /// What a token or an authentication service says of it, by the name of the claim.
        claim: Map<OneOrMany<Glob>> = Map::default(), table();
    }
}

settings! {
    /// What a client certificate holds.
    pub(in crate::config) struct CertificateMatch {
        /// Its one Common Name.
        cn: Globs = ANY, one_or_many(glob());
        /// An Organization.
        o: Globs = ANY, one_or_many(glob());
        /// An Organizational Unit.
        ou: Globs = ANY, one_or_many(glob());
        /// A DNS name.
        dns: Globs = ANY, one_or_many(glob());
        /// A URI.
        uri: Globs = ANY, one_or_many(glob());
        /// An e-mail address.
        email: Globs = ANY, one_or_many(glob());
        /// An IP address, as text.
        ip: Globs = ANY, one_or_many(glob());
        /// The SPIFFE ID.
        spiffe: Globs = ANY, one_or_many(glob());
        /// The issuer's distinguished name, as RFC 4514 text.
        issuer: Globs = ANY, one_or_many(glob());
        /// The serial number, in lower-case hexadecimal.
        serial: Globs = ANY, one_or_many(glob());
        /// SHA-256 of the certificate, in lower-case hexadecimal.
        fingerprint: Globs = ANY, one_or_many(glob());
    }
}

settings! {
    /// What some roles may do.
    pub(in crate::config) struct GrantTable {
        /// Its id, which records and Reason Strings show; unique among all rules.
        id: Option<Located<String>> = None, required(name());
        /// Who: names of roles; `everyone` is every client.
        roles: Vec<Located<String>> = Vec::new(), required_list(name(), 1..=MANY);
        /// Permit the connection, even if nothing else is granted. A grant of anything else does so too.
        connect: Option<Located<bool>> = None, optional(Flag);
        /// Topic Filters that may be published to. A level may be a variable, such as `${identity}`: it stands for exactly one level.
        publish: Vec<Located<String>> = Vec::new(), list(topic_filter(), 0..=MANY);
        /// Topic Filters that may be subscribed to, and received. A subscription must be covered by one of them.
        subscribe: Vec<Located<String>> = Vec::new(), list(topic_filter(), 0..=MANY);
        /// Topic Filters that may be received, by a subscription that the broker keeps or makes.
        receive: Vec<Located<String>> = Vec::new(), list(topic_filter(), 0..=MANY);
        /// The highest QoS of what is published; a subscription that asks for more gets this.
        max_qos: QoS = QoS::Two, qos();
        /// Whether retained messages may be published.
        retain: bool = true, Flag;
        /// The largest payload, of what is published and what is received; any when not given.
        max_payload_bytes: Option<Located<usize>> = None, optional(size(0..=256 << 20));
        /// The share names that Shared Subscriptions may use; every one when not given, and none when empty.
        share_groups: Option<Located<Vec<Located<String>>>> = None, optional(list(plain_text(), 0..=MANY));
        /// When it holds; always when not given. Hours outside of which it holds, on some days, leave it to hold on all others.
        when: Option<Located<WhenTable>> = None, optional(table());
        /// With `monitor` its limits refuse nothing and are recorded.
        mode: Option<Located<Mode>> = Some(Located { value: Mode::Enforce, span: 0..0 }), optional(word());
        /// What becomes of what its limits refuse.
        on_deny: OnDeny = OnDeny::Reject, word();
    }
}

settings! {
    /// What some roles may not do, whatever grants permit.
    pub(in crate::config) struct DenyTable {
        /// Its id, which records and Reason Strings show; unique among all rules.
        id: Option<Located<String>> = None, required(name());
        /// Who: names of roles; every client when not given.
        roles: Vec<Located<String>> = Vec::new(), list(name(), 0..=MANY);
        /// Refuse the connection.
        connect: bool = false, Flag;
        /// Topic Filters that may not be published to.
        publish: Vec<Located<String>> = Vec::new(), list(topic_filter(), 0..=MANY);
        /// Topic Filters that may be neither subscribed to nor received. A subscription that overlaps one of them is refused.
        subscribe: Vec<Located<String>> = Vec::new(), list(topic_filter(), 0..=MANY);
        /// Topic Filters that may not be received.
        receive: Vec<Located<String>> = Vec::new(), list(topic_filter(), 0..=MANY);
        /// Topic Filters that it leaves alone.
        except: Vec<Located<String>> = Vec::new(), list(topic_filter(), 0..=MANY);
        /// When it holds; always when not given. Hours outside of which it holds, on some days, leave it to hold on all others.
        when: Option<Located<WhenTable>> = None, optional(table());
        /// With `monitor` it refuses nothing and is recorded.
        mode: Option<Located<Mode>> = Some(Located { value: Mode::Enforce, span: 0..0 }), optional(word());
        /// What becomes of what it refuses.
        on_deny: OnDeny = OnDeny::Reject, word();
    }
}

settings! {
    /// When a rule holds.
    pub(in crate::config) struct WhenTable {
        /// In these hours.
        inside: Option<Located<Hours>> = None, optional(hours());
        /// Outside of these hours.
        outside: Option<Located<Hours>> = None, optional(hours());
        /// The days on which those hours begin; every day when not given.
        days: Vec<Located<Days>> = Vec::new(), one_or_many(days());
        /// Whose clock.
        timezone: Option<Located<TimeZone>> = None, required(timezone());
    }
}
