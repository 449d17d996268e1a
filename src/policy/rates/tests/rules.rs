//! What each rule counts, of whom, and what follows.

use super::*;
use crate::policy::Window;

#[test]
fn who_is_not_counted_is_not_metered() {
    let policy = compiled(vec![RateRule { roles: texts(&["sensor"]), ..messages("slow", Per::Identity, 1) }]);
    let memory = store();
    let mut client = Client::new(&policy, named("somebody"), Some(&memory));
    assert!(!client.authority.is_metered());
    assert_eq!(client.passes(0, "a", 100), 100);
    let mut client = Client::new(&policy, named("sensor"), Some(&memory));
    assert!(client.authority.is_metered());
    assert_eq!(client.passes(0, "a", 100), 1);
}

#[test]
fn one_client_is_counted_as_one_whatever_it_calls_itself_and_however_often_it_dials() {
    let elsewhere = |identity: Identity| Identity { source: ([198, 51, 100, 1], 7).into(), ..identity };
    let other_id = |identity: Identity| Identity { client_id: "other".into(), ..identity };
    let nobody = |identity: Identity| Identity { method: Method::Anonymous, name: None, ..identity };
    let by_address = |identity: Identity| Identity { method: Method::Address, name: Some("me".into()), ..identity };
    let neighbour = |identity: Identity| Identity { source: ([192, 0, 2, 99], 7).into(), ..identity };
    let prefix = Per::Prefix { ipv4: 24, ipv6: 56 };
    let another = named("another");
    let me = named("me");
    for (per, first, second, is_same) in [
        (Per::Identity, me.clone(), me.clone(), true),
        (Per::Identity, me.clone(), elsewhere(me.clone()), true),
        (Per::Identity, me.clone(), other_id(me.clone()), true),
        (Per::Identity, me.clone(), another.clone(), false),
        (Per::Identity, nobody(me.clone()), nobody(other_id(me.clone())), true),
        (Per::Identity, nobody(me.clone()), by_address(other_id(me.clone())), true),
        (Per::Identity, nobody(me.clone()), nobody(elsewhere(me.clone())), false),
        (Per::Client, me.clone(), elsewhere(me.clone()), true),
        (Per::Client, me.clone(), other_id(me.clone()), false),
        (Per::Client, nobody(me.clone()), nobody(elsewhere(me.clone())), false),
        (Per::Address, me.clone(), another.clone(), true),
        (Per::Address, me.clone(), neighbour(me.clone()), false),
        (prefix, me.clone(), neighbour(another.clone()), true),
        (prefix, me.clone(), elsewhere(me.clone()), false),
        (Per::Listener, me.clone(), elsewhere(another.clone()), true),
        (Per::Listener, me.clone(), Identity { listener: "other".into(), ..me.clone() }, false),
        (Per::Gateway, me, Identity { listener: "other".into(), ..elsewhere(another) }, true),
    ] {
        let policy = compiled(vec![messages("rule", per, 1)]);
        let memory = store();
        let what = format!("{per:?}: {first:?} {second:?}");
        let mut one = Client::new(&policy, first, Some(&memory));
        assert_eq!(one.passes(0, "a", 3), 1, "{what}");
        let start = one.start;
        drop(one);
        let mut other = Client::new(&policy, second, Some(&memory)).since(start);
        assert_eq!(other.passes(0, "a", 3), usize::from(!is_same), "{what}");
    }
}

#[test]
fn per_role_each_role_that_a_client_has_counts() {
    let mut draft = draft(vec![RateRule { roles: texts(&["sensor", "hmi"]), ..messages("rule", Per::Role, 1) }]);
    for role in &mut draft.roles {
        role.members.as_mut().unwrap().insert("both".into());
        role.members.as_mut().unwrap().insert(format!("{}-2", role.name).into());
    }
    let (policy, memory) = (Arc::new(Policy::new(draft).unwrap()), store());
    let mut sensor = Client::new(&policy, named("sensor"), Some(&memory));
    let start = sensor.start;
    let client = |name: &str| Client::new(&policy, named(name), Some(&memory)).since(start);
    assert_eq!(sensor.passes(0, "a", 3), 1);
    assert_eq!(client("sensor-2").passes(0, "a", 3), 0, "the role is the same");
    assert_eq!(client("both").passes(0, "a", 3), 0, "it has that role, too");
    assert_eq!(client("hmi").passes(0, "a", 3), 1, "nothing was taken for what did not go on");
}

