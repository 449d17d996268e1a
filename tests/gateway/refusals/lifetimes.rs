//! How long a client may stay: no traffic, and no want of it, makes it longer.

use std::time::{Duration, Instant};

use super::{plain, setup};
use crate::support::raw_client::RawClient;
use crate::support::recording_broker::{RecordingBroker, Then, answer_then, polite};
use crate::support::wire::{self, V5_0, VERSIONS};

const POLICY: &str = r##"
version = "short"

[[role]]
name = "guest"
match = { client_id = "*" }
max_lifetime = "1s"

[[grant]]
id = "all"
roles = ["guest"]
publish = ["#"]
subscribe = ["#"]
"##;

fn is_over(client: &mut RawClient, version: u8, since: Instant) {
    if version == V5_0 {
        assert_eq!(wire::disconnect_reason(&client.frame()), Some(0xA0));
    }
    client.expect_end();
    let lasted = since.elapsed();
    assert!(lasted >= Duration::from_millis(900) && lasted < Duration::from_secs(15), "{lasted:?}");
}

#[test]
fn a_client_goes_when_its_time_is_over_however_busy_it_is() {
    let broker = RecordingBroker::polite();
    let gateway = setup(broker.address).policy(POLICY).start();
    for version in VERSIONS {
        let began = Instant::now();
        let mut client = RawClient::connect(gateway.plain(), &plain(version, "guest"));
        while began.elapsed() < Duration::from_millis(700) {
            client.send(&wire::PINGREQ);
            client.expect(&wire::PINGRESP);
        }
        is_over(&mut client, version, began);
    }
    gateway.wait_audit(&[("event", "ended"), ("cause", "expired"), ("blame", "gateway")]);
    broker.wait_all_ended();
    let goodbye = (0..3).any(|number| broker.received(number).ends_with(&wire::DISCONNECT));
    assert!(!goodbye, "the broker is left without DISCONNECT, so that it publishes the Will");
}

#[test]
fn a_client_that_is_not_read_goes_all_the_same() {
    // It takes CONNECT and nothing more.
    let broker = RecordingBroker::start(|frame, version| answer_then(polite(frame, version), Then::Stall));
    let gateway = setup(broker.address).policy(POLICY).with("[deadlines]\nwrite = \"60s\"").start();
    for version in VERSIONS {
        let began = Instant::now();
        let mut client = RawClient::connect(gateway.plain(), &plain(version, "guest"));
        client.socket().set_write_timeout(Some(Duration::from_millis(200))).expect("a timeout");
        let packet = wire::publish(version, 0, "much", 0, &[], &[0x55; 60_000]);
        while client.try_send(&packet).is_ok() {}
        is_over(&mut client, version, began);
    }
}
