//! Packet Identifiers: both directions, QoS 1 and 2, repeats, and what is never legal.

use std::time::Duration;

use super::super::Terms;
use super::world::{VERSIONS, World, ack, ack_with, disconnect, dup, publish, suback, subscribe, terms, unsubscribe};
use crate::mqtt::frame::PacketType::{PubAck, PubComp, PubRec, PubRel};
use crate::mqtt::frame::QoS;
use crate::mqtt::property::Property;
use crate::mqtt::reason::ReasonCode;
use crate::mqtt::{Direction, Version};

const SECOND: Duration = Duration::from_secs(1);

/// What a client in `version` is told of an end with this code.
fn told(version: Version, code: u8) -> Vec<u8> {
    if version == Version::V50 { disconnect(code) } else { Vec::new() }
}

#[test]
fn exchanges_pass_in_both_directions() {
    for v in VERSIONS {
        let mut world = World::connected(v);
        let (one, two) = (publish(v, "a", QoS::One, 1, b"x"), publish(v, "a", QoS::Two, 2, b"x"));
        for _ in 0..2 {
            world.client_passes(&one).client_passes(&two);
            assert!(!world.connection.is_quiet());
            world.broker_passes(&one).broker_passes(&two);
            world.broker_passes(&ack(v, PubAck, 1)).broker_passes(&ack(v, PubRec, 2));
            world.client_passes(&ack(v, PubAck, 1)).client_passes(&ack(v, PubRec, 2));
            world.client_passes(&ack(v, PubRel, 2)).broker_passes(&ack(v, PubRel, 2));
            world.broker_passes(&ack(v, PubComp, 2)).client_passes(&ack(v, PubComp, 2));
            assert!(world.connection.is_quiet());
        }
    }
}

#[test]
fn an_acknowledgement_of_what_was_never_sent_is_refused() {
    for v in VERSIONS {
        for packet_type in [PubAck, PubRec, PubComp] {
            let label = "unknown_identifier";
            World::connected(v).client(&ack(v, packet_type, 1)).ended(label, "client", &told(v, 0x82));
            World::connected(v).broker(&ack(v, packet_type, 1)).ended(label, "broker", &told(v, 0x80));
        }
        for bytes in [suback(v, 1, &[0]), ack_like_unsuback(v, 1)] {
            World::connected(v).broker(&bytes).ended("unknown_identifier", "broker", &told(v, 0x80));
        }
        World::connected(v).broker(&[0xD0, 0]).ended("unasked_pingresp", "broker", &told(v, 0x80));
        let mut world = World::connected(v);
        world.client_passes(&[0xC0, 0]).client_passes(&[0xC0, 0]).broker_passes(&[0xD0, 0]).broker_passes(&[0xD0, 0]);
        world.broker(&[0xD0, 0]).ended("unasked_pingresp", "broker", &told(v, 0x80));
    }
}

fn ack_like_unsuback(v: Version, id: u8) -> Vec<u8> {
    if v == Version::V50 { vec![0xB0, 4, 0, id, 0, 0] } else { vec![0xB0, 2, 0, id] }
}

#[test]
fn an_acknowledgement_must_be_the_one_awaited() {
    for v in VERSIONS {
        for (qos, wrong) in [(QoS::One, PubRec), (QoS::One, PubComp), (QoS::Two, PubAck), (QoS::Two, PubComp)] {
            let mut world = World::connected(v);
            world.client_passes(&publish(v, "a", qos, 1, b""));
            world.broker(&ack(v, wrong, 1)).ended("unknown_identifier", "broker", &told(v, 0x80));
            let mut world = World::connected(v);
            world.broker_passes(&publish(v, "a", qos, 1, b""));
            world.client(&ack(v, wrong, 1)).ended("unknown_identifier", "client", &told(v, 0x82));
        }
        let mut world = World::connected(v);
        world.client_passes(&publish(v, "a", QoS::Two, 1, b""));
        world.client(&ack(v, PubRel, 1)).ended("unknown_identifier", "client", &told(v, 0x82));
    }
}

