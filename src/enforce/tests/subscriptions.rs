//! SUBSCRIBE and UNSUBSCRIBE, refused in part or in whole, and how many there may be.

use super::super::Terms;
use super::world::{VERSIONS, World, disconnect, packet, policy, publish, suback, subscribe, terms, unsubscribe};
use crate::mqtt::Version;
use crate::mqtt::frame::QoS;
use crate::mqtt::property::Property;
use crate::policy::{Deny, Draft, Grant};

const LATER: [Version; 2] = [Version::V311, Version::V50];

fn failure(v: Version, code: u8) -> u8 {
    if v == Version::V50 { code } else { 0x80 }
}

fn told(v: Version, code: u8) -> Vec<u8> {
    if v == Version::V50 { disconnect(code) } else { Vec::new() }
}

#[test]
fn permitted_subscriptions_pass() {
    for v in VERSIONS {
        let mut world = World::connected(v);
        world.client_passes(&subscribe(v, 1, &["a/+", "b/#"])).broker_passes(&suback(v, 1, &[1, 0]));
        world.client_passes(&unsubscribe(v, 1, &["a/+", "deny/x"]));
        let unsuback = if v == Version::V50 { vec![0xB0, 5, 0, 1, 0, 0, 0x11] } else { vec![0xB0, 2, 0, 1] };
        world.broker_passes(&unsuback);
        assert!(world.connection.is_quiet());
    }
}

#[test]
fn refused_filters_are_taken_out_and_their_codes_put_in() {
    for v in LATER {
        let mut world = World::connected(v);
        world.client(&subscribe(v, 1, &["deny/a", "b", "deny-wildcard/+", "d/#", "deny-shared_subscription"]));
        assert_eq!(world.broker_got(), subscribe(v, 1, &["b", "d/#"]));
        assert!(world.client_got().is_empty());
        assert_eq!(
            world.events(),
            [
                "not_authorized deny/a by-topic",
                "wildcard deny-wildcard/+ by-topic",
                "shared_subscription deny-shared_subscription by-topic",
            ]
        );
        world.broker(&suback(v, 1, &[1, 0x80]));
        let codes = [failure(v, 0x87), 1, failure(v, 0xA2), 0x80, failure(v, 0x9E)];
        assert_eq!(world.client_got(), suback(v, 1, &codes));
        assert!(world.connection.is_quiet());
    }
}

#[test]
fn several_subscribe_packets_in_flight_keep_their_own_codes() {
    for v in LATER {
        let mut world = World::connected(v);
        world.client(&subscribe(v, 1, &["deny", "a"])).client(&subscribe(v, 2, &["b"]));
        world.client(&subscribe(v, 3, &["c", "deny"]));
        assert_eq!(
            world.broker_got(),
            [subscribe(v, 1, &["a"]), subscribe(v, 2, &["b"]), subscribe(v, 3, &["c"])].concat()
        );
        world.broker(&[suback(v, 3, &[0]), suback(v, 1, &[1]), suback(v, 2, &[0])].concat());
        let no = failure(v, 0x87);
        assert_eq!(world.client_got(), [suback(v, 3, &[0, no]), suback(v, 1, &[no, 1]), suback(v, 2, &[0])].concat());
    }
}

#[test]
fn when_all_are_refused_the_gateway_answers() {
    let mut world = World::connected(Version::V311);
    world.client_gets(&subscribe(Version::V311, 1, &["deny", "deny/#"]), &suback(Version::V311, 1, &[0x80, 0x80]));
    assert_eq!(world.events(), ["not_authorized deny by-topic", "not_authorized deny/# by-topic"]);
    world.client_passes(&subscribe(Version::V311, 1, &["a"]));
    let mut body = vec![0, 1, 37, 0x1F, 0, 34];
    body.extend(b"refused by rule by-topic, policy 7");
    body.push(0x87);
    World::connected(Version::V50).client_gets(&subscribe(Version::V50, 1, &["deny"]), &packet(0x90, &body));
}

#[test]
fn in_3_1_a_refused_filter_closes() {
    let mut world = World::connected(Version::V31);
    world.client(&subscribe(Version::V31, 1, &["a", "deny"])).ended("not_authorized", "client", &[]);
    assert!(world.broker_got().is_empty());
    assert_eq!(world.events(), ["not_authorized deny by-topic"]);
}

#[test]
fn a_suback_must_have_as_many_codes_as_filters_went_on() {
    for v in LATER {
        for codes in [&[0][..], &[0, 0, 0]] {
            let mut world = World::connected(v);
            world.client_passes(&subscribe(v, 1, &["a", "b"]));
            world.broker(&suback(v, 1, codes)).ended("code_count", "broker", &told(v, 0x80));
        }
        let mut world = World::connected(v);
        world.client(&subscribe(v, 1, &["a", "deny"])).broker(&suback(v, 1, &[0, 0]));
        world.ended("code_count", "broker", &told(v, 0x80));
    }
    let mut world = World::connected(Version::V50);
    world.client_passes(&unsubscribe(Version::V50, 1, &["a", "b"])).broker(&[0xB0, 4, 0, 1, 0, 0]);
    world.ended("code_count", "broker", &disconnect(0x80));
}

