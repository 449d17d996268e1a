//! Addresses and clients that are banned for what they do, and addresses that are spared.

use super::{BAD, GOOD, asks, detections};
use crate::sources::{dial_from, is_turned_away};
use crate::support::gateway::{Door, Gateway, Setup};
use crate::support::mosquitto::Mosquitto;
use crate::support::ports::free_port;
use crate::support::raw_client::RawClient;
use crate::support::recording_broker::RecordingBroker;
use crate::support::wire::{self, Connect, V3_1_1, V5_0};
use crate::support::{PATIENCE, wait_for};

const FEW: &str = "[protection]\nban = \"2s\"\nmalformed = \"4/60s\"\nfailed_handshakes = \"4/60s\"\n";

/// No first packet can be that.
const NO_CONNECT: [u8; 8] = [0xf0, 0x80, 0, 0, 0, 0, 0, 0];

fn breaks(own: [u8; 4], gateway: &Gateway, door: Door) {
    let mut client = dial_from(own, gateway.address(door));
    client.send(&NO_CONNECT);
    let _ = client.rest(PATIENCE);
}

fn goes_on(client: &mut RawClient) {
    client.send(&wire::PINGREQ);
    client.expect(&wire::PINGRESP);
}

fn check(door: Door, detector: &str) {
    let broker = RecordingBroker::polite();
    let gateway = Setup::to(broker.address).only(&[Door::Plain, Door::Tls]).with(FEW).start();
    let (_, mut good) = asks(GOOD, &gateway, &Connect::new(V5_0, "good"));
    for _ in 0..5 {
        breaks(BAD, &gateway, door);
    }
    wait_for("a ban", || (gateway.metric("tidegate_bans_total", &[]) > 0.0).then_some(()));
    let event = gateway.wait_audit(&[("event", "banned"), ("reason", detector), ("peer", "127.66.0.9")]);
    let lasts = event["ban_seconds"].as_u64().expect("a number");
    assert!(event["strike"] == 1 && (2..=3).contains(&lasts), "{event}");
    assert_eq!(detections(&gateway, detector), 1.0);
    assert!(is_turned_away(dial_from(BAD, gateway.plain())), "on every door");
    goes_on(&mut good);
    assert_eq!(asks([127, 66, 0, 10], &gateway, &Connect::new(V5_0, "neighbour")).0, Some(0));
    wait_for("the end of the ban", || (asks(BAD, &gateway, &Connect::new(V5_0, "again")).0 == Some(0)).then_some(()));
    assert_eq!(broker.connections(), 3, "nothing of it reaches the broker");
}

#[test]
fn an_address_that_sends_what_is_no_mqtt_is_banned_and_that_ends_by_itself() {
    check(Door::Plain, "malformed");
}

#[test]
fn an_address_whose_handshakes_fail_is_banned_and_that_ends_by_itself() {
    check(Door::Tls, "failed_handshakes");
}

#[test]
fn silence_counts_as_a_failed_handshake_and_whoever_looks_whether_a_port_is_open_does_not() {
    let broker = RecordingBroker::polite();
    let deadlines = "[deadlines]\nconnect = \"300ms\"\ntls_handshake = \"300ms\"\n";
    let gateway = Setup::to(broker.address).only(&[Door::Plain, Door::Tls]).with(&format!("{FEW}{deadlines}")).start();
    for door in [Door::Plain, Door::Tls] {
        (0..10).for_each(|_| drop(dial_from([127, 66, 0, 20], gateway.address(door))));
    }
    let silent: Vec<RawClient> = (0..5).map(|_| dial_from(BAD, gateway.plain())).collect();
    gateway.wait_audit(&[("event", "banned"), ("reason", "failed_handshakes"), ("peer", "127.66.0.9")]);
    drop(silent);
    assert_eq!(asks([127, 66, 0, 20], &gateway, &Connect::new(V5_0, "looks")).0, Some(0));
}

#[test]
fn an_address_from_which_somebody_is_connected_is_spared_and_that_is_told_once() {
    let broker = RecordingBroker::polite();
    let gateway = Setup::to(broker.address).only(&[Door::Plain]).with(FEW).start();
    let (_, mut neighbour) = asks(BAD, &gateway, &Connect::new(V5_0, "neighbour"));
    for _ in 0..10 {
        breaks(BAD, &gateway, Door::Plain);
    }
    gateway.wait_metric("tidegate_detections_total", &["detector=\"malformed\""], 6.0);
    goes_on(&mut neighbour);
    assert_eq!(asks(BAD, &gateway, &Connect::new(V5_0, "another")).0, Some(0));
    gateway.wait_audit(&[("event", "spared"), ("reason", "malformed")]);
    let told = gateway.audit().into_iter().filter(|line| line["event"] == "spared").count();
    assert_eq!((told, gateway.metric("tidegate_bans_total", &[])), (1, 0.0));
}

#[test]
fn passwords_that_the_broker_does_not_take_count_as_those_that_the_gateway_does_not() {
    let broker = Mosquitto::start_guarded(free_port(), "right:right\n", "topic readwrite #\n");
    let settings = "[protection]\nban = \"2s\"\nfailed_authentications = \"4/60s\"\n";
    let gateway = Setup::to(broker.address).only(&[Door::Plain]).with(settings).start();
    let login = |password: &'static str| crate::identity::with_login(V5_0, "guesses", "right", Some(password));
    for _ in 0..5 {
        assert!(matches!(asks(BAD, &gateway, &login("wrong")).0, Some(code) if code >= 0x80));
    }
    gateway.wait_audit(&[("event", "banned"), ("reason", "failed_authentications"), ("peer", "127.66.0.9")]);
    assert!(is_turned_away(dial_from(BAD, gateway.plain())));
    let (code, mut right) = asks(GOOD, &gateway, &login("right"));
    assert_eq!(code, Some(0));
    for _ in 0..6 {
        assert!(matches!(asks(GOOD, &gateway, &login("wrong")).0, Some(code) if code >= 0x80));
    }
    gateway.wait_audit(&[("event", "spared"), ("reason", "failed_authentications")]);
    goes_on(&mut right);
}

#[test]
fn a_client_that_has_proven_its_name_is_banned_by_it_wherever_it_dials_from() {
    let broker = RecordingBroker::polite();
    let passwords =
        crate::identity::passwords::file(&[("pump", "pump"), ("valve", "valve")], crate::identity::passwords::CHEAP);
    let gateway = Setup::to(broker.address)
        .only(&[Door::Plain])
        .with(FEW)
        .file("passwords", &passwords)
        .each_listener("identity.sources = [\"password\"]\nidentity.password.files = [\"passwords\"]")
        .start();
    let login = |name: &str| crate::identity::with_login(V3_1_1, name, name, Some(name));
    let (_, mut valve) = asks(BAD, &gateway, &login("valve"));
    for _ in 0..5 {
        let (code, mut pump) = asks(BAD, &gateway, &login("pump"));
        assert_eq!(code, Some(0));
        pump.send(&NO_CONNECT);
        let _ = pump.rest(PATIENCE);
    }
    gateway.wait_audit(&[("event", "banned"), ("reason", "malformed"), ("identity", "pump")]);
    assert_eq!(asks(GOOD, &gateway, &login("pump")).0, Some(5), "from elsewhere, too");
    goes_on(&mut valve);
    wait_for("the end of the ban", || (asks(BAD, &gateway, &login("pump")).0 == Some(0)).then_some(()));
}