#[test]
fn an_identifier_in_use_is_not_used_again() {
    for v in VERSIONS {
        let uses = [publish(v, "a", QoS::One, 1, b""), publish(v, "a", QoS::Two, 1, b""), subscribe(v, 1, &["a"])];
        let uses = [&uses[..], &[unsubscribe(v, 1, &["a"])]].concat();
        let others = [subscribe(v, 1, &["b"]), unsubscribe(v, 1, &["b"])];
        for first in &uses {
            let repeat = |second: &Vec<u8>| v != Version::V50 && second == first && first[0] >> 4 != 3;
            for second in uses.iter().chain(&others).filter(|second| !repeat(second)) {
                let mut world = World::connected(v);
                world.client_passes(first).client(second).ended("identifier_in_use", "client", &told(v, 0x82));
            }
        }
        let mut world = World::connected(v);
        world.broker_passes(&uses[0]).broker(&uses[1]).ended("identifier_in_use", "broker", &told(v, 0x80));
        let statement = [None, Some("[MQTT-2.3.1-4]"), Some("[MQTT-2.2.1-4]")][v as usize];
        assert_eq!(world.end.and_then(|end| end.statement), statement);
        // The two sides' identifiers are not the same.
        World::connected(v).client_passes(&uses[0]).broker_passes(&uses[0]);
    }
}

#[test]
fn a_marked_repeat_passes_and_brings_its_own_acknowledgement() {
    for v in VERSIONS {
        let one = publish(v, "a", QoS::One, 1, b"x");
        let mut world = World::connected(v);
        world.client_passes(&one).client_passes(&dup(one.clone())).broker_passes(&ack(v, PubAck, 1));
        assert!(world.connection.is_quiet());
        // The identifier is free again, though the repeat's acknowledgement is still to come.
        world.client_passes(&one).broker_passes(&ack(v, PubAck, 1)).broker_passes(&ack(v, PubAck, 1));
        world.broker(&ack(v, PubAck, 1)).ended("unknown_identifier", "broker", &told(v, 0x80));

        let two = publish(v, "a", QoS::Two, 1, b"x");
        let mut world = World::connected(v);
        world.broker_passes(&two).broker_passes(&dup(two.clone())).client_passes(&ack(v, PubRec, 1));
        world.broker_passes(&dup(two.clone())).client_passes(&ack(v, PubRec, 1)).broker_passes(&ack(v, PubRel, 1));
        world.client_passes(&ack(v, PubRec, 1)).broker_passes(&ack(v, PubRel, 1));
        world.client_passes(&ack(v, PubComp, 1)).client_passes(&ack(v, PubComp, 1));
        assert!(world.connection.is_quiet());
        world.client(&ack(v, PubComp, 1)).ended("unknown_identifier", "client", &told(v, 0x82));
    }
}

#[test]
fn a_marked_repeat_takes_nothing_from_the_receive_maximum() {
    let v = Version::V50;
    let one = publish(v, "a", QoS::One, 1, b"x");
    let mut world = World::connected_with(v, Terms { receive_maximum: 1, ..terms() }, &[], &[]);
    world.client_passes(&one).client_passes(&dup(one.clone()));
    world.broker_passes(&ack(v, PubAck, 1)).broker_passes(&ack(v, PubAck, 1)).client_passes(&one);
}

#[test]
fn a_repeat_that_changes_its_qos_is_refused() {
    let v = Version::V311;
    let mut world = World::connected(v);
    world.client_passes(&publish(v, "a", QoS::One, 1, b"")).client(&dup(publish(v, "a", QoS::Two, 1, b"")));
    world.ended("identifier_in_use", "client", &[]);
}

#[test]
fn in_3_1_subscribe_unsubscribe_and_pubrel_are_repeated_too() {
    let v = Version::V31;
    let mut world = World::connected(v);
    let (ask, leave, done) = (subscribe(v, 1, &["a"]), unsubscribe(v, 2, &["a"]), ack(v, PubRel, 3));
    world.client_passes(&ask).client_passes(&dup(ask.clone()));
    world.broker_passes(&suback(v, 1, &[0])).broker_passes(&suback(v, 1, &[0]));
    world.client_passes(&leave).client_passes(&dup(leave.clone()));
    world.broker_passes(&ack_like_unsuback(v, 2)).broker_passes(&ack_like_unsuback(v, 2));
    world.client_passes(&publish(v, "a", QoS::Two, 3, b"")).broker_passes(&ack(v, PubRec, 3));
    world.client_passes(&done).broker_passes(&ack(v, PubComp, 3)).client_passes(&dup(done.clone()));
    world.broker_passes(&ack(v, PubComp, 3));
    assert!(world.connection.is_quiet());
}

