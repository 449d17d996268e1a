//! A broker that is away, dies, falls silent, stops reading or speaks nonsense.

use std::time::{Duration, Instant};

use super::{Rest, is_served, wait_cause};
use crate::support::gateway::Setup;
use crate::support::mosquitto::Mosquitto;
use crate::support::ports;
use crate::support::raw_client::{Ended, RawClient};
use crate::support::recording_broker::{RecordingBroker, Then, answer, answer_then, polite};
use crate::support::wire::{self, Connect, PUBACK, V3_1, V3_1_1, V5_0, VERSIONS};

#[test]
fn a_broker_that_is_away_at_start_is_said_in_connack_and_found_once_it_comes() {
    let port = ports::free_port();
    let mut gateway = Setup::to(([127, 0, 0, 1], port).into()).with("[deadlines]\ndial = \"2s\"").start();
    for (version, code) in [(V3_1, 0x03), (V3_1_1, 0x03), (V5_0, 0x88)] {
        let mut client = RawClient::dial(gateway.plain());
        client.send(&Connect::new(version, "early").will("will", b"x", 1).bytes());
        let connack = client.frame();
        assert_eq!((connack[0], &wire::body(&connack)[..2]), (0x20, [0, code].as_slice()), "version {version}");
        client.expect_end();
    }
    wait_cause(&gateway, "broker_unreachable", 3.0);
    let _broker = Mosquitto::start_on(port);
    is_served(&gateway, "later");
    assert!(gateway.process.has_ended().is_none());
    // The log says each once, and why.
    let log = gateway.process.log();
    let said = |words: &str| log.lines().filter(|line| line.contains(words)).count();
    assert_eq!((said("can't reach the broker"), said("the broker is reached again")), (1, 1), "{log}");
    assert_eq!(said("Connection refused"), 1, "{log}");
}

#[test]
fn the_next_server_is_dialled_when_one_is_away() {
    let broker = RecordingBroker::polite();
    let away = ([127, 0, 0, 1], ports::free_port()).into();
    let gateway = Setup::to_any(&[away, broker.address]).start();
    is_served(&gateway, "fails over");
    is_served(&gateway, "again");
    assert_eq!(broker.connections(), 2);
}

#[test]
fn a_broker_that_dies_in_the_middle_is_told_to_5_0_clients_and_found_again() {
    let mut broker = Mosquitto::start();
    let gateway = Setup::to(broker.address).with("[deadlines]\ndial = \"2s\"").start();
    let rest = Rest::of(&gateway);
    let mut clients =
        VERSIONS.map(|version| RawClient::connect(gateway.plain(), &Connect::new(version, &format!("c{version}"))));
    for (client, version) in clients.iter_mut().zip(VERSIONS) {
        client.send(&wire::publish(version, 0x04, "in/the/middle", 9, &[], b"x"));
        assert_eq!(client.frame()[0], 0x50);
    }
    broker.process.kill();
    for (client, version) in clients.iter_mut().zip(VERSIONS) {
        if version == V5_0 {
            assert_eq!(wire::disconnect_reason(&client.frame()), Some(0x89));
        }
        client.expect_end();
    }
    wait_cause(&gateway, "broker_lost", 3.0);
    rest.is_back(&gateway);
    let _again = Mosquitto::start_on(broker.address.port());
    is_served(&gateway, "after");
}

#[test]
fn a_broker_that_never_answers_connect_meets_the_deadline() {
    let broker = RecordingBroker::start(|_, _| answer([]));
    let gateway = Setup::to(broker.address).with("[deadlines]\nconnack = \"400ms\"").start();
    for (version, code) in [(V3_1, 0x03), (V3_1_1, 0x03), (V5_0, 0x88)] {
        let mut client = RawClient::dial(gateway.plain());
        client.send(&Connect::new(version, "waits").bytes());
        let connack = client.frame();
        assert_eq!((connack[0], &wire::body(&connack)[..2]), (0x20, [0, code].as_slice()), "version {version}");
        client.expect_end();
    }
    wait_cause(&gateway, "connack_deadline", 3.0);
    broker.wait_all_ended();
    gateway.wait_metric("tidegate_connections_open", &[], 0.0);
}

/// Takes CONNECT and nothing more from clients whose name begins with `stalled`.
fn stalling_broker() -> RecordingBroker {
    RecordingBroker::start(|frame, version| {
        let stalls = frame[0] == 0x10 && frame.windows(7).any(|window| window == b"stalled");
        answer_then(polite(frame, version), if stalls { Then::Stall } else { Then::GoOn })
    })
}

/// Sends until nothing is taken any more; gives what was.
fn send_until_held(client: &mut RawClient, packet: &[u8], limit: usize) -> usize {
    client.socket().set_write_timeout(Some(Duration::from_millis(300))).expect("a timeout");
    let mut sent = 0;
    while sent < limit && client.try_send(packet).is_ok() {
        sent += packet.len();
    }
    sent
}

