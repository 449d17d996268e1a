//! Values in turn.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::policy::{Change, First, Scalar};

const SECOND: Duration = Duration::from_secs(1);

fn follow(check: Check, cases: &[(i64, &str, &str)]) {
    let rule = PayloadRule { format: Some(PayloadFormat::Fields(Format::Number)), ..json("rule", &["a"], vec![check]) };
    let (policy, memory) = (compiled(open(vec![rule])), Remembered::new());
    let mut client = Client::new(&policy, "t1", &memory);
    for (at, payload, expected) in cases {
        let said = client.publish(*at, "a", payload);
        assert_eq!(said.strip_prefix("reject rule payload  ").unwrap_or(&said), *expected, "{payload} at {at}");
    }
}

fn whole() -> Check {
    check("")
}

#[test]
fn a_value_changes_no_faster_than_it_may() {
    let check = Check { max_change: Some(Change { by: 5.0, per: SECOND }), ..whole() };
    follow(
        check,
        &[
            (0, "20", "allow"),
            (100, "25", "allow"),
            (200, "30.5", "changed_too_fast"),
            // What is refused does not count.
            (300, "30.5", "changed_too_fast"),
            (1_100, "30", "allow"),
            (2_100, "36", "changed_too_fast"),
            (2_400, "36", "allow"),
            // After a gap it may have gone far.
            (12_400, "86", "allow"),
            (13_400, "92", "changed_too_fast"),
            // The clock is set back: no time has passed.
            (5_000, "92", "changed_too_fast"),
            (5_000, "87", "allow"),
            // After an hour nothing is known of it.
            (5_000 + 3_600_001, "900", "allow"),
        ],
    );
}

#[test]
fn decimals_are_no_change_that_is_too_fast() {
    let check = Check { max_change: Some(Change { by: 0.1, per: SECOND }), ..whole() };
    let values: Vec<String> = (0..50).map(|number| format!("{:.1}", 20.0 + f64::from(number) / 10.0)).collect();
    let cases: Vec<_> = (0..).zip(&values).map(|(at, value)| (at * 1000, value.as_str(), "allow")).collect();
    follow(check, &cases);
}

#[test]
fn many_small_steps_do_not_add_up_to_a_large_one() {
    let check = Check { max_change: Some(Change { by: 5.0, per: SECOND }), ..whole() };
    follow(
        check,
        &[
            (0, "0", "allow"),
            (10, "5", "allow"),
            (20, "10", "changed_too_fast"),
            (30, "5.1", "allow"),
            (40, "5.3", "changed_too_fast"),
            (50, "-5.5", "changed_too_fast"),
            (60, "0.1", "allow"),
            (70, "-0.05", "allow"),
            (80, "-0.2", "changed_too_fast"),
        ],
    );
}

#[test]
fn a_value_comes_no_sooner_than_it_may_and_does_not_stay_for_ever() {
    let check = Check { min_interval: Some(SECOND), stuck_after: Some(4 * SECOND), ..whole() };
    follow(
        check,
        &[
            (0, "7", "allow"),
            (999, "8", "too_soon"),
            (1_000, "7", "allow"),
            (3_000, "7", "allow"),
            (4_000, "7", "stuck"),
            (4_100, "8", "allow"),
            (5_100, "7", "allow"),
            (9_099, "7", "allow"),
            (10_100, "7", "stuck"),
        ],
    );
}

#[test]
fn a_clock_that_is_set_back_holds_nothing_up() {
    let check = Check { min_interval: Some(SECOND), ..whole() };
    let soon = "too_soon";
    // Another connection may see the clock a little earlier.
    follow(check, &[(3_600_000, "1", "allow"), (3_599_500, "2", soon), (1_000, "3", "allow"), (1_500, "4", soon)]);
}

#[test]
fn the_first_value_can_be_refused_and_is_what_the_next_is_held_against() {
    let change = Some(Change { by: 1.0, per: SECOND });
    let check = Check { max_change: change, first: First::Deny, forget_after: 10 * SECOND, ..whole() };
    follow(
        check,
        &[
            (0, "7", "no_history"),
            (100, "9", "changed_too_fast"),
            (200, "8", "allow"),
            (10_201, "8", "no_history"),
            (10_202, "8", "allow"),
        ],
    );
}

