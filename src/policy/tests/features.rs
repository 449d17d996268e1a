//! What of the protocol a listener and roles leave to clients.

use std::sync::Arc;

use super::nobody;
use super::semantics::{ask, draft, grant, words};
use crate::mqtt::Version;
use crate::mqtt::frame::QoS;
use crate::policy::{
    Authority, Connect, Decision, Draft, Feature, Features, Mode, OnDeny, Persistence, Policy, Request, Role, Shield,
};

fn authority(draft: Draft, shield: Shield) -> Authority {
    Authority::new(&Arc::new(Policy::new(draft).unwrap()), &nobody(), 0).with_shield(&Arc::new(shield))
}

fn all() -> Draft {
    draft([grant(&["#", "$SYS/#"], &["#", "$SYS/#"])])
}

fn open() -> Draft {
    Draft { permit_all: true, ..Draft::new("1") }
}

fn role(features: Features) -> Role {
    Role { features, ..Role::new("narrow") }
}

/// What is withheld by `features`, request by request: what a listener and a role say to it.
fn check(features: &Features, cases: &[(&str, &str)]) {
    for base in [all, open] {
        let mut of_listener = authority(base(), Shield { features: features.clone(), mode: Mode::Enforce });
        let mut of_role = authority(Draft { roles: vec![role(features.clone())], ..base() }, Shield::default());
        for (request, said) in cases {
            let request = ask(request);
            let decision = of_listener.decide(&nobody(), &request.request());
            assert_eq!(words(&decision), *said, "{request:?}");
            let decision = of_role.decide(&nobody(), &request.request());
            let mut by_role: Vec<&str> = said.split(' ').collect();
            if let [_, rule, _] = by_role.as_mut_slice()
                && rule.starts_with("shield.")
            {
                *rule = "narrow";
            }
            assert_eq!(words(&decision), by_role.join(" "), "{request:?}");
        }
    }
}

#[test]
fn what_is_withheld_is_refused_and_the_rest_is_not() {
    check(
        &Features { retain: false, ..Features::ALL },
        &[
            ("pub a", "allow"),
            ("pub a retain", "reject shield.retain retain"),
            ("will a retain", "reject shield.retain retain"),
            ("recv a retain", "allow"),
        ],
    );
    check(&Features { wills: false, ..Features::ALL }, &[("pub a", "allow"), ("will a", "reject shield.wills will")]);
    check(
        &Features { max_qos: QoS::One, ..Features::ALL },
        &[
            ("pub a 1", "allow"),
            ("pub a 2", "reject shield.max_qos qos"),
            ("will a 2", "reject shield.max_qos qos"),
            ("sub a 1", "allow"),
            ("sub a 2", "up to 1"),
            ("recv a 2", "allow"),
        ],
    );
    let sys = "reject shield.sys_topics not_authorized";
    check(
        &Features { sys_topics: false, ..Features::ALL },
        &[
            ("sub $SYS/#", sys),
            ("sub $SYS", sys),
            ("sub $share/g/$SYS/a", sys),
            ("recv $SYS/a", sys),
            ("pub $SYS/a", sys),
            ("respond $SYS/a", sys),
            ("sub #", "allow"),
            ("sub a/$SYS", "allow"),
        ],
    );
    check(
        &Features { max_topic_levels: 3, max_topic_bytes: 9, ..Features::ALL },
        &[
            ("pub a/b/c", "allow"),
            ("pub a/b/c/d", "reject shield.max_topic_levels topic"),
            ("pub ///", "reject shield.max_topic_levels topic"),
            ("sub $share/g/a/b/c", "allow"),
            ("sub a/b/c/#", "reject shield.max_topic_levels topic"),
            ("pub 123456789", "allow"),
            ("pub 1234567890", "reject shield.max_topic_bytes topic"),
            ("recv 1234567890", "allow"),
        ],
    );
    check(
        &Features { max_payload_bytes: 5, ..Features::ALL },
        &[
            ("pub a bytes=5", "allow"),
            ("pub a bytes=6", "reject shield.max_payload_bytes payload_size"),
            ("will a bytes=6", "reject shield.max_payload_bytes payload_size"),
            ("recv a bytes=6", "allow"),
        ],
    );
    let features = Features {
        wildcard_subscriptions: false,
        shared_subscriptions: false,
        subscription_identifiers: false,
        ..Features::ALL
    };
    check(
        &features,
        &[
            ("sub a", "allow"),
            ("sub a/+", "reject shield.wildcard_subscriptions wildcard"),
            ("sub $share/g/a", "reject shield.shared_subscriptions shared_subscription"),
            ("sub a id", "reject shield.subscription_identifiers subscription_identifier"),
        ],
    );
}

