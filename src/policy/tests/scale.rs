//! Drafts: what is refused at load, and how large they may be.

use std::sync::Arc;

use super::nobody;
use super::semantics::{draft, grant, texts};
use super::worlds::Ask;
use crate::identity::{Attribute, Identity, Pattern, Prefix};
use crate::mqtt::frame::QoS;
use crate::policy::{Authority, Condition, Decision, Deny, Draft, Grant, Policy, Role};

#[test]
fn everything_that_is_wrong_with_a_draft_is_told_at_once() {
    let wrong = Draft {
        roles: vec![Role::new("r"), Role::new("r"), Role::new("everyone")],
        grants: vec![
            Grant {
                publish: texts(&["a/#/b", "$share/g/a", "${identity}x", "${nothing}", "x${identity}", "${open", ""]),
                ..Grant::new("g", &["r"])
            },
            Grant::new("default", &["stranger"]),
            Grant::new("", &["r"]),
            Grant::new("nobodys", &[]),
        ],
        denies: vec![
            Deny { except: texts(&["a+"]), ..Deny::new("g") },
            Deny { roles: texts(&["gone"]), ..Deny::new("line\nfeed") },
        ],
        quarantine_topic: "quarantine/#".to_owned(),
        ..Draft::new("1")
    };
    let mut errors: Vec<String> = Policy::new(wrong).unwrap_err().iter().map(ToString::to_string).collect();
    errors.sort();
    let expected = [
        "`line\nfeed` is no id: it is empty or has control characters",
        "`` is no id: it is empty or has control characters",
        "grant `nobodys` names no role",
        "rule `default` names the role `stranger`, which does not exist",
        "rule `g` has the topic filter ``: an empty Topic Filter",
        "rule `g` has the topic filter `$share/g/a`: a rule speaks of what stands behind",
        "rule `g` has the topic filter `${identity}x`: a variable stands for a whole level",
        "rule `g` has the topic filter `${nothing}`: nothing known of a client is called `nothing`",
        "rule `g` has the topic filter `${open`: `${` without `}`",
        "rule `g` has the topic filter `a+`",
        "rule `g` has the topic filter `a/#/b`",
        "rule `g` has the topic filter `x${identity}`: a variable stands for a whole level",
        "rule `line\nfeed` names the role `gone`, which does not exist",
        "the id `default` is taken",
        "the id `g` is taken",
        "the quarantine topic `quarantine/#` is no topic",
        "the role `everyone` is taken",
        "the role `r` is taken",
    ];
    for expected in expected {
        let at = errors.iter().position(|error| error.starts_with(expected));
        errors.remove(at.unwrap_or_else(|| panic!("{expected:?} is not among {errors:#?}")));
    }
    assert_eq!(errors, Vec::<String>::new());
}

#[test]
fn the_name_of_a_claim_may_hold_a_slash() {
    let claimed = Identity { claims: [("https://plant/site".into(), "north".into())].into(), ..nobody() };
    let policy = Arc::new(Policy::new(draft([grant(&["x/${claim.https://plant/site}/y"], &[])])).unwrap());
    let mut authority = Authority::new(&policy, &claimed, 0);
    let ask = Ask::Publish("x/north/y".to_owned(), QoS::Zero, false, 0);
    assert_eq!(authority.decide(&claimed, &ask.request()), Decision::Allow);
}

