//! CONNECT, CONNACK, and what lies between.

use std::time::Instant;

use super::super::{Opening, Refusal, Terms, ZeroKeepAlive, open};
use super::world::{World, admit, connack, connect, connect_bytes, disconnect, packet, publish, publish_with, terms};
use crate::mqtt::connect::{Connect, Will};
use crate::mqtt::frame::QoS;
use crate::mqtt::property::{Properties, Property};
use crate::mqtt::{Direction, Limits, Version};

#[track_caller]
fn refused(bytes: &[u8], terms: Terms, cause: &str, reply: &[u8]) {
    let Refusal { reply: sent, end } = admit(Instant::now(), bytes, terms).expect_err("it is refused");
    assert_eq!((end.cause.label(), end.blame.label()), (cause, "client"));
    assert_eq!(sent, reply);
}

fn will<'a>(topic: &'a str, payload: &'a [u8]) -> Option<Will<'a>> {
    let (qos, retain, response_topic) = (QoS::One, false, None);
    Some(Will { topic, payload, qos, retain, response_topic, payload_is_utf8: false, properties: Properties::NONE })
}

/// CONNACK with this code and the rule's id.
fn v5_refusal(code: u8) -> Vec<u8> {
    let mut body = vec![0, code, 37, 0x1F, 0, 34];
    body.extend(b"refused by rule by-topic, policy 7");
    packet(0x20, &body)
}

#[test]
fn a_first_packet_that_is_not_connect_is_answered_by_nothing() {
    refused(&[0xC0, 0], terms(), "not_connect", &[]);
    refused(&[0x10, 0x80, 0x80, 0x80, 0x80, 1], terms(), "remaining_length_too_long", &[]);
    refused(b"\x10\x0c\x00\x04HTTP\x04\x02\x00\x00\x00\x00", terms(), "protocol_name", &[]);
    let limits = Limits { max_connect_bytes: 100, ..Limits::default() };
    refused(&[0x10, 0x80, 0x01], Terms { limits: limits.into(), ..terms() }, "packet_too_large", &[]);
}

#[test]
fn a_level_that_is_unknown_or_disabled_is_said_in_the_clients_form() {
    refused(b"\x10\x0d\x00\x04MQTT\x06\x02\x00\x00\x00\x00\x00", terms(), "protocol_version", &[0x20, 3, 0, 0x84, 0]);
    for (version, reply) in [
        (Version::V31, &[0x20, 2, 0, 1][..]),
        (Version::V311, &[0x20, 2, 0, 1]),
        (Version::V50, &[0x20, 3, 0, 0x84, 0]),
    ] {
        let versions = super::world::VERSIONS.into_iter().filter(|other| *other != version).collect();
        refused(&connect_bytes(&connect(version), &[]), Terms { versions, ..terms() }, "protocol_version", reply);
    }
}

#[test]
fn a_malformed_connect_is_answered_in_5_0_alone() {
    refused(
        b"\x10\x0d\x00\x04MQTT\x05\x03\x00\x00\x00\x00\x00",
        terms(),
        "connect_flag_reserved",
        &[0x20, 3, 0, 0x81, 0],
    );
    refused(b"\x10\x0c\x00\x04MQTT\x04\x03\x00\x00\x00\x00", terms(), "connect_flag_reserved", &[]);
}

#[test]
fn a_client_identifier_that_is_refused_has_its_own_code() {
    let client_id = "x".repeat(257);
    for (version, reply) in [(Version::V311, &[0x20, 2, 0, 2][..]), (Version::V50, &[0x20, 3, 0, 0x85, 0])] {
        let bytes = connect_bytes(&Connect { client_id: &client_id, ..connect(version) }, &[]);
        refused(&bytes, terms(), "client_identifier_too_long", reply);
    }
    let empty = Connect { client_id: "", clean_start: false, ..connect(Version::V311) };
    refused(&connect_bytes(&empty, &[]), terms(), "client_identifier_empty", &[0x20, 2, 0, 2]);
    let bytes = connect_bytes(&Connect { client_id: "deny-client_identifier", ..connect(Version::V311) }, &[]);
    refused(&bytes, terms(), "client_identifier", &[0x20, 2, 0, 2]);
}

