//! Packets that the standard forbids never reach the broker, nor does anything behind them.

use crate::support::gateway::Setup;
use crate::support::raw_client::RawClient;
use crate::support::recording_broker::{RecordingBroker, answer, polite};
use crate::support::wire::{self, Connect, PUBACK, PUBCOMP, PUBREC, PUBREL, V3_1, V3_1_1, V5_0, VERSIONS};

/// What a 5.0 client is told: any of these.
type Reasons = &'static [u8];
const MALFORMED: Reasons = &[0x81];
const ILLEGAL: Reasons = &[0x82];
const EITHER: Reasons = &[0x81, 0x82];
const TOPIC: Reasons = &[0x81, 0x82, 0x90, 0x8f];

/// Forbidden in every version, after a CONNECT that was accepted.
fn forbidden(version: u8) -> Vec<(&'static str, Vec<u8>, Reasons)> {
    let publish = |flags: u8, topic: &[u8]| {
        let mut body = wire::string(topic);
        if flags & 6 != 0 {
            body.extend([0, 1]);
        }
        if version == V5_0 {
            body.push(0);
        }
        wire::packet(0x30 | flags, &body)
    };
    let subscribe = |filter: &str, options| wire::subscribe(version, 1, &[(filter, options)]);
    let no_filters: &[u8] = if version == V5_0 { &[0, 1, 0] } else { &[0, 1] };
    let unsub = wire::unsubscribe(version, 1, &["a/#/b"]);
    vec![
        ("packet type 0", vec![0x00, 0x00], MALFORMED),
        ("a second CONNECT", Connect::new(version, "again").bytes(), ILLEGAL),
        ("CONNACK", wire::connack(version, false, 0), EITHER),
        ("SUBACK", wire::packet(0x90, &[0, 1, 0]), EITHER),
        ("UNSUBACK", wire::packet(0xb0, &[0, 1]), EITHER),
        ("PINGRESP", wire::PINGRESP.to_vec(), EITHER),
        ("QoS 3", publish(6, b"a"), MALFORMED),
        ("DUP at QoS 0", publish(8, b"a"), EITHER),
        ("Packet Identifier 0", wire::publish(version, 2, "a", 0, &[], b""), EITHER),
        ("a wildcard in a Topic Name", publish(0, b"a/+"), TOPIC),
        ("another wildcard in a Topic Name", publish(2, b"#"), TOPIC),
        ("no Topic Name", publish(0, b""), TOPIC),
        ("NUL in a Topic Name", publish(0, b"a\x00b"), TOPIC),
        ("a stray continuation byte", publish(0, b"a\x80b"), TOPIC),
        ("an overlong form", publish(0, b"a\xc0\x80"), TOPIC),
        ("a surrogate", publish(0, b"\xed\xa0\x80"), TOPIC),
        ("beyond Unicode", publish(0, b"\xf4\x90\x80\x80"), TOPIC),
        ("a Topic Name that overruns its packet", wire::packet(0x30, &[0, 9, b'a']), MALFORMED),
        ("a PUBLISH of nothing", vec![0x30, 0x00], MALFORMED),
        ("a Remaining Length of five bytes", vec![0x30, 0x80, 0x80, 0x80, 0x80, 0x01], MALFORMED),
        ("a Remaining Length of five bytes, as it begins", vec![0x30, 0xff, 0xff, 0xff, 0xff], MALFORMED),
        ("a Remaining Length longer than it must be", vec![0xc0, 0x80, 0x00], MALFORMED),
        ("a packet over the limit, by its header", vec![0x30, 0x80, 0x80, 0x80, 0x60], &[0x95]),
        ("a SUBSCRIBE over the limit, by its header", vec![0x82, 0x80, 0x80, 0x80, 0x10], &[0x95]),
        ("PINGREQ with a body", vec![0xc0, 1, 0], MALFORMED),
        ("PINGREQ with flags", vec![0xc1, 0], MALFORMED),
        ("SUBSCRIBE with other flags", [vec![0x83], subscribe("a", 0)[1..].to_vec()].concat(), MALFORMED),
        ("SUBSCRIBE without a filter", wire::packet(0x82, no_filters), EITHER),
        ("SUBSCRIBE with Packet Identifier 0", wire::subscribe(version, 0, &[("a", 0)]), EITHER),
        ("SUBSCRIBE at QoS 3", subscribe("a", 3), EITHER),
        ("reserved subscription options", subscribe("a", 0xc0), EITHER),
        ("SUBSCRIBE cut short", wire::packet(0x82, &[0, 1, 0, 9, b'a']), MALFORMED),
        ("# that is not last", subscribe("a/#/b", 0), TOPIC),
        ("# that is not alone", subscribe("a#", 0), TOPIC),
        ("+ that is not alone", subscribe("a/b+", 0), TOPIC),
        ("no Topic Filter", subscribe("", 0), TOPIC),
        (
            "UNSUBSCRIBE with other flags",
            [vec![0xa0], wire::unsubscribe(version, 1, &["a"])[1..].to_vec()].concat(),
            MALFORMED,
        ),
        ("UNSUBSCRIBE without a filter", wire::packet(0xa2, no_filters), EITHER),
        ("UNSUBSCRIBE of a bad filter", unsub, TOPIC),
        ("PUBREL with other flags", wire::ack(0x60, 1), MALFORMED),
        ("PUBACK with flags", wire::ack(0x42, 1), MALFORMED),
        ("PUBACK of what was never sent", wire::ack(PUBACK, 5), ILLEGAL),
        ("PUBREC of what was never sent", wire::ack(PUBREC, 5), ILLEGAL),
        ("PUBCOMP of what was never sent", wire::ack(PUBCOMP, 5), ILLEGAL),
        ("PUBACK of Packet Identifier 0", wire::ack(PUBACK, 0), EITHER),
        ("PUBACK cut short", vec![0x40, 1, 0], MALFORMED),
        ("PUBREL cut short", vec![PUBREL, 1, 7], MALFORMED),
        ("DISCONNECT with flags", vec![0xe1, 0], MALFORMED),
    ]
}