/// esp-mqtt after a second, M2Mqtt after ten.
#[test]
fn before_5_0_subscribe_and_unsubscribe_are_sent_again_while_nothing_is_answered() {
    for v in [Version::V31, Version::V311] {
        let (ask, leave) = (subscribe(v, 1, &["a", "b"]), unsubscribe(v, 2, &["a", "b"]));
        let mut world = World::connected(v);
        world.client_passes(&ask).client_passes(&ask).client_passes(&leave).client_passes(&leave);
        world.broker_passes(&suback(v, 1, &[0, 1])).broker_passes(&suback(v, 1, &[0, 1]));
        world.broker_passes(&ack_like_unsuback(v, 2)).broker_passes(&ack_like_unsuback(v, 2));
        assert!(world.connection.is_quiet());
        world.broker(&suback(v, 1, &[0, 1])).ended("unknown_identifier", "broker", &[]);
    }
    let v = Version::V311;
    let ask = subscribe(v, 1, &["a", "deny", "b"]);
    let mut world = World::connected(v);
    world.client(&ask).client(&ask);
    assert_eq!(world.broker_got(), [subscribe(v, 1, &["a", "b"]), subscribe(v, 1, &["a", "b"])].concat());
    for _ in 0..2 {
        world.broker(&suback(v, 1, &[0, 1]));
        assert_eq!(world.client_got(), suback(v, 1, &[0, 0x80, 1]));
    }
}

#[test]
fn a_session_from_before_may_begin_with_pubrel() {
    for v in VERSIONS {
        let mut world = World::resumed(v);
        world.client_passes(&ack(v, PubRel, 9)).broker_passes(&ack(v, PubRel, 8));
        assert!(!world.connection.is_quiet());
        world.broker_passes(&ack(v, PubComp, 9)).client_passes(&ack(v, PubComp, 8));
        assert!(world.connection.is_quiet());
        world.client_passes(&dup(publish(v, "a", QoS::One, 1, b"")));
        world.broker(&ack(v, PubComp, 9)).ended("unknown_identifier", "broker", &told(v, 0x80));
    }
    for v in [Version::V311, Version::V50] {
        let label = "unknown_identifier";
        World::connected(v).broker(&ack(v, PubRel, 9)).ended(label, "broker", &told(v, 0x80));
    }
}

/// MQTT.js sends one after every clean start until it is answered, esp-mqtt one that its PUBCOMP has crossed.
#[test]
fn a_clients_pubrel_that_matches_nothing_is_the_brokers_to_answer() {
    for v in VERSIONS {
        let mut world = World::connected(v);
        world.client_passes(&ack(v, PubRel, 9)).broker_passes(&ack(v, PubComp, 9));
        world.client_passes(&publish(v, "a", QoS::Two, 9, b"")).broker_passes(&ack(v, PubRec, 9));
        world.client_passes(&ack(v, PubRel, 9)).broker_passes(&ack(v, PubComp, 9)).client_passes(&ack(v, PubRel, 9));
        assert!(!world.connection.is_quiet());
        world.broker_passes(&ack(v, PubComp, 9));
        assert!(world.connection.is_quiet());
        world.broker(&ack(v, PubComp, 9)).ended("unknown_identifier", "broker", &told(v, 0x80));
    }
}

#[test]
fn in_5_0_identifier_not_found_passes() {
    let v = Version::V50;
    let not_found = ReasonCode::PacketIdentifierNotFound;
    let mut world = World::resumed(v);
    world.client_passes(&ack(v, PubRel, 9)).broker_passes(&ack_with(v, PubComp, 9, not_found));
    world.client_passes(&publish(v, "a", QoS::Two, 1, b"")).broker_passes(&ack(v, PubRec, 1));
    world.client_passes(&ack_with(v, PubRel, 1, not_found)).broker_passes(&ack_with(v, PubComp, 1, not_found));
    assert!(world.connection.is_quiet());
}

#[test]
fn a_client_that_fills_its_window_waits_for_the_acknowledgements_under_way() {
    let v = Version::V50;
    let one = |id| publish(v, "a", QoS::One, id, b"");
    let mut world = World::connected_with(v, Terms { receive_maximum: 2, ..terms() }, &[], &[]);
    world.client_passes(&one(1)).client_passes(&one(2));
    for round in 0..3 {
        let burst: Vec<u8> = [one(3), one(4)].concat();
        world.client(&burst);
        assert!(world.is_held(Direction::FromClient), "{round}");
        assert!(world.broker_got().is_empty());
        world.later(SECOND / 2).tick().broker(&ack(v, PubAck, 1));
        assert_eq!(world.broker_got(), one(3), "room for one");
        world.later(SECOND / 2).tick().broker(&ack(v, PubAck, 2));
        assert_eq!((world.broker_got(), &world.end), (one(4), &None), "the wait began anew");
        assert!(!world.is_held(Direction::FromClient));
        world.later(2 * SECOND).tick().broker(&[ack(v, PubAck, 3), ack(v, PubAck, 4)].concat());
        assert_eq!(world.end, None);
        world.client_got();
        world.client_passes(&one(1)).client_passes(&one(2));
    }
}