#[test]
fn a_role_is_found_by_member_value_pattern_or_address() {
    let text = |attribute: &str, any: &[&str]| Condition::Text {
        attribute: Attribute::parse(attribute).unwrap(),
        any: any.iter().map(|one| Pattern::new(one)).collect(),
    };
    let role = |name: &str, conditions: Vec<Condition>| Role { conditions, ..Role::new(name) };
    let roles = vec![
        role("1-any", vec![]),
        role("2-user", vec![text("username", &["pump"])]),
        role("3-users", vec![text("username", &["valve", "pump"]), text("listener", &["field"])]),
        role("4-other-listener", vec![text("username", &["pump"]), text("listener", &["office"])]),
        role("5-glob", vec![text("client_id", &["p-*", "q"])]),
        role("6-address", vec![Condition::Address(vec![Prefix::parse("192.0.2.0/24").unwrap()])]),
        role("7-elsewhere", vec![Condition::Address(vec![Prefix::parse("198.51.100.0/24").unwrap()])]),
        role("8-claim", vec![text("claim.group", &["ops"])]),
        Role {
            members: Some(["temp-07".into(), "x".into()].into()),
            ..role("9-member", vec![text("listener", &["f*"])])
        },
        Role { members: Some(["temp-07".into()].into()), ..role("9-no", vec![text("listener", &["office"])]) },
        Role { members: Some(["other".into()].into()), ..role("9-not", vec![]) },
        role("9-none", vec![text("username", &[])]),
    ];
    let identity = Identity {
        name: Some("temp-07".into()),
        username: Some("pump".into()),
        client_id: "p-1".into(),
        claims: [("group".into(), "users".into()), ("group".into(), "ops".into())].into(),
        ..nobody()
    };
    let policy = Arc::new(Policy::new(Draft { roles, ..Draft::new("1") }).unwrap());
    let roles = Authority::new(&policy, &identity, 0).roles();
    assert_eq!(roles, ["1-any", "2-user", "3-users", "5-glob", "6-address", "8-claim", "9-member"]);
    assert_eq!(Authority::new(&policy, &nobody(), 0).roles(), ["1-any", "6-address"]);
}

/// As an import makes it: a role for each user, with a grant and a denial of its own, and one role for all identities.
#[test]
fn ten_thousand_rules_and_a_hundred_thousand_identities_are_compiled_and_obeyed() {
    let user = |number: usize| Role {
        conditions: vec![Condition::Text {
            attribute: Attribute::Username,
            any: vec![Pattern::new(&format!("user-{number}"))],
        }],
        ..Role::new(&format!("user-{number}"))
    };
    let mut roles: Vec<Role> = (0..10_000).map(user).collect();
    let members = (0..100_000).map(|number| format!("identity-{number}").into()).collect();
    roles.push(Role { members: Some(members), ..Role::new("all") });
    let own = |number: usize| Grant {
        publish: vec![format!("plant/line-{number}/+"), "shared/${username}/#".to_owned()],
        subscribe: vec![format!("plant/line-{number}/#")],
        ..Grant::new(&format!("grant-{number}"), &[&format!("user-{number}")])
    };
    let mut grants: Vec<Grant> = (0..10_000).map(own).collect();
    grants.push(Grant { publish: texts(&["all/${identity}"]), ..Grant::new("all", &["all"]) });
    let none = |number: usize| Deny {
        roles: vec![format!("user-{number}")],
        publish: texts(&["plant/+/secret"]),
        ..Deny::new(&format!("deny-{number}"))
    };
    let denies = (0..10_000).map(none).collect();
    let policy = Arc::new(Policy::new(Draft { roles, grants, denies, ..Draft::new("1") }).unwrap());
    for number in [0, 17, 9_999] {
        let identity = Identity {
            name: Some(format!("identity-{number}").into()),
            username: Some(format!("user-{number}").into()),
            ..nobody()
        };
        let mut authority = Authority::new(&policy, &identity, 0);
        assert_eq!(authority.roles(), ["all", &format!("user-{number}")]);
        for (topic, expected) in [
            (format!("plant/line-{number}/x"), "allowed"),
            (format!("plant/line-{}/x", number + 1), "default"),
            (format!("plant/line-{number}/secret"), &*format!("deny-{number}")),
            (format!("shared/user-{number}/x"), "allowed"),
            ("shared/user-3/x".to_owned(), "default"),
            (format!("all/identity-{number}"), "allowed"),
        ] {
            let decision = authority.decide(&identity, &Ask::Publish(topic.clone(), QoS::Zero, false, 0).request());
            let said = if let Decision::Deny(denial) = &decision { denial.rule.as_str() } else { "allowed" };
            assert_eq!(said, expected, "{topic}");
        }
    }
}

#[test]
fn a_connection_keeps_little() {
    assert!(size_of::<Authority>() <= 104, "{}", size_of::<Authority>());
    assert!(size_of::<Decision>() <= 48, "{}", size_of::<Decision>());
}