fn forbidden_in_3(_: u8) -> Vec<(&'static str, Vec<u8>, Reasons)> {
    vec![
        ("packet type 15", vec![0xf0, 0x00], MALFORMED),
        ("DISCONNECT with a reason", vec![0xe0, 1, 0], MALFORMED),
        ("PUBACK with a reason", wire::packet(PUBACK, &[0, 5, 0]), MALFORMED),
        ("subscription options of 5.0", wire::subscribe(V3_1_1, 1, &[("a", 0x04)]), MALFORMED),
    ]
}

fn forbidden_in_5() -> Vec<(&'static str, Vec<u8>, Reasons)> {
    let publish = |properties: &[u8]| wire::publish(V5_0, 0, "a", 0, properties, b"");
    let subscribe =
        |properties: &[u8], filter, options| wire::subscribe_with(V5_0, 1, properties, &[(filter, options)]);
    let response = |topic: &[u8]| [vec![0x08], wire::string(topic)].concat();
    vec![
        ("an unknown property", publish(&[0x7f, 1]), MALFORMED),
        ("a property of another packet", publish(&[0x11, 0, 0, 0, 1]), EITHER),
        ("a property twice", publish(&[0x01, 1, 0x01, 1]), EITHER),
        ("Payload Format Indicator 2", publish(&[0x01, 2]), EITHER),
        ("a Property Length that overruns", wire::packet(0x30, &[0, 1, b'a', 9, 1]), MALFORMED),
        ("a Property Length longer than it must be", wire::packet(0x30, &[0, 1, b'a', 0x80, 0]), MALFORMED),
        ("a property that is cut short", publish(&[0x02, 0, 0]), MALFORMED),
        ("Topic Alias 0", publish(&[0x23, 0, 0]), &[0x94, 0x82]),
        ("a Topic Alias over the maximum", publish(&[0x23, 0, 11]), &[0x94]),
        ("a Topic Alias that was never set", wire::publish(V5_0, 0, "", 0, &[0x23, 0, 2], b""), &[0x82, 0x94]),
        ("a wildcard in a Response Topic", publish(&response(b"a/#")), EITHER),
        ("bad UTF-8 in a Content Type", publish(&[0x03, 0, 1, 0xff]), MALFORMED),
        ("a Subscription Identifier in PUBLISH", publish(&[0x0b, 1]), EITHER),
        ("Subscription Identifier 0", subscribe(&[0x0b, 0], "a", 0), EITHER),
        ("two Subscription Identifiers", subscribe(&[0x0b, 1, 0x0b, 2], "a", 0), EITHER),
        ("Retain Handling 3", subscribe(&[], "a", 0x30), EITHER),
        ("No Local on a shared subscription", subscribe(&[], "$share/g/a", 0x04), EITHER),
        ("a shared subscription without a name", subscribe(&[], "$share//a", 0), TOPIC),
        ("a shared subscription without a filter", subscribe(&[], "$share/g", 0), TOPIC),
        ("a wildcard in a share name", subscribe(&[], "$share/+/a", 0), TOPIC),
        ("AUTH without a method agreed", vec![0xf0, 0], EITHER),
        ("AUTH with a reason that is none", wire::packet(0xf0, &[0x42, 0]), EITHER),
        ("DISCONNECT with a reason that is none", wire::packet(0xe0, &[0x33]), EITHER),
        ("DISCONNECT with a server's reason", wire::packet(0xe0, &[0x8b]), EITHER),
        ("PUBACK with a reason that is none", wire::packet(PUBACK, &[0, 5, 0x01]), EITHER),
        ("bytes behind a DISCONNECT's properties", wire::packet(0xe0, &[0, 0, 7]), MALFORMED),
    ]
}