#[test]
fn topics_are_counted_that_filters_name_and_each_by_itself_where_it_is_said_so() {
    let plant = RateRule {
        publish: texts(&["plant/+/temperature", "line/${client_id}/#"]),
        ..messages("plant", Per::Identity, 2)
    };
    let each = RateRule { publish: texts(&["each/#"]), ..messages("each", Per::Topic, 1) };
    let inward = RateRule { receive: texts(&["plant/#"]), ..messages("inward", Per::Identity, 1) };
    let (policy, memory) = (compiled(vec![plant, each, inward]), store());
    let mut client = Client::new(&policy, named("sensor"), Some(&memory));
    assert_eq!(client.passes(0, "plant/1/pressure", 9), 9);
    assert_eq!(client.passes(0, "plant/1/temperature", 1), 1);
    assert_eq!(client.passes(0, "line/sensor/x/y", 9), 1, "both filters are of one rule");
    assert_eq!(client.publish(0, "plant/2/temperature", 1), "wait plant");
    for topic in 0..40 {
        assert_eq!(client.passes(0, &format!("each/{topic}"), 1), 1);
    }
    for topic in 0..40 {
        assert_eq!(client.publish(0, &format!("each/{topic}"), 1), "wait each");
    }
    let start = client.start;
    let mut other = Client::new(&policy, named("hmi"), Some(&memory)).since(start);
    assert_eq!(other.publish(0, "each/7", 1), "wait each", "a topic is the same for all");
    assert_eq!(other.passes(0, "line/sensor/x", 9), 9, "that is another's variable");
    assert_eq!(
        (other.receive(0, "plant/1"), other.receive(0, "plant/1")),
        ("pass".to_owned(), "wait inward".to_owned())
    );
    assert_eq!(other.receive(0, "each/7"), "pass");
}

#[test]
fn what_makes_a_variable_void_makes_nobody_free() {
    let rule = RateRule { publish: texts(&["line/${username}/#"]), ..messages("rule", Per::Identity, 1) };
    let (policy, memory) = (compiled(vec![rule]), store());
    let mut client = Client::new(&policy, named("sensor"), Some(&memory));
    assert_eq!(client.passes(0, "line/x/y", 9), 1);
}

#[test]
fn more_sets_of_rules_than_are_kept_count_no_less() {
    let rules = (0..200).map(|number| RateRule {
        publish: vec![format!("+/{number}/#")],
        ..messages(&format!("rule-{number:03}"), Per::Identity, 1)
    });
    let (policy, memory) = (compiled(rules.collect()), store());
    let mut client = Client::new(&policy, named("sensor"), Some(&memory));
    for round in 0..3 {
        for number in 0..200 {
            let expected = usize::from(round == 0);
            assert_eq!(client.passes(0, &format!("x/{number}/y"), 1), expected, "{round} {number}");
        }
    }
}

#[test]
fn bytes_weights_packets_connections_and_subscriptions_are_each_counted_as_what_they_are() {
    let limits = vec![
        (Unit::Bytes, rate(1000)),
        (Unit::Packets, rate(3)),
        (Unit::Connections, rate(2)),
        (Unit::Subscriptions, rate(5)),
    ];
    let heavy = RateRule { weigh: Some(100), ..messages("heavy", Per::Client, 6) };
    let (policy, memory) = (compiled(vec![RateRule { limits, ..RateRule::new("many") }, heavy]), store());
    let mut client = Client::new(&policy, named("sensor"), Some(&memory));
    assert_eq!(client.publish(0, "a", 401), "pass", "5 of 6");
    assert_eq!(client.publish(0, "a", 101), "wait heavy", "2 more");
    assert_eq!(client.publish(0, "a", 0), "pass", "1 more");
    assert_eq!(client.publish(0, "a", 0), "wait heavy");
    assert_eq!(client.publish(999, "a", 100), "pass");
    let mut client = Client::new(&policy, named("hmi"), Some(&memory));
    let kinds = [
        (Metered::Packet { bytes: 2 }, 3, "wait many"),
        (Metered::Connection, 2, "reject many"),
        (Metered::Subscriptions(2), 2, "reject many"),
        (Metered::Message { from: Direction::FromClient, topic: "a", payload_bytes: 90 }, 6, "wait heavy"),
    ];
    for (what, most, then) in kinds {
        let said: Vec<String> = (0..=most).map(|_| words(&client.meter(0, what))).collect();
        assert!(said[..most].iter().all(|said| said == "pass"), "{what:?} {said:?}");
        assert_eq!(said[most], then, "{what:?}");
    }
}

