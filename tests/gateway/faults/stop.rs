//! SIGTERM: doors close, open exchanges end, 5.0 clients are told, the exit code is 0.

use std::time::{Duration, Instant};

use super::dial_tls;
use crate::support::gateway::{Door, Setup};
use crate::support::raw_client::{Ended, RawClient};
use crate::support::recording_broker::{RecordingBroker, answer, polite};
use crate::support::wire::{self, Connect, PUBACK, PUBCOMP, PUBREC, PUBREL, V3_1_1, V5_0};
use crate::support::{PATIENCE, wait_for};

#[test]
fn idle_clients_are_told_and_the_exit_code_is_zero() {
    let broker = RecordingBroker::polite();
    let mut gateway = Setup::to(broker.address).start();
    let mut five = RawClient::connect(gateway.plain(), &Connect::new(V5_0, "five"));
    let mut three = RawClient::connect(gateway.plain(), &Connect::new(V3_1_1, "three"));
    let mut secure = dial_tls(&gateway, "client").expect("a handshake");
    secure.send(&Connect::new(V5_0, "secure").bytes());
    assert_eq!(secure.frame()[0], 0x20);
    let began = Instant::now();
    gateway.stop();
    assert_eq!(wire::disconnect_reason(&five.frame()), Some(0x8b));
    five.expect_end();
    assert_eq!(wire::disconnect_reason(&secure.frame()), Some(0x8b));
    secure.expect_end();
    three.expect_end();
    let status = gateway.wait_end(PATIENCE).expect("it ends");
    assert_eq!(status.code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(5), "not by the drain deadline: {:?}", began.elapsed());
    broker.wait_all_ended();
    for number in 0..3 {
        assert_eq!(broker.frames(number).len(), 1, "CONNECT, and no DISCONNECT of the gateway's making");
    }
    assert!(RawClient::try_dial(gateway.plain()).is_err(), "the door is closed");
    assert_eq!(
        gateway.audit().last().and_then(|line| line["event"].as_str().map(str::to_owned)).as_deref(),
        Some("stopped")
    );
}

#[test]
fn connections_that_are_still_opening_hold_nothing_up() {
    let broker = RecordingBroker::start(|_, _| answer([]));
    let mut gateway = Setup::to(broker.address).start();
    let silent = [Door::Plain, Door::Tls, Door::WebSocket].map(|door| RawClient::dial(gateway.address(door)));
    let mut half = RawClient::dial(gateway.plain());
    half.send(&Connect::new(V5_0, "half-said").bytes()[..9]);
    let mut waiting = RawClient::dial(gateway.plain());
    waiting.send(&Connect::new(V5_0, "waits for CONNACK").bytes());
    wait_for("the CONNECT at the broker", || (broker.frames(0).len() == 1).then_some(()));
    gateway.wait_metric("tidegate_connections_open", &[], 5.0);
    let began = Instant::now();
    gateway.stop();
    half.expect_end();
    assert_eq!(gateway.wait_end(PATIENCE).and_then(|status| status.code()), Some(0));
    assert!(began.elapsed() < Duration::from_secs(8), "not cut: {:?}", began.elapsed());
    for mut client in silent {
        client.expect_end();
    }
    let (told, ended) = waiting.rest(PATIENCE);
    assert!(told.starts_with(&[0x20]) && told[3] == 0x88 && ended != Ended::Silent, "{told:02x?}");
}