#[test]
fn a_forbidden_packet_never_reaches_the_broker_and_neither_does_what_follows() {
    let broker = RecordingBroker::polite();
    let gateway =
        Setup::to(broker.address).with("[protection]\nflapping = \"1000/1s\"\nmalformed = \"1000/1s\"").start();
    let mut number = 0;
    let mut failures = Vec::new();
    for version in VERSIONS {
        let more = if version == V5_0 { forbidden_in_5() } else { forbidden_in_3(version) };
        for (what, packet, reasons) in forbidden(version).into_iter().chain(more) {
            let connect = Connect::new(version, "sends-anything");
            let mut client = RawClient::connect(gateway.plain(), &connect);
            let good = wire::publish(version, 2, "good", 9, &[], b"");
            client.send(&good);
            client.expect(&wire::ack(PUBACK, 9));
            client.send(&[packet.as_slice(), &wire::PINGREQ, &good].concat());
            let (told, ended) = client.rest(std::time::Duration::from_secs(10));
            let reason = wire::disconnect_reason(&told);
            let right =
                if version == V5_0 { reason.is_some_and(|reason| reasons.contains(&reason)) } else { told.is_empty() };
            if !right || ended == crate::support::raw_client::Ended::Silent {
                failures.push(format!("{what}, version {version}: told {told:02x?}, {ended:?}"));
            }
            drop(client);
            broker.wait_ended(number);
            if broker.received(number) != [connect.bytes(), good].concat() {
                failures.push(format!("{what}, version {version}: the broker got {:02x?}", broker.received(number)));
            }
            number += 1;
        }
    }
    assert!(failures.is_empty(), "{} of {number}:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn what_came_before_a_forbidden_packet_in_the_same_segment_is_forwarded() {
    let broker = RecordingBroker::polite();
    let gateway = Setup::to(broker.address).start();
    for (number, version) in VERSIONS.into_iter().enumerate() {
        let connect = Connect::new(version, "stumbles");
        let mut client = RawClient::connect(gateway.plain(), &connect);
        let good = wire::publish(version, 0, "good", 0, &[], b"before");
        client.send(&[good.as_slice(), &good, &[0x36, 0x00], &good].concat());
        client.rest(std::time::Duration::from_secs(10));
        broker.wait_ended(number);
        assert_eq!(broker.received(number), [connect.bytes(), good.clone(), good].concat(), "version {version}");
    }
}

/// First byte and code of a CONNACK, or nothing at all.
type Told = Option<[u8; 2]>;

/// First packets that no broker is ever dialled for.
fn bad_openings() -> Vec<(&'static str, Vec<u8>, Told)> {
    let raw = |name: &str, level: u8, flags: u8, rest: &[u8]| {
        wire::packet(0x10, &[wire::string(name), vec![level, flags, 0, 60], rest.to_vec()].concat())
    };
    let id = wire::string("c");
    let id_5 = [vec![0], wire::string("c")].concat();
    let empty = [0, 0];
    let properties = |bytes: &[u8]| [wire::length(bytes.len()), bytes.to_vec(), wire::string("c")].concat();
    vec![
        ("PUBLISH first", wire::publish(V3_1_1, 0, "a", 0, &[], b""), None),
        ("PINGREQ first", wire::PINGREQ.to_vec(), None),
        ("DISCONNECT first", wire::DISCONNECT.to_vec(), None),
        ("AUTH first", vec![0xf0, 0], None),
        ("HTTP", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(), None),
        ("a TLS ClientHello", [&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3], [7; 507].as_slice()].concat(), None),
        ("zeros", vec![0; 64], None),
        ("a CONNECT with flags", [vec![0x11], raw("MQTT", 4, 2, &id)[1..].to_vec()].concat(), None),
        ("another protocol's name", raw("MQTTX", 4, 2, &id), None),
        ("3.1's name with 3.1.1's level", raw("MQIsdp", 4, 2, &id), Some([0x20, 0x01])),
        ("level 6", raw("MQTT", 6, 2, &id_5), Some([0x20, 0x84])),
        ("the reserved connect flag", raw("MQTT", 4, 3, &id), None),
        ("the reserved connect flag in 5.0", raw("MQTT", 5, 3, &id_5), Some([0x20, 0x81])),
        ("Will QoS 3", raw("MQTT", 4, 0x1e, &[id.as_slice(), &wire::string("w"), &empty].concat()), None),
        ("Will Retain without a Will", raw("MQTT", 4, 0x22, &id), None),
        ("Will QoS without a Will", raw("MQTT", 5, 0x0a, &id_5), Some([0x20, 0x81])),
        ("a password without a name", raw("MQTT", 4, 0x42, &[id.as_slice(), &wire::string("p")].concat()), None),
        ("no Client Identifier and no clean session", raw("MQTT", 4, 0, &empty), Some([0x20, 0x02])),
        ("no Client Identifier in 3.1", raw("MQIsdp", 3, 2, &empty), Some([0x20, 0x02])),
        ("a Client Identifier with NUL", raw("MQTT", 4, 2, &wire::string("a\0b")), None),
        ("a Client Identifier that is not UTF-8", raw("MQTT", 4, 2, &wire::string([0xff])), None),
        ("bytes behind the last field", raw("MQTT", 4, 2, &[id.as_slice(), &[0]].concat()), None),
        ("a field cut short", raw("MQTT", 4, 2, &[0, 5, b'c']), None),
        ("a Will to a wildcard", raw("MQTT", 4, 6, &[id.as_slice(), &wire::string("w/#"), &empty].concat()), None),
        ("a property twice", raw("MQTT", 5, 2, &properties(&[0x21, 0, 1, 0x21, 0, 1])), Some([0x20, 0x82])),
        ("Receive Maximum 0", raw("MQTT", 5, 2, &properties(&[0x21, 0, 0])), Some([0x20, 0x82])),
        ("Maximum Packet Size 0", raw("MQTT", 5, 2, &properties(&[0x27, 0, 0, 0, 0])), Some([0x20, 0x82])),
        ("Authentication Data without a Method", raw("MQTT", 5, 2, &properties(&[0x16, 0, 1, 7])), Some([0x20, 0x82])),
        ("an unknown property", raw("MQTT", 5, 2, &properties(&[0x7e, 0])), Some([0x20, 0x81])),
        ("a CONNECT over the limit, by its header", vec![0x10, 0x80, 0x80, 0x80, 0x10], None),
    ]
}

