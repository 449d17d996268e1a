//! Interlocks: what must be so in the plant.

use std::time::Duration;

use super::*;
use crate::policy::{Bound, Interlock, Scalar};

fn pressure(topic: &str) -> Interlock {
    Interlock {
        topic: topic.to_owned(),
        format: Format::Json,
        field: Field::parse("/bar").unwrap(),
        min: None,
        max: Some(Bound::Float(4.0)),
        one_of: Vec::new(),
        max_age: Duration::from_secs(10),
    }
}

/// The valve may be opened while the pressure of its own line is below.
fn valve(interlocks: Vec<Interlock>) -> PayloadRule {
    let rule = MessageRule { publish: texts(&["plant/+/valve/open"]), ..MessageRule::new("valve") };
    PayloadRule { rule, interlocks, ..PayloadRule::new("valve") }
}

#[test]
fn a_valve_opens_only_while_the_pressure_is_known_to_be_low() {
    let policy = compiled(open(vec![valve(vec![pressure("plant/${topic.2}/pressure")])]));
    let memory = Remembered::new();
    let (mut sensor, mut panel) = (Client::new(&policy, "p1", &memory), Client::new(&policy, "hmi", &memory));
    let refused = |line: &str, problem: &str| format!("reject valve interlock plant/{line}/pressure {problem}");
    let mut valve = |at, line: &str| panel.publish(at, &format!("plant/{line}/valve/open"), "");
    assert_eq!(valve(0, "l1"), refused("l1", "unknown"));
    assert_eq!(sensor.publish(1_000, "plant/l1/pressure", r#"{"bar":3.9}"#), "allow");
    assert_eq!(valve(2_000, "l1"), "allow");
    assert_eq!(valve(2_000, "l2"), refused("l2", "unknown"), "that is another line");
    assert_eq!(valve(11_000, "l1"), "allow");
    assert_eq!(valve(11_001, "l1"), refused("l1", "stale"));
    assert_eq!(sensor.publish(12_000, "plant/l1/pressure", r#"{"bar":4}"#), "allow");
    assert_eq!(valve(12_001, "l1"), "allow");
    assert_eq!(sensor.publish(12_002, "plant/l1/pressure", r#"{"bar":4.1}"#), "allow");
    assert_eq!(valve(12_003, "l1"), refused("l1", "above_max"));
    assert_eq!(sensor.publish(12_004, "plant/l1/pressure", r#"{"bar":"low"}"#), "allow");
    assert_eq!(valve(12_005, "l1"), refused("l1", "type"));
    // What can't be read leaves nothing known.
    assert_eq!(sensor.publish(12_006, "plant/l1/pressure", r#"{"bar":1}"#), "allow");
    assert_eq!(valve(12_007, "l1"), "allow");
    assert_eq!(sensor.publish(12_008, "plant/l1/pressure", "?"), "allow");
    assert_eq!(valve(12_009, "l1"), refused("l1", "type"));
    // The clock is set back.
    assert_eq!(sensor.publish(12_010, "plant/l1/pressure", r#"{"bar":1}"#), "allow");
    assert_eq!(valve(5_000, "l1"), "allow");
    // By more than that: what was learnt before would be true until the clock has caught up.
    assert_eq!(valve(2_009, "l1"), refused("l1", "stale"));
    assert_eq!(sensor.publish(2_010, "plant/l1/pressure", r#"{"bar":1}"#), "allow");
    assert_eq!(valve(2_011, "l1"), "allow");
}

#[test]
fn a_will_that_depends_on_the_plant_is_refused_for_it_is_published_at_a_time_nobody_knows() {
    let policy = compiled(open(vec![valve(vec![pressure("plant/${topic.2}/pressure")])]));
    let memory = Remembered::new();
    let mut client = Client::new(&policy, "p1", &memory);
    assert_eq!(client.publish(0, "plant/l1/pressure", r#"{"bar":1}"#), "allow");
    let will = |topic| Request::Will(message(topic, b""));
    let refused = "reject valve interlock plant/l1/pressure will";
    assert_eq!(words(&client.decide(&will("plant/l1/valve/open"))), refused);
    assert_eq!(words(&client.authority.decide_again(&client.identity, &will("plant/l1/valve/open"))), refused);
    assert_eq!(words(&client.decide(&will("plant/l1/valve/state"))), "allow");
}

#[test]
fn only_what_a_client_publishes_and_what_goes_on_is_known() {
    let range = json("range", &["plant/+/pressure"], vec![Check { max: Some(Bound::Integer(10)), ..check("/bar") }]);
    let policy = compiled(open(vec![range, valve(vec![pressure("plant/l1/pressure")])]));
    let memory = Remembered::new();
    let (mut sensor, mut panel) = (Client::new(&policy, "p1", &memory), Client::new(&policy, "hmi", &memory));
    let low = br#"{"bar":1}"#;
    // Delivered, or left behind as a Will: it may be old, or never come.
    let request = message("plant/l1/pressure", low);
    assert_eq!(sensor.decide(&Request::Receive(request)), Decision::Allow);
    sensor.authority.accept();
    assert_eq!(sensor.decide(&Request::Will(request)), Decision::Allow);
    sensor.authority.accept();
    // Decided, but not gone on.
    assert_eq!(sensor.decide(&Request::Publish(request)), Decision::Allow);
    assert_eq!(sensor.publish(0, "plant/l1/pressure", r#"{"bar":11}"#), "reject range payload /bar above_max");
    let unknown = "reject valve interlock plant/l1/pressure unknown";
    assert_eq!(panel.publish(1, "plant/l1/valve/open", ""), unknown);
    assert_eq!(sensor.publish(2, "plant/l1/pressure", r#"{"bar":1}"#), "allow");
    assert_eq!(panel.publish(3, "plant/l1/valve/open", ""), "allow");
}

#[test]
fn texts_and_several_interlocks_must_all_be_so() {
    let is_open = Interlock {
        format: Format::Text,
        field: Field::parse("").unwrap(),
        max: None,
        one_of: vec![Scalar::Text("open".into())],
        ..pressure("plant/${topic.2}/gate")
    };
    let policy = compiled(open(vec![valve(vec![pressure("plant/${topic.2}/pressure"), is_open])]));
    let memory = Remembered::new();
    let mut client = Client::new(&policy, "p1", &memory);
    assert_eq!(client.publish(0, "plant/l1/pressure", r#"{"bar":1}"#), "allow");
    for (gate, expected) in [("shut", "reject valve interlock plant/l1/gate not_one_of"), ("open", "allow")] {
        assert_eq!(client.publish(0, "plant/l1/gate", gate), "allow");
        assert_eq!(client.publish(1, "plant/l1/valve/open", "x"), expected);
    }
    let long = "x".repeat(Known::MAX_TEXT_BYTES + 1);
    assert_eq!(client.publish(0, "plant/l1/gate", &long), "allow");
    assert_eq!(client.publish(1, "plant/l1/valve/open", ""), "reject valve interlock plant/l1/gate type");
}

#[test]
fn a_level_that_a_message_has_not_and_a_missing_memory_refuse() {
    let rule = MessageRule { publish: texts(&["valve/#"]), ..MessageRule::new("valve") };
    let rule = PayloadRule { rule, interlocks: vec![pressure("plant/${topic.3}")], ..PayloadRule::new("valve") };
    let policy = compiled(open(vec![rule]));
    let memory = Remembered::new();
    let mut client = Client::new(&policy, "p1", &memory);
    assert_eq!(client.publish(0, "plant/l1", r#"{"bar":1}"#), "allow");
    assert_eq!(client.publish(0, "valve/open/l1", ""), "allow");
    assert_eq!(client.publish(0, "valve/open", ""), "reject valve interlock plant/+ unknown");
    let (identity, request) = (named("p1"), Request::Publish(message("valve/open/l1", b"")));
    let decision = Authority::new(&policy, &identity, 0).decide(&identity, &request);
    assert_eq!(words(&decision), "reject valve interlock plant/l1 no_memory");
}

#[test]
fn what_is_no_topic_is_no_interlock() {
    for (topic, expected) in [
        ("plant/+/pressure", "wildcard"),
        ("plant/${topic.0}", "counted from 1"),
        ("plant/${topic.33}", "counted from 1"),
        ("plant/${identity}", "`${topic.2}` is the second"),
        ("plant/a${topic.1}", "`${topic.2}` is the second"),
        ("", ""),
    ] {
        let errors = Policy::new(open(vec![valve(vec![pressure(topic)])])).unwrap_err();
        let [error] = &errors[..] else { panic!("{errors:?}") };
        let text = error.to_string();
        assert!(text.starts_with(&format!("rule `valve` has an interlock with the topic `{topic}`")), "{text}");
        assert!(text.contains(expected), "{text}");
    }
}