#[test]
fn subscriptions_are_counted_by_what_the_broker_granted() {
    for v in LATER {
        let quota = failure(v, 0x97);
        let mut world = World::connected_with(v, Terms { max_subscriptions: 2, ..terms() }, &[], &[]);
        world.client(&subscribe(v, 1, &["a", "b", "c", "a"]));
        assert_eq!(world.broker_got(), subscribe(v, 1, &["a", "b", "a"]));
        assert_eq!(world.events(), ["quota c max_subscriptions"]);
        world.broker(&suback(v, 1, &[0, 0x80, 0]));
        assert_eq!(world.client_got(), suback(v, 1, &[0, 0x80, quota, 0]));
        // `b` was refused by the broker: there is room for one more, and what is held may be asked for again.
        world.client_passes(&subscribe(v, 2, &["c", "a"])).broker_passes(&suback(v, 2, &[0, 0]));
        world.client(&subscribe(v, 3, &["d", "a"]));
        assert_eq!(world.broker_got(), subscribe(v, 3, &["a"]));
        world.broker(&suback(v, 3, &[0])).client_got();
        world.events();
        world.client_passes(&unsubscribe(v, 4, &["a", "never"])).client_passes(&subscribe(v, 5, &["d"]));
    }
}

#[test]
fn subscribe_packets_in_flight_take_bounded_memory() {
    let v = Version::V311;
    let terms = Terms { max_subscriptions: 1 << 20, ..terms() };
    let mut world = World::connected_with(v, terms, &[], &[]);
    let mut sent = 0;
    while !world.is_held(crate::mqtt::Direction::FromClient) {
        sent += 1;
        let filters: Vec<String> = (0..1000).map(|n| format!("{sent}/{n}")).collect();
        let filters: Vec<&str> = filters.iter().map(String::as_str).collect();
        world.client(&subscribe(v, sent, &filters));
        assert!(sent < 100);
    }
    world.broker_got();
    // The answer to one lets the next through.
    world.broker(&suback(v, 1, &[0; 1000]));
    assert!(!world.is_held(crate::mqtt::Direction::FromClient));
    assert!(!world.broker_got().is_empty());
}

#[test]
fn deliveries_are_judged_whatever_was_subscribed() {
    let mut world = World::connected(Version::V311);
    world.client_passes(&subscribe(Version::V311, 1, &["#"]));
    world.broker_gets(&publish(Version::V311, "deny/a", QoS::Zero, 0, b"x"), &[]);
    assert_eq!(world.events(), ["not_authorized deny/a by-topic"]);
}

#[test]
fn a_suback_of_the_gateways_own_waits_for_those_before_it() {
    for v in VERSIONS {
        // 3.1 has no other SUBACK of the gateway's own.
        let (word, code) = if v == Version::V31 { ("claim", 1) } else { ("deny", failure(v, 0x87)) };
        let mut world = World::connected_with(v, terms(), &[Property::RequestProblemInformation(false)], &[]);
        let own = |id: u16| suback(v, id, &[code]);
        world.client_gets(&subscribe(v, 1, &[word]), &own(1));
        world.events();
        world.client_passes(&subscribe(v, 2, &["a"]));
        world.client_gets(&subscribe(v, 3, &[word]), &[]).client_gets(&subscribe(v, 4, &[word]), &[]);
        world.events();
        world.client_passes(&subscribe(v, 5, &["b"])).client_passes(&unsubscribe(v, 6, &["b"]));
        world.client_gets(&subscribe(v, 7, &[word]), &[]);
        assert!(!world.connection.is_quiet());
        world.broker(&suback(v, 2, &[0]));
        assert_eq!(world.client_got(), [suback(v, 2, &[0]), own(3), own(4)].concat());
        world.broker(&suback(v, 5, &[0]));
        assert_eq!(world.client_got(), [suback(v, 5, &[0]), own(7)].concat());
        world.client_gets(&subscribe(v, 7, &[word]), &own(7));
    }
}

#[test]
fn a_broker_that_answers_out_of_turn_keeps_the_gateways_own_back_no_longer_than_it_must() {
    let v = Version::V311;
    let mut world = World::connected(v);
    world.client_passes(&subscribe(v, 1, &["a"])).client_passes(&subscribe(v, 2, &["b"]));
    world.client_gets(&subscribe(v, 3, &["deny"]), &[]);
    world.events();
    world.client_passes(&subscribe(v, 4, &["c"])).broker_passes(&suback(v, 4, &[0]));
    world.broker_passes(&suback(v, 2, &[0])).broker(&suback(v, 1, &[0]));
    assert_eq!(world.client_got(), [suback(v, 1, &[0]), suback(v, 3, &[0x80])].concat());
}