#[test]
fn no_broker_is_dialled_for_an_opening_that_is_forbidden() {
    let broker = RecordingBroker::polite();
    let gateway = Setup::to(broker.address).start();
    let mut failures = Vec::new();
    for (what, packet, due) in bad_openings() {
        let mut client = RawClient::dial(gateway.plain());
        client.send(&packet);
        let (told, ended) = client.rest(std::time::Duration::from_secs(10));
        let code = (told.len() > 3).then(|| [told[0], told[3]]);
        // Where a code is due the standard names it, or leaves a choice between malformed and protocol error.
        let close =
            |due: [u8; 2], told: [u8; 2]| told == due || (EITHER.contains(&due[1]) && EITHER.contains(&told[1]));
        let right = match (due, code) {
            (None, None) => told.is_empty(),
            (Some(due), Some(told)) => close(due, told),
            _ => false,
        };
        if !right || ended == crate::support::raw_client::Ended::Silent {
            failures.push(format!("{what}: told {told:02x?}, {ended:?}, due {due:02x?}"));
        }
    }
    assert_eq!(broker.connections(), 0);
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    gateway.wait_metric("tidegate_connections_open", &[], 0.0);
}

#[test]
fn more_unacknowledged_messages_than_the_receive_maximum_are_refused() {
    let connack = wire::packet(0x20, &[0, 0, 3, 0x21, 0, 3]);
    let broker = RecordingBroker::start(move |frame, version| match frame[0] {
        0x10 => answer(connack.clone()),
        0x32 | 0x34 => answer([]),
        _ => answer(polite(frame, version)),
    });
    let gateway = Setup::to(broker.address).start();
    let mut client = RawClient::connect(gateway.plain(), &Connect::new(V5_0, "in-a-hurry"));
    let packets: Vec<Vec<u8>> = (1..=4).map(|id| wire::publish(V5_0, 2, "a", id, &[], b"")).collect();
    client.send(&packets.concat());
    assert_eq!(wire::disconnect_reason(&client.frame()), Some(0x93));
    client.expect_end();
    broker.wait_ended(0);
    assert_eq!(broker.frames(0)[1..], packets[..3]);
}

