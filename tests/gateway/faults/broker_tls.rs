//! TLS towards the broker: an unmodified Mosquitto that asks for a certificate, and brokers that are not who they should be.

use crate::support::gateway::Setup;
use crate::support::mosquitto::Mosquitto;
use crate::support::pki::Pki;
use crate::support::raw_client::RawClient;
use crate::support::recording_broker::RecordingBroker;
use crate::support::wire::{self, Connect, V5_0};

fn is_told_that_no_broker_is_there(address: std::net::SocketAddr) {
    let mut client = RawClient::dial(address);
    client.send(&Connect::new(V5_0, "hopeful").bytes());
    let connack = client.frame();
    assert_eq!((connack[0], wire::body(&connack)[1]), (0x20, 0x88));
    client.expect_end();
}

#[test]
fn messages_pass_to_a_mosquitto_that_asks_the_gateway_for_a_certificate() {
    let folder = tempfile::tempdir().expect("a folder");
    let pki = Pki::create(folder.path()).expect("certificates");
    let broker = Mosquitto::start_tls(&pki);
    let gateway = Setup::to(broker.address).broker_tls(&pki, true).start();
    let mut client = RawClient::connect(gateway.plain(), &Connect::new(V5_0, "far-side"));
    client.send(&wire::subscribe(V5_0, 1, &[("far/#", 0)]));
    assert_eq!(client.frame()[0], 0x90);
    let large = wire::publish(V5_0, 0, "far/large", 0, &[], &vec![3; 1_000_000]);
    client.send(&large);
    assert!(client.frame() == large, "there and back");
    client.goodbye();
}

#[test]
fn a_broker_of_another_issuer_gets_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let pki = Pki::create(folder.path()).expect("certificates");
    let other = pki.stranger("other").expect("a CA");
    other.server("server", &["localhost", "127.0.0.1"]).expect("a certificate");
    let broker = Mosquitto::start_tls(&other);
    let gateway = Setup::to(broker.address).broker_tls(&pki, true).start();
    is_told_that_no_broker_is_there(gateway.plain());
    gateway.wait_metric("tidegate_broker_dial_failures_total", &["reason=\"unknown_ca\""], 1.0);
    assert!(!broker.process.log().contains("hopeful"), "the CONNECT stayed here");
}

#[test]
fn a_broker_without_tls_where_tls_is_due_gets_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let pki = Pki::create(folder.path()).expect("certificates");
    let broker = RecordingBroker::polite();
    let gateway = Setup::to(broker.address).broker_tls(&pki, false).with("[deadlines]\ndial = \"700ms\"").start();
    is_told_that_no_broker_is_there(gateway.plain());
    assert!(!broker.received(0).windows(4).any(|window| window == b"MQTT"), "nothing in the clear");
}

#[test]
fn a_gateway_that_lacks_the_brokers_papers_is_turned_away_and_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let pki = Pki::create(folder.path()).expect("certificates");
    let broker = Mosquitto::start_tls(&pki);
    let gateway = Setup::to(broker.address).broker_tls(&pki, false).start();
    is_told_that_no_broker_is_there(gateway.plain());
}
