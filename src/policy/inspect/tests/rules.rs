//! Which rules speak, who is named, and what only watches.

use super::*;
use crate::policy::{Bound, Deny, Mode, OnDeny, Role};

fn limit(id: &str, publish: &[&str], max: i64) -> PayloadRule {
    json(id, publish, vec![Check { max: Some(Bound::Integer(max)), ..check("/c") }])
}

fn with(rule: PayloadRule, change: impl FnOnce(&mut MessageRule)) -> PayloadRule {
    let mut rule = rule;
    change(&mut rule.rule);
    rule
}

fn said(draft: Draft, cases: &[(&str, &str, &str)]) {
    let (policy, memory) = (compiled(draft), Remembered::new());
    let mut client = Client::new(&policy, "t1", &memory);
    for (topic, payload, expected) in cases.iter().chain(cases) {
        assert_eq!(client.publish(0, topic, payload), *expected, "{topic} {payload}");
    }
}

const HIGH: &str = r#"{"c":9}"#;
const LOW: &str = r#"{"c":1}"#;

#[test]
fn a_rule_speaks_of_its_topics_and_roles() {
    let roles = vec![Role::new("sensor"), Role { members: Some(Default::default()), ..Role::new("nobody") }];
    let rules = vec![
        limit("filter", &["a/+/${identity}", "b/#"], 5),
        with(limit("sensors", &["s"], 5), |rule| rule.roles = texts(&["sensor"])),
        with(limit("nobodies", &["n"], 5), |rule| rule.roles = texts(&["nobody"])),
    ];
    said(
        Draft { roles, ..open(rules) },
        &[
            ("a/x/t1", HIGH, "reject filter payload /c above_max"),
            ("a/x/t1", LOW, "allow"),
            ("a/x/t2", HIGH, "allow"),
            ("b/x/y", "?", "reject filter payload  syntax"),
            ("s", HIGH, "reject sensors payload /c above_max"),
            ("n", HIGH, "allow"),
        ],
    );
}

#[test]
fn a_variable_that_the_client_has_not_leaves_nothing_out() {
    said(
        open(vec![limit("rule", &["a/${username}"], 5)]),
        &[("a/x", HIGH, "reject rule payload /c above_max"), ("b/x", HIGH, "allow")],
    );
}

#[test]
fn the_strictest_rule_is_named_and_what_only_watches_hides_nothing() {
    let on = |id: &str, on_deny, mode| with(limit(id, &["a"], 5), |rule| (rule.on_deny, rule.mode) = (on_deny, mode));
    let all = [
        on("a", OnDeny::Monitor, Mode::Enforce),
        on("b", OnDeny::Disconnect, Mode::Monitor),
        on("c", OnDeny::Acknowledge, Mode::Enforce),
        on("d", OnDeny::Reject, Mode::Enforce),
        on("e", OnDeny::Quarantine, Mode::Enforce),
        on("f", OnDeny::Disconnect, Mode::Enforce),
    ];
    let expected = ["observe a", "observe b", "acknowledge c", "reject d", "quarantine e", "disconnect f"];
    for (count, expected) in (1..).zip(expected) {
        let expected = format!("{expected} payload /c above_max");
        said(open(all[..count].to_vec()), &[("a", HIGH, &expected), ("a", LOW, "allow")]);
    }
    // Size is judged before all else.
    let small = PayloadRule { max_bytes: 1, ..on("z", OnDeny::Acknowledge, Mode::Enforce) };
    said(open([&all[..], &[small]].concat()), &[("a", HIGH, "acknowledge z payload_size")]);
}

#[test]
fn who_is_only_monitored_is_refused_nothing_and_what_would_be_refused_is_not_remembered() {
    let monitored = Draft { mode: Mode::Monitor, ..open(vec![limit("rule", &["a"], 5)]) };
    said(monitored, &[("a", HIGH, "observe rule payload /c above_max"), ("a", LOW, "allow")]);
    let roles = vec![Role { mode: Mode::Monitor, ..Role::new("new") }];
    let monitored = Draft { roles, ..open(vec![limit("rule", &["a"], 5)]) };
    said(monitored, &[("a", HIGH, "observe rule payload /c above_max")]);
    let deny = Deny { publish: texts(&["a"]), mode: Mode::Monitor, ..Deny::new("deny") };
    let observed = Draft { denies: vec![deny], ..open(vec![limit("rule", &["a"], 5)]) };
    said(observed, &[("a", LOW, "observe deny not_authorized"), ("a", HIGH, "reject rule payload /c above_max")]);
}

#[test]
fn grants_come_first() {
    let grant = crate::policy::Grant { publish: texts(&["a"]), ..crate::policy::Grant::new("grant", &["everyone"]) };
    let draft = Draft { grants: vec![grant], permit_all: false, ..open(vec![limit("rule", &["#"], 5)]) };
    said(
        draft,
        &[
            ("a", LOW, "allow"),
            ("a", HIGH, "reject rule payload /c above_max"),
            ("b", HIGH, "reject default not_authorized"),
        ],
    );
}