#[test]
fn of_several_rules_the_strongest_speaks_and_who_waits_waits_for_the_last() {
    let rule = |id: &str, tokens, on_excess| RateRule { on_excess, ..messages(id, Per::Identity, tokens) };
    for (rules, expected) in [
        (vec![rule("a", 1, None), rule("b", 1, Some(Excess::Reject))], "reject b"),
        (vec![rule("a", 1, Some(Excess::Disconnect)), rule("b", 1, Some(Excess::Reject))], "disconnect a"),
        (vec![rule("a", 1, Some(Excess::Ban)), rule("b", 1, Some(Excess::Disconnect))], "disconnect a ban 300s"),
        (vec![rule("a", 2, None), rule("b", 1, None), rule("c", 3, None)], "wait b"),
    ] {
        let policy = compiled(rules);
        let mut client = Client::new(&policy, named("sensor"), Some(&store()));
        assert_eq!(client.passes(0, "a", 1), 1);
        let _ = client.passes(0, "a", 2);
        assert_eq!(client.publish(0, "a", 1), expected);
    }
    let policy = compiled(vec![rule("a", 2, None), rule("b", 1, None)]);
    let mut client = Client::new(&policy, named("sensor"), Some(&store()));
    assert_eq!(client.passes(0, "a", 9), 1);
    let from = Direction::FromClient;
    let Allowance::Wait { until, .. } = client.meter(0, Metered::Message { from, topic: "a", payload_bytes: 1 }) else {
        panic!("there was room");
    };
    let now = client.authority.meter.as_ref().unwrap().known_epoch().unwrap().tick(client.start);
    assert_eq!(now.until(until), SECOND);
    assert_eq!(client.passes(999, "a", 1), 0);
    assert_eq!(client.passes(1000, "a", 1), 1);
}

#[test]
fn what_one_rule_has_no_room_for_another_does_not_count() {
    let narrow = RateRule { on_excess: Some(Excess::Reject), ..messages("narrow", Per::Identity, 1) };
    let (policy, memory) = (compiled(vec![narrow, messages("wide", Per::Gateway, 10)]), store());
    let mut client = Client::new(&policy, named("sensor"), Some(&memory));
    assert_eq!(client.passes(0, "a", 1000), 1);
    let start = client.start;
    let others =
        (0..20).map(|n| Client::new(&policy, named(&format!("c{n}")), Some(&memory)).since(start).passes(0, "a", 1));
    assert_eq!(others.sum::<usize>(), 9);
}

#[test]
fn what_is_only_watched_stops_nothing_and_is_told() {
    let watched =
        RateRule { mode: Mode::Monitor, on_excess: Some(Excess::Ban), ..messages("watched", Per::Identity, 1) };
    let (policy, memory) = (compiled(vec![watched, messages("real", Per::Identity, 3)]), store());
    let mut client = Client::new(&policy, named("sensor"), Some(&memory));
    let said: Vec<String> = (0..5).map(|_| client.publish(0, "a", 1)).collect();
    assert_eq!(said, ["pass", "observe watched", "observe watched", "wait real", "wait real"]);
    let monitored = Draft { mode: Mode::Monitor, ..draft(vec![messages("real", Per::Identity, 1)]) };
    let mut client = Client::new(&Arc::new(Policy::new(monitored).unwrap()), named("hmi"), Some(&memory));
    assert_eq!((client.publish(0, "a", 1), client.publish(0, "a", 1)), ("pass".to_owned(), "observe real".to_owned()));
}

#[test]
fn at_other_hours_a_rule_counts_nothing() {
    let when = Window { inside: true, from: 60, to: 120, days: [true; 7], timezone: jiff::tz::TimeZone::UTC };
    let rule = RateRule { when: Some(when.clone()), ..messages("night", Per::Identity, 1) };
    let named_topics = RateRule { publish: texts(&["a"]), when: Some(when), ..messages("night-a", Per::Identity, 1) };
    for rule in [rule, named_topics] {
        let policy = compiled(vec![rule]);
        let mut client = Client::new(&policy, named("sensor"), Some(&store()));
        assert!(client.authority.watches_the_clock());
        assert_eq!(client.passes(0, "a", 9), 9);
        client.authority.set_time(90 * 60_000);
        assert_eq!(client.passes(0, "a", 9), 1);
        client.authority.set_time(121 * 60_000);
        assert_eq!(client.passes(0, "a", 9), 9);
    }
}