#[test]
fn a_payload_that_contradicts_its_format_indicator_is_refused_and_the_connection_goes_on() {
    let broker = RecordingBroker::polite();
    let gateway = Setup::to(broker.address).start();
    let mut client = RawClient::connect(gateway.plain(), &Connect::new(V5_0, "says-text"));
    client.send(&wire::publish(V5_0, 2, "a", 1, &[1, 1], b"\xff"));
    let puback = client.frame();
    assert_eq!((puback[0], &wire::body(&puback)[..3]), (0x40, [0, 1, 0x99].as_slice()));
    client.send(&wire::publish(V5_0, 4, "a", 2, &[1, 1], b"\xff"));
    let pubrec = client.frame();
    assert_eq!((pubrec[0], &wire::body(&pubrec)[..3]), (0x50, [0, 2, 0x99].as_slice()));
    let good = wire::publish(V5_0, 2, "a", 3, &[1, 1], "ÿ".as_bytes());
    client.send(&good);
    client.expect(&wire::ack(PUBACK, 3));
    assert_eq!(broker.frames(0)[1..], [good]);
}

#[test]
fn a_3_1_client_with_a_disabled_version_is_told_so() {
    let broker = RecordingBroker::polite();
    let gateway = Setup::to(broker.address).each_listener("versions = [\"3.1.1\"]").start();
    for (version, code) in [(V3_1, 0x01), (V5_0, 0x84)] {
        let mut client = RawClient::dial(gateway.plain());
        client.send(&Connect::new(version, "other").bytes());
        let connack = client.frame();
        assert_eq!((connack[0], wire::body(&connack)[1]), (0x20, code));
        client.expect_end();
    }
    assert_eq!(broker.connections(), 0);
    RawClient::connect(gateway.plain(), &Connect::new(V3_1_1, "welcome")).goodbye();
}
