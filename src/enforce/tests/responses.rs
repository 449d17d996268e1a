//! Response Topics of messages and of Wills (5.0): one that the requester may not receive is refused.

use std::time::Instant;

use super::world::{World, ack_with, admit, connect, connect_bytes, publish_with, terms};
use crate::mqtt::Version;
use crate::mqtt::connect::{Connect, Will};
use crate::mqtt::frame::PacketType::{PubAck, PubRec};
use crate::mqtt::frame::QoS;
use crate::mqtt::property::{Place, Properties, Property};
use crate::mqtt::reason::ReasonCode;
use crate::mqtt::{Direction, Limits, encode};

const V: Version = Version::V50;

fn request(qos: QoS, id: u16, topic: &str, response: &str) -> Vec<u8> {
    publish_with(V, topic, qos, id, b"x", &[Property::ResponseTopic(response)])
}

fn world() -> World {
    World::connected_with(V, terms(), &[Property::RequestProblemInformation(false)], &[])
}

#[test]
fn a_message_is_judged_by_where_its_answer_is_to_go() {
    let mut world = world();
    world.client_passes(&request(QoS::One, 1, "a", "answers"));
    world.client_gets(&request(QoS::One, 2, "a", "deny/x"), &ack_with(V, PubAck, 2, ReasonCode::NotAuthorized));
    world.client_gets(&request(QoS::Two, 3, "a", "claim/x"), &ack_with(V, PubRec, 3, ReasonCode::Success));
    assert_eq!(world.events(), ["response_topic deny/x by-topic", "response_topic claim/x by-topic"]);
    world.client(&request(QoS::Zero, 0, "a", "watch/x"));
    assert_eq!(world.broker_got(), request(QoS::Zero, 0, "a", "watch/x"));
    assert_eq!(world.events(), ["response_topic watch/x by-topic"]);
    // Of two denials the message's own is told.
    world.client_gets(&request(QoS::Zero, 0, "deny/a", "deny/x"), &[]);
    assert_eq!(world.events(), ["not_authorized deny/a by-topic"]);
}

#[test]
fn the_message_and_not_its_answer_is_quarantined() {
    let mut world = world();
    world.client(&request(QoS::Zero, 0, "a", "hold/x"));
    assert!(world.broker_got().is_empty());
    assert_eq!(world.quarantined.len(), 1);
    assert_eq!(&*world.quarantined[0].held_at, "quarantine/response_topic/by-topic/a");
    assert_eq!(world.kinds(), ["queued"]);
}

#[test]
fn a_delivery_is_not_judged_by_where_its_answer_is_to_go() {
    world().broker_passes(&request(QoS::Zero, 0, "a", "deny/x"));
}

#[test]
fn a_large_message_is_judged_by_it_too() {
    let small = super::super::Terms { stream_threshold_bytes: 100, ..terms() };
    let mut world = World::connected_with(V, small, &[], &[]);
    let large = publish_with(V, "a", QoS::Zero, 0, &[b'x'; 500], &[Property::ResponseTopic("deny/x")]);
    world.client_gets(&large[..50], &[]).client_gets(&large[50..], &[]);
    let held = publish_with(V, "a", QoS::Zero, 0, &[b'x'; 500], &[Property::ResponseTopic("hold/x")]);
    world.client(&held[..50]).client(&held[50..]);
    assert_eq!(world.kinds(), ["refused", "queued"]);
}

fn will(response: &str) -> Result<(), Vec<u8>> {
    let mut block = Vec::new();
    encode::properties([Property::ResponseTopic(response)], &mut block);
    let properties = Properties::new(&block, Place::Will, Direction::FromClient, &Limits::default()).unwrap();
    let will = Will {
        topic: "a",
        payload: b"gone",
        qos: QoS::Zero,
        retain: false,
        response_topic: None,
        payload_is_utf8: false,
        properties,
    };
    let asked = Connect { will: Some(will), ..connect(V) };
    admit(Instant::now(), &connect_bytes(&asked, &[]), terms()).map(|_| ()).map_err(|refusal| {
        assert_eq!(refusal.end.cause.label(), "response_topic");
        refusal.reply
    })
}

#[test]
fn a_will_is_judged_by_it_too() {
    assert_eq!(will("answers"), Ok(()));
    assert_eq!(will("watch/x"), Ok(()));
    for response in ["deny/x", "claim/x", "cut/x", "hold/x"] {
        let reply = will(response).expect_err("refused");
        assert_eq!((reply[0], reply[3]), (0x20, 0x87), "{response}");
    }
}
