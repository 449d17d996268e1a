//! Who is named, who is only watched, and what a client is told it can do.

use std::sync::Arc;

use super::nobody;
use super::semantics::{DEFAULT, ask, check, draft, grant, texts, words};
use crate::identity::Identity;
use crate::mqtt::frame::QoS;
use crate::policy::{
    Authority, Deny, Draft, Features, Grant, Message, Mode, OnDeny, Policy, Reason, Request, Role, Rule, Verdict,
};

#[test]
fn the_strictest_denial_is_the_one_that_is_named() {
    let deny = |id: &str, on_deny, mode| Deny { publish: texts(&["a"]), on_deny, mode, ..Deny::new(id) };
    let all = [
        deny("a", OnDeny::Monitor, Mode::Enforce),
        deny("b", OnDeny::Disconnect, Mode::Monitor),
        deny("c", OnDeny::Acknowledge, Mode::Enforce),
        deny("d", OnDeny::Reject, Mode::Enforce),
        deny("e", OnDeny::Reject, Mode::Enforce),
        deny("f", OnDeny::Quarantine, Mode::Enforce),
        deny("g", OnDeny::Disconnect, Mode::Enforce),
    ];
    let expected = ["observe a", "observe b", "acknowledge c", "reject d", "reject d", "quarantine f", "disconnect g"];
    for (count, expected) in (1..).zip(expected) {
        let denies = all[..count].to_vec();
        let draft = Draft { denies, ..draft([grant(&["a"], &[])]) };
        check(draft, &[("pub a", &format!("{expected} not_authorized"))]);
    }
}

#[test]
fn whoever_is_only_monitored_is_refused_nothing() {
    let capped = || draft([Grant { max_qos: QoS::Zero, ..grant(&["a"], &["a"]) }]);
    let cases = [
        ("pub a", "allow"),
        ("pub a 1", "observe grant qos"),
        ("pub b", "observe default not_authorized"),
        ("sub a 2", "observe grant qos"),
        ("sub b", "observe default not_authorized"),
        ("recv b", "observe default not_authorized"),
        ("respond b", "observe default response_topic"),
        ("connect", "allow"),
    ];
    check(Draft { mode: Mode::Monitor, ..capped() }, &cases);
    let watched = Role { mode: Mode::Monitor, ..Role::new("watched") };
    check(Draft { roles: vec![watched.clone()], ..capped() }, &cases);
    // One role that is not makes the client one that is held to rules, and so does having none.
    let roles = vec![watched.clone(), Role::new("held")];
    check(Draft { roles, ..capped() }, &[("pub b", DEFAULT)]);
    let never = Role { members: Some(Default::default()), ..watched };
    check(Draft { roles: vec![never], ..capped() }, &[("pub b", DEFAULT)]);
    // What no rule permits, alone.
    check(
        Draft { on_deny: OnDeny::Monitor, ..capped() },
        &[("pub b", "observe default not_authorized"), ("pub a 1", "reject grant qos"), ("connect", "allow")],
    );
}

#[test]
fn a_limit_holds_beside_a_denial_that_only_watches() {
    let deny = Deny { mode: Mode::Monitor, subscribe: texts(&["a"]), publish: texts(&["a"]), ..Deny::new("watch") };
    let capped = Grant { max_qos: QoS::Zero, ..grant(&["a"], &["a"]) };
    check(
        Draft { denies: vec![deny], ..draft([capped]) },
        &[
            ("sub a 2", "observe watch not_authorized up to 0"),
            ("sub a", "observe watch not_authorized"),
            ("pub a", "observe watch not_authorized"),
            ("pub a 1", "reject grant qos"),
        ],
    );
}

