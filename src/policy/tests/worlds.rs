//! Random drafts, identities and requests out of few words, so that they often have to do with each other.

use std::collections::HashSet;

use jiff::tz::TimeZone;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use crate::identity::{Attribute, Identity, Pattern, Prefix};
use crate::mqtt::Version;
use crate::mqtt::frame::QoS;
use crate::policy::{
    Broad, Condition, Connect, Deny, Draft, Features, Grant, Message, MessageRule, Mode, OnDeny, PayloadRule, Request,
    Role, Subscription, Window,
};

/// A request that owns its texts.
#[derive(Clone, Debug)]
pub(super) enum Ask {
    Connect,
    Will(String, QoS, bool, usize),
    Publish(String, QoS, bool, usize),
    Subscribe(String, QoS, bool),
    Receive(String, QoS, bool, usize),
    Respond(String),
}

impl Ask {
    pub(super) fn request(&self) -> Request<'_> {
        let message = |topic, qos, retain, payload_bytes| Message {
            topic,
            qos,
            retain,
            payload_bytes,
            payload: None,
            dup: false,
            properties: None,
        };
        match self {
            Self::Connect => Request::Connect(Connect::new(Version::V50)),
            Self::Will(topic, qos, retain, bytes) => Request::Will(message(topic, *qos, *retain, *bytes)),
            Self::Publish(topic, qos, retain, bytes) => Request::Publish(message(topic, *qos, *retain, *bytes)),
            Self::Receive(topic, qos, retain, bytes) => Request::Receive(message(topic, *qos, *retain, *bytes)),
            Self::Subscribe(filter, qos, has_identifier) => {
                Request::Subscribe(Subscription { filter, qos: *qos, has_identifier: *has_identifier })
            }
            Self::Respond(topic) => Request::Respond(topic),
        }
    }
}

pub(super) fn qos() -> impl Strategy<Value = QoS> {
    select(vec![QoS::Zero, QoS::One, QoS::Two])
}

fn topic() -> impl Strategy<Value = String> {
    let first = select(vec!["a", "a", "b", "", "$a", "$SYS"]);
    let rest = vec(select(vec!["a", "a", "b", "c", "", "$a"]), 0..3);
    (first, rest).prop_map(|(first, rest)| {
        let topic = [vec![first], rest].concat().join("/");
        if topic.is_empty() { "/".to_owned() } else { topic }
    })
}

/// Levels, and perhaps `#` behind them.
fn filter_of(levels: &'static [&'static str]) -> impl Strategy<Value = String> {
    (vec(select(levels), 0..4), any::<bool>()).prop_map(|(mut levels, is_open)| {
        if is_open {
            levels.push("#");
        }
        let filter = levels.join("/");
        if filter.is_empty() { "+".to_owned() } else { filter }
    })
}

fn asked_filter() -> impl Strategy<Value = String> {
    let share = select(vec!["", "", "", "$share/g/", "$share/h/"]);
    (share, filter_of(&["a", "a", "b", "c", "", "$a", "+"])).prop_map(|(share, filter)| format!("{share}{filter}"))
}

fn filters() -> impl Strategy<Value = Vec<String>> {
    let levels = &["a", "a", "b", "", "$a", "+", "+", "${identity}", "${client_id}", "${claim.x}"];
    vec(filter_of(levels), 0..3)
}

pub(super) fn ask() -> impl Strategy<Value = Ask> {
    let message = || (topic(), qos(), any::<bool>(), 0_usize..8);
    prop_oneof![
        1 => Just(Ask::Connect),
        1 => message().prop_map(|(topic, qos, retain, bytes)| Ask::Will(topic, qos, retain, bytes)),
        6 => message().prop_map(|(topic, qos, retain, bytes)| Ask::Publish(topic, qos, retain, bytes)),
        6 => message().prop_map(|(topic, qos, retain, bytes)| Ask::Receive(topic, qos, retain, bytes)),
        6 => (asked_filter(), qos(), any::<bool>()).prop_map(|(filter, qos, has)| Ask::Subscribe(filter, qos, has)),
        1 => topic().prop_map(Ask::Respond),
    ]
}

