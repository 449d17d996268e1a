//! A permitted packet costs no allocation: once a connection has found its size, memory is asked for no more, however
//! many packets pass. A program of its own: the allocator counts.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test program: a panic is its way to fail")]
#![expect(clippy::indexing_slicing, reason = "a test program: a panic is its way to fail")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use tidegate::enforce::{At, Connection, Credentials, Opening, Output, Segment, Terms, open};
use tidegate::identity::Identity;
use tidegate::mqtt::connect::Connect;
use tidegate::mqtt::property::Property;
use tidegate::mqtt::reason::ReasonCode;
use tidegate::mqtt::{Direction, Limits, Version, encode};
use tidegate::payload::{Field, Format};
use tidegate::policy::{
    Bound, Change, Check, CheckedField, Deny, Draft, Grant, Interlock, Memory, Metrics, PayloadFormat, PayloadRule,
    Per, Policy, RateRule, Role, Scalar, Sparkplug, Unit,
};
use tidegate::rate::Rate;
use tidegate::store::{Bounds, Store};

/// More than is remembered here.
const BOUNDS: Bounds =
    Bounds { max_histories: 100, max_facts: 100, max_nonces: 100, max_counters: 100, max_buckets: 100 };

/// Packets of one read.
const BATCH: u16 = 50;

/// Rules with and without variables, that permit what [`round`] sends.
fn rules() -> Policy {
    let filters = |filters: &[&str]| filters.iter().map(|&filter| filter.to_owned()).collect::<Vec<_>>();
    let mut grants: Vec<Grant> = (0..1000)
        .map(|number| Grant {
            publish: vec![format!("site{number}/+/${{client_id}}/#")],
            subscribe: vec![format!("site{number}/command/${{client_id}}")],
            ..Grant::new(&format!("site-{number}"), &["everyone"])
        })
        .collect();
    let topics = filters(&["plant/+/temperature", "plant/line2/#", "a", "plant/set", "plant/${client_id}/+"]);
    grants.push(Grant { publish: topics.clone(), receive: topics, ..Grant::new("plant", &["sensor"]) });
    let deny = Deny { publish: filters(&["plant/+/recipe/#"]), receive: filters(&["$SYS/#"]), ..Deny::new("never") };
    let draft = Draft { grants, denies: vec![deny], roles: vec![Role::new("sensor")], ..Draft::new("1") };
    Policy::new(draft).unwrap()
}

fn connected(version: Version, now: Instant, policy: Policy) -> Connection {
    let memory: Arc<dyn Memory> = Arc::new(Store::new(&BOUNDS));
    let terms = Arc::new(Terms { memory: Some(memory), ..Terms::new(Limits::default(), Arc::new(policy)) });
    let identity = Identity::new("field".into(), ([192, 0, 2, 1], 1883).into(), None);
    let connect = Connect { client_id: "device", ..Connect::bare(version, true, 60) };
    let told = [Property::TopicAliasMaximum(8)];
    let (mut request, mut answer) = (Vec::new(), Vec::new());
    encode::connect(&connect, &told, &mut request);
    encode::connack(version, false, ReasonCode::Success, told, &mut answer);
    let Opening::Asking(asking) = open(&request, &terms) else { panic!("CONNECT is refused") };
    let at = At { now, unix_millis: 0, ends: None };
    let accepted = asking.admit(&terms, asking.known(identity), &Credentials::AsReceived, at).unwrap();
    let mut connection = accepted.connection;
    connection.receive(Direction::FromBroker, now, &answer, &mut Output::default()).unwrap();
    connection
}

fn other(side: Direction) -> Direction {
    if side == Direction::FromClient { Direction::FromBroker } else { Direction::FromClient }
}

/// A batch of packets, each made from its Packet Identifier.
fn batch(packet: impl Fn(u16) -> Vec<u8>) -> Vec<u8> {
    (1..=BATCH).flat_map(packet).collect()
}

fn publish(version: Version, qos: u8, id: u16, topic: &str, properties: &[u8]) -> Vec<u8> {
    let mut body = u16::try_from(topic.len()).unwrap().to_be_bytes().to_vec();
    body.extend(topic.as_bytes());
    if qos > 0 {
        body.extend(id.to_be_bytes());
    }
    if version == Version::V50 {
        body.push(u8::try_from(properties.len()).unwrap());
        body.extend(properties);
    }
    body.extend([b'x'; 60]);
    [&[0x30 | qos << 1, u8::try_from(body.len()).unwrap()], body.as_slice()].concat()
}

fn ack(first: u8, id: u16) -> Vec<u8> {
    [&[first, 2], id.to_be_bytes().as_slice()].concat()
}

