//! The clauses of the contract, one by one.

use std::sync::Arc;

use super::nobody;
use super::worlds::Ask;
use crate::identity::{Attribute, Identity, Pattern};
use crate::mqtt::frame::QoS;
use crate::policy::{Authority, Broad, Condition, Decision, Deny, Draft, Features, Grant, Mode, OnDeny, Policy, Role};

/// Everyone may do this, and no more.
pub(super) fn grant(publish: &[&str], subscribe: &[&str]) -> Grant {
    Grant { publish: texts(publish), subscribe: texts(subscribe), ..Grant::new("grant", &["everyone"]) }
}

pub(super) fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(|&text| text.to_owned()).collect()
}

pub(super) fn draft(grants: impl Into<Vec<Grant>>) -> Draft {
    Draft { grants: grants.into(), ..Draft::new("1") }
}

pub(super) fn words(decision: &Decision) -> String {
    match decision {
        Decision::Allow => "allow".to_owned(),
        Decision::AllowUpTo(qos) => format!("up to {}", qos.value()),
        Decision::Observe(denial, qos) => {
            let cap = qos.map(|qos| format!(" up to {}", qos.value())).unwrap_or_default();
            format!("observe {} {}{cap}", denial.rule.as_str(), denial.reason.label())
        }
        Decision::Deny(denial) => {
            format!("{} {} {}", denial.on_deny.label(), denial.rule.as_str(), denial.reason.label())
        }
    }
}

/// Requests as words: `pub TOPIC`, `sub FILTER`, `recv TOPIC`, `respond TOPIC`, `will TOPIC`, `connect`; behind them
/// `1` or `2` for a QoS, `retain`, `bytes=N`, `id` for a Subscription Identifier.
pub(super) fn ask(text: &str) -> Ask {
    let mut parts = text.split(' ');
    let (verb, topic) = (parts.next().unwrap(), parts.next().unwrap_or_default().to_owned());
    let (mut qos, mut retain, mut bytes, mut has_identifier) = (QoS::Zero, false, 0, false);
    for part in parts {
        match part {
            "1" => qos = QoS::One,
            "2" => qos = QoS::Two,
            "retain" => retain = true,
            "id" => has_identifier = true,
            other => bytes = other.strip_prefix("bytes=").unwrap().parse().unwrap(),
        }
    }
    match verb {
        "pub" => Ask::Publish(topic, qos, retain, bytes),
        "will" => Ask::Will(topic, qos, retain, bytes),
        "recv" => Ask::Receive(topic, qos, retain, bytes),
        "sub" => Ask::Subscribe(topic, qos, has_identifier),
        "respond" => Ask::Respond(topic),
        _ => Ask::Connect,
    }
}

fn check_as(identity: &Identity, draft: Draft, cases: &[(&str, &str)]) {
    let mut authority = Authority::new(&Arc::new(Policy::new(draft).unwrap()), identity, 0);
    for (request, expected) in cases {
        let decision = authority.decide(identity, &ask(request).request());
        assert_eq!(words(&decision), *expected, "{request}");
    }
}

pub(super) fn check(draft: Draft, cases: &[(&str, &str)]) {
    check_as(&nobody(), draft, cases);
}

pub(super) const DEFAULT: &str = "reject default not_authorized";

#[test]
fn without_a_rule_there_is_no_access() {
    let all = ["connect", "pub a", "will a", "sub a", "recv a"];
    check(Draft::new("1"), &all.map(|request| (request, DEFAULT)));
    check(Draft::new("1"), &[("respond a", "reject default response_topic")]);
    let open = Draft { permit_all: true, ..Draft::new("1") };
    check(open, &all.map(|request| (request, "allow")));
}

#[test]
fn a_subscription_must_be_covered_by_one_grant() {
    let halves = [grant(&[], &["a/b/#"]), Grant { id: "other".into(), ..grant(&[], &["a/+", "a"]) }];
    check(
        draft(halves),
        &[
            ("sub a/b/#", "allow"),
            ("sub a/b", "allow"),
            ("sub a/+", "allow"),
            ("sub a/b/+", "allow"),
            ("sub a/#", DEFAULT),
            ("sub +/b", DEFAULT),
            ("sub #", DEFAULT),
            ("recv a/b/c", "allow"),
            ("recv a/x", "allow"),
            ("recv a/x/c", DEFAULT),
        ],
    );
}

#[test]
fn topics_that_begin_with_a_dollar_need_the_same_word() {
    check(
        draft([grant(&["#", "$SYS/x/#"], &["#", "+/#", "$queue/a/+"])]),
        &[
            ("pub a", "allow"),
            ("pub $SYS/x/y", "allow"),
            ("pub $SYS/y", DEFAULT),
            ("sub $SYS/#", DEFAULT),
            ("sub $queue/a/b", "allow"),
            ("sub $queue/+/b", DEFAULT),
            ("recv $SYS/x", DEFAULT),
            ("sub #", "allow"),
        ],
    );
}

