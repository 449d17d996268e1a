//! What payloads and their values must be.

use std::time::Duration;

use regex::Regex;

use super::*;
use crate::policy::{Bound, Scalar, ValueKind};

/// Holds one rule against payloads: what is said to each, without rule and reason.
fn hold(rule: PayloadRule, cases: &[(&str, &str)]) {
    let (policy, memory) = (compiled(open(vec![rule])), Remembered::new());
    let mut client = Client::new(&policy, "t1", &memory);
    for (payload, expected) in cases {
        let said = client.publish(0, "a", payload);
        assert_eq!(said.strip_prefix("reject rule payload ").unwrap_or(&said), *expected, "{payload}");
    }
}

fn one(check: Check) -> PayloadRule {
    json("rule", &["a"], vec![check])
}

#[test]
fn a_range_takes_its_ends_and_nothing_beyond() {
    let range = Check { min: Some(Bound::Integer(-40)), max: Some(Bound::Float(150.5)), ..check("/c") };
    hold(
        one(range),
        &[
            (r#"{"c":-40}"#, "allow"),
            (r#"{"c":-40.0}"#, "allow"),
            (r#"{"c":150.5}"#, "allow"),
            (r#"{"c":150}"#, "allow"),
            (r#"{"x":[1],"c":0}"#, "allow"),
            (r#"{"c":-40.00001}"#, "/c below_min"),
            (r#"{"c":-41}"#, "/c below_min"),
            (r#"{"c":151}"#, "/c above_max"),
            (r#"{"c":1e308}"#, "/c above_max"),
            (r#"{"c":99999999999999999999}"#, "/c above_max"),
            (r#"{"c":"20"}"#, "/c type"),
            (r#"{"c":null}"#, "/c type"),
            (r#"{"c":[20]}"#, "/c type"),
            (r#"{"C":20}"#, "/c missing"),
            ("{}", "/c missing"),
            ("20", "/c missing"),
            (r#"{"c":1e400}"#, "/c number_range"),
            (r#"{"c":20,"c":20}"#, "/c duplicate_key"),
            (r#"{"c":20}x"#, " trailing_bytes"),
            (r#"{"c":NaN}"#, "/c syntax"),
            ("\u{feff}{\"c\":20}", " byte_order_mark"),
            ("", " truncated"),
        ],
    );
}

#[test]
fn integers_are_held_against_integers_exactly() {
    let limit = Check { max: Some(Bound::Integer((1 << 53) + 1)), ..check("/n") };
    hold(
        one(limit),
        &[
            (r#"{"n":9007199254740993}"#, "allow"),
            (r#"{"n":9007199254740994}"#, "/n above_max"),
            (r#"{"n":9007199254740992.0}"#, "allow"),
        ],
    );
    let whole = Check { kind: Some(ValueKind::Integer), min: Some(Bound::Integer(0)), ..check("/n") };
    hold(one(whole), &[(r#"{"n":1}"#, "allow"), (r#"{"n":1.0}"#, "/n type"), (r#"{"n":-1}"#, "/n below_min")]);
}

#[test]
fn texts_are_held_to_choices_patterns_and_lengths_in_characters() {
    let unit = Check { one_of: vec![Scalar::Text("°C".into()), Scalar::Boolean(true)], ..check("/u") };
    hold(
        one(unit),
        &[
            (r#"{"u":"°C"}"#, "allow"),
            (r#"{"u":"\u00b0C"}"#, "allow"),
            (r#"{"u":true}"#, "allow"),
            (r#"{"u":"°F"}"#, "/u not_one_of"),
            (r#"{"u":1}"#, "/u not_one_of"),
        ],
    );
    let serial = Check { pattern: Some(Regex::new("^[A-Z]{2}[0-9]+$").unwrap()), max_length: Some(4), ..check("/s") };
    hold(
        one(serial),
        &[
            (r#"{"s":"AB12"}"#, "allow"),
            (r#"{"s":"AB123"}"#, "/s too_long"),
            (r#"{"s":"ab12"}"#, "/s pattern"),
            (r#"{"s":12}"#, "/s type"),
        ],
    );
    let length = Check { min_length: Some(2), max_length: Some(2), ..check("/s") };
    hold(
        one(length),
        &[
            (r#"{"s":"äö"}"#, "allow"),
            (r#"{"s":[1,2]}"#, "allow"),
            (r#"{"s":"ä"}"#, "/s too_short"),
            (r#"{"s":[1,2,3]}"#, "/s too_long"),
            (r#"{"s":2}"#, "/s type"),
        ],
    );
}

#[test]
fn what_need_not_be_there_is_judged_where_it_is() {
    let optional = Check { required: false, max: Some(Bound::Integer(1)), ..check("/o") };
    hold(one(optional), &[("{}", "allow"), (r#"{"o":1}"#, "allow"), (r#"{"o":2}"#, "/o above_max")]);
}

#[test]
fn two_checks_of_one_field_both_hold() {
    let (low, high) =
        (Check { min: Some(Bound::Integer(1)), ..check("/n") }, Check { max: Some(Bound::Integer(3)), ..check("/n") });
    hold(
        json("rule", &["a"], vec![low, high]),
        &[(r#"{"n":2}"#, "allow"), (r#"{"n":0}"#, "/n below_min"), (r#"{"n":4}"#, "/n above_max")],
    );
}

#[test]
fn size_is_judged_first_and_an_empty_payload_like_any_other() {
    let small = || PayloadRule { max_bytes: 8, ..one(check("/c")) };
    hold(
        small(),
        &[
            (r#"{"c":1}"#, "allow"),
            (r#"{"c":1234}"#, "reject rule payload_size"),
            ("not JSON, and too long", "reject rule payload_size"),
            ("", " truncated"),
        ],
    );
    hold(PayloadRule { allow_empty: true, ..small() }, &[("", "allow"), (" ", " truncated")]);
}

#[test]
fn plain_text_numbers_and_schemas_are_judged_as_they_are_named() {
    let number = |format| PayloadRule {
        format: Some(PayloadFormat::Fields(format)),
        ..one(Check { max: Some(Bound::Integer(5)), ..check("") })
    };
    hold(number(Format::Number), &[("4.5", "allow"), ("6", " above_max"), ("x", " syntax")]);
    hold(number(Format::Text), &[("4.5", " type")]);
    let schema = serde_json::json!({"type": "object", "required": ["c"], "properties": {"c": {"maximum": 5}}});
    let schema = crate::payload::schema::Schema::compile(&schema, "file:///s.json", &mut |_| Err(String::new()));
    let schema = Some(Arc::new(schema.unwrap()));
    let rule = |values| PayloadRule { schema: schema.clone(), ..json("rule", &["a"], values) };
    let cases = [
        (r#"{"c":5}"#, "allow"),
        (r#"{"c":6}"#, "/c schema"),
        ("{}", " schema"),
        (r#"{"c":5,"c":5}"#, "/c duplicate_key"),
    ];
    hold(rule(Vec::new()), &cases);
    hold(rule(vec![Check { min: Some(Bound::Integer(1)), ..check("/c") }]), &cases);
    hold(rule(vec![Check { min: Some(Bound::Integer(1)), ..check("/c") }]), &[(r#"{"c":0}"#, "/c below_min")]);
}

#[test]
fn a_long_field_is_told_in_part_and_never_a_value() {
    let name = format!("/{}", "ä".repeat(100));
    let rule = one(Check { max: Some(Bound::Integer(5)), ..check(&name) });
    let (policy, memory) = (compiled(open(vec![rule])), Remembered::new());
    let mut client = Client::new(&policy, "t1", &memory);
    let payload = format!(r#"{{"{}":987654}}"#, "ä".repeat(100));
    let decision = client.decide(&Request::Publish(message("a", payload.as_bytes())));
    let Decision::Deny(denial) = decision else { panic!("{decision:?}") };
    let detail = denial.detail.clone().unwrap();
    assert!(name.starts_with(&*detail.field) && detail.field.len() == 127, "{detail:?}");
    assert!(!format!("{denial:?}").contains("987654"));
    // But who asks for an explanation asks for that.
    let explained = client.authority.explain(&client.identity, &Request::Publish(message("a", payload.as_bytes())));
    assert!(explained.weighed.iter().any(|one| one.why.contains("987654")) || name.len() > 128, "{explained:?}");
}

#[test]
fn what_no_value_can_be_is_no_rule() {
    let number = |min, max| Check { min: Some(min), max: Some(max), ..check("/x") };
    for (check, expected) in [
        (number(Bound::Integer(2), Bound::Float(1.5)), "its `min` is above its `max`"),
        (number(Bound::Float(f64::NAN), Bound::Float(1.5)), "`NaN` is no number that can be"),
        (
            Check { min_length: Some(3), max_length: Some(2), ..check("/x") },
            "its `min_length` is above its `max_length`",
        ),
        (
            Check { kind: Some(ValueKind::Text), min: Some(Bound::Integer(1)), ..check("/x") },
            "`min`, `max` and `max_change` ask for a number, and it is to be something else",
        ),
        (
            Check { max: Some(Bound::Integer(1)), one_of: vec![Scalar::Number(Bound::Integer(2))], ..check("/x") },
            "what else is asked of it leaves out some of its `one_of`",
        ),
        (
            Check { min_interval: Some(Duration::from_secs(7200)), ..check("/x") },
            "its `forget_after` is shorter than what it is to remember",
        ),
    ] {
        let errors = Policy::new(open(vec![json("rule", &["a"], vec![check])])).unwrap_err();
        let expected = format!("rule `rule`, field `/x`: {expected}");
        assert_eq!(errors.iter().map(ToString::to_string).collect::<Vec<_>>(), [expected]);
    }
}
