//! Values that must be in a range, either way, and what becomes of those that are not.

use std::process::Command;

use super::{beside, dial, message, publish, refusal, setup, subscribe};
use crate::support::mosquitto::Mosquitto;
use crate::support::tool;
use crate::support::wire::{self, PUBCOMP, PUBREL, V3_1_1, V5_0, VERSIONS};

const RULES: &str = r#"
[[payload]]
id = "range"
publish = ["plant/+/temperature"]
receive = ["setpoint/#"]
format = "json"
values = [{ field = "/celsius", type = "number", min = -40, max = 125 }]

[[payload]]
id = "cap"
publish = ["plant/+/report"]
format = "json"
max_bytes = "100KiB"
"#;

/// Payloads that do not go on, with the field and what is wrong with it.
const BAD: [(&[u8], &str); 6] = [
    (br#"{"celsius":999}"#, "/celsius"),
    (br#"{"celsius":-40.5}"#, "/celsius"),
    (br#"{"celsius":"21"}"#, "/celsius"),
    (br#"{"fahrenheit":70}"#, "/celsius"),
    (br#"{"celsius":21,"celsius":22}"#, ""),
    (br#"{"celsius":21"#, ""),
];
const GOOD: &[u8] = br#"{"celsius":21.5,"unit":"C"}"#;

#[test]
fn a_value_out_of_range_does_not_reach_the_broker() {
    let broker = Mosquitto::start();
    let gateway = setup(&broker, RULES).start();
    for version in VERSIONS {
        let mut witness = beside(&broker, V5_0, "witness");
        subscribe(&mut witness, V5_0, "plant/#");
        let mut client = dial(&gateway, version, "temp-07");
        let topic = "plant/line1/temperature";
        for (bad, _) in BAD {
            client.send(&wire::publish(version, 0, topic, 0, &[], bad));
            client.send(&wire::publish(version, 2, topic, 7, &[], bad));
            client.expect(&refusal(version, 1, 7, 0x99));
            client.send(&wire::publish(version, 4, topic, 8, &[], bad));
            client.expect(&refusal(version, 2, 8, 0x99));
            if version != V5_0 {
                client.send(&wire::ack(PUBREL, 8));
                client.expect(&wire::ack(PUBCOMP, 8));
            }
        }
        assert_eq!(publish(&mut client, version, topic, &[], GOOD), 0);
        assert_eq!(message(&mut witness, V5_0).1, GOOD);
    }
    for (_, field) in BAD {
        let facts = [("event", "refused"), ("reason", "payload"), ("rule", "range"), ("field", field)];
        let known = if field.is_empty() { 3 } else { 4 };
        let line = gateway.wait_audit(&facts[..known]);
        assert!(line["problem"].is_string(), "{line}");
    }
    let text = gateway.read("audit.jsonl");
    assert!(!text.contains("999") && !text.contains("-40.5") && !text.contains("fahrenheit"), "no value is recorded");
}

#[test]
fn a_delivery_out_of_range_does_not_reach_the_client_and_the_window_does_not_stall() {
    let broker = Mosquitto::start();
    let gateway = setup(&broker, RULES).start();
    for version in VERSIONS {
        let mut device = dial(&gateway, version, "valve-1");
        subscribe(&mut device, version, "setpoint/#");
        let mut scada = beside(&broker, V5_0, "scada");
        // More than Mosquitto has in flight to one client.
        for _ in 0..10 {
            for (bad, _) in BAD {
                assert_eq!(publish(&mut scada, V5_0, "setpoint/1", &[], bad), 0);
            }
        }
        assert_eq!(publish(&mut scada, V5_0, "setpoint/1", &[], GOOD), 0);
        let (topic, payload, _) = message(&mut device, version);
        assert_eq!((topic.as_str(), payload.as_slice()), ("setpoint/1", GOOD));
    }
}

#[test]
fn a_retained_value_is_judged_whenever_it_is_delivered() {
    let broker = Mosquitto::start();
    let gateway = setup(&broker, RULES).start();
    let mut scada = beside(&broker, V5_0, "scada");
    for (topic, payload) in [("setpoint/bad", BAD[0].0), ("setpoint/good", GOOD)] {
        scada.send(&wire::publish(V5_0, 3, topic, 9, &[], payload));
        assert_eq!(scada.frame()[0], wire::PUBACK);
    }
    for version in VERSIONS {
        let mut device = dial(&gateway, version, "valve-1");
        subscribe(&mut device, version, "setpoint/bad");
        subscribe(&mut device, version, "setpoint/good");
        assert_eq!(message(&mut device, version).0, "setpoint/good");
    }
    let mut client = dial(&gateway, V3_1_1, "temp-07");
    client.send(&wire::publish(V3_1_1, 3, "plant/1/temperature", 9, &[], BAD[0].0));
    client.expect(&wire::ack(wire::PUBACK, 9));
    client.send(&wire::publish(V3_1_1, 3, "plant/1/temperature", 9, &[], GOOD));
    client.expect(&wire::ack(wire::PUBACK, 9));
    let mut late = beside(&broker, V3_1_1, "late");
    subscribe(&mut late, V3_1_1, "plant/#");
    assert_eq!(message(&mut late, V3_1_1).1, GOOD);
}

#[test]
fn a_large_document_is_kept_whole_within_the_cap_and_refused_by_its_head_beyond() {
    let broker = Mosquitto::start();
    let gateway = setup(&broker, RULES).start();
    let document = |items: usize, end: &str| {
        let items: Vec<String> = (0..items).map(|item| format!("{:0>20}", item + 1).replace('0', "1")).collect();
        format!("[{}{end}", items.join(",")).into_bytes()
    };
    for version in [V3_1_1, V5_0] {
        let mut witness = beside(&broker, V5_0, "witness");
        subscribe(&mut witness, V5_0, "plant/#");
        let mut client = dial(&gateway, version, "temp-07");
        // Above the threshold from which messages pass in pieces.
        let good = document(4000, "]");
        assert!(good.len() > 80_000);
        assert_eq!(publish(&mut client, version, "plant/1/report", &[], &good), 0);
        assert_eq!(message(&mut witness, V5_0).1.len(), good.len());
        let refused = if version == V5_0 { 0x99 } else { 0 };
        assert_eq!(publish(&mut client, version, "plant/1/report", &[], &document(4000, "")), refused);
        // Of this the head is enough.
        let large = wire::publish(version, 2, "plant/1/report", 9, &[], &document(6000, "]"));
        client.send(&large[..100]);
        gateway.wait_audit(&[("event", "refused"), ("rule", "cap"), ("reason", "payload_size")]);
        client.send(&large[100..]);
        client.expect(&refusal(version, 1, 9, 0x97));
        assert_eq!(publish(&mut client, version, "plant/1/report", &[], b"[]"), 0);
        assert_eq!(message(&mut witness, V5_0).1, b"[]");
    }
}

#[test]
fn mosquitto_pub_is_told_what_is_wrong_by_the_code_alone() {
    let broker = Mosquitto::start();
    let gateway = setup(&broker, RULES).start();
    let port = gateway.plain().port().to_string();
    for (version, code) in [("mqttv311", ""), ("mqttv5", "RC:153")] {
        for (payload, refused) in [("{\"celsius\":999}", true), ("{\"celsius\":1}", false)] {
            let mut program = Command::new(tool("mosquitto_pub", "mosquitto-clients"));
            program.args(["-h", "127.0.0.1", "-p", &port, "-V", version, "-i", "temp-07", "-d", "-q", "1"]);
            let output = program.args(["-t", "plant/1/temperature", "-m", payload]).output().expect("it starts");
            let told = String::from_utf8_lossy(&[&*output.stdout, &*output.stderr].concat()).into_owned();
            assert!(output.status.success() && told.contains("received PUBACK"), "{version}: {told}");
            assert_eq!(told.contains("RC:153"), refused && !code.is_empty(), "{version}: {told}");
        }
    }
}

#[test]
fn what_is_refused_and_quarantined_says_which_field_and_keeps_the_payload() {
    let broker = Mosquitto::start();
    let rules = RULES.replacen("id = \"range\"", "id = \"range\"\non_deny = \"quarantine\"", 1);
    let gateway = setup(&broker, &rules).start();
    let mut operator = beside(&broker, V3_1_1, "operator");
    subscribe(&mut operator, V3_1_1, "quarantine/#");
    let mut scada = beside(&broker, V5_0, "scada");
    for version in VERSIONS {
        let mut client = dial(&gateway, version, "temp-07");
        subscribe(&mut client, version, "setpoint/#");
        let code = if version == V5_0 { 0x99 } else { 0 };
        assert_eq!(publish(&mut client, version, "plant/1/temperature", &[], BAD[0].0), code);
        publish(&mut scada, V5_0, "setpoint/1", &[], BAD[3].0);
        let mut seen = [message(&mut operator, V3_1_1), message(&mut operator, V3_1_1)];
        seen.sort();
        for ((topic, envelope, _), (expected, payload)) in
            seen.iter().zip([("plant/1/temperature", BAD[0].0), ("setpoint/1", BAD[3].0)])
        {
            assert_eq!(*topic, format!("quarantine/payload/range/{expected}"));
            let envelope: serde_json::Value = serde_json::from_slice(envelope).expect("an envelope");
            assert_eq!(envelope["payload_text"].as_str().map(str::as_bytes), Some(payload));
            assert_eq!(envelope["detail"]["field"], "/celsius", "{envelope}");
        }
        publish(&mut scada, V5_0, "setpoint/1", &[], GOOD);
        assert_eq!(message(&mut client, version).1, GOOD);
    }
}
