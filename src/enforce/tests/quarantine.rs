//! Messages that a rule quarantines: what is published where, and when nothing is.

use super::super::Terms;
use super::world::{VERSIONS, World, ack, ack_with, dup, policy, publish, publish_with, terms};
use crate::mqtt::frame::PacketType::{PubAck, PubComp, PubRec, PubRel};
use crate::mqtt::frame::QoS;
use crate::mqtt::packet::{Packet, Publish};
use crate::mqtt::property::Property;
use crate::mqtt::reason::ReasonCode;
use crate::mqtt::{Context, Direction, Limits, Version};
use crate::policy::{Draft, Grant, OnDeny};

const SILENT: [Property<'static>; 1] = [Property::RequestProblemInformation(false)];

fn world_with(version: Version, terms: Terms) -> World {
    World::connected_with(version, terms, &SILENT, &[])
}

fn world(version: Version) -> World {
    world_with(version, terms())
}

/// The one PUBLISH that `bytes` begin with, and what follows it.
fn message(version: Version, bytes: &[u8]) -> (Publish<'_>, &[u8]) {
    let limits: &'static Limits = Box::leak(Box::default());
    let context = Context { version, direction: Direction::FromClient, limits };
    let frame = context.frame(bytes).unwrap().expect("a whole packet");
    let Packet::Publish(publish) = context.packet(frame).unwrap() else { panic!("{bytes:02x?}") };
    (publish, &bytes[frame.bytes.len()..])
}

fn refused_code(v: Version) -> ReasonCode {
    if v == Version::V50 { ReasonCode::NotAuthorized } else { ReasonCode::Success }
}

#[test]
fn it_is_published_to_a_topic_that_says_why_and_by_which_rule() {
    for v in VERSIONS {
        for (id, qos) in [(0, QoS::Zero), (1, QoS::One), (2, QoS::Two)] {
            let mut world = world(v);
            world.client(&publish(v, "hold-payload/a", qos, id, b"what was said"));
            let sent = world.broker_got();
            let (message, rest) = message(v, &sent);
            assert_eq!(message.topic, "quarantine/payload/by-topic/hold-payload/a");
            assert_eq!((message.qos, message.retain, message.dup), (QoS::Zero, false, false));
            assert_eq!((message.payload, rest), (&b"what was said"[..], &[][..]));
            assert_eq!(world.kinds(), ["published"]);
        }
    }
}

#[test]
fn a_delivery_goes_back_to_the_broker() {
    for v in VERSIONS {
        let mut world = world(v);
        world.broker(&publish(v, "hold/a", QoS::Two, 7, b"secret"));
        assert!(world.client_got().is_empty());
        let sent = world.broker_got();
        let (message, rest) = message(v, &sent);
        assert_eq!((message.topic, message.payload), ("quarantine/not_authorized/by-topic/hold/a", &b"secret"[..]));
        assert_eq!(rest, ack(v, PubRec, 7));
        world.broker_gets(&ack(v, PubRel, 7), &ack(v, PubComp, 7));
    }
}

#[test]
fn in_5_0_its_properties_say_more_and_the_messages_own_are_kept_as_far_as_they_may_be() {
    let v = Version::V50;
    let both = [Property::TopicAliasMaximum(5)];
    let mut world = World::connected_with(v, terms(), &both, &both);
    let one = 1.try_into().expect("not zero");
    let sent = [
        Property::UserProperty("tidegate-identity", "admin"),
        Property::UserProperty("line", "1"),
        Property::PayloadFormatIndicator(true),
        Property::MessageExpiryInterval(60),
        Property::ContentType("text"),
        Property::ResponseTopic("answers"),
        Property::CorrelationData(b"42"),
        Property::TopicAlias(one),
    ];
    world.connection.identify("temp-07");
    world.client(&publish_with(v, "hold/a", QoS::Zero, 0, "ä".as_bytes(), &sent));
    let bytes = world.broker_got();
    let expected = [
        Property::UserProperty("tidegate-reason", "not_authorized"),
        Property::UserProperty("tidegate-rule", "by-topic"),
        Property::UserProperty("tidegate-policy-version", "7"),
        Property::UserProperty("tidegate-identity", "temp-07"),
        Property::UserProperty("tidegate-response-topic", "answers"),
        Property::UserProperty("line", "1"),
        Property::PayloadFormatIndicator(true),
        Property::MessageExpiryInterval(60),
        Property::ContentType("text"),
        Property::CorrelationData(b"42"),
    ];
    assert_eq!(message(v, &bytes).0.properties.all.iter().collect::<Vec<_>>(), expected);
    // What is no text is not called so; nor is a Subscription Identifier the broker's to hear of.
    let sent =
        [Property::PayloadFormatIndicator(true), Property::SubscriptionIdentifier(9.try_into().expect("not zero"))];
    world.broker(&publish_with(v, "hold/a", QoS::Zero, 0, b"\xFF", &sent));
    let bytes = world.broker_got();
    let own = message(v, &bytes).0.properties.all;
    assert!(own.iter().all(|property| matches!(property, Property::UserProperty(..))), "{own:?}");
    // By its alias, the topic is what it stands for.
    world.client(&publish_with(v, "", QoS::Zero, 0, b"again", &[Property::TopicAlias(one)]));
    assert!(message(v, &world.broker_got()).0.topic.ends_with("/hold/a"));
}

#[test]
fn there_are_no_more_user_properties_than_may_be() {
    let v = Version::V50;
    let limits = Limits { max_user_properties: 6, ..Limits::default() };
    let mut world = world_with(v, Terms { limits: limits.into(), ..terms() });
    let own = [Property::UserProperty("a", "b"); 6];
    world.client(&publish_with(v, "hold/a", QoS::Zero, 0, b"x", &own));
    let bytes = world.broker_got();
    let users = message(v, &bytes).0.properties.all.iter().filter(|p| matches!(p, Property::UserProperty(..)));
    assert_eq!(users.count(), 3 + 1, "without an identity and a Response Topic");
}

#[test]
fn what_lies_under_the_quarantine_topic_is_not_quarantined_again() {
    let draft = || Draft { permit_all: true, quarantine_topic: "hold/bay".to_owned(), ..Draft::new("7") };
    for v in VERSIONS {
        let mut world = world_with(v, Terms { policy: policy(draft()), ..terms() });
        world.client_gets(&publish(v, "hold/bay/x", QoS::Zero, 0, b"x"), &[]);
        world.broker_gets(&publish(v, "hold/bay", QoS::One, 1, b"x"), &ack_with(v, PubAck, 1, refused_code(v)));
        assert_eq!(world.kinds(), ["again", "again"]);
        world.client(&publish(v, "hold/bays", QoS::Zero, 0, b"x"));
        assert_eq!(world.kinds(), ["published"]);
    }
}

/// Clients of two policies at one broker, or at two with a bridge between, that may receive nothing and hear everything.
#[test]
fn two_policies_do_not_hold_up_what_the_other_holds_up_for_ever() {
    let v = Version::V311;
    let with = |quarantine_topic: &str| {
        let draft =
            Draft { on_deny: OnDeny::Quarantine, quarantine_topic: quarantine_topic.to_owned(), ..Draft::new("7") };
        let grant = Grant { publish: vec!["free".to_owned()], ..Grant::new("free", &["everyone"]) };
        world_with(v, Terms { policy: policy(Draft { grants: vec![grant], ..draft }), ..terms() })
    };
    for bridge in ["", "site/"] {
        let mut worlds = [with("held"), with("put/aside")];
        let mut topic = "secret".to_owned();
        let mut hops = 0;
        loop {
            let world = &mut worlds[hops % 2];
            world.broker(&publish(v, &topic, QoS::Zero, 0, b"x"));
            let sent = world.broker_got();
            if sent.is_empty() {
                assert_eq!(world.kinds().last(), Some(&"again"));
                break;
            }
            topic = format!("{bridge}{}", message(v, &sent).0.topic);
            hops += 1;
            assert!(hops <= 2, "{topic}");
        }
        assert_eq!(hops, 2);
    }
}

#[test]
fn a_repeat_is_not_quarantined_again() {
    for v in [Version::V31, Version::V311] {
        let two = publish(v, "hold/a", QoS::Two, 1, b"x");
        let mut world = world(v);
        world.client(&two);
        assert!(!world.broker_got().is_empty());
        world.client_got();
        world.client_gets(&dup(two), &ack(v, PubRec, 1));
        assert_eq!(world.kinds(), ["published", "repeat"]);
    }
    // Nor is one of what was forwarded.
    let v = Version::V311;
    let mut world = world(v);
    world.client_passes(&publish(v, "a", QoS::One, 1, b"x"));
    world.client_gets(&dup(publish(v, "hold/a", QoS::One, 1, b"x")), &[]);
    assert_eq!(world.kinds(), ["repeat"]);
}

#[test]
fn a_large_one_is_kept_whole_as_far_as_may_be_buffered() {
    let small = || Terms { stream_threshold_bytes: 100, max_buffered_bytes: 400, ..terms() };
    for v in VERSIONS {
        for from in [Direction::FromClient, Direction::FromBroker] {
            let mut world = world_with(v, small());
            let large = publish(v, "hold/a", QoS::One, 1, &[b'x'; 300]);
            for piece in large.chunks(37) {
                assert!(world.broker_got().is_empty());
                world.sends(from, piece);
            }
            let sent = world.broker_got();
            assert_eq!(message(v, &sent).0.payload, [b'x'; 300]);
            assert_eq!(world.kinds(), ["published"]);
            world.client_got();

            let larger = publish(v, "hold/a", QoS::One, 1, &[b'x'; 500]);
            let answer = ack_with(v, PubAck, 1, refused_code(v));
            world.sends(from, &larger[..200]).sends(from, &larger[200..]);
            assert_eq!([world.client_got(), world.broker_got()].concat(), answer);
            assert_eq!(world.events(), ["not_authorized hold/a by-topic"], "the rule that refused it");
        }
    }
}

#[test]
fn it_is_no_larger_than_the_broker_takes() {
    let v = Version::V50;
    let size = [Property::MaximumPacketSize(200.try_into().expect("not zero"))];
    let mut world = World::connected_with(v, terms(), &SILENT, &size);
    world.client_gets(&publish(v, "hold/a", QoS::Zero, 0, &[b'x'; 150]), &[]);
    assert_eq!(world.kinds(), ["too_large"]);
    world.client(&publish(v, "hold/a", QoS::Zero, 0, b"x"));
    assert!(world.broker_got().len() < 200);
    assert_eq!(world.kinds(), ["published"]);
    // What comes from the broker is held to the same.
    world.broker_gets(&publish(v, "hold/a", QoS::Zero, 0, &[b'x'; 500]), &[]);
    assert_eq!(world.kinds(), ["too_large"]);
    let limits = Limits { max_packet_bytes: 200, ..Limits::default() };
    let mut world = world_with(Version::V311, Terms { limits: limits.into(), ..terms() });
    world.client_gets(&publish(Version::V311, "hold/a", QoS::Zero, 0, &[b'x'; 170]), &[]);
    assert_eq!(world.kinds(), ["too_large"]);
}

#[test]
fn its_topic_is_within_the_limits() {
    for v in VERSIONS {
        for limits in
            [Limits { max_topic_bytes: 30, ..Limits::default() }, Limits { max_topic_levels: 4, ..Limits::default() }]
        {
            let mut world = world_with(v, Terms { limits: limits.into(), ..terms() });
            world.client_gets(&publish(v, "hold/a", QoS::Zero, 0, b"x"), &[]);
            assert_eq!(world.kinds(), ["topic"]);
        }
    }
}

/// The broker is in the middle of a packet of the client's: what the client may not have waits.
#[test]
fn it_is_not_put_into_a_packet_that_is_under_way() {
    let v = Version::V311;
    let mut world = world_with(v, Terms { stream_threshold_bytes: 100, ..terms() });
    let large = publish(v, "a", QoS::Zero, 0, &[b'x'; 500]);
    world.client(&large[..200]);
    assert_eq!(world.broker_got(), large[..200]);
    world.broker_gets(&publish(v, "hold/a", QoS::One, 1, b"secret"), &[]);
    world.client(&large[200..]);
    let sent = world.broker_got();
    let (message, rest) = message(v, &sent[300 + large.len() - 500..]);
    assert_eq!((message.payload, rest), (&b"secret"[..], &ack(v, PubAck, 1)[..]));
}

#[test]
fn it_comes_in_its_place_among_what_is_permitted() {
    let v = Version::V311;
    let zero = |topic: &str| publish(v, topic, QoS::Zero, 0, b"x");
    let mut world = world(v);
    world.client(&[zero("a"), zero("hold/b"), zero("c")].concat());
    let held = publish(v, "quarantine/not_authorized/by-topic/hold/b", QoS::Zero, 0, b"x");
    assert_eq!(world.broker_got(), [zero("a"), held, zero("c")].concat());
}