/// What passes between the peers in one round: who sends, and what.
fn round(version: Version) -> Vec<(Direction, Vec<u8>)> {
    let mut calls = Vec::new();
    for side in [Direction::FromClient, Direction::FromBroker] {
        let back = other(side);
        calls.push((side, batch(|_| publish(version, 0, 0, "plant/line1/temperature", &[]))));
        calls.push((side, batch(|id| publish(version, 1, id, "plant/line1/temperature", &[]))));
        calls.push((back, batch(|id| ack(0x40, id))));
        calls.push((side, batch(|id| publish(version, 2, id, "plant/line2/pressure", &[]))));
        calls.push((back, batch(|id| ack(0x50, id))));
        calls.push((side, batch(|id| ack(0x62, id))));
        calls.push((back, batch(|id| ack(0x70, id))));
        // Topics of one connection, in turn.
        let topics = ["plant/line1/temperature", "plant/line2/pressure", "plant/device/state", "a"];
        calls.push((side, batch(|id| publish(version, 0, 0, topics[usize::from(id % 4)], &[]))));
        if version == Version::V50 {
            // Where answers are to go.
            calls.push((side, batch(|_| publish(version, 0, 0, "a", b"\x08\x00\x09plant/set"))));
            // Properties, and an alias that is set and used again and again.
            calls.push((
                side,
                batch(|_| publish(version, 0, 0, "a", b"\x01\x01\x02\x00\x00\x00\x3c\x26\x00\x01k\x00\x01v")),
            ));
            calls.push((
                side,
                batch(|id| publish(version, 0, 0, if id == 1 { "plant/set" } else { "" }, &[0x23, 0, 3])),
            ));
        }
    }
    calls.push((Direction::FromClient, batch(|_| vec![0xC0, 0])));
    calls.push((Direction::FromBroker, batch(|_| vec![0xD0, 0])));
    calls
}

#[test]
fn no_permitted_packet_costs_an_allocation_or_a_copy() {
    check(|| Policy::permit_all("1"));
}

#[test]
fn nor_does_it_where_a_thousand_grants_are_asked() {
    check(rules);
}

/// Values in a range, one of a few, not too long, not changing too fast, and only while the plant is as it must be.
fn inspected() -> Policy {
    let field = |text| Field::parse(text).unwrap();
    let check = |text| Check::new(CheckedField::Field(field(text)));
    let slow = Change { by: 1.0, per: Duration::from_secs(1) };
    let range = Check { min: Some(Bound::Integer(-40)), max: Some(Bound::Float(150.0)), ..check("/celsius") };
    let mut rule = PayloadRule::new("values");
    rule.rule.publish = vec!["plant/+/temperature".to_owned()];
    rule.rule.receive = rule.rule.publish.clone();
    let values = vec![
        Check { max_change: Some(slow), stuck_after: Some(Duration::from_secs(60)), ..range },
        Check { max: Some(Bound::Float(4.0)), ..check("/bar") },
        Check { one_of: vec![Scalar::Text("C".into())], max_length: Some(1), ..check("/unit") },
    ];
    let interlock = Interlock {
        topic: "plant/${topic.2}/temperature".to_owned(),
        format: Format::Json,
        field: field("/bar"),
        min: None,
        max: Some(Bound::Float(4.0)),
        one_of: Vec::new(),
        max_age: Duration::from_secs(10),
    };
    let mut locked = PayloadRule::new("locked");
    locked.rule.publish = vec!["plant/+/pressure".to_owned()];
    let locked = PayloadRule { interlocks: vec![interlock], ..locked };
    let values = PayloadRule { format: Some(PayloadFormat::Fields(Format::Json)), values, ..rule };
    Policy::new(Draft { permit_all: true, payloads: vec![values, locked], ..Draft::new("1") }).unwrap()
}

/// Metrics in a range and not changing too fast, by the aliases that a birth declared.
fn births() -> Policy {
    let slow = Change { by: 1.0, per: Duration::from_secs(1) };
    let range = Check {
        min: Some(Bound::Integer(-9)),
        max_change: Some(slow),
        ..Check::new(CheckedField::Metric("Load".into()))
    };
    let mut rule = PayloadRule::new("births");
    rule.rule.publish = vec!["spBv1.0/#".to_owned()];
    let format = PayloadFormat::Sparkplug(Sparkplug { sequence: false, metrics: Metrics::Declared });
    let rule = PayloadRule { format: Some(format), values: vec![range], ..rule };
    Policy::new(Draft { permit_all: true, payloads: vec![rule], ..Draft::new("1") }).unwrap()
}