#[test]
fn what_is_no_number_can_be_followed_too() {
    let stuck = Check { stuck_after: Some(SECOND), ..check("/s") };
    let rule = json("rule", &["a"], vec![stuck]);
    let (policy, memory) = (compiled(open(vec![rule])), Remembered::new());
    let mut client = Client::new(&policy, "t1", &memory);
    for (at, payload, expected) in [
        (0, r#"{"s":"on"}"#, "allow"),
        (999, r#"{"s":"on"}"#, "allow"),
        (1_000, r#"{"s":"on"}"#, "reject rule payload /s stuck"),
        (1_001, r#"{"s":"off"}"#, "allow"),
        (1_002, r#"{"s":9007199254740993}"#, "allow"),
        (2_001, r#"{"s":9007199254740992}"#, "allow"),
        (3_000, r#"{"s":9007199254740993}"#, "allow"),
        (4_000, r#"{"s":9007199254740993}"#, "reject rule payload /s stuck"),
    ] {
        assert_eq!(client.publish(at, "a", payload), expected, "{payload} at {at}");
    }
}

#[test]
fn histories_outlive_connections_and_policies_and_are_of_one_client_and_topic() {
    let rule = || {
        let change = Some(Change { by: 1.0, per: SECOND });
        json("rule", &["a/+"], vec![Check { max_change: change, ..check("/c") }])
    };
    let (policy, memory) = (compiled(open(vec![rule()])), Remembered::new());
    let mut client = Client::new(&policy, "t1", &memory);
    assert_eq!(client.publish(0, "a/1", r#"{"c":1}"#), "allow");
    // Somebody else, and another topic, are others.
    let mut other = Client::new(&policy, "t2", &memory);
    assert_eq!(other.publish(0, "a/1", r#"{"c":100}"#), "allow");
    assert_eq!(client.publish(0, "a/2", r#"{"c":50}"#), "allow");
    let fast = "reject rule payload /c changed_too_fast";
    // The same client on another connection.
    let mut again = Client::new(&policy, "t1", &memory);
    assert_eq!(again.publish(1, "a/1", r#"{"c":3}"#), fast);
    // Under another policy.
    let next = compiled(open(vec![rule(), json("more", &["b"], Vec::new())]));
    let kept: Arc<dyn Memory> = Arc::<Remembered>::clone(&memory);
    again.authority.renew(&next, Some(kept), &again.identity, 2);
    assert_eq!(again.publish(2, "a/1", r#"{"c":3}"#), fast);
    assert_eq!(again.publish(2, "a/1", r#"{"c":2}"#), "allow");
    // What one publishes is not what it receives.
    let both = PayloadRule {
        rule: MessageRule { publish: texts(&["e"]), receive: texts(&["e"]), ..MessageRule::new("echo") },
        ..json("echo", &[], vec![Check { min_interval: Some(SECOND), ..check("/c") }])
    };
    let mut client = Client::new(&compiled(open(vec![both])), "t1", &memory);
    assert_eq!(client.publish(0, "e", r#"{"c":1}"#), "allow");
    let echo = client.decide(&Request::Receive(message("e", br#"{"c":1}"#)));
    assert_eq!(words(&echo), "allow");
}

#[test]
fn who_is_proven_to_be_nobody_leaves_no_history_behind_by_another_client_identifier() {
    let check = Check { max_change: Some(Change { by: 1.0, per: SECOND }), ..check("/c") };
    let (policy, memory) = (compiled(open(vec![json("rule", &["a"], vec![check])])), Remembered::new());
    let fast = "reject rule payload /c changed_too_fast";
    for (client_id, address, payload, expected) in [
        ("t1", "192.0.2.7", r#"{"c":1}"#, "allow"),
        ("t2", "192.0.2.7", r#"{"c":50}"#, fast),
        ("t1", "192.0.2.8", r#"{"c":50}"#, "allow"),
        ("t1", "2001:db8::1", r#"{"c":1}"#, "allow"),
        ("t1", "2001:db8::2", r#"{"c":50}"#, fast),
        ("t1", "2001:db8:0:1::1", r#"{"c":50}"#, "allow"),
    ] {
        let mut client = Client::new(&policy, "", &memory);
        client.identity.name = None;
        client.identity.client_id = client_id.into();
        client.identity.source.set_ip(address.parse().unwrap());
        assert_eq!(client.publish(0, "a", payload), expected, "{client_id} {address} {payload}");
    }
}

#[test]
fn only_what_goes_on_is_remembered() {
    let step = Check { max_change: Some(Change { by: 1.0, per: SECOND }), ..check("/c") };
    let unit = Check { one_of: vec![Scalar::Text("C".into())], ..check("/u") };
    let rules = vec![json("a-rule", &["a"], vec![step]), json("b-rule", &["a"], vec![unit])];
    let (policy, memory) = (compiled(open(rules)), Remembered::new());
    let mut client = Client::new(&policy, "t1", &memory);
    assert_eq!(client.publish(0, "a", r#"{"c":1,"u":"F"}"#), "reject b-rule payload /u not_one_of");
    assert_eq!(client.publish(1, "a", r#"{"c":9,"u":"C"}"#), "allow", "nothing was remembered");
    // Decided, but not gone on.
    let request = message("a", br#"{"c":10,"u":"C"}"#);
    assert_eq!(client.decide(&Request::Publish(request)), Decision::Allow);
    assert_eq!(client.publish(2, "a", r#"{"c":8,"u":"C"}"#), "allow");
    assert_eq!(memory.histories.lock().unwrap().len(), 1);
}

#[test]
fn a_will_is_held_against_what_came_before_it_and_leaves_nothing_behind() {
    let change = Some(Change { by: 1.0, per: SECOND });
    let check = Check { max_change: change, min_interval: Some(SECOND), ..check("/c") };
    let (policy, memory) = (compiled(open(vec![json("rule", &["a"], vec![check])])), Remembered::new());
    let mut client = Client::new(&policy, "t1", &memory);
    assert_eq!(client.publish(0, "a", r#"{"c":1}"#), "allow");
    let mut will = |payload: &str| {
        let decision = client.decide(&Request::Will(message("a", payload.as_bytes())));
        client.authority.accept();
        words(&decision)
    };
    assert_eq!(will(r#"{"c":9}"#), "reject rule payload /c changed_too_fast");
    assert_eq!(will(r#"{"c":2}"#), "allow");
    assert_eq!(client.publish(1_000, "a", r#"{"c":0}"#), "allow");
    // Judged again, it is not held against the time that has passed.
    let again = client.authority.decide_again(&client.identity, &Request::Will(message("a", br#"{"c":9}"#)));
    assert_eq!(again, Decision::Allow);
}

#[test]
fn what_must_be_remembered_and_cannot_be_is_refused() {
    let step = Check { max_change: Some(Change { by: 1.0, per: SECOND }), ..check("/c") };
    let policy = compiled(open(vec![json("rule", &["a"], vec![step])]));
    let (identity, request) = (named("t1"), Request::Publish(message("a", br#"{"c":1}"#)));
    let decision = Authority::new(&policy, &identity, 0).decide(&identity, &request);
    assert_eq!(words(&decision), "reject rule payload /c no_memory");
}

proptest! {
    /// Against all values that were ever accepted, one by one.
    #[test]
    fn no_two_values_are_further_apart_than_they_may_be(
        steps in proptest::collection::vec((0_i64..3_000, -8.0_f64..8.0), 1..60),
        by in 0.5_f64..6.0,
    ) {
        let check = Check { max_change: Some(Change { by, per: SECOND }), ..check("") };
        let rule = PayloadRule {
            format: Some(PayloadFormat::Fields(Format::Number)),
            ..json("rule", &["a"], vec![check])
        };
        let (policy, memory) = (compiled(open(vec![rule])), Remembered::new());
        let mut client = Client::new(&policy, "t1", &memory);
        let (mut now, mut value) = (0, 0.0);
        let mut accepted: Vec<(i64, f64)> = Vec::new();
        for (passed, step) in steps {
            now += passed;
            let next = value + step;
            let seconds = |at: i64| (now - at) as f64 / 1000.0;
            // What must be taken: no further from any than it may be in the time between.
            let is_slow = accepted.iter().all(|(at, known)| (next - known).abs() <= by * seconds(*at).max(1.0) - 1e-9);
            let is_fast = accepted.last().is_some_and(|(at, known)| {
                (next - known).abs() > by * seconds(*at).max(1.0) + 1e-9
            }) || accepted.iter().any(|(at, known)| (next - known).abs() > by * (1.0 + seconds(*at)) + 1e-9);
            let said = client.publish(now, "a", &next.to_string());
            prop_assert!(!is_slow || said == "allow", "{next} at {now} after {accepted:?}: {said}");
            prop_assert!(!is_fast || said != "allow", "{next} at {now} after {accepted:?}: {said}");
            if said == "allow" {
                accepted.push((now, next));
                value = next;
            }
        }
        for (at, one) in &accepted {
            for (_, other) in accepted.iter().filter(|(then, _)| (0..=1000).contains(&(then - at))) {
                prop_assert!((other - one).abs() <= 2.0 * by + 1e-9, "{accepted:?}");
            }
        }
    }
}
