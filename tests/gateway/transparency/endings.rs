//! How connections end in good order: whoever speaks last is heard to the end.

use std::time::Duration;

use crate::support::gateway::{Door, Setup};
use crate::support::raw_client::{Ended, RawClient};
use crate::support::recording_broker::{RecordingBroker, Then, answer, answer_then, polite};
use crate::support::wire::{self, Connect, V3_1_1, V5_0, VERSIONS};

#[test]
fn all_that_a_client_sent_before_its_goodbye_arrives_though_it_is_gone() {
    // Takes its time with the first packet, so that much is still under way when the client has gone.
    let broker = RecordingBroker::start(|frame, version| {
        if frame[0] == 0x30 {
            std::thread::sleep(Duration::from_millis(100));
        }
        answer(polite(frame, version))
    });
    let gateway = Setup::to(broker.address).start();
    let mut number = 0;
    for door in [Door::Plain, Door::Tls] {
        for version in VERSIONS {
            let connect = Connect::new(version, "in-a-hurry");
            let mut client = if door == Door::Plain {
                RawClient::dial(gateway.plain())
            } else {
                let config = gateway.tls_client(Some(&gateway.pki.pair("client")));
                RawClient::try_dial_tls(gateway.address(door), config).expect("a handshake")
            };
            client.send(&connect.bytes());
            assert_eq!(client.frame()[0], 0x20);
            let large = wire::publish(version, 0, "large", 0, &[], &vec![7; 2_000_000]);
            let small = wire::publish(version, 0, "small", 0, &[], b"last words");
            let sent = [large.as_slice(), &small, &small, &wire::DISCONNECT].concat();
            client.send(&sent);
            drop(client);
            let all = [connect.bytes(), sent].concat();
            let received = broker.wait_received(number, all.len());
            assert!(received == all, "{door:?}, version {version}: {} of {} bytes", received.len(), all.len());
            assert_eq!(broker.wait_ended(number), Ended::Closed);
            number += 1;
        }
    }
}

#[test]
fn all_that_a_broker_sent_before_it_closed_arrives() {
    let messages = |version| wire::publish(version, 0, "a", 0, &[], &[9; 40_000]).repeat(20);
    let broker = RecordingBroker::start(move |frame, version| match frame[0] {
        0xc0 => answer_then(messages(version), Then::Close),
        _ => answer(polite(frame, version)),
    });
    let gateway = Setup::to(broker.address).start();
    for version in VERSIONS {
        let mut client = RawClient::connect(gateway.plain(), &Connect::new(version, "listens"));
        client.send(&wire::PINGREQ);
        let (received, ended) = client.rest(crate::support::PATIENCE);
        let told: &[u8] = if version == V5_0 { &[0xe0, 1, 0x89] } else { &[] };
        assert!(
            received == [messages(version).as_slice(), told].concat(),
            "version {version}: {} bytes",
            received.len()
        );
        assert_eq!(ended, Ended::Closed);
    }
}

#[test]
fn a_brokers_refusal_is_passed_on_as_it_came() {
    let reason = [vec![0x1f], wire::string("not today"), vec![0x26], wire::string("a"), wire::string("b")].concat();
    let refusal = wire::packet(0x20, &[vec![0, 0x87], wire::length(reason.len()), reason].concat());
    for (version, connack) in [(V3_1_1, wire::connack(V3_1_1, false, 5)), (V5_0, refusal)] {
        let told = connack.clone();
        let broker = RecordingBroker::start(move |_, _| answer_then(told.clone(), Then::Close));
        let gateway = Setup::to(broker.address).start();
        let mut client = RawClient::dial(gateway.plain());
        client.send(&Connect::new(version, "unwelcome").bytes());
        assert_eq!(client.rest(crate::support::PATIENCE), (connack, Ended::Closed), "version {version}");
        gateway.wait_metric("tidegate_connections_ended_total", &["cause=\"refused_by_broker\""], 1.0);
    }
}

#[test]
fn a_brokers_goodbye_is_passed_on_as_it_came() {
    let properties = [vec![0x1f], wire::string("moved"), vec![0x1c], wire::string("other.example:1883")].concat();
    let goodbye = wire::packet(0xe0, &[vec![0x9d], wire::length(properties.len()), properties].concat());
    let told = goodbye.clone();
    let broker = RecordingBroker::start(move |frame, version| match frame[0] {
        0xc0 => answer_then(told.clone(), Then::Close),
        _ => answer(polite(frame, version)),
    });
    let gateway = Setup::to(broker.address).start();
    let mut client = RawClient::connect(gateway.plain(), &Connect::new(V5_0, "sent-away"));
    client.send(&wire::PINGREQ);
    assert_eq!(client.rest(crate::support::PATIENCE), (goodbye, Ended::Closed));
    gateway.wait_metric("tidegate_connections_ended_total", &["cause=\"broker_disconnect\""], 1.0);
}

#[test]
fn a_client_that_says_all_at_once_and_goes_is_heard_in_full() {
    // The CONNACK takes its time, and nothing may be read before it.
    let broker = RecordingBroker::start(|frame, version| {
        if frame[0] == 0x10 {
            std::thread::sleep(Duration::from_millis(200));
        }
        answer(polite(frame, version))
    });
    let gateway = Setup::to(broker.address).start();
    for (number, version) in VERSIONS.into_iter().enumerate() {
        let all = [
            Connect::new(version, "terse").will("will", b"never", 1).bytes(),
            wire::publish(version, 0, "a", 0, &[], b"one"),
            wire::publish(version, 2, "a", 1, &[], b"two"),
            wire::DISCONNECT.to_vec(),
        ]
        .concat();
        let mut client = RawClient::dial(gateway.plain());
        client.send(&all);
        drop(client);
        assert!(broker.wait_received(number, all.len()) == all, "version {version}");
        broker.wait_ended(number);
    }
    gateway.wait_metric("tidegate_connections_open", &[], 0.0);
}

#[test]
fn a_client_that_goes_before_connack_leaves_nothing_upstream() {
    let broker = RecordingBroker::start(|_, _| answer([]));
    let gateway = Setup::to(broker.address).with("[deadlines]\nconnack = \"2s\"").start();
    for (number, version) in VERSIONS.into_iter().enumerate() {
        let connect = Connect::new(version, "impatient").bytes();
        let mut client = RawClient::dial(gateway.plain());
        client.send(&connect);
        broker.wait_received(number, connect.len());
        if number == 0 {
            client.reset();
        } else {
            drop(client);
        }
        broker.wait_ended(number);
        assert_eq!(broker.received(number), connect);
    }
    gateway.wait_metric("tidegate_connections_open", &[], 0.0);
}