#[test]
fn a_repeat_has_its_suback_before_the_gateways_own_too() {
    let v = Version::V311;
    let ask = subscribe(v, 1, &["a"]);
    let own = suback(v, 2, &[0x80]);
    let mut world = World::connected(v);
    world.client_passes(&ask).client_passes(&ask).client_gets(&subscribe(v, 2, &["deny"]), &[]);
    world.events();
    world.broker_passes(&suback(v, 1, &[0])).broker(&suback(v, 1, &[0]));
    assert_eq!(world.client_got(), [suback(v, 1, &[0]), own.clone()].concat());
    // A broker that answers both at once is not waited for for ever.
    world.client_passes(&ask).client_passes(&ask).client_gets(&subscribe(v, 2, &["deny"]), &[]);
    world.events();
    world.broker_passes(&suback(v, 1, &[0])).client_passes(&ask).broker(&suback(v, 1, &[0]));
    assert_eq!(world.client_got(), [suback(v, 1, &[0]), own].concat());
    assert!(world.connection.is_quiet());
}

/// A broker may answer a repeat and the first together.
#[test]
fn what_was_refused_of_a_repeat_is_no_answer_to_another_subscribe() {
    let v = Version::V311;
    let ask = subscribe(v, 1, &["a", "deny"]);
    let mut world = World::connected(v);
    world.client(&ask).client(&ask).broker_got();
    world.broker(&suback(v, 1, &[0])).events();
    assert_eq!(world.client_got(), suback(v, 1, &[0, 0x80]));
    world.client_passes(&subscribe(v, 1, &["a"])).broker_passes(&suback(v, 1, &[0]));
}

#[test]
fn a_repeat_of_what_is_judged_otherwise_meanwhile_is_left_to_the_first_ones_answer() {
    let v = Version::V311;
    let ask = subscribe(v, 1, &["a", "b"]);
    let mut world = World::connected(v);
    world.client_passes(&ask);
    let deny = Deny { subscribe: vec!["b".to_owned()], ..Deny::new("not-b") };
    let draft = Draft { permit_all: true, denies: vec![deny], ..Draft::new("7") };
    world.adopt(Terms { policy: policy(draft), ..terms() }, None);
    world.client_gets(&ask, &[]);
    world.events();
    world.broker_passes(&suback(v, 1, &[0, 0]));
    assert!(world.connection.is_quiet());
}

#[test]
fn subacks_that_wait_take_bounded_memory() {
    let v = Version::V311;
    let mut world = World::connected(v);
    world.client_passes(&subscribe(v, 1, &["a"]));
    let many = subscribe(v, 2, &["deny"; 1000]);
    for _ in 0..1000 {
        if world.is_held(crate::mqtt::Direction::FromClient) {
            break;
        }
        world.client_gets(&many, &[]);
        world.events();
    }
    assert!(world.is_held(crate::mqtt::Direction::FromClient));
    world.broker(&suback(v, 1, &[0]));
    assert!(!world.is_held(crate::mqtt::Direction::FromClient));
    let got = world.client_got();
    assert!(got.len() > 250 << 10 && got.len() < 260 << 10, "{}", got.len());
}

#[test]
fn a_subscription_above_what_is_granted_is_asked_for_at_what_is() {
    let mut grant = Grant::new("low", &["everyone"]);
    grant.subscribe = vec!["low/#".to_owned()];
    grant.max_qos = QoS::Zero;
    let mut high = Grant::new("high", &["everyone"]);
    high.subscribe = vec!["high/#".to_owned()];
    let draft = || Draft { grants: vec![grant.clone(), high.clone()], ..Draft::new("7") };
    for v in VERSIONS {
        let mut world = World::connected_with(v, Terms { policy: policy(draft()), ..terms() }, &[], &[]);
        let mut lowered = subscribe(v, 1, &["low/a", "high/b", "low/c"]);
        world.client(&lowered);
        for place in [lowered.len() - 1, lowered.len() - 18] {
            assert_eq!(std::mem::replace(&mut lowered[place], 0), 1);
        }
        assert_eq!(world.broker_got(), lowered);
        assert_eq!(world.events(), ["subscription_lowered low/a -", "subscription_lowered low/c -"]);
        world.broker_passes(&suback(v, 1, &[0, 1, 0]));
        if v != Version::V31 {
            // With a refused one among them.
            world.client(&subscribe(v, 2, &["other", "low/d"]));
            let mut asked = subscribe(v, 2, &["low/d"]);
            *asked.last_mut().expect("a byte") = 0;
            assert_eq!(world.broker_got(), asked);
            world.events();
            world.broker(&suback(v, 2, &[0]));
            assert_eq!(world.client_got(), suback(v, 2, &[failure(v, 0x87), 0]));
        }
        // What asks for no more goes on as it came.
        world.client_passes(&subscribe(v, 3, &["high/x"]));
    }
}