#[test]
fn a_denial_beats_every_grant_where_it_overlaps() {
    let deny = Deny { subscribe: texts(&["a/secret/#"]), publish: texts(&["a/secret/#"]), ..Deny::new("secret") };
    let denied = "reject secret not_authorized";
    check(
        Draft { denies: vec![deny], ..draft([grant(&["a/#"], &["a/#"])]) },
        &[
            ("pub a/x", "allow"),
            ("pub a/secret", denied),
            ("will a/secret/x", denied),
            ("sub a/x", "allow"),
            ("sub a/secret/x", denied),
            ("sub a/+", denied),
            ("sub a/#", denied),
            ("recv a/secret/x", denied),
            ("recv a/x", "allow"),
            ("respond a/secret", "reject secret response_topic"),
        ],
    );
}

#[test]
fn an_exception_leaves_alone_what_it_covers() {
    let deny =
        Deny { subscribe: texts(&["a/#"]), publish: texts(&["a/#"]), except: texts(&["a/open/#"]), ..Deny::new("no") };
    let denied = "reject no not_authorized";
    check(
        Draft { denies: vec![deny], ..draft([grant(&["#"], &["#"])]) },
        &[
            ("pub a/open/x", "allow"),
            ("pub a/x", denied),
            ("sub a/open/+", "allow"),
            ("sub a/+", denied),
            ("sub a/+/x", denied),
            ("recv a/open", "allow"),
            ("recv a", denied),
        ],
    );
}

#[test]
fn what_may_not_be_received_may_be_subscribed_with_the_rest() {
    let deny = Deny { receive: texts(&["a/secret"]), ..Deny::new("no") };
    check(
        Draft { denies: vec![deny], ..draft([grant(&[], &["a/#"])]) },
        &[("sub a/#", "allow"), ("recv a/x", "allow"), ("recv a/secret", "reject no not_authorized")],
    );
}

#[test]
fn shared_subscriptions_are_judged_by_filter_and_group() {
    let of_groups = Grant { share_groups: Some(texts(&["g", "h"])), ..grant(&[], &["a/#"]) };
    let any = Grant { id: "any".into(), ..grant(&[], &["b/#"]) };
    check(
        draft([of_groups, any]),
        &[
            ("sub $share/g/a/x", "allow"),
            ("sub $share/h/a/#", "allow"),
            ("sub $share/i/a/x", "reject grant shared_subscription"),
            ("sub $share/i/b/x", "allow"),
            ("sub $share/g/c", DEFAULT),
            ("sub a/x", "allow"),
        ],
    );
    check(
        draft([Grant { share_groups: Some(vec![]), ..grant(&[], &["a"]) }]),
        &[("sub $share/g/a", "reject grant shared_subscription"), ("sub a", "allow")],
    );
}

#[test]
fn caps_of_a_grant_refuse_publications_and_lower_subscriptions() {
    let capped = Grant {
        max_qos: QoS::Zero,
        retain: false,
        max_payload_bytes: Some(4),
        on_deny: OnDeny::Disconnect,
        ..grant(&["a", "b"], &["a", "b"])
    };
    let wider = Grant { id: "wider".into(), max_qos: QoS::One, ..grant(&["b"], &["b"]) };
    check(
        draft([capped, wider]),
        &[
            ("pub a bytes=4", "allow"),
            ("pub a 1", "disconnect grant qos"),
            ("pub a retain", "disconnect grant retain"),
            ("will a bytes=5", "disconnect grant payload_size"),
            ("pub b 1 retain bytes=5", "allow"),
            ("pub b 2", "disconnect grant qos"),
            ("sub a 2", "up to 0"),
            ("sub a", "allow"),
            ("sub b 2", "up to 1"),
            ("sub b 1", "allow"),
            ("recv a 2 retain bytes=4", "allow"),
            ("recv a bytes=5", "disconnect grant payload_size"),
            ("recv b bytes=5", "allow"),
        ],
    );
    // Each by itself permits one of the two; nobody permits both.
    let loud = Grant { id: "loud".into(), retain: false, ..grant(&["a"], &[]) };
    let kept = Grant { id: "kept".into(), max_qos: QoS::Zero, ..grant(&["a"], &[]) };
    check(
        draft([loud, kept]),
        &[("pub a 2", "allow"), ("pub a retain", "allow"), ("pub a 2 retain", "reject kept qos")],
    );
}

#[test]
fn a_variable_is_exactly_one_level_and_never_more() {
    let own = || draft([grant(&["${identity}/x", "x/${identity}/#"], &["x/${identity}/+"])]);
    let named = |name: &str| Identity { name: Some(name.into()), ..nobody() };
    check_as(
        &named("me"),
        own(),
        &[("pub me/x", "allow"), ("pub x/me", "allow"), ("pub x/you", DEFAULT), ("sub x/me/+", "allow")],
    );
    for name in ["", "+", "#", "a/b", "a+", "nul\0"] {
        let topic = format!("pub x/{}", name.replace(['\0'], ""));
        check_as(
            &named(name),
            own(),
            &[(&topic, DEFAULT), ("pub a/x", DEFAULT), ("sub x/+/+", DEFAULT), ("pub x/a", DEFAULT)],
        );
    }
    check_as(&named("$SYS"), own(), &[("pub $SYS/x", DEFAULT), ("pub x/$SYS", "allow")]);
    check_as(&named("*"), own(), &[("pub x/*", "allow"), ("pub x/y", DEFAULT)]);
    check(own(), &[("pub x/me", DEFAULT)]);
    let twice = [("a".into(), "me".into()), ("a".into(), "you".into())];
    let claimed = Identity { claims: twice.into(), ..nobody() };
    check_as(&claimed, draft([grant(&["x/${claim.a}"], &[])]), &[("pub x/me", DEFAULT), ("pub x/you", DEFAULT)]);
}

