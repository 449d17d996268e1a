//! Scenarios played by real clients: Eclipse Paho (Python) and MQTT.js, each version, over each transport.

use std::process::Command;

use super::legs::{Leg, Transcript, compare};
use crate::support::gateway::Door;
use crate::support::{repository, tool};

const EVERY_VERSION: [u8; 3] = [3, 4, 5];
/// Where the point is the transport.
const NEWER_VERSIONS: [u8; 2] = [4, 5];

fn paho(leg: &Leg, versions: &[u8]) -> Vec<Transcript> {
    let python = repository(".venv/bin/python");
    assert!(python.is_file(), "`{}` is missing: run `tests/prepare`, which installs paho-mqtt", python.display());
    let mut script = Command::new(python);
    script.arg(repository("tests/clients/transcript_paho.py"));
    leg.play_script(script, versions)
}

fn mqtt_js(leg: &Leg, versions: &[u8]) -> Vec<Transcript> {
    let package = repository("tests/clients/node_modules/mqtt");
    assert!(package.is_dir(), "`{}` is missing: run `tests/prepare`, which installs MQTT.js", package.display());
    let mut script = Command::new(tool("node", "nodejs"));
    script.arg(repository("tests/clients/transcript_mqttjs.mjs"));
    leg.play_script(script, versions)
}

#[test]
fn paho_sees_the_same_through_the_gateway() {
    compare(Door::Plain, |leg| paho(leg, &EVERY_VERSION));
}

#[test]
fn paho_sees_the_same_through_mutual_tls() {
    compare(Door::Tls, |leg| paho(leg, &NEWER_VERSIONS));
}

#[test]
fn paho_sees_the_same_over_websocket() {
    compare(Door::WebSocket, |leg| paho(leg, &EVERY_VERSION));
}

#[test]
fn mqtt_js_sees_the_same_through_the_gateway() {
    compare(Door::Plain, |leg| mqtt_js(leg, &EVERY_VERSION));
}

#[test]
fn mqtt_js_sees_the_same_over_websocket_with_mutual_tls() {
    compare(Door::WebSocketTls, |leg| mqtt_js(leg, &NEWER_VERSIONS));
}

#[test]
fn mqtt_js_sees_the_same_over_ipv6() {
    compare(Door::Ipv6, |leg| mqtt_js(leg, &NEWER_VERSIONS));
}