#[test]
fn a_payload_is_asked_for_where_a_rule_must_see_it_and_its_size_is_right() {
    let quarantined = |rule| with(rule, |rule| rule.on_deny = OnDeny::Quarantine);
    let sized = |id, publish| PayloadRule { max_bytes: 4, values: Vec::new(), format: None, ..limit(id, publish, 5) };
    let rules = vec![
        PayloadRule { max_bytes: 8, ..limit("read", &["read", "both"], 5) },
        sized("sized", &["sized", "both"]),
        quarantined(sized("kept", &["kept"])),
        quarantined(limit("read-kept", &["read-kept"], 5)),
        with(PayloadRule { max_bytes: 8, ..limit("watched", &["watched"], 5) }, |rule| rule.mode = Mode::Monitor),
    ];
    let (policy, memory) = (compiled(open(rules)), Remembered::new());
    let mut client = Client::new(&policy, "t1", &memory);
    for (topic, bytes, expected) in [
        ("free", 5, false),
        ("read", 8, true),
        ("read", 9, false),
        ("sized", 4, false),
        ("sized", 5, false),
        ("both", 4, true),
        ("both", 5, false),
        ("kept", 4, true),
        ("kept", 5, true),
        ("read-kept", 4, true),
        ("watched", 8, true),
        ("watched", 9, false),
    ] {
        let message = Message { payload_bytes: bytes, payload: None, ..message(topic, b"") };
        let asked = client.authority.needs_payload(&client.identity, &Request::Publish(message));
        assert_eq!(asked, expected, "{topic} {bytes}");
        let decision = client.decide(&Request::Publish(message));
        if topic == "read" && bytes == 8 {
            assert_eq!(words(&decision), "reject read payload  not_seen");
        }
    }
}

#[test]
fn more_sets_of_rules_than_are_kept_are_found_all_the_same() {
    let count = 200;
    let rules = (0..count).map(|number| limit(&format!("r{number:03}"), &[&format!("a/{number}")], number)).collect();
    let (policy, memory) = (compiled(open(rules)), Remembered::new());
    let mut client = Client::new(&policy, "t1", &memory);
    for number in (0..count).chain((0..count).rev()) {
        let (high, low) = (format!(r#"{{"c":{}}}"#, number + 1), format!(r#"{{"c":{number}}}"#));
        let topic = format!("a/{number}");
        assert_eq!(client.publish(0, &topic, &high), format!("reject r{number:03} payload /c above_max"));
        assert_eq!(client.publish(0, &topic, &low), "allow");
    }
}

#[test]
fn a_rule_is_weighed_in_words() {
    let rules = vec![limit("rule", &["a"], 5), limit("other", &["b"], 5)];
    let (policy, memory) = (compiled(open(rules)), Remembered::new());
    let mut client = Client::new(&policy, "t1", &memory);
    let explained = client.authority.explain(&client.identity, &Request::Publish(message("a", HIGH.as_bytes())));
    let weighed: Vec<String> = explained
        .weighed
        .iter()
        .map(|one| format!("{} {} {}: {}", one.kind.label(), one.rule.as_str(), one.says.label(), one.why))
        .collect();
    assert_eq!(
        weighed,
        [
            "payload other silent: none of its filters matches the topic",
            "payload rule deny: the payload is not as it must be: `/c`: above_max (it is 9)",
            "default default allow: the policy permits everything that no rule denies",
        ]
    );
}

#[test]
fn what_breaks_a_schema_is_told_by_its_keyword() {
    let document = serde_json::json!({"required": ["unit"], "properties": {"c": {"maximum": 5}}});
    let schema = crate::payload::schema::Schema::compile(&document, "file:///s.json", &mut |_| Err(String::new()));
    let rule = PayloadRule { schema: Some(schema.unwrap().into()), ..json("form", &["a"], vec![check("/c")]) };
    let (policy, memory) = (compiled(open(vec![rule])), Remembered::new());
    let mut client = Client::new(&policy, "t1", &memory);
    for (payload, expected) in [
        (r#"{"c":1}"#, "the payload is not as it must be: schema (it breaks `required`)"),
        (r#"{"c":9,"unit":"C"}"#, "the payload is not as it must be: `/c`: schema (it breaks `maximum`)"),
    ] {
        let request = Request::Publish(message("a", payload.as_bytes()));
        let explained = client.authority.explain(&client.identity, &request);
        assert!(explained.weighed.iter().any(|one| one.why == expected), "{:?}", explained.weighed);
    }
}

#[test]
fn mistakes_in_rules_about_messages_are_all_found() {
    let twice = limit("rule", &["a"], 5);
    let rules = vec![
        twice.clone(),
        twice,
        limit("no-topic", &[], 5),
        with(limit("role", &["a"], 5), |rule| rule.roles = texts(&["nobody"])),
        limit("filter", &["a/#/b"], 5),
    ];
    let errors: Vec<String> = Policy::new(open(rules)).unwrap_err().iter().map(|error| error.to_string()).collect();
    assert_eq!(errors.len(), 3, "{errors:?}");
    let formless = PayloadRule { format: None, ..limit("formless", &["a"], 5) };
    let errors = Policy::new(open(vec![formless, limit("no-topic", &[], 5)])).unwrap_err();
    assert_eq!(
        errors.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [
            "rule `formless` asks for values, which needs a `format`",
            "rule `no-topic` has no topic filter, and so speaks of no message",
        ]
    );
}
