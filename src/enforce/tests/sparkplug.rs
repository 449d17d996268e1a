//! An edge node of Sparkplug B from CONNECT to death, under a rule about its order.

use std::sync::Arc;

use super::super::Terms;
use super::world::{VERSIONS, World, admit, connack, connect, connect_bytes, publish};
use crate::mqtt::Limits;
use crate::mqtt::Version;
use crate::mqtt::connect::{Connect, Will};
use crate::mqtt::frame::QoS;
use crate::mqtt::property::Properties;
use crate::policy::{Draft, MessageRule, Metrics, PayloadFormat, PayloadRule, Policy, Sparkplug};

/// One metric: `bdSeq`, a UInt64 of 7.
const BD_SEQ: &[u8] = b"\x12\x0b\x0a\x05bdSeq\x20\x08\x58\x07";
/// One metric: `Load`, with alias 1, an Int8 of 0.
const LOAD: &[u8] = b"\x12\x0c\x0a\x04Load\x10\x01\x20\x01\x50\x00";
const NBIRTH: &str = "spBv1.0/g/NBIRTH/e";
const NDATA: &str = "spBv1.0/g/NDATA/e";
const NDEATH: &str = "spBv1.0/g/NDEATH/e";

fn terms(max_bytes: usize) -> Terms {
    let filters = || vec!["spBv1.0/#".to_owned()];
    let rule = PayloadRule {
        rule: MessageRule { publish: filters(), receive: filters(), ..MessageRule::new("order") },
        format: Some(PayloadFormat::Sparkplug(Sparkplug { sequence: true, metrics: Metrics::Declared })),
        max_bytes,
        ..PayloadRule::new("order")
    };
    let draft = Draft { permit_all: true, payloads: vec![rule], ..Draft::new("7") };
    Terms::new(Limits::default(), Arc::new(Policy::new(draft).unwrap()))
}

fn opening(version: Version, payload: &[u8]) -> Vec<u8> {
    let will = Will {
        topic: NDEATH,
        payload,
        qos: QoS::One,
        retain: false,
        response_topic: None,
        payload_is_utf8: false,
        properties: Properties::NONE,
    };
    connect_bytes(&Connect { will: Some(will), ..connect(version) }, &[])
}

fn birth(seq: u8) -> Vec<u8> {
    [BD_SEQ, LOAD, &[0x18, seq | 0x80, seq >> 7]].concat()
}

/// The metric of alias 1.
fn data(seq: u8, value: u8) -> Vec<u8> {
    vec![0x12, 4, 0x10, 1, 0x50, value, 0x18, seq]
}

fn is_refused(world: &mut World, publish: &[u8]) {
    world.client_gets(publish, b"");
    let events = world.events();
    assert!(matches!(&events[..], [event] if event.ends_with(" spBv1.0/g/NDATA/e order")), "{events:?}");
}

#[test]
fn an_edge_node_is_held_to_its_will_its_birth_and_its_order() {
    for version in VERSIONS {
        let mut world = World::opened(&opening(version, BD_SEQ), terms(1000));
        world.broker(&connack(version, &[]));
        let _ = (world.client_got(), world.broker_got(), world.events());
        let say = |topic, payload: &[u8]| publish(version, topic, QoS::Zero, 0, payload);
        is_refused(&mut world, &say(NDATA, &data(0, 1)));
        world.client_passes(&say(NBIRTH, &birth(0)));
        world.client_passes(&say(NDATA, &data(1, 1)));
        is_refused(&mut world, &say(NDATA, &data(3, 1)));
        world.client_passes(&say(NDATA, &data(4, 1)));
        // Too large for an Int8 in the bits that it may have; its number counts.
        is_refused(&mut world, &say(NDATA, b"\x12\x05\x10\x01\x50\x80\x02\x18\x05"));
        world.client_passes(&say(NDATA, &data(6, 1)));
        // Several in one read.
        let many: Vec<u8> = (7..20).flat_map(|seq| say(NDATA, &data(seq, 1))).collect();
        world.client_passes(&many);
        // What is known outlives a reload, and so does the Will.
        world.adopt(terms(2000), None);
        world.client_passes(&say(NDATA, &data(20, 1)));
        // A command by the alias that it declared; one that it did not.
        world.broker_passes(&say("spBv1.0/g/NCMD/e", b"\x12\x04\x10\x01\x50\x05"));
        world.broker_gets(&say("spBv1.0/g/NCMD/e", b"\x12\x04\x10\x02\x50\x05"), b"");
        assert_eq!(world.events(), ["payload spBv1.0/g/NCMD/e order"]);
        world.client_passes(&say(NDEATH, BD_SEQ));
        is_refused(&mut world, &say(NDATA, &data(21, 1)));
        assert_eq!(world.end, None);
    }
}

#[test]
fn a_will_that_is_no_death_ends_what_has_not_begun() {
    for payload in [&b""[..], b"\xff", LOAD] {
        let refusal =
            admit(std::time::Instant::now(), &opening(Version::V50, payload), terms(1000)).expect_err("refused");
        assert_eq!(refusal.end.cause.label(), "payload");
        assert_eq!(refusal.reply[3], 0x99);
    }
}

#[test]
fn what_is_refused_by_its_head_leaves_a_gap_that_refuses_one_more() {
    let mut world = World::opened(&opening(Version::V311, BD_SEQ), terms(40));
    world.broker(&connack(Version::V311, &[]));
    let _ = (world.client_got(), world.broker_got(), world.events());
    let say = |topic, payload: &[u8]| publish(Version::V311, topic, QoS::Zero, 0, payload);
    world.client_passes(&say(NBIRTH, &birth(255)));
    is_refused(&mut world, &say(NDATA, &[data(0, 1), vec![0x2a, 40], vec![0; 40]].concat()));
    is_refused(&mut world, &say(NDATA, &data(1, 1)));
    world.client_passes(&say(NDATA, &data(2, 1)));
}