pub(super) fn identity() -> impl Strategy<Value = Identity> {
    let value = || select(vec!["a", "a", "b", "", "+", "#", "a/b", "$a", "*"]);
    let claims = vec((select(vec!["x", "y"]), value()), 0..3);
    let address = select(vec!["10.0.0.1", "10.1.0.1", "::ffff:10.0.0.1", "2001:db8::1"]);
    (option::of(value()), value(), option::of(value()), claims, address).prop_map(
        |(name, id, username, claims, address)| {
            let source = (address.parse::<std::net::IpAddr>().unwrap(), 1).into();
            let mut identity = Identity::new("field".into(), source, None);
            identity.name = name.map(Into::into);
            identity.client_id = id.into();
            identity.username = username.map(Into::into);
            identity.claims = claims.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
            identity
        },
    )
}

fn mode() -> impl Strategy<Value = Mode> {
    select(vec![Mode::Enforce, Mode::Enforce, Mode::Enforce, Mode::Monitor])
}

fn on_deny() -> impl Strategy<Value = OnDeny> {
    let mut all = vec![OnDeny::Reject; 4];
    all.extend(OnDeny::ALL);
    select(all)
}

fn condition() -> impl Strategy<Value = Condition> {
    let attribute = select(vec!["username", "identity", "claim.x", "client_id", "listener"]);
    let pattern = select(vec!["a", "b", "", "*", "a*", "field", "f*d"]);
    let text = (attribute, vec(pattern, 1..3)).prop_map(|(attribute, any)| Condition::Text {
        attribute: Attribute::parse(attribute).unwrap(),
        any: any.into_iter().map(Pattern::new).collect(),
    });
    let prefix = select(vec!["10.0.0.0/16", "10.0.0.0/8", "2001:db8::/32", "0.0.0.0/0"]);
    let address = vec(prefix, 1..3)
        .prop_map(|prefixes| Condition::Address(prefixes.into_iter().map(|one| Prefix::parse(one).unwrap()).collect()));
    prop_oneof![4 => text, 1 => address]
}

fn role(name: &'static str) -> impl Strategy<Value = Role> {
    let members = option::weighted(0.3, vec(select(vec!["a", "b", "$a"]), 0..3));
    let often = || prop::bool::weighted(0.8);
    (vec(condition(), 0..3), members, mode(), prop::bool::weighted(0.2), (often(), often(), often())).prop_map(
        move |(conditions, members, mode, is_broad, (wildcards, shared, identifiers))| Role {
            conditions,
            members: members.map(|names| names.into_iter().map(Into::into).collect::<HashSet<_>>()),
            mode,
            on_broad_subscription: if is_broad { Broad::Filter } else { Broad::Refuse },
            features: Features {
                wildcard_subscriptions: wildcards,
                shared_subscriptions: shared,
                subscription_identifiers: identifiers,
                ..Features::ALL
            },
            ..Role::new(name)
        },
    )
}

pub(super) fn window() -> impl Strategy<Value = Window> {
    let zone = select(vec!["UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Africa/Casablanca"]);
    let minute = || prop_oneof![0_u16..1440, select(vec![0_u16, 60, 120, 150, 180, 1439])];
    let to = prop_oneof![minute(), Just(1440)];
    (any::<bool>(), minute(), to, any::<[bool; 7]>(), zone).prop_map(|(inside, from, to, days, zone)| Window {
        inside,
        from,
        to,
        days,
        timezone: TimeZone::get(zone).unwrap(),
    })
}

fn when() -> impl Strategy<Value = Option<Window>> {
    option::weighted(0.2, window())
}

