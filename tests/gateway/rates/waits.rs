//! What waits: pings go by it, nothing of it is lost when its client is gone or the gateway stops, and other rules free it.

use std::time::{Duration, Instant};

use super::{connect, is_alive, note, policy, setup, wait_exceeded};
use crate::support::raw_client::Ended;
use crate::support::recording_broker::RecordingBroker;
use crate::support::wire::{self, PUBACK, V3_1_1, V5_0, VERSIONS};
use crate::support::{PATIENCE, wait_for};

fn slow(rate: &str) -> String {
    format!("[[rate]]\nid = \"slow\"\nmessages = \"{rate}\"\nburst = 1\nper = \"client\"\n")
}

#[test]
fn pings_and_acknowledgements_go_by_what_waits() {
    let broker = RecordingBroker::polite();
    let gateway = setup(broker.address, &slow("1/h")).start();
    let mut waiting = Vec::new();
    for (number, version) in VERSIONS.into_iter().enumerate() {
        let mut press = connect(&gateway, version, &format!("press-{version}"));
        press.send(&[note(version, 1), note(version, 2), note(version, 3)].concat());
        press.expect(&wire::ack(PUBACK, 1));
        is_alive(&mut press);
        broker.push(number, &wire::publish(version, 2, "command/a", 7, &[], b"on"));
        assert_eq!(press.frame()[0], 0x32);
        press.send(&wire::ack(PUBACK, 7));
        let at_broker = wait_for("PUBACK at the broker", || {
            Some(broker.frames(number)).filter(|frames| frames.last() == Some(&wire::ack(PUBACK, 7)))
        });
        assert_eq!(at_broker[1..], [note(version, 1), wire::PINGREQ.to_vec(), wire::ack(PUBACK, 7)]);
        let count = number as f64 + 1.0;
        gateway.wait_metric("tidegate_throttled_connections", &[], count);
        wait_exceeded(&gateway, "slow", "throttle", count);
        let told = gateway.wait_audit(&[("event", "throttled"), ("client_id", &format!("press-{version}"))]);
        let said = |key: &str| told[key].as_str().unwrap_or_default().to_owned();
        assert_eq!(
            [said("rule"), said("topic"), said("packet"), said("reason")],
            ["slow", "plant/a", "PUBLISH", "rate"]
        );
        waiting.push(press);
    }
}

#[test]
fn what_a_client_sent_before_it_was_gone_goes_on_and_then_its_connection_ends() {
    let broker = RecordingBroker::polite();
    let gateway = setup(broker.address, &slow("5/s")).start();
    for (number, is_reset) in [false, true].into_iter().enumerate() {
        let mut press = connect(&gateway, V3_1_1, &format!("press-{number}"));
        press.send(&note(V3_1_1, 0).repeat(5));
        wait_for("the first at the broker", || (broker.frames(number).len() >= 2).then_some(()));
        if is_reset {
            press.reset();
        } else {
            drop(press);
        }
        assert_eq!(broker.wait_ended(number), Ended::Closed);
        assert_eq!(broker.frames(number)[1..], vec![note(V3_1_1, 0); 5][..]);
        gateway.wait_audit(&[("event", "ended"), ("client_id", &format!("press-{number}")), ("cause", "client_lost")]);
    }
    gateway.wait_metric("tidegate_throttled_connections", &[], 0.0);
}

#[test]
fn another_policy_without_the_rate_lets_it_go_at_once() {
    let broker = RecordingBroker::polite();
    let gateway = setup(broker.address, &slow("1/h")).with("[reload]\npoll = \"100ms\"").start();
    let mut press = connect(&gateway, V5_0, "press-1");
    let all = [note(V5_0, 1), note(V5_0, 2), note(V5_0, 3)];
    press.send(&all.concat());
    press.expect(&wire::ack(PUBACK, 1));
    is_alive(&mut press);
    gateway.put("policy/policy.toml", &policy("2", ""));
    gateway.wait_reloads("applied", 1.0);
    press.expect(&wire::ack(PUBACK, 2));
    press.expect(&wire::ack(PUBACK, 3));
    assert_eq!(broker.frames(0)[3..], all[1..]);
    is_alive(&mut press);
}

#[test]
fn another_policy_with_the_same_rate_gives_nobody_a_new_start() {
    let broker = RecordingBroker::polite();
    let gateway = setup(broker.address, &slow("1/h")).with("[reload]\npoll = \"100ms\"").start();
    let mut press = connect(&gateway, V5_0, "press-1");
    press.send(&[note(V5_0, 1), note(V5_0, 2)].concat());
    press.expect(&wire::ack(PUBACK, 1));
    gateway.put("policy/policy.toml", &policy("2", &slow("1/h")));
    gateway.wait_reloads("applied", 1.0);
    is_alive(&mut press);
    drop(press);
    let mut again = connect(&gateway, V5_0, "press-1");
    again.send(&note(V5_0, 1));
    is_alive(&mut again);
    assert_eq!(broker.frames(1).len(), 2, "CONNECT and PINGREQ");
}

#[test]
fn a_gateway_that_stops_lets_what_waits_go_on_as_long_as_it_has_time() {
    let broker = RecordingBroker::polite();
    let mut gateway = setup(broker.address, &slow("5/s")).with("[deadlines]\ndrain = \"20s\"").start();
    let mut press = connect(&gateway, V5_0, "press-1");
    press.send(&note(V5_0, 0).repeat(6));
    wait_for("the first at the broker", || (broker.frames(0).len() >= 2).then_some(()));
    gateway.stop();
    assert_eq!(wire::disconnect_reason(&press.frame()), Some(0x8B));
    broker.wait_ended(0);
    assert_eq!(broker.frames(0)[1..], vec![note(V5_0, 0); 6][..]);
    assert!(gateway.wait_end(PATIENCE).is_some_and(|status| status.success()));
}

#[test]
fn a_gateway_that_stops_waits_no_longer_than_it_may() {
    let broker = RecordingBroker::polite();
    let mut gateway = setup(broker.address, &slow("1/h")).with("[deadlines]\ndrain = \"1s\"").start();
    let mut press = connect(&gateway, V5_0, "press-1");
    press.send(&note(V5_0, 0).repeat(3));
    is_alive(&mut press);
    let began = Instant::now();
    gateway.stop();
    assert_eq!(wire::disconnect_reason(&press.frame()), Some(0x8B));
    assert!(gateway.wait_end(PATIENCE).is_some_and(|status| status.success()));
    assert!(began.elapsed() >= Duration::from_millis(900));
}

#[test]
fn deliveries_wait_and_the_broker_is_read_no_further() {
    let broker = RecordingBroker::polite();
    let rate = "[[rate]]\nid = \"slow\"\nreceive = [\"plant/#\"]\nmessages = \"2/s\"\nburst = 1\n";
    let gateway = setup(broker.address, rate).start();
    let mut lamp = connect(&gateway, V3_1_1, "lamp");
    let began = Instant::now();
    broker.push(0, &note(V3_1_1, 0).repeat(4));
    lamp.expect(&note(V3_1_1, 0));
    is_alive(&mut lamp);
    for _ in 1..4 {
        lamp.expect(&note(V3_1_1, 0));
    }
    assert!(began.elapsed() >= Duration::from_millis(1490), "{:?}", began.elapsed());
}