#[test]
fn a_connect_that_a_rule_refuses_is_told_the_reason() {
    for (label, v3, v5) in [
        ("not_authorized", 5, 0x87),
        ("bad_credentials", 4, 0x86),
        ("banned", 5, 0x8A),
        ("quota", 3, 0x97),
        ("client_identifier", 2, 0x85),
    ] {
        let client_id = format!("deny-{label}");
        for version in [Version::V31, Version::V311] {
            let bytes = connect_bytes(&Connect { client_id: &client_id, ..connect(version) }, &[]);
            refused(&bytes, terms(), label, &[0x20, 2, 0, v3]);
        }
        let bytes = connect_bytes(&Connect { client_id: &client_id, ..connect(Version::V50) }, &[]);
        refused(&bytes, terms(), label, &v5_refusal(v5));
    }
}

#[test]
fn reason_strings_are_for_those_who_ask_and_can_take_them() {
    let connect = Connect { client_id: "deny", ..connect(Version::V50) };
    let short = [0x20, 3, 0, 0x87, 0];
    let bytes = connect_bytes(&connect, &[Property::RequestProblemInformation(false)]);
    refused(&bytes, terms(), "not_authorized", &short);
    let bytes = connect_bytes(&connect, &[Property::MaximumPacketSize(20.try_into().expect("not zero"))]);
    refused(&bytes, terms(), "not_authorized", &short);
}

#[test]
fn a_will_is_judged_as_a_publish() {
    for (topic, label, v5) in [
        ("deny/a", "not_authorized", 0x87),
        ("deny-payload/a", "payload", 0x99),
        ("deny-retain/a", "retain", 0x9A),
        ("deny-qos/a", "qos", 0x9B),
    ] {
        for (version, reply) in [(Version::V311, vec![0x20, 2, 0, 5]), (Version::V50, v5_refusal(v5))] {
            let bytes = connect_bytes(&Connect { will: will(topic, b"x"), ..connect(version) }, &[]);
            refused(&bytes, terms(), label, &reply);
        }
    }
    World::opened(&connect_bytes(&Connect { will: will("a", b"x"), ..connect(Version::V50) }, &[]), terms());
}

#[test]
fn a_keep_alive_of_zero_is_refused_where_the_listener_says_so() {
    let terms = || Terms { zero_keep_alive: ZeroKeepAlive::Refuse, ..terms() };
    for (version, reply) in [(Version::V311, vec![0x20, 2, 0, 5]), (Version::V50, vec![])] {
        let bytes = connect_bytes(&Connect { keep_alive: 0, ..connect(version) }, &[]);
        let reply = if version == Version::V50 {
            let mut body = vec![0, 0x83, 39, 0x1F, 0, 36];
            body.extend(b"refused by rule keep_alive, policy 7");
            packet(0x20, &body)
        } else {
            reply
        };
        refused(&bytes, terms(), "keep_alive_zero", &reply);
    }
}

#[test]
fn connect_is_awaited_whole_and_goes_on_as_it_came() {
    for version in super::world::VERSIONS {
        let bytes = connect_bytes(&connect(version), &[]);
        let terms = terms();
        for end in 0..bytes.len() {
            let opening = open(&bytes[..end], &terms);
            assert!(matches!(opening, Opening::More), "{opening:?}");
        }
        assert_eq!(World::opened(&bytes, terms).broker_got(), bytes);
    }
}

#[test]
fn the_topic_alias_maximum_is_lowered_towards_the_broker() {
    let terms = || Terms { topic_alias_maximum: 4, ..terms() };
    let asked = |maximum| {
        let properties = [Property::UserProperty("a", "b"), Property::TopicAliasMaximum(maximum)];
        connect_bytes(&connect(Version::V50), &properties)
    };
    assert_eq!(World::opened(&asked(4), terms()).broker_got(), asked(4));
    let mut world = World::opened(&asked(5), terms());
    assert_eq!(world.broker_got(), asked(4));
    world.broker(&connack(Version::V50, &[]));
    assert_eq!(world.events()[0], "connect_lowered - -");
}

