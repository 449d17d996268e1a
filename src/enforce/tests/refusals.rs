//! The table of behaviour for refused PUBLISH packets, row by row, either way.

use super::super::Terms;
use super::world::{VERSIONS, World, ack, ack_with, disconnect, dup, id, packet, publish, publish_with, terms};
use crate::mqtt::frame::PacketType::{self, PubAck, PubComp, PubRec, PubRel};
use crate::mqtt::frame::QoS;
use crate::mqtt::property::Property;
use crate::mqtt::reason::ReasonCode;
use crate::mqtt::{Limits, Version};

const REASONS: [(&str, ReasonCode); 6] = [
    ("not_authorized", ReasonCode::NotAuthorized),
    ("payload", ReasonCode::PayloadFormatInvalid),
    ("quota", ReasonCode::QuotaExceeded),
    ("topic", ReasonCode::TopicNameInvalid),
    ("qos", ReasonCode::NotAuthorized),
    ("banned", ReasonCode::NotAuthorized),
];

/// An acknowledgement with the rule's id, as a client is sent it.
fn refusal(packet_type: PacketType, id: u8, code: ReasonCode) -> Vec<u8> {
    let mut body = vec![0, id, code.value(), 37, 0x1F, 0, 34];
    body.extend(b"refused by rule by-topic, policy 7");
    packet((packet_type as u8) << 4, &body)
}

fn client_answer(v: Version, packet_type: PacketType, id: u8, code: ReasonCode) -> Vec<u8> {
    if v == Version::V50 { refusal(packet_type, id, code) } else { ack(v, packet_type, id.into()) }
}

#[test]
fn a_refused_publish_of_a_client_is_answered_by_the_gateway() {
    for v in VERSIONS {
        for (label, code) in REASONS {
            let topic = format!("deny-{label}/a");
            let mut world = World::connected(v);
            world.client_gets(&publish(v, &topic, QoS::Zero, 0, b"x"), &[]);
            world.client_gets(&publish(v, &topic, QoS::One, 1, b"x"), &client_answer(v, PubAck, 1, code));
            world.client_gets(&publish(v, &topic, QoS::Two, 2, b"x"), &client_answer(v, PubRec, 2, code));
            assert_eq!(world.events(), vec![format!("{label} {topic} by-topic"); 3]);
            if v != Version::V50 {
                world.client_gets(&ack(v, PubRel, 2), &ack(v, PubComp, 2));
            }
            assert!(world.connection.is_quiet());
            // Both identifiers are free at once, and what is permitted passes.
            world.client_passes(&publish(v, "a", QoS::Two, 1, b"")).client_passes(&publish(v, "a", QoS::One, 2, b""));
        }
    }
}

#[test]
fn a_refused_delivery_is_acknowledged_in_the_clients_place() {
    for v in VERSIONS {
        for (label, code) in REASONS {
            let topic = format!("deny-{label}/a");
            let code = if v == Version::V50 { code } else { ReasonCode::Success };
            let mut world = World::connected(v);
            world.broker_gets(&publish(v, &topic, QoS::Zero, 0, b"x"), &[]);
            world.broker_gets(&publish(v, &topic, QoS::One, 1, b"x"), &ack_with(v, PubAck, 1, code));
            world.broker_gets(&publish(v, &topic, QoS::Two, 2, b"x"), &ack(v, PubRec, 2));
            assert_eq!(world.events(), vec![format!("{label} {topic} by-topic"); 3]);
            world.broker_gets(&ack(v, PubRel, 2), &ack(v, PubComp, 2));
            assert!(world.connection.is_quiet());
            world.broker_passes(&publish(v, "a", QoS::Two, 1, b"")).broker_passes(&publish(v, "a", QoS::One, 2, b""));
        }
    }
}

#[test]
fn before_5_0_a_repeat_of_a_refused_publish_is_answered_again() {
    for v in [Version::V31, Version::V311] {
        let two = publish(v, "deny/a", QoS::Two, 1, b"x");
        let mut world = World::connected(v);
        for _ in 0..2 {
            world.client_gets(&two, &ack(v, PubRec, 1)).client_gets(&dup(two.clone()), &ack(v, PubRec, 1));
            world.client_gets(&ack(v, PubRel, 1), &ack(v, PubComp, 1));
            world.broker_gets(&two, &ack(v, PubRec, 1)).broker_gets(&dup(two.clone()), &ack(v, PubRec, 1));
            world.broker_gets(&ack(v, PubRel, 1), &ack(v, PubComp, 1));
        }
        // A message is what it was when it was first sent: the repeat of a refused one stays refused.
        let permitted = publish(v, "a", QoS::Two, 1, b"x");
        world.client_gets(&two, &ack(v, PubRec, 1)).client_gets(&dup(permitted.clone()), &ack(v, PubRec, 1));
        world.client(&permitted).ended("identifier_in_use", "client", &[]);
    }
}