#[test]
fn connections_are_held_to_versions_sessions_names_and_authentication() {
    let plain = Connect::new(Version::V50);
    let persistent = Connect { session_expiry: 60, clean_start: false, ..plain };
    let forever = Connect { session_expiry: u32::MAX, clean_start: false, ..Connect::new(Version::V311) };
    let enhanced = Connect { enhanced_authentication: true, ..plain };
    let named = Connect { client_id_bytes: 24, ..plain };
    let refuse = Features { persistent_sessions: Persistence::Refuse, ..Features::ALL };
    let end = Features { persistent_sessions: Persistence::End, ..Features::ALL };
    let capped = Features { max_session_expiry: 1, ..Features::ALL };
    let v311 = Features { versions: [false, true, false], ..Features::ALL };
    let unenhanced = Features { enhanced_authentication: false, ..Features::ALL };
    let short = |bytes| Features { max_client_id_bytes: bytes, ..Features::ALL };
    let session = "reject shield.persistent_sessions session";
    for (features, connect, said) in [
        (&refuse, plain, "allow"),
        (&refuse, persistent, session),
        (&refuse, forever, session),
        (&end, persistent, "allow"),
        (&capped, persistent, "allow"),
        (&v311, plain, "reject shield.versions protocol_version"),
        (&v311, Connect::new(Version::V31), "reject shield.versions protocol_version"),
        (&v311, Connect::new(Version::V311), "allow"),
        (&unenhanced, enhanced, "reject shield.enhanced_authentication authentication_method"),
        (&unenhanced, plain, "allow"),
        (&short(23), named, "reject shield.max_client_id_bytes client_identifier"),
        (&short(24), named, "allow"),
    ] {
        let mut authority = authority(all(), Shield { features: features.clone(), mode: Mode::Enforce });
        assert_eq!(words(&authority.decide(&nobody(), &Request::Connect(connect))), said, "{connect:?}");
    }
}

/// Of each feature alone, the one that says less, whoever says it.
#[test]
fn the_strictest_of_listener_and_roles_holds() {
    let one = Features { max_qos: QoS::One, max_topic_levels: 4, max_keep_alive: 60, ..Features::ALL };
    let other = Features { retain: false, max_topic_levels: 2, max_session_expiry: 9, ..Features::ALL };
    let both = Features { max_qos: QoS::One, max_topic_levels: 2, max_keep_alive: 60, ..other };
    assert_eq!(one.stricter(&other), both);
    assert_eq!(other.stricter(&one), both);
    assert_eq!(both.stricter(&Features::ALL), both);
    let mut authority =
        authority(Draft { roles: vec![role(one)], ..all() }, Shield { features: other, mode: Mode::Enforce });
    assert_eq!(authority.enforced(), both);
    for (request, said) in [
        ("pub a 2", "reject narrow qos"),
        ("pub a retain", "reject shield.retain retain"),
        ("pub a/b/c/d/e", "reject shield.max_topic_levels topic"),
    ] {
        assert_eq!(words(&authority.decide(&nobody(), &ask(request).request())), said, "{request}");
    }
}