#[test]
fn what_is_pipelined_behind_connect_waits_for_connack() {
    for version in super::world::VERSIONS {
        let mut bytes = connect_bytes(&connect(version), &[]);
        let behind = publish(version, "a/b", QoS::Zero, 0, b"1");
        bytes.extend(&behind);
        let mut world = World::opened(&bytes, terms());
        world.broker_got();
        world.client(&behind);
        assert!(world.is_held(Direction::FromClient));
        assert!(world.broker_got().is_empty());
        world.broker(&connack(version, &[]));
        assert!(!world.is_held(Direction::FromClient));
        assert_eq!(world.broker_got(), [behind.clone(), behind].concat());
    }
}

#[test]
fn connack_is_first_and_once() {
    for (version, told) in [(Version::V311, vec![0x20, 2, 0, 3]), (Version::V50, vec![0x20, 3, 0, 0x80, 0])] {
        for early in [vec![0xD0, 0], publish(version, "a", QoS::Zero, 0, b"")] {
            let mut world = World::opened(&connect_bytes(&connect(version), &[]), terms());
            world.broker(&early).ended("before_connack", "broker", &told);
        }
    }
    let mut world = World::connected(Version::V50);
    world.broker(&connack(Version::V50, &[])).ended("second_connack", "broker", &disconnect(0x80));
    let mut world = World::opened(&connect_bytes(&connect(Version::V50), &[]), terms());
    world.broker(&disconnect(0x89)).ended("before_connack", "broker", &[0x20, 3, 0, 0x80, 0]);
}

#[test]
fn a_clean_start_has_no_session() {
    let mut world = World::opened(&connect_bytes(&connect(Version::V311), &[]), terms());
    world.broker(&[0x20, 2, 1, 0]).ended("session_present", "broker", &[0x20, 2, 0, 3]);
}

#[test]
fn a_connack_that_refuses_goes_on_and_ends_it() {
    for (version, refusal) in [(Version::V311, vec![0x20, 2, 0, 5]), (Version::V50, vec![0x20, 3, 0, 0x87, 0])] {
        let mut world = World::opened(&connect_bytes(&connect(version), &[]), terms());
        world.broker(&refusal).ended("refused_by_broker", "broker", &refusal);
    }
}

#[test]
fn connack_is_tightened_where_the_gateway_is_stricter() {
    let strict = || Terms {
        receive_maximum: 10,
        topic_alias_maximum: 4,
        max_keep_alive: 30,
        limits: Limits { max_packet_bytes: 1000, ..Limits::default() }.into(),
        ..terms()
    };
    let size = |bytes: u32| Property::MaximumPacketSize(bytes.try_into().expect("not zero"));
    let window = |packets: u16| Property::ReceiveMaximum(packets.try_into().expect("not zero"));
    let broker = [Property::RetainAvailable(false), window(20), Property::TopicAliasMaximum(9), size(5000)];
    let client = [Property::RetainAvailable(false), window(10), Property::TopicAliasMaximum(4), size(1000)];
    let mut world = World::opened(&connect_bytes(&connect(Version::V50), &[]), strict());
    world.broker(&connack(Version::V50, &broker));
    let told = [&client[..], &[Property::ServerKeepAlive(30)]].concat();
    assert_eq!(world.client_got(), connack(Version::V50, &told));
    assert_eq!(world.events(), ["connack_tightened - -"]);

    let stricter = [window(3), Property::TopicAliasMaximum(2), size(500), Property::ServerKeepAlive(20)];
    let mut world = World::opened(&connect_bytes(&connect(Version::V50), &[]), strict());
    world.broker_passes_after_connect(&connack(Version::V50, &stricter));

    let mut world = World::opened(&connect_bytes(&connect(Version::V311), &[]), strict());
    world.broker_passes_after_connect(&connack(Version::V311, &[]));
}