#[test]
fn a_refused_repeat_of_what_was_forwarded_is_left_to_the_receiver() {
    let v = Version::V311;
    let mut world = World::connected(v);
    world
        .client_passes(&publish(v, "a", QoS::One, 1, b""))
        .client_gets(&dup(publish(v, "deny", QoS::One, 1, b"")), &[]);
    assert_eq!(world.events(), ["not_authorized deny by-topic"]);
    world.broker_passes(&ack(v, PubAck, 1));
    world.broker(&ack(v, PubAck, 1)).ended("unknown_identifier", "broker", &[]);
}

#[test]
fn reason_strings_are_left_out_where_they_are_not_wanted_or_do_not_fit() {
    let v = Version::V50;
    let one = publish(v, "deny/a", QoS::One, 1, b"");
    let short = ack_with(v, PubAck, 1, ReasonCode::NotAuthorized);
    let silent = [Property::RequestProblemInformation(false)];
    World::connected_with(v, terms(), &silent, &[]).client_gets(&one, &short);
    let small = [Property::MaximumPacketSize(30.try_into().expect("not zero"))];
    World::connected_with(v, terms(), &small, &[]).client_gets(&one, &short);
}

#[test]
fn a_payload_that_contradicts_its_format_is_refused() {
    let v = Version::V50;
    let utf8 = [Property::PayloadFormatIndicator(true)];
    let bad = |qos, id| publish_with(v, "a", qos, id, b"\xFF", &utf8);
    let mut world = World::connected(v);
    world.client_passes(&publish_with(v, "a", QoS::One, 9, "ä".as_bytes(), &utf8));
    let words = b"refused by rule payload_format_indicator, policy 7";
    let mut body = vec![0, 1, 0x99, 53, 0x1F, 0, 50];
    body.extend(words);
    world.client_gets(&bad(QoS::Zero, 0), &[]).client_gets(&bad(QoS::One, 1), &packet(0x40, &body));
    world.broker_gets(&bad(QoS::One, 1), &ack_with(v, PubAck, 1, ReasonCode::PayloadFormatInvalid));
    world.broker_gets(&bad(QoS::Two, 1), &ack(v, PubRec, 1));
    assert_eq!(world.events(), vec!["payload_format a payload_format_indicator"; 4]);
}

#[test]
fn permitted_packets_around_a_refused_one_go_on_in_order() {
    let v = Version::V311;
    let zero = |topic: &str| publish(v, topic, QoS::Zero, 0, b"x");
    let mut world = World::connected(v);
    world.client(&[zero("a"), zero("deny/b"), zero("c"), publish(v, "deny", QoS::One, 1, b""), zero("d")].concat());
    assert_eq!(world.broker_got(), [zero("a"), zero("c"), zero("d")].concat());
    assert_eq!(world.client_got(), ack(v, PubAck, 1));
}

#[test]
fn malformed_packets_end_it_and_nothing_behind_is_looked_at() {
    for v in VERSIONS {
        let good = publish(v, "a", QoS::Zero, 0, b"x");
        let bad = publish(v, "a/+", QoS::Zero, 0, b"x");
        let mut world = World::connected(v);
        world.client(&[good.clone(), bad.clone(), good.clone()].concat());
        assert_eq!(world.broker_got(), good);
        world.ended("topic_name_wildcard", "client", &told(v, 0x81));
        let mut world = World::connected(v);
        world.broker(&[good.clone(), bad, good.clone()].concat());
        assert!(world.broker_got().is_empty());
        world.ended("topic_name_wildcard", "broker", &[good, told(v, 0x80)].concat());
    }
}

fn told(v: Version, code: u8) -> Vec<u8> {
    if v == Version::V50 { disconnect(code) } else { Vec::new() }
}

#[test]
fn packets_over_the_limits_are_refused_from_their_first_bytes() {
    let limits = || Limits { max_packet_bytes: 200, max_control_bytes: 100, ..Limits::default() };
    for v in VERSIONS {
        let world = || World::connected_with(v, Terms { limits: limits().into(), ..terms() }, &[], &[]);
        world().client(&[0x30, 0xC7, 0x01]).ended("packet_too_large", "client", &told(v, 0x95));
        world().client(&[0x82, 0x64]).ended("packet_too_large", "client", &told(v, 0x95));
        world().broker(&[0x90, 0x64]).ended("packet_too_large", "broker", &told(v, 0x80));
    }
}