#[test]
fn in_monitor_mode_it_is_recorded_and_goes_on() {
    let features =
        || Features { retain: false, max_qos: QoS::Zero, max_keep_alive: 9, max_filters: 1, ..Features::ALL };
    let listener = |mode| Shield { features: features(), mode };
    let watched = Role { mode: Mode::Monitor, ..role(features()) };
    let held = Role::new("held");
    for (case, rule, mut authority) in [
        ("the listener's", "shield.retain", authority(all(), listener(Mode::Monitor))),
        ("a role's", "narrow", authority(Draft { roles: vec![watched, held], ..all() }, Shield::default())),
        ("the policy's", "shield.retain", authority(Draft { mode: Mode::Monitor, ..all() }, listener(Mode::Enforce))),
        (
            "what it does to what it refuses",
            "narrow",
            authority(Draft { on_deny: OnDeny::Monitor, roles: vec![role(features())], ..all() }, Shield::default()),
        ),
    ] {
        let mut said = |request: &str| words(&authority.decide(&nobody(), &ask(request).request()));
        assert_eq!(said("pub a retain"), format!("observe {rule} retain"), "{case}");
        assert_eq!(said("sub a 1"), format!("observe {} qos", rule.replace("retain", "max_qos")), "{case}");
        assert_eq!(said("pub a"), "allow", "{case}");
        assert_eq!(authority.powers(), Features::ALL, "{case}: nothing is told");
        let number = authority.decide_number(Feature::MaxFilters, 2).unwrap();
        assert!(matches!(number, Decision::Observe(..)), "{case}: {number:?}");
    }
    let both = Draft { roles: vec![Role { mode: Mode::Monitor, ..role(features()) }, Role::new("held")], ..all() };
    let capped = Shield { features: Features { max_qos: QoS::One, ..Features::ALL }, mode: Mode::Enforce };
    let mut authority = authority(both, capped);
    let said = words(&authority.decide(&nobody(), &ask("sub a 2").request()));
    assert_eq!(said, "observe narrow qos up to 1", "what is enforced holds beside");
}

#[test]
fn numbers_are_decided_upon_where_somebody_bounds_them() {
    let number = |features: Features, number| {
        let authority = authority(Draft { roles: vec![role(features)], ..all() }, Shield::default());
        authority.decide_number(Feature::MaxSubscriptions, number).map(|decision| words(&decision))
    };
    assert_eq!(number(Features::ALL, 1_000_000), None);
    let three = || Features { max_subscriptions: 3, ..Features::ALL };
    assert_eq!(number(three(), 3), None);
    assert_eq!(number(three(), 4), Some("reject narrow quota".to_owned()));
}

#[test]
fn a_keep_alive_of_zero_counts_as_the_longest_where_there_is_one() {
    let bounded = Features { max_keep_alive: 60, ..Features::ALL };
    for (asked, given) in [(0, 60), (59, 59), (60, 60), (61, 60)] {
        assert_eq!(bounded.keep_alive(asked), given);
    }
    assert_eq!([0, 7, u16::MAX].map(|asked| Features::ALL.keep_alive(asked)), [0, 7, u16::MAX]);
}

#[test]
fn another_policy_or_name_leaves_the_listeners_word_in_force() {
    let shield = Shield { features: Features { retain: false, ..Features::ALL }, mode: Mode::Enforce };
    let mut authority = authority(all(), shield);
    let held = |authority: &mut Authority, case: &str| {
        let said = words(&authority.decide(&nobody(), &ask("pub a retain").request()));
        assert_eq!(said, "reject shield.retain retain", "{case}");
    };
    held(&mut authority, "as it was");
    authority.rebind(&nobody());
    held(&mut authority, "named anew");
    authority.renew(&Arc::new(Policy::new(open()).unwrap()), None, &nobody(), 0);
    held(&mut authority, "another policy");
    authority.set_shield(&Arc::default());
    assert_eq!(words(&authority.decide(&nobody(), &ask("pub a retain").request())), "allow");
}

#[test]
fn every_feature_has_a_name_of_its_own() {
    let mut names: Vec<&str> = Feature::ALL.iter().map(|feature| feature.rule()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Feature::ALL.len());
    assert!(Feature::ALL.len() <= 32, "more than a set can hold");
}