impl World {
    #[track_caller]
    fn broker_passes_after_connect(&mut self, bytes: &[u8]) {
        self.broker_got();
        self.broker_passes(bytes);
    }
}

fn auth(code: u8, method: &str) -> Vec<u8> {
    let mut body = vec![code, u8::try_from(method.len()).expect("short") + 3, 0x15, 0];
    body.push(u8::try_from(method.len()).expect("short"));
    body.extend(method.as_bytes());
    packet(0xF0, &body)
}

fn authenticating() -> World {
    let method = [Property::AuthenticationMethod("SCRAM")];
    let mut world = World::opened(&connect_bytes(&connect(Version::V50), &method), terms());
    world.broker_got();
    world
}

#[test]
fn enhanced_authentication_takes_turns() {
    let mut world = authenticating();
    world.client(&auth(0x18, "SCRAM"));
    assert!(world.is_held(Direction::FromClient), "nobody asked yet");
    let mut world = authenticating();
    world.broker_passes(&auth(0x18, "SCRAM")).client_passes(&auth(0x18, "SCRAM")).broker(&connack(Version::V50, &[]));
    assert_eq!(world.end, None);
    world.client_got();
    world.events();
    world.client_passes(&auth(0x19, "SCRAM")).client_passes(&[0xC0, 0]);
    world.broker_passes(&auth(0x18, "SCRAM")).client_passes(&auth(0x18, "SCRAM")).broker_passes(&auth(0, "SCRAM"));
    world.broker(&auth(0x18, "SCRAM")).ended("auth_out_of_turn", "broker", &disconnect(0x80));
}

#[test]
fn authentication_out_of_turn_is_a_protocol_error() {
    let connected = || {
        let mut world = authenticating();
        world.broker(&connack(Version::V50, &[]));
        world.client_got();
        world
    };
    connected().client(&auth(0x18, "SCRAM")).ended("auth_out_of_turn", "client", &disconnect(0x82));
    connected().client(&auth(0x19, "OTHER")).ended("auth_method", "client", &disconnect(0x82));
    World::connected(Version::V50).client(&auth(0x19, "SCRAM")).ended("auth_out_of_turn", "client", &disconnect(0x82));
    World::connected(Version::V50).broker(&auth(0x18, "SCRAM")).ended("auth_out_of_turn", "broker", &disconnect(0x80));
    let mut world = authenticating();
    world.broker(&auth(0, "SCRAM")).ended("auth_out_of_turn", "broker", &[0x20, 3, 0, 0x80, 0]);
    let mut world = authenticating();
    world.broker_passes(&auth(0x18, "SCRAM")).client(&publish_with(Version::V50, "a", QoS::Zero, 0, b"", &[]));
    world.ended("during_authentication", "client", &[0x20, 3, 0, 0x82, 0]);
}

/// [MQTT-4.12.0-5] [MQTT-4.12.0-6]
#[test]
fn connack_speaks_of_the_authentication_that_was_asked_for() {
    let told = [0x20, 3, 0, 0x80, 0];
    let method = |name| [Property::AuthenticationMethod(name)];
    let mut world = authenticating();
    world.broker(&connack(Version::V50, &method("SCRAM")));
    assert_eq!(world.end, None);
    authenticating().broker(&connack(Version::V50, &method("OTHER"))).ended("auth_method", "broker", &told);
    let mut world = World::opened(&connect_bytes(&connect(Version::V50), &[]), terms());
    world.broker(&connack(Version::V50, &method("SCRAM"))).ended("auth_out_of_turn", "broker", &told);
}

#[test]
fn a_second_connect_is_refused() {
    for (version, told) in [(Version::V311, vec![]), (Version::V50, disconnect(0x82))] {
        let mut world = World::connected(version);
        world.client(&connect_bytes(&connect(version), &[])).ended("second_connect", "client", &told);
    }
}
