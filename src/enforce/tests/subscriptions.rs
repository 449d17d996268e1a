//! SUBSCRIBE and UNSUBSCRIBE, refused in part or in whole, and how many there may be.

use super::super::Terms;
use super::world::{VERSIONS, World, disconnect, packet, publish, suback, subscribe, terms, unsubscribe};
use crate::mqtt::Version;
use crate::mqtt::frame::QoS;

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
    let mut body = vec![0, 1, 27, 0x1F, 0, 24];
    body.extend(b"refused by rule by-topic");
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
