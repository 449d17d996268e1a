//! Signed commands: verified, taken off for a device that knows nothing of it, or made for one that can't.

use super::{
    Signer, beside, dial, message, now_millis, on_the_wire, publish, scheme, setup, subscribe, user_properties,
};
use crate::support::mosquitto::Mosquitto;
use crate::support::wire::{V3_1_1, V5_0, VERSIONS};
use tidegate::jwk::SigningKeys;
use tidegate::payload::Field;
use tidegate::signature::{Carrier, Freshness, Message, Names};

const COMMANDS: &str = r#"
[[signature]]
id = "commands"
publish = ["command/#"]
carrier = "user-property"
keys = "../public.json"
key_id = ["${identity}"]
max_age = "30s"
action = "strip"
"#;

fn properties() -> Carrier {
    Carrier::UserProperty(Names::default())
}

#[test]
fn a_signed_command_arrives_plain_and_no_other_does() {
    let broker = Mosquitto::start();
    let gateway = setup(&broker, COMMANDS).start();
    let mut device = beside(&broker, V5_0, "valve-1");
    subscribe(&mut device, V5_0, "command/#");
    let mut scada = dial(&gateway, V5_0, "scada-1");
    let mut signer = Signer::new("scada-1", properties(), Freshness::Nonce);
    let (topic, command) = ("command/valve-1", &br#"{"open":true}"#[..]);
    let mut signed = || on_the_wire(&signer.sign(topic, command), command).1;

    let kept = user_properties([("line", "1")]);
    let first = [kept.clone(), signed()].concat();
    assert_eq!(publish(&mut scada, V5_0, topic, &first, command), 0);
    assert_eq!(message(&mut device, V5_0), (topic.to_owned(), command.to_vec(), kept));

    // Each attack by itself, and none is at the device.
    let fresh = signed();
    let mut attacks = vec![
        ("unsigned", "unsigned", topic, Vec::new(), command.to_vec()),
        ("altered", "signature", topic, fresh.clone(), br#"{"open":null}"#.to_vec()),
        ("another topic", "signature", "command/valve-2", fresh.clone(), command.to_vec()),
        ("played again", "replayed", topic, first.clone(), command.to_vec()),
        ("twice the same property", "signature", topic, [fresh.clone(), fresh.clone()].concat(), command.to_vec()),
    ];
    let mut late = Signer::new("scada-1", properties(), Freshness::Nonce);
    for (name, by) in [("late", -40_000), ("early", 40_000)] {
        let sealed = late.sign_at(topic, command, now_millis() + by);
        attacks.push((name, "stale", topic, on_the_wire(&sealed, command).1, command.to_vec()));
    }
    let mut other = Signer::new("meter-7", properties(), Freshness::Nonce);
    let sealed = other.sign(topic, command);
    attacks.push(("the key of another", "signature", topic, on_the_wire(&sealed, command).1, command.to_vec()));
    for (name, reason, topic, properties, payload) in attacks {
        assert_eq!(publish(&mut scada, V5_0, topic, &properties, &payload), 0x87, "{name}");
        let facts = [("event", "refused"), ("topic", topic), ("rule", "commands"), ("reason", reason)];
        gateway.wait_audit(&facts);
    }
    // What was refused has not used up the nonce of what is good.
    assert_eq!(publish(&mut scada, V5_0, topic, &fresh, command), 0);
    assert_eq!(message(&mut device, V5_0).1, command);
    gateway.wait_audit(&[("event", "rewritten"), ("reason", "signature_stripped"), ("topic", topic)]);
}

const AT_THE_DEVICE: &str = r#"
[[signature]]
id = "at-the-device"
receive = ["command/#"]
carrier = "json-field"
keys = "../public.json"
max_age = "30s"
strip = true
"#;

#[test]
fn a_command_that_travelled_signed_is_made_plain_for_its_device() {
    let broker = Mosquitto::start();
    let gateway = setup(&broker, AT_THE_DEVICE).start();
    let carrier = Carrier::JsonField(Field::parse("/signature").expect("a field"));
    let mut signer = Signer::new("scada-1", carrier, Freshness::Nonce);
    for version in VERSIONS {
        let mut device = dial(&gateway, version, "valve-1");
        subscribe(&mut device, version, "command/#");
        let mut scada = beside(&broker, V3_1_1, "scada-1");
        let (topic, command) = ("command/valve-1", &br#"{"open":true}"#[..]);
        let sealed = signer.sign(topic, command).payload.expect("a payload");
        let altered = String::from_utf8(sealed.clone()).expect("text").replace("true", "false");
        for payload in [command, altered.as_bytes(), &sealed, &sealed] {
            publish(&mut scada, V3_1_1, topic, &[], payload);
        }
        publish(&mut scada, V3_1_1, "last", &[], b"");
        assert_eq!(message(&mut device, version).1, command, "once: the second was played again");
        let last = signer.sign(topic, b"{}").payload.expect("a payload");
        publish(&mut scada, V3_1_1, topic, &[], &last);
        assert_eq!(message(&mut device, version).1, b"{}");
    }
}

const FOR_DEVICES: &str = r#"
[[signature]]
id = "telemetry"
publish = ["telemetry/#"]
carrier = "json-field"
keys = "../private.json"
sign_with = "gateway-1"
action = "sign"

[[signature]]
id = "answers"
receive = ["answer/#"]
carrier = "user-property"
keys = "../private.json"
sign_with = "gateway-1"
action = "sign"
"#;

#[test]
fn what_the_gateway_signs_for_a_device_its_consumer_can_verify() {
    let broker = Mosquitto::start();
    let gateway = setup(&broker, FOR_DEVICES).start();
    let keys = SigningKeys::parse(super::PRIVATE.as_bytes()).expect("keys").checking();
    let field = Carrier::JsonField(Field::parse("/signature").expect("a field"));
    for version in VERSIONS {
        let mut consumer = beside(&broker, V3_1_1, "consumer");
        subscribe(&mut consumer, V3_1_1, "telemetry/#");
        let mut device = dial(&gateway, version, "temp-07");
        assert_eq!(publish(&mut device, version, "telemetry/temp-07", &[], br#"{"celsius":21.5}"#), 0);
        let (topic, payload, _) = message(&mut consumer, V3_1_1);
        let signed = Message { topic: &topic, payload: &payload };
        let scheme = scheme(field.clone(), Freshness::Nonce);
        let verified = scheme.verify(&keys, signed, [], now_millis()).expect("a good signature");
        assert_eq!(verified.kid, "gateway-1");
        assert_eq!(&*scheme.strip(&payload).expect("a plain payload").payload, br#"{"celsius":21.5}"#);
    }
    // And the other way: a device that verifies, behind a broker full of plain messages.
    let mut device = dial(&gateway, V5_0, "valve-1");
    subscribe(&mut device, V5_0, "answer/#");
    let mut legacy = beside(&broker, V3_1_1, "legacy");
    publish(&mut legacy, V3_1_1, "answer/1", &[], b"42");
    let (topic, payload, properties) = message(&mut device, V5_0);
    let pairs = pairs(&properties);
    let pairs = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let signed = Message { topic: &topic, payload: &payload };
    let scheme = scheme(self::properties(), Freshness::Nonce);
    scheme.verify(&keys, signed, pairs, now_millis()).expect("a good signature");
    // A device of before 5.0 has no place for it, and is not given what it could take for signed.
    let mut old = dial(&gateway, V3_1_1, "valve-2");
    subscribe(&mut old, V3_1_1, "answer/#");
    publish(&mut legacy, V3_1_1, "answer/2", &[], b"43");
    gateway.wait_audit(&[("event", "refused"), ("topic", "answer/2"), ("client_id", "valve-2")]);
}

/// The User Properties of a block that has no others.
fn pairs(mut block: &[u8]) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    while let Some((0x26, mut rest)) = block.split_first() {
        let mut text = || {
            let len = usize::from(u16::from_be_bytes([rest[0], rest[1]]));
            let text = String::from_utf8(rest[2..2 + len].to_vec()).expect("text");
            rest = &rest[2 + len..];
            text
        };
        pairs.push((text(), text()));
        block = rest;
    }
    assert!(block.is_empty(), "{block:02x?}");
    pairs
}