#[test]
fn in_5_0_a_pubrec_that_fails_ends_the_exchange() {
    let v = Version::V50;
    let failed = ack_with(v, PubRec, 1, ReasonCode::QuotaExceeded);
    let mut world = World::connected(v);
    let two = publish(v, "a", QoS::Two, 1, b"");
    world.client_passes(&two).broker_passes(&failed).client_passes(&two).broker_passes(&failed);
    world.broker_passes(&two).client_passes(&failed).broker_passes(&two).client_passes(&failed);
    assert!(world.connection.is_quiet());
    world.broker(&ack(v, PubRel, 1)).ended("unknown_identifier", "broker", &disconnect(0x80));
}

/// esp-mqtt repeats after a second; the broker has forgotten the first by then, and refuses the repeat as well.
#[test]
fn in_5_0_a_pubrec_that_fails_comes_once_for_every_repeat() {
    let v = Version::V50;
    let failed = ack_with(v, PubRec, 1, ReasonCode::QuotaExceeded);
    let two = publish(v, "a", QoS::Two, 1, b"");
    let mut world = World::connected(v);
    world.client_passes(&two).client_passes(&dup(two.clone())).broker_passes(&failed).broker_passes(&failed);
    world.broker_passes(&two).broker_passes(&dup(two.clone())).client_passes(&failed).client_passes(&failed);
    assert!(world.connection.is_quiet());
    world.client(&failed).ended("unknown_identifier", "client", &disconnect(0x82));
}

#[test]
fn receive_maximum_is_kept_by_clients_and_a_brokers_excess_is_left_to_its_client() {
    let v = Version::V50;
    let window = |packets: u16| [Property::ReceiveMaximum(packets.try_into().expect("not zero"))];
    let one = |id| publish(v, "a", QoS::One, id, b"");
    let two = |id| publish(v, "a", QoS::Two, id, b"");
    let terms = || Terms { receive_maximum: 3, ..terms() };
    let world = || World::connected_with(v, terms(), &window(2), &window(2));

    let mut full = world();
    full.client_passes(&one(1)).client_passes(&two(2)).client_passes(&subscribe(v, 7, &["a"]));
    full.client_passes(&publish(v, "a", QoS::Zero, 0, b""));
    full.client(&one(3)).later(SECOND).tick().ended("receive_maximum", "client", &disconnect(0x93));
    let mut full = world();
    for id in 1..=200 {
        full.broker_passes(&one(id));
    }
    for id in (1..=200).rev() {
        full.client_passes(&ack(v, PubAck, id));
    }

    let mut moving = world();
    for _ in 0..3 {
        moving.client_passes(&one(1)).client_passes(&two(2)).broker_passes(&ack(v, PubAck, 1));
        moving.client_passes(&one(3)).broker_passes(&ack(v, PubRec, 2)).client_passes(&ack(v, PubRel, 2));
        moving.broker_passes(&ack(v, PubComp, 2)).broker_passes(&ack(v, PubAck, 3));
    }
    // Refusals take nothing from it.
    for id in 10..20 {
        for qos in [QoS::One, QoS::Two] {
            moving.client(&publish(v, "deny/a", qos, id, b"")).broker(&publish(v, "deny/a", qos, id, b""));
        }
    }
    moving.broker_got();
    moving.client_got();
    moving.events();
    moving.client_passes(&one(1)).client_passes(&two(2)).broker_passes(&one(1)).broker_passes(&two(2));

    let mut own = World::connected_with(v, terms(), &[], &[]);
    own.client_passes(&one(1)).client_passes(&one(2)).client_passes(&one(3));
    own.client(&one(4)).later(SECOND).tick().ended("receive_maximum", "client", &disconnect(0x93));
}

#[test]
fn before_5_0_there_is_no_receive_maximum() {
    let v = Version::V311;
    let mut world = World::connected_with(v, Terms { receive_maximum: 1, ..terms() }, &[], &[]);
    for id in 1..=3000 {
        world.client_passes(&publish(v, "a", QoS::One, id, b""));
    }
    for id in 1..=3000 {
        world.broker_passes(&ack(v, PubAck, id));
    }
    assert!(world.connection.is_quiet());
}