#[test]
fn a_broker_that_stops_reading_holds_its_own_clients_back_and_nobody_else() {
    const LIMIT: usize = 64 << 20;
    let broker = stalling_broker();
    let gateway = Setup::to(broker.address).with("[deadlines]\nwrite = \"3s\"").start();
    let rest = Rest::of(&gateway);
    let packet = wire::publish(V3_1_1, 0, "much", 0, &[], &[0x55; 60_000]);
    let mut held: Vec<RawClient> = (0..4)
        .map(|number| RawClient::connect(gateway.plain(), &Connect::new(V3_1_1, &format!("stalled-{number}"))))
        .collect();
    std::thread::scope(|scope| {
        for client in &mut held {
            scope.spawn(|| {
                let sent = send_until_held(client, &packet, LIMIT);
                assert!(sent < LIMIT, "the client is held back: {sent} bytes went");
            });
        }
        is_served(&gateway, "unhindered");
    });
    let grown = gateway.process.resident_kib().saturating_sub(rest.resident_kib);
    assert!(grown < 4 * 3 * 1024 + 16 * 1024, "bounded per connection, in all {grown} KiB");
    is_served(&gateway, "unhindered too");
    wait_cause(&gateway, "write_deadline", 4.0);
    drop(held);
    rest.is_back(&gateway);
}

#[test]
fn a_stalled_broker_that_wakes_up_has_lost_nothing() {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind(("127.0.0.1", ports::free_port())).expect("a free port");
    let gateway = Setup::to(listener.local_addr().expect("an address")).start();
    let connect = Connect::new(V3_1_1, "patient");
    let mut client = RawClient::dial(gateway.plain());
    client.send(&connect.bytes());
    let (mut upstream, _) = listener.accept().expect("the gateway dials");
    let mut received = vec![0; connect.bytes().len()];
    upstream.read_exact(&mut received).expect("the CONNECT");
    upstream.write_all(&wire::connack(V3_1_1, false, 0)).expect("the CONNACK goes");
    assert_eq!(client.frame()[0], 0x20);
    let total = 24 << 20;
    let packets: Vec<Vec<u8>> = (0..total / 30_000_u32)
        .map(|number| wire::publish(V3_1_1, 0, "n", 0, &[], &number.to_be_bytes().repeat(7_500)))
        .collect();
    let all: usize = packets.iter().map(Vec::len).sum();
    std::thread::scope(|scope| {
        let sender = scope.spawn(|| packets.iter().for_each(|packet| client.send(packet)));
        // Not read until the sender is held: then everything comes, in order.
        let mut before = 0;
        crate::support::wait_for("the sender to be held", || {
            std::thread::sleep(Duration::from_millis(50));
            let taken = gateway.metric("tidegate_packet_bytes_total", &["type=\"publish\"", "from_client"]);
            let held = taken.to_bits() == before && taken > 0.0;
            before = taken.to_bits();
            held.then_some(())
        });
        assert!(!sender.is_finished(), "held back");
        let mut came = vec![0; all];
        upstream.read_exact(&mut came).expect("everything");
        assert!(came == packets.concat(), "in order and whole");
    });
}

#[test]
fn a_broker_that_speaks_nonsense_is_cut_off_and_blamed() {
    let nonsense: [(&str, Vec<u8>); 9] = [
        ("a reserved packet type", vec![0x00, 0x00]),
        ("a CONNECT", Connect::new(V5_0, "x").bytes()),
        ("a second CONNACK", wire::connack(V5_0, false, 0)),
        ("a SUBACK for nothing", vec![0x90, 4, 0, 1, 0, 0]),
        ("a PUBACK for nothing", wire::ack(PUBACK, 77)),
        ("a PUBLISH to a wildcard", wire::publish(V5_0, 0, "a/#", 0, &[], b"")),
        ("an alias the client did not allow", wire::publish(V5_0, 0, "a", 0, &[0x23, 0, 1], b"")),
        ("QoS 3", wire::publish(V5_0, 6, "a", 1, &[], b"")),
        ("a Remaining Length of five bytes", vec![0x30, 0xff, 0xff, 0xff, 0xff, 0x01]),
    ];
    let broker = RecordingBroker::polite();
    let gateway = Setup::to(broker.address).start();
    for (number, (what, bytes)) in nonsense.iter().enumerate() {
        let mut client = RawClient::connect(gateway.plain(), &Connect::new(V5_0, "listens"));
        let good = wire::publish(V5_0, 0, "good", 0, &[], b"before");
        broker.push(number, &[good.as_slice(), bytes, &good].concat());
        client.expect(&good);
        assert_eq!(wire::disconnect_reason(&client.frame()), Some(0x80), "{what}");
        client.expect_end();
        assert_ne!(broker.wait_ended(number), Ended::Silent, "{what}");
    }
    let counted = gateway.metric("tidegate_connections_ended_total", &["blame=\"broker\""]);
    assert!(counted >= 9.0, "{counted} blamed on the broker");
    gateway.wait_metric("tidegate_connections_open", &[], 0.0);
}

#[test]
fn a_broker_that_closes_after_connect_is_told_at_once() {
    let broker = RecordingBroker::start(|_, _| answer_then([], Then::Close));
    let gateway = Setup::to(broker.address).start();
    let began = Instant::now();
    let mut client = RawClient::dial(gateway.plain());
    client.send(&Connect::new(V5_0, "unlucky").bytes());
    let connack = client.frame();
    assert_eq!((connack[0], wire::body(&connack)[1]), (0x20, 0x88));
    client.expect_end();
    assert!(began.elapsed() < Duration::from_secs(5), "not by a deadline");
}
