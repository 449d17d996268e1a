//! Paho and MQTT.js, as devices and consumers under rules about messages.

use std::process::Command;

use serde_json::{Value, json};

use super::{Signer, beside, message, on_the_wire, publish, setup, subscribe};
use crate::support::gateway::Gateway;
use crate::support::mosquitto::Mosquitto;
use crate::support::process::Process;
use crate::support::wire::{V3_1_1, V5_0};
use crate::support::{PATIENCE, repository, tool, wait_for};
use tidegate::signature::{Carrier, Freshness, Names};

const RULES: &str = r#"
[[payload]]
id = "range"
publish = ["plant/+/temperature"]
receive = ["setpoint/#"]
format = "json"
values = [{ field = "/celsius", min = -40, max = 125 }]

[[signature]]
id = "commands"
publish = ["command/#"]
carrier = "user-property"
keys = "../public.json"
action = "strip"

[[signature]]
id = "wrapped"
publish = ["wrapped/#"]
carrier = "jws"
keys = "../public.json"
action = "strip"
"#;

const HOT: &[u8] = br#"{"celsius":999}"#;
const MILD: &[u8] = br#"{"celsius":21.5}"#;

#[derive(Clone, Copy, Debug)]
enum Library {
    Paho,
    MqttJs,
}

impl Library {
    const BOTH: [Self; 2] = [Self::Paho, Self::MqttJs];

    fn start(
        self,
        gateway: &Gateway,
        version: u8,
        subscribed: &[&str],
        published: &[Value],
        messages: usize,
    ) -> Running {
        let mut script = match self {
            Self::Paho => {
                let python = repository(".venv/bin/python");
                assert!(python.is_file(), "`{}` is missing: run `tests/prepare`", python.display());
                let mut script = Command::new(python);
                script.arg(repository("tests/clients/exchange_paho.py"));
                script
            }
            Self::MqttJs => {
                let package = repository("tests/clients/node_modules/mqtt");
                assert!(package.is_dir(), "`{}` is missing: run `tests/prepare`", package.display());
                let mut script = Command::new(tool("node", "nodejs"));
                script.arg(repository("tests/clients/exchange_mqttjs.mjs"));
                script
            }
        };
        let given = json!({
            "port": gateway.plain().port(), "version": version, "id": "scada-1",
            "subscribe": subscribed, "publish": published, "messages": messages,
        });
        script.arg(given.to_string());
        let folder = tempfile::tempdir().expect("a folder");
        let process = Process::start("a client", script, &folder.path().join("log"));
        Running { process, _folder: folder }
    }
}

struct Running {
    process: Process,
    _folder: tempfile::TempDir,
}

impl Running {
    /// Waits until it has subscribed.
    fn subscribed(&self) {
        wait_for("a subscription", || self.process.log().contains("subscribed").then_some(()));
    }

    /// What it printed once it was subscribed.
    fn told(&mut self) -> Vec<String> {
        let status = self.process.wait_end(2 * PATIENCE);
        let log = self.process.log();
        assert!(status.is_some_and(|status| status.success()), "{log}");
        log.lines().skip_while(|line| *line != "subscribed").skip(1).map(str::to_owned).collect()
    }
}

fn sent(topic: &str, payload: &[u8], properties: &[(String, String)]) -> Value {
    let hex = payload.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    json!({ "topic": topic, "payload": hex, "retain": false, "properties": properties })
}

#[test]
fn a_library_learns_by_its_code_that_a_value_was_refused() {
    let broker = Mosquitto::start();
    let gateway = setup(&broker, RULES).start();
    let mut witness = beside(&broker, V5_0, "witness");
    subscribe(&mut witness, V5_0, "plant/#");
    for library in Library::BOTH {
        for version in [V3_1_1, V5_0] {
            let published = [HOT, MILD].map(|payload| sent("plant/1/temperature", payload, &[]));
            let told = library.start(&gateway, version, &[], &published, 0).told();
            let refused = if version == V5_0 { "code 153" } else { "code 0" };
            assert_eq!(told, [refused, "code 0"], "{library:?} {version}");
            assert_eq!(message(&mut witness, V5_0).1, MILD);
        }
    }
}

#[test]
fn a_library_is_delivered_what_is_in_range_alone() {
    let broker = Mosquitto::start();
    let gateway = setup(&broker, RULES).start();
    for library in Library::BOTH {
        for version in [V3_1_1, V5_0] {
            let mut running = library.start(&gateway, version, &["setpoint/#"], &[], 1);
            running.subscribed();
            let mut other = beside(&broker, V5_0, "other");
            for payload in [HOT, MILD] {
                publish(&mut other, V5_0, "setpoint/1", &[], payload);
            }
            let told = running.told();
            let seen: Value = serde_json::from_str(&told[0]).expect("JSON");
            assert_eq!(seen["payload"], sent("", MILD, &[])["payload"], "{library:?} {version}");
        }
    }
}

#[test]
fn a_library_carries_a_signature_as_it_is() {
    let broker = Mosquitto::start();
    let gateway = setup(&broker, RULES).start();
    let mut witness = beside(&broker, V5_0, "witness");
    subscribe(&mut witness, V5_0, "command/#");
    subscribe(&mut witness, V5_0, "wrapped/#");
    let mut signer = Signer::new("scada-1", Carrier::UserProperty(Names::default()), Freshness::Nonce);
    let mut wrapper = Signer::new("scada-1", Carrier::Jws, Freshness::Nonce);
    for library in Library::BOTH {
        let sealed = signer.sign("command/1", b"open");
        let signed = sent("command/1", b"open", &sealed.add_properties);
        let published = [signed.clone(), signed, sent("command/1", b"open", &[])];
        let told = library.start(&gateway, V5_0, &[], &published, 0).told();
        assert_eq!(told, ["code 0", "code 135", "code 135"], "{library:?}: good, played again, unsigned");
        assert_eq!(message(&mut witness, V5_0), ("command/1".to_owned(), b"open".to_vec(), Vec::new()));
        for version in [V3_1_1, V5_0] {
            let sealed = wrapper.sign("wrapped/1", b"shut");
            let (payload, _) = on_the_wire(&sealed, b"shut");
            let published = [sent("wrapped/1", &payload, &[]), sent("wrapped/1", b"shut", &[])];
            let told = library.start(&gateway, version, &[], &published, 0).told();
            let refused = if version == V5_0 { "code 135" } else { "code 0" };
            assert_eq!(told, ["code 0", refused], "{library:?} {version}");
            assert_eq!(message(&mut witness, V5_0).1, b"shut");
        }
    }
}
