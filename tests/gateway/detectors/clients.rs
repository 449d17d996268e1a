//! Clients that come and go, drive one another out, and leave Wills behind.

use super::{GOOD, asks, detections};
use crate::support::PATIENCE;
use crate::support::gateway::{Door, Gateway, Setup};
use crate::support::mosquitto::Mosquitto;
use crate::support::raw_client::{Ended, RawClient};
use crate::support::recording_broker::{RecordingBroker, Then, answer_then, polite};
use crate::support::wire::{self, Connect, V3_1_1, V5_0};

fn start(broker: std::net::SocketAddr, protection: &str) -> Gateway {
    Setup::to(broker).only(&[Door::Plain]).with(&format!("[protection]\n{protection}")).start()
}

fn is_alive(client: &mut RawClient) {
    client.send(&wire::PINGREQ);
    client.expect(&wire::PINGRESP);
}

/// How often it gets in that comes `times` and is gone at once each time, as `leave` has it; what it is told else.
fn visits(gateway: &Gateway, connect: &Connect, times: usize, leave: fn(RawClient)) -> (usize, Vec<u8>) {
    let (mut let_in, mut told) = (0, Vec::new());
    for _ in 0..times {
        match asks(GOOD, gateway, connect) {
            (Some(0), client) => {
                leave(client);
                gateway.wait_metric("tidegate_connections_open", &[], 0.0);
                let_in += 1;
            }
            (code, _) => told.extend(code),
        }
    }
    (let_in, told)
}

#[test]
fn a_client_that_is_gone_as_soon_as_it_has_come_is_refused_and_others_are_served() {
    let broker = RecordingBroker::polite();
    let gateway = start(broker.address, "flapping = \"3/60s\"");
    for (version, code) in [(V3_1_1, 3), (V5_0, 0x9f)] {
        let connect = Connect::new(version, &format!("flaps-{version}"));
        let expected = (3, vec![code; 2]);
        assert_eq!(visits(&gateway, &connect, 5, RawClient::goodbye), expected);
    }
    assert_eq!((broker.connections(), detections(&gateway, "flapping")), (6, 4.0));
    gateway.wait_audit(&[("event", "ended"), ("cause", "rate"), ("rule", "flapping"), ("client_id", "flaps-5")]);
    let (code, mut client) = asks(GOOD, &gateway, &Connect::new(V5_0, "calm"));
    assert_eq!(code, Some(0));
    is_alive(&mut client);
    // Neither by a reload.
    gateway.hang_up();
    gateway.wait_reloads("applied", 1.0);
    assert_eq!(asks(GOOD, &gateway, &Connect::new(V3_1_1, "flaps-4")).0, Some(3));
    is_alive(&mut client);
}

#[test]
fn a_client_that_stays_and_one_that_the_broker_ends_do_not_flap() {
    let broker = RecordingBroker::start(|frame, version| {
        let then = if frame[0] == wire::PINGREQ[0] { Then::Close } else { Then::GoOn };
        answer_then(polite(frame, version), then)
    });
    let gateway = start(broker.address, "flapping = \"3/60s\"\nflapping_within = \"100ms\"");
    let stays = |client: RawClient| {
        std::thread::sleep(std::time::Duration::from_millis(150));
        client.goodbye();
    };
    assert_eq!(visits(&gateway, &Connect::new(V5_0, "stays"), 6, stays).0, 6);
    let is_ended = |mut client: RawClient| {
        client.send(&wire::PINGREQ);
        let _ = client.rest(PATIENCE);
    };
    assert_eq!(visits(&gateway, &Connect::new(V5_0, "is-ended"), 6, is_ended).0, 6);
    assert_eq!(detections(&gateway, "flapping"), 0.0);
}

#[test]
fn who_leaves_its_will_behind_again_and_again_may_come_without() {
    let broker = RecordingBroker::polite();
    let gateway = start(broker.address, "wills = \"3/60s\"");
    let plain = Connect::new(V5_0, "dies");
    let with_will = plain.clone().will("plant/last", b"gone", 0);
    let (let_in, told) = visits(&gateway, &with_will, 3, RawClient::goodbye);
    assert_eq!((let_in, told), (3, vec![]), "a goodbye leaves none");
    assert_eq!(visits(&gateway, &with_will, 5, RawClient::reset), (3, vec![0x9f; 2]));
    assert_eq!(visits(&gateway, &plain, 5, RawClient::reset), (5, vec![]));
    assert_eq!(detections(&gateway, "wills"), 2.0);
    gateway.wait_audit(&[("event", "ended"), ("cause", "rate"), ("rule", "wills")]);
}

#[test]
fn of_two_that_drive_one_another_out_the_one_that_is_there_stays() {
    let broker = Mosquitto::start();
    let gateway = start(broker.address, "takeovers = \"3/60s\"");
    let (code, mut there) = asks(GOOD, &gateway, &Connect::new(V3_1_1, "pump"));
    assert_eq!(code, Some(0));
    for _ in 0..3 {
        let (code, next) = asks(GOOD, &gateway, &Connect::new(V3_1_1, "pump"));
        assert_eq!(code, Some(0));
        let (_, ended) = there.rest(PATIENCE);
        assert_ne!(ended, Ended::Silent, "the broker ends the one that was there");
        there = next;
        gateway.wait_metric("tidegate_connections_ended_total", &[], 1.0);
    }
    for _ in 0..3 {
        assert_eq!(asks(GOOD, &gateway, &Connect::new(V3_1_1, "pump")).0, Some(3));
    }
    assert_eq!(asks(GOOD, &gateway, &Connect::new(V5_0, "pump")).0, Some(0x9f));
    is_alive(&mut there);
    assert_eq!(detections(&gateway, "takeovers"), 4.0);
    gateway.wait_audit(&[("event", "ended"), ("cause", "rate"), ("rule", "takeovers")]);
    there.goodbye();
    gateway.wait_metric("tidegate_broker_connections_open", &[], 0.0);
    assert_eq!(asks(GOOD, &gateway, &Connect::new(V3_1_1, "pump")).0, Some(0), "nobody is there");
}