#[test]
fn a_denial_that_cannot_be_told_denies() {
    let deny = Deny { publish: texts(&["x/${identity}/y"]), except: texts(&["x/${client_id}/y"]), ..Deny::new("no") };
    let draft = || Draft { denies: vec![deny.clone()], ..draft([grant(&["#"], &[])]) };
    let denied = "reject no not_authorized";
    check(draft(), &[("pub x/a/y", denied), ("pub x/b/y", denied), ("pub x/b/z", "allow")]);
    let known = Identity { name: Some("a".into()), client_id: "b".into(), ..nobody() };
    check_as(&known, draft(), &[("pub x/a/y", denied), ("pub x/b/y", "allow")]);
    let excepted = Identity { client_id: "b".into(), ..nobody() };
    check_as(&excepted, draft(), &[("pub x/a/y", denied), ("pub x/b/y", "allow")]);
}

#[test]
fn broad_subscriptions_go_on_where_a_role_has_its_deliveries_filtered() {
    let role = Role { on_broad_subscription: Broad::Filter, ..Role::new("dashboard") };
    let deny = Deny { subscribe: texts(&["a/secret/#", "b/#"]), except: texts(&["b/open"]), ..Deny::new("no") };
    let denied = "reject no not_authorized";
    check(
        Draft { roles: vec![role], denies: vec![deny], ..draft([Grant { max_qos: QoS::One, ..grant(&[], &["a/#"]) }]) },
        &[
            ("sub # 2", "allow"),
            ("sub a/# 2", "up to 1"),
            ("sub c", "allow"),
            ("sub a/secret/+", denied),
            ("sub b/+", "allow"),
            ("sub b/x/+", denied),
            ("sub $share/g/c", DEFAULT),
            ("sub $share/g/#", denied),
            ("sub $queue/a", DEFAULT),
            ("recv a/x", "allow"),
            ("recv a/secret/x", denied),
            ("recv c", DEFAULT),
        ],
    );
}

#[test]
fn roles_may_do_without_parts_of_the_protocol() {
    let role = Role {
        features: Features {
            wildcard_subscriptions: false,
            shared_subscriptions: false,
            subscription_identifiers: false,
            ..Features::ALL
        },
        ..Role::new("plain")
    };
    let cases = [
        ("sub a", "allow"),
        ("sub a/+", "reject plain wildcard"),
        ("sub $share/g/a", "reject plain shared_subscription"),
        ("sub a id", "reject plain subscription_identifier"),
    ];
    check(Draft { roles: vec![role.clone()], ..draft([grant(&[], &["#"])]) }, &cases);
    check(Draft { roles: vec![role.clone()], permit_all: true, ..Draft::new("1") }, &cases);
    let monitored = Role { mode: Mode::Monitor, ..role };
    let other = Role::new("other");
    check(
        Draft { roles: vec![monitored, other], ..draft([Grant { max_qos: QoS::Zero, ..grant(&[], &["#"]) }]) },
        &[("sub a/+", "observe plain wildcard"), ("sub a/+ 2", "observe plain wildcard up to 0")],
    );
}

#[test]
fn a_connection_takes_a_grant_and_no_denial() {
    let mut roles = Role::new("field");
    let only_field = |attribute: &str, value: &str| Condition::Text {
        attribute: Attribute::parse(attribute).unwrap(),
        any: vec![Pattern::new(value)],
    };
    roles.conditions = vec![only_field("username", "pump")];
    let banned = Role { conditions: vec![only_field("client_id", "bad-*")], ..Role::new("bad") };
    let deny = Deny { roles: texts(&["bad"]), connect: true, ..Deny::new("banned") };
    let grant = Grant { publish: texts(&["${identity}"]), ..Grant::new("grant", &["field"]) };
    let draft =
        || Draft { roles: vec![roles.clone(), banned.clone()], denies: vec![deny.clone()], ..draft([grant.clone()]) };
    let user = |name: &str, id: &str| Identity { username: Some(name.into()), client_id: id.into(), ..nobody() };
    check_as(&user("pump", ""), draft(), &[("connect", "allow")]);
    check_as(&user("other", ""), draft(), &[("connect", DEFAULT)]);
    check_as(&user("pump", "bad-1"), draft(), &[("connect", "reject banned not_authorized")]);
    check_as(
        &user("other", "bad-1"),
        Draft { permit_all: true, ..draft() },
        &[("connect", "reject banned not_authorized")],
    );
}