#[test]
fn powers_are_the_most_that_grants_permit() {
    let capped = |id: &str, max_qos, retain| Grant { max_qos, retain, ..Grant { id: id.into(), ..grant(&["a"], &[]) } };
    let powers = |draft: Draft| {
        let powers = Authority::new(&Arc::new(Policy::new(draft).unwrap()), &nobody(), 0).powers();
        (powers.max_qos.value(), powers.retain, powers.wildcard_subscriptions)
    };
    let zero = || draft([capped("a", QoS::Zero, false)]);
    assert_eq!(powers(zero()), (0, false, true));
    assert_eq!(powers(draft([capped("a", QoS::Zero, true), capped("b", QoS::One, false)])), (1, true, true));
    assert_eq!(powers(draft([grant(&[], &["a"])])), (2, true, true), "it publishes nothing");
    assert_eq!(powers(Draft { permit_all: true, ..zero() }), (2, true, true));
    assert_eq!(powers(Draft { mode: Mode::Monitor, ..zero() }), (2, true, true));
    assert_eq!(powers(Draft { on_deny: OnDeny::Monitor, ..zero() }), (2, true, true), "other topics are open");
    let watched = Grant { mode: Mode::Monitor, ..capped("a", QoS::Zero, false) };
    assert_eq!(powers(draft([watched])), (2, true, true));
    let features = Features { wildcard_subscriptions: false, ..Features::ALL };
    let plain = Role { features, ..Role::new("plain") };
    assert_eq!(powers(Draft { roles: vec![plain.clone()], ..zero() }), (0, false, false));
    let watched = Role { mode: Mode::Monitor, ..plain };
    assert_eq!(powers(Draft { roles: vec![watched, Role::new("held")], ..zero() }), (0, false, true));
}

#[derive(Debug)]
struct NoOdd(OnDeny);

impl Rule for NoOdd {
    fn id(&self) -> &'static str {
        "no-odd"
    }
    fn judge(&self, _: &Identity, request: &Request<'_>) -> Verdict {
        if let Request::Publish(message) = request
            && message.payload_bytes % 2 == 1
        {
            return Verdict::Deny(Reason::Payload);
        }
        Verdict::Allow
    }
    fn needs_payload(&self, _: &Identity, message: &Message<'_>) -> bool {
        message.topic == "seen"
    }
    fn on_deny(&self) -> OnDeny {
        self.0
    }
}

#[test]
fn further_rules_deny_and_never_permit() {
    let decide = |draft: Draft, on_deny, request: &str| {
        let policy = Policy::new(draft).unwrap().with_rules(vec![Box::new(NoOdd(on_deny))]);
        let mut authority = Authority::new(&Arc::new(policy), &nobody(), 0);
        words(&authority.decide(&nobody(), &ask(request).request()))
    };
    let draft = || draft([grant(&["a"], &[])]);
    assert_eq!(decide(draft(), OnDeny::Reject, "pub a"), "allow");
    assert_eq!(decide(draft(), OnDeny::Reject, "pub b"), DEFAULT);
    assert_eq!(decide(draft(), OnDeny::Quarantine, "pub a bytes=1"), "quarantine no-odd payload");
    assert_eq!(decide(draft(), OnDeny::Monitor, "pub a bytes=1"), "observe no-odd payload");
    let monitored = || Draft { mode: Mode::Monitor, ..draft() };
    assert_eq!(decide(monitored(), OnDeny::Reject, "pub a bytes=1"), "observe no-odd payload");
    assert_eq!(decide(monitored(), OnDeny::Reject, "pub b bytes=1"), "observe default not_authorized");
}

#[test]
fn a_payload_is_needed_by_rules_and_for_quarantine() {
    let draft = Draft { on_deny: OnDeny::Quarantine, ..draft([grant(&["a", "seen"], &["a"])]) };
    let policy = Policy::new(draft).unwrap().with_rules(vec![Box::new(NoOdd(OnDeny::Reject))]);
    let mut authority = Authority::new(&Arc::new(policy), &nobody(), 0);
    for (request, expected) in
        [("pub a", false), ("pub seen", true), ("pub b", true), ("recv a", false), ("recv b", true), ("sub b", false)]
    {
        assert_eq!(authority.needs_payload(&nobody(), &ask(request).request()), expected, "{request}");
    }
}

#[test]
fn a_client_identifier_that_the_broker_assigns_counts_from_then_on() {
    let own = draft([grant(&["x/${client_id}"], &[])]);
    let mut identity = nobody();
    let mut authority = Authority::new(&Arc::new(Policy::new(own).unwrap()), &identity, 0);
    let request = ask("pub x/auto-1");
    assert_eq!(words(&authority.decide(&identity, &request.request())), DEFAULT);
    identity.client_id = "auto-1".into();
    authority.rebind(&identity);
    assert_eq!(words(&authority.decide(&identity, &request.request())), "allow");
}