fn grant(id: &'static str) -> impl Strategy<Value = Grant> {
    let roles = prop_oneof![Just(vec!["everyone"]), subsequence(vec!["everyone", "r", "s", "t"], 1..3)];
    let limits = (qos(), any::<bool>(), option::weighted(0.3, 0_usize..6));
    let groups = option::weighted(0.3, subsequence(vec!["g", "h"], 0..2));
    ((roles, filters(), filters(), filters()), limits, groups, when(), mode(), on_deny()).prop_map(
        move |(
            (roles, publish, subscribe, receive),
            (max_qos, retain, max_payload_bytes),
            groups,
            when,
            mode,
            on_deny,
        )| {
            Grant {
                publish,
                subscribe,
                receive,
                max_qos,
                retain,
                max_payload_bytes,
                share_groups: groups.map(|groups| groups.into_iter().map(str::to_owned).collect()),
                when,
                mode,
                on_deny,
                ..Grant::new(id, &roles)
            }
        },
    )
}

pub(super) fn deny(id: &'static str) -> impl Strategy<Value = Deny> {
    let roles = prop_oneof![Just(vec![]), subsequence(vec!["everyone", "r", "s", "t"], 1..3)];
    let connect = prop::bool::weighted(0.2);
    ((roles, connect), filters(), filters(), filters(), filters(), (when(), mode(), on_deny())).prop_map(
        move |((roles, connect), publish, subscribe, receive, except, (when, mode, on_deny))| Deny {
            roles: roles.into_iter().map(str::to_owned).collect(),
            connect,
            publish,
            subscribe,
            receive,
            except,
            when,
            mode,
            on_deny,
            ..Deny::new(id)
        },
    )
}

/// A rule about sizes alone: what else one says has tests of its own.
fn payload(id: &'static str) -> impl Strategy<Value = PayloadRule> {
    let roles = prop_oneof![Just(vec![]), subsequence(vec!["everyone", "r", "s", "t"], 1..3)];
    let some = || vec(filter_of(&["a", "b", "", "$a", "+", "+", "${identity}", "${claim.x}"]), 0..3);
    ((roles, some(), some()), 0_usize..6, (when(), mode(), on_deny())).prop_map(
        move |((roles, mut publish, receive), max_bytes, (when, mode, on_deny))| {
            if publish.is_empty() && receive.is_empty() {
                publish.push("a/#".to_owned());
            }
            let roles = roles.into_iter().map(str::to_owned).collect();
            let rule = MessageRule { roles, publish, receive, when, mode, on_deny, ..MessageRule::new(id) };
            PayloadRule { rule, max_bytes, ..PayloadRule::new(id) }
        },
    )
}

pub(super) fn draft() -> impl Strategy<Value = Draft> {
    let roles = (role("r"), role("s"), role("t"));
    let grants = (grant("grant-1"), grant("grant-2"), grant("grant-3"), grant("grant-4"));
    let denies = vec(prop_oneof![deny("deny-1")], 0..2);
    let rest = (prop::bool::weighted(0.1), mode(), on_deny(), 1_usize..5);
    let payloads = (option::of(payload("payload-1")), option::of(payload("payload-2")));
    (roles, grants, denies, option::of(deny("deny-2")), payloads, rest).prop_map(
        |((r, s, t), (one, two, three, four), mut denies, more, payloads, (permit_all, mode, on_deny, count))| {
            let payloads = [payloads.0, payloads.1].into_iter().flatten().collect();
            denies.truncate(1);
            denies.extend(more);
            let mut grants = vec![one, two, three, four];
            grants.truncate(count);
            let roles = vec![r, s, t];
            Draft { permit_all, mode, on_deny, roles, grants, denies, payloads, ..Draft::new("1") }
        },
    )
}

/// Seconds around changes of daylight saving time, and any others.
pub(super) fn unix() -> impl Strategy<Value = i64> {
    // 2026: Berlin in March and October, Lord Howe and St. John's near them.
    let near = select(vec![1_774_746_000_i64, 1_792_890_000, 1_775_314_800, 1_791_043_200, 1_793_498_400]);
    prop_oneof![(near, -90_000_i64..90_000).prop_map(|(near, by)| near + by), 1_700_000_000_i64..1_900_000_000,]
}