#[test]
fn a_peers_maximum_packet_size_is_kept() {
    let v = Version::V50;
    let small = [Property::MaximumPacketSize(40.try_into().expect("not zero"))];
    let (fits, more) = (publish(v, "a", QoS::Zero, 0, &[b'x'; 34]), publish(v, "a", QoS::Zero, 0, &[b'x'; 35]));
    let world = || World::connected_with(v, terms(), &small, &small);
    world().client_passes(&fits).client(&more).ended("maximum_packet_size", "client", &disconnect(0x95));
    world().broker_passes(&fits).broker(&more[..2]).ended("maximum_packet_size", "broker", &disconnect(0x80));
}

/// Whoever published it broke no rule of the broker's; a retained one would cut its subscribers off for ever.
#[test]
fn a_delivery_beyond_the_gateways_limits_is_refused_and_a_publication_ends_it() {
    let limits = || Limits { max_topic_bytes: 20, max_topic_levels: 4, max_user_properties: 1, ..Limits::default() };
    let (long, user) = ("long".repeat(8), [Property::UserProperty("a", "b"); 2]);
    for v in VERSIONS {
        let topics =
            [("a\r", "refuse_control_characters"), ("a/b/c/d/e", "max_topic_levels"), (&long, "max_topic_bytes")];
        for stream_threshold_bytes in [10, 1000] {
            let world = || {
                World::connected_with(v, Terms { limits: limits().into(), stream_threshold_bytes, ..terms() }, &[], &[])
            };
            for (topic, rule) in topics {
                let code = if v == Version::V50 { ReasonCode::TopicNameInvalid } else { ReasonCode::Success };
                let mut one = world();
                let bytes = publish(v, topic, QoS::One, 1, b"0123456789");
                let (most, rest) = bytes.split_at(bytes.len() - 3);
                one.broker_gets(most, &[]).broker_gets(rest, &ack_with(v, PubAck, 1, code));
                assert_eq!(one.events(), [format!("topic {topic} {rule}")]);
                one.broker_gets(&publish(v, topic, QoS::Two, 2, b""), &ack(v, PubRec, 2));
                one.events();
                one.broker_passes(&publish(v, "a", QoS::One, 1, b"0123456789"));
                let mut own = world();
                own.client(&bytes);
                assert!(own.end.is_some() && own.broker_got().is_empty());
            }
        }
    }
    let v = Version::V50;
    let mut world = World::connected_with(v, Terms { limits: limits().into(), ..terms() }, &[], &[]);
    let answer = ack_with(v, PubAck, 1, ReasonCode::QuotaExceeded);
    world.broker_gets(&publish_with(v, "a", QoS::One, 1, b"", &user), &answer);
    assert_eq!(world.events(), ["quota a max_user_properties"]);
    // What is malformed is so whatever the limits.
    world.broker(&publish(v, "a\r/+", QoS::Zero, 0, b"")).ended("topic_name_wildcard", "broker", &disconnect(0x80));
}

/// Whoever publishes to such a topic is not to part a broker from its clients.
#[test]
fn an_alias_of_a_name_beyond_the_limits_is_refused_each_time_and_no_fault() {
    let v = Version::V50;
    let limits = Limits { max_topic_bytes: 20, ..Limits::default() };
    let both = [Property::TopicAliasMaximum(5)];
    let mut world = World::connected_with(v, Terms { limits: limits.into(), ..terms() }, &both, &both);
    let aliased = |topic: &str| publish_with(v, topic, QoS::Zero, 0, b"", &[Property::TopicAlias(id(1))]);
    world.broker_passes(&aliased("a")).broker_gets(&aliased("a/b\n"), &[]).broker_gets(&aliased(""), &[]);
    assert_eq!(world.events(), ["topic a/b\n refuse_control_characters"; 2]);
    for part in ["long", "ä"] {
        let (long, kept) = (part.repeat(16), format!("topic {}", part.repeat(5)));
        world.broker_passes(&aliased("a")).broker_gets(&aliased(&long), &[]).broker_gets(&aliased(""), &[]);
        let events = world.events();
        assert_eq!(events.len(), 2);
        // The second time only as much as is kept.
        assert!(events.iter().all(|event| event.starts_with(&kept)), "{events:?}");
        assert!(events.iter().all(|event| event.ends_with(" max_topic_bytes")), "{events:?}");
    }
    world.broker_passes(&aliased("a")).broker_passes(&aliased(""));
}