/// Rates of everything there is, far above what [`round`] sends.
fn metered() -> Policy {
    let rates = [Per::Identity, Per::Client, Per::Address, Per::Topic, Per::Listener, Per::Gateway].map(|per| {
        let limits = [Unit::Messages, Unit::Bytes].map(|unit| (unit, Rate::new(1 << 30, Duration::from_secs(1))));
        RateRule { per, limits: limits.into(), ..RateRule::new(&format!("{per:?}")) }
    });
    let filters = || vec!["plant/+/temperature".to_owned(), "plant/line2/#".to_owned(), "a".to_owned()];
    let named = rates.clone().map(|rate| RateRule {
        publish: filters(),
        receive: filters(),
        id: format!("{}-of-topics", rate.id),
        ..rate
    });
    let packets = vec![(Unit::Packets, Rate::new(1 << 30, Duration::from_secs(1)))];
    let packets = RateRule { limits: packets, ..RateRule::new("packets") };
    let rates = rates.into_iter().chain(named).chain([packets]).collect();
    Policy::new(Draft { permit_all: true, rates, ..Draft::new("1") }).unwrap()
}

#[test]
fn nor_does_it_where_rates_count_it() {
    check(metered);
}

/// As `publish`, of a payload that rules read.
fn telemetry(version: Version, id: u16) -> Vec<u8> {
    let payload: &[u8] = if id.is_multiple_of(2) {
        br#"{"celsius":21.5,"bar":3,"unit":"C"}"#
    } else {
        br#"{"unit":"C","x":[1,{"y":null}],"bar":3.5,"celsius":22}"#
    };
    saying(version, "plant/line1/temperature", payload)
}

fn saying(version: Version, topic: &str, payload: &[u8]) -> Vec<u8> {
    let head = publish(version, 0, 0, topic, &[]);
    let head = &head[2..head.len() - 60];
    [&[0x30, u8::try_from(head.len() + payload.len()).unwrap()], head, payload].concat()
}

#[test]
fn nor_does_it_where_values_are_read_and_remembered() {
    for version in [Version::V31, Version::V311, Version::V50] {
        let pressure = batch(|_| publish(version, 0, 0, "plant/line1/pressure", &[]));
        let calls = [
            (Direction::FromClient, batch(|id| telemetry(version, id))),
            (Direction::FromClient, pressure),
            (Direction::FromBroker, batch(|id| telemetry(version, id))),
        ];
        pass(version, inspected(), None, &calls);
    }
}

#[test]
fn nor_does_it_where_metrics_are_resolved_and_remembered() {
    for version in [Version::V31, Version::V311, Version::V50] {
        // `Load`, with alias 1, an Int8 of 0.
        let birth = saying(version, "spBv1.0/g/NBIRTH/e", b"\x12\x0c\x0a\x04Load\x10\x01\x20\x01\x50\x00\x18\x00");
        // Twice by its alias.
        let data = batch(|_| {
            saying(version, "spBv1.0/g/NDATA/e", b"\x12\x04\x10\x01\x50\x01\x12\x04\x10\x01\x50\x00\x18\x01")
        });
        pass(version, births(), Some(&birth), &[(Direction::FromClient, data)]);
    }
}

fn check(policy: fn() -> Policy) {
    for version in [Version::V31, Version::V311, Version::V50] {
        pass(version, policy(), None, &round(version));
    }
}

/// Lets the same pass again and again, after what comes once.
fn pass(version: Version, policy: Policy, once: Option<&[u8]>, calls: &[(Direction, Vec<u8>)]) {
    let now = Instant::now();
    let mut connection = connected(version, now, policy);
    let mut out = Output::default();
    if let Some(once) = once {
        connection.receive(Direction::FromClient, now, once, &mut out).unwrap();
        assert_eq!(out.onward.segments, [Segment::Received(0..once.len())]);
    }
    for number in 0..5 {
        for (from, input) in calls {
            out.clear();
            let counted = allocation_counter::measure(|| {
                let received = connection.receive(*from, now, input, &mut out).unwrap();
                assert_eq!(received.consumed, input.len());
            });
            assert_eq!(out.onward.segments, [Segment::Received(0..input.len())], "one piece of what came");
            assert!(out.onward.made.is_empty() && out.back.is_empty() && out.events.is_empty());
            // Tables of open exchanges and the lists of `out` grow to the size of this traffic in the first round.
            let first = input.first();
            assert!(number == 0 || counted.count_total == 0, "{version:?}, {from:?}, {first:02x?}: {counted:?}");
        }
    }
}