#[test]
fn neither_a_reload_nor_a_new_connection_resets_anything_but_another_rate_does() {
    let rules = |tokens| compiled(vec![messages("rule", Per::Identity, tokens)]);
    let (policy, memory) = (rules(2), store());
    let mut client = Client::new(&policy, named("sensor"), Some(&memory));
    assert_eq!(client.passes(0, "a", 9), 2);
    let identity = client.identity.clone();
    client.authority.renew(&rules(2), Some(Arc::clone(&memory)), &identity, 0);
    assert_eq!(client.passes(1, "a", 9), 0);
    client.authority.rebind(&identity);
    assert_eq!(client.passes(1, "a", 9), 0);
    client.authority.renew(&rules(3), Some(Arc::clone(&memory)), &identity, 0);
    assert_eq!(client.passes(1, "a", 9), 3, "what a bucket held under another rate means nothing");
}

#[test]
fn without_a_memory_a_connection_has_buckets_of_its_own() {
    let policy = compiled(vec![messages("rule", Per::Gateway, 2)]);
    let [mut one, mut other] = ["a", "b"].map(|name| Client::new(&policy, named(name), None));
    assert_eq!((one.passes(0, "a", 9), other.passes(0, "a", 9)), (2, 2));
    assert_eq!(one.passes(400, "a", 9), 0);
    assert_eq!(one.passes(20_000, "a", 9), 2);
    assert_eq!(one.passes(20_001, "a", 9), 0);
}

#[test]
fn a_rule_that_cannot_be_followed_is_none() {
    let rule = || messages("rule", Per::Gateway, 10);
    let share = |role: &str, thousandths| Share { role: role.to_owned(), thousandths };
    let of = |unit| vec![(unit, rate(1))];
    for (rule, why) in [
        (RateRule { limits: Vec::new(), ..rule() }, "nothing"),
        (RateRule { limits: [of(Unit::Bytes), of(Unit::Bytes)].concat(), ..rule() }, "twice"),
        (RateRule { limits: of(Unit::Connections), on_excess: Some(Excess::Throttle), ..rule() }, "can't wait"),
        (RateRule { limits: of(Unit::Packets), publish: texts(&["a"]), ..rule() }, "topics"),
        (RateRule { limits: of(Unit::Packets), per: Per::Topic, ..rule() }, "topics"),
        (RateRule { limits: of(Unit::Bytes), weigh: Some(1), ..rule() }, "weighed"),
        (RateRule { weigh: Some(0), ..rule() }, "weighed"),
        (RateRule { per: Per::Prefix { ipv4: 33, ipv6: 64 }, ..rule() }, "prefix"),
        (RateRule { shares: vec![share("hmi", 600), share("sensor", 500)], ..rule() }, "whole"),
        (RateRule { shares: vec![share("hmi", 0)], ..rule() }, "whole"),
        (RateRule { shares: vec![share("hmi", 1), share("hmi", 2)], ..rule() }, "two shares"),
        (RateRule { shares: vec![share("hmi", 1)], per: Per::Identity, ..rule() }, "shared"),
        (RateRule { shares: vec![share("hmi", 1)], on_excess: Some(Excess::Disconnect), ..rule() }, "shared"),
        (RateRule { on_excess: Some(Excess::Ban), ..rule() }, "others"),
        (
            RateRule {
                receive: texts(&["a"]),
                per: Per::Identity,
                shares: vec![],
                on_excess: Some(Excess::Ban),
                ..rule()
            },
            "others",
        ),
        (RateRule { shares: vec![share("nobody", 1)], ..rule() }, "does not exist"),
        (RateRule { roles: texts(&["nobody"]), ..rule() }, "does not exist"),
        (RateRule { publish: texts(&["a/#/b"]), ..rule() }, "filter"),
        (RateRule { id: "default".to_owned(), ..rule() }, "taken"),
    ] {
        let errors = Policy::new(draft(vec![rule])).unwrap_err();
        assert!(errors[0].to_string().contains(why), "{errors:?}");
    }
}
