//! Messages that a rule quarantines: what is kept of them, and when nothing is.

use super::super::Terms;
use super::super::quarantine::Quarantined;
use super::world::{VERSIONS, World, ack, ack_with, dup, policy, publish, publish_with, terms};
use crate::mqtt::frame::PacketType::{PubAck, PubComp, PubRec, PubRel};
use crate::mqtt::frame::{PacketType, QoS};
use crate::mqtt::property::{Place, Properties, Property};
use crate::mqtt::reason::ReasonCode;
use crate::mqtt::{Direction, Limits, Version};
use crate::policy::{Draft, Grant, OnDeny, Reason};

const SILENT: [Property<'static>; 1] = [Property::RequestProblemInformation(false)];

fn world_with(version: Version, terms: Terms) -> World {
    World::connected_with(version, terms, &SILENT, &[])
}

fn world(version: Version) -> World {
    world_with(version, terms())
}

impl World {
    /// Takes the one message that is to be quarantined.
    #[track_caller]
    fn held(&mut self) -> Quarantined {
        assert_eq!(self.quarantined.len(), 1);
        self.quarantined.remove(0)
    }
}

fn refused_code(v: Version) -> ReasonCode {
    if v == Version::V50 { ReasonCode::NotAuthorized } else { ReasonCode::Success }
}

#[test]
fn it_is_kept_as_it_came_for_a_topic_that_says_why_and_by_which_rule() {
    for v in VERSIONS {
        for (id, qos) in [(0, QoS::Zero), (1, QoS::One), (2, QoS::Two)] {
            let mut world = world(v);
            let mut sent = publish(v, "hold-payload/a", qos, id, b"what was said");
            sent[0] |= 1;
            world.client(&sent);
            assert!(world.broker_got().is_empty());
            let expected = Quarantined {
                held_at: "quarantine/payload/by-topic/hold-payload/a".into(),
                direction: Direction::FromClient,
                reason: Reason::Payload,
                rule: "by-topic".into(),
                detail: None,
                policy_version: "7".into(),
                topic: "hold-payload/a".into(),
                qos,
                retain: true,
                dup: false,
                properties: [].into(),
                payload: (*b"what was said").into(),
            };
            assert_eq!(world.held(), expected);
            assert_eq!(world.kinds(), ["queued"]);
        }
    }
}

#[test]
fn a_delivery_is_kept_too_and_neither_peer_sees_more_than_its_answer() {
    for v in VERSIONS {
        let mut world = world(v);
        world.broker_gets(&publish(v, "hold/a", QoS::Two, 7, b"secret"), &ack(v, PubRec, 7));
        let held = world.held();
        assert_eq!((&*held.held_at, &*held.payload), ("quarantine/not_authorized/by-topic/hold/a", &b"secret"[..]));
        assert_eq!(held.direction, Direction::FromBroker);
        world.broker_gets(&ack(v, PubRel, 7), &ack(v, PubComp, 7));
    }
}

#[test]
fn in_5_0_the_properties_of_the_message_are_kept_and_those_of_the_connection_are_not() {
    let v = Version::V50;
    let both = [Property::TopicAliasMaximum(5)];
    let mut world = World::connected_with(v, terms(), &both, &both);
    let one = 1.try_into().expect("not zero");
    let messages = [
        Property::UserProperty("line", "1"),
        Property::UserProperty("line", "1"),
        Property::PayloadFormatIndicator(true),
        Property::MessageExpiryInterval(60),
        Property::ContentType("text"),
        Property::ResponseTopic("answers"),
        Property::CorrelationData(b"42"),
    ];
    let sent: Vec<_> = messages.into_iter().chain([Property::TopicAlias(one)]).collect();
    let read = |held: &Quarantined| {
        let (place, limits) = (Place::Packet(PacketType::Publish), Limits::default());
        let properties = Properties::new(&held.properties, place, Direction::FromClient, &limits).expect("well-formed");
        assert!(properties.iter().eq(messages));
    };
    world.client(&publish_with(v, "hold/a", QoS::Zero, 0, "ä".as_bytes(), &sent));
    read(&world.held());
    // A Subscription Identifier was between the broker and its subscriber.
    let sent: Vec<_> =
        messages.into_iter().chain([Property::SubscriptionIdentifier(9.try_into().expect("not zero"))]).collect();
    world.broker(&publish_with(v, "hold/a", QoS::Zero, 0, b"x", &sent));
    read(&world.held());
    // By its alias, the topic is what it stands for.
    world.client(&publish_with(v, "", QoS::Zero, 0, b"again", &[Property::TopicAlias(one)]));
    assert_eq!(&*world.held().topic, "hold/a");
}

#[test]
fn what_lies_under_the_quarantine_topic_is_not_quarantined_again() {
    let draft = || Draft { permit_all: true, quarantine_topic: "hold/bay".to_owned(), ..Draft::new("7") };
    for v in VERSIONS {
        let mut world = world_with(v, Terms { policy: policy(draft()), ..terms() });
        world.client_gets(&publish(v, "hold/bay/x", QoS::Zero, 0, b"x"), &[]);
        world.broker_gets(&publish(v, "hold/bay", QoS::One, 1, b"x"), &ack_with(v, PubAck, 1, refused_code(v)));
        assert_eq!(world.kinds(), ["again", "again"]);
        assert!(world.quarantined.is_empty());
        world.client(&publish(v, "hold/bays", QoS::Zero, 0, b"x"));
        assert_eq!(world.kinds(), ["queued"]);
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
            if world.quarantined.is_empty() {
                assert_eq!(world.kinds().last(), Some(&"again"));
                break;
            }
            topic = format!("{bridge}{}", world.held().held_at);
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
        world.client_gets(&two, &ack(v, PubRec, 1)).client_gets(&dup(two), &ack(v, PubRec, 1));
        assert_eq!(world.kinds(), ["queued", "repeat"]);
        world.held();
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
                assert!(world.quarantined.is_empty());
                world.sends(from, piece);
            }
            assert_eq!(*world.held().payload, [b'x'; 300]);
            assert_eq!(world.kinds(), ["queued"]);
            world.client_got();
            world.broker_got();

            let larger = publish(v, "hold/a", QoS::One, 1, &[b'x'; 500]);
            let answer = ack_with(v, PubAck, 1, refused_code(v));
            world.sends(from, &larger[..200]).sends(from, &larger[200..]);
            assert_eq!([world.client_got(), world.broker_got()].concat(), answer);
            assert_eq!((world.kinds(), world.quarantined.len()), (vec!["too_large"], 0));
        }
    }
}

#[test]
fn its_topic_is_within_the_limits() {
    for v in VERSIONS {
        for limits in
            [Limits { max_topic_bytes: 30, ..Limits::default() }, Limits { max_topic_levels: 4, ..Limits::default() }]
        {
            let mut world = world_with(v, Terms { limits: limits.into(), ..terms() });
            world.client_gets(&publish(v, "hold/a", QoS::Zero, 0, b"x"), &[]);
            assert_eq!((world.kinds(), world.quarantined.len()), (vec!["topic"], 0));
        }
    }
}

#[test]
fn what_is_permitted_around_it_goes_on_without_it() {
    let v = Version::V311;
    let zero = |topic: &str| publish(v, topic, QoS::Zero, 0, b"x");
    let mut world = world(v);
    world.client(&[zero("a"), zero("hold/b"), zero("c"), zero("hold/d")].concat());
    assert_eq!(world.broker_got(), [zero("a"), zero("c")].concat());
    let topics: Vec<_> = world.quarantined.iter().map(|held| &*held.topic).collect();
    assert_eq!(topics, ["hold/b", "hold/d"]);
}