#[test]
fn an_exchange_under_way_is_completed_first_and_nobody_new_is_let_in() {
    // Acknowledgements of publishes come only when the test sends them.
    let broker = RecordingBroker::start(|frame, version| match frame[0] & 0xf0 {
        0x30 => answer([]),
        _ => answer(polite(frame, version)),
    });
    let mut gateway = Setup::to(broker.address).with("[deadlines]\ndrain = \"20s\"").start();
    let connects = [Connect::new(V5_0, "one"), Connect::new(V5_0, "two"), Connect::new(V3_1_1, "three")];
    let mut clients = connects.each_ref().map(|connect| RawClient::connect(gateway.plain(), connect));
    clients[0].send(&wire::publish(V5_0, 0x02, "a", 1, &[], b"QoS 1"));
    clients[1].send(&wire::publish(V5_0, 0x04, "a", 2, &[], b"QoS 2"));
    clients[2].send(&wire::publish(V3_1_1, 0x02, "a", 3, &[], b"QoS 1"));
    for number in 0..3 {
        wait_for("the publish at the broker", || (broker.frames(number).len() == 2).then_some(()));
    }
    gateway.stop();
    wait_for("the doors to close", || RawClient::try_dial(gateway.plain()).err());
    assert!(gateway.process.has_ended().is_none(), "it waits for what is open");
    broker.push(0, &wire::ack(PUBACK, 1));
    broker.push(1, &wire::ack(PUBREC, 2));
    broker.push(2, &wire::ack(PUBACK, 3));
    clients[0].expect(&wire::ack(PUBACK, 1));
    assert_eq!(wire::disconnect_reason(&clients[0].frame()), Some(0x8b));
    clients[0].expect_end();
    clients[1].expect(&wire::ack(PUBREC, 2));
    clients[1].send(&wire::ack(PUBREL, 2));
    clients[1].expect(&wire::ack(PUBCOMP, 2));
    assert_eq!(wire::disconnect_reason(&clients[1].frame()), Some(0x8b));
    clients[1].expect_end();
    clients[2].expect(&wire::ack(PUBACK, 3));
    clients[2].expect_end();
    assert_eq!(gateway.wait_end(PATIENCE).and_then(|status| status.code()), Some(0));
}

#[test]
fn an_exchange_that_never_ends_is_cut_at_the_drain_deadline() {
    let broker = RecordingBroker::start(|frame, version| match frame[0] & 0xf0 {
        0x30 => answer([]),
        _ => answer(polite(frame, version)),
    });
    let mut gateway = Setup::to(broker.address).with("[deadlines]\ndrain = \"700ms\"").start();
    let mut client = RawClient::connect(gateway.plain(), &Connect::new(V5_0, "waits"));
    client.send(&wire::publish(V5_0, 0x02, "a", 1, &[], b""));
    wait_for("the publish at the broker", || (broker.frames(0).len() == 2).then_some(()));
    let began = Instant::now();
    gateway.stop();
    assert_eq!(wire::disconnect_reason(&client.frame()), Some(0x8b));
    client.expect_end();
    assert_eq!(gateway.wait_end(PATIENCE).and_then(|status| status.code()), Some(0));
    let took = began.elapsed();
    assert!(took > Duration::from_millis(500) && took < Duration::from_secs(6), "{took:?}");
}

#[test]
fn admin_address_answers_readiness_and_metrics_and_nothing_else() {
    let broker = RecordingBroker::polite();
    let gateway = Setup::to(broker.address).start();
    wait_for("readiness", || gateway.get("/readyz").filter(|(status, _)| *status == 200));
    let (status, page) = gateway.get("/metrics").expect("an answer");
    assert!(status == 200 && page.contains("tidegate_build_info"));
    assert_eq!(gateway.get("/nothing").map(|(status, _)| status), Some(404));
}

#[test]
fn an_audit_file_that_takes_nothing_holds_no_stop_up() {
    let broker = RecordingBroker::polite();
    let full = "file = \"/dev/full\"\nmax_queue = 1";
    let limits = "[limits]\nmax_connections = 1\n[deadlines]\ndrain = \"500ms\"";
    let mut gateway = Setup::to(broker.address).with(limits).audit(full).start();
    let mut only = RawClient::connect(gateway.plain(), &Connect::new(V5_0, "only"));
    // Their records fill the queue, and stop the accepting.
    let refused: Vec<RawClient> = (0..8).map(|_| RawClient::dial(gateway.plain())).collect();
    gateway.wait_metric("tidegate_audit_queue_events", &[], 1.0);
    gateway.stop();
    assert_eq!(wire::disconnect_reason(&only.frame()), Some(0x8b));
    let status = gateway.wait_end(Duration::from_secs(40)).expect("it ends");
    assert_eq!(status.code(), Some(0));
    drop(refused);
}
