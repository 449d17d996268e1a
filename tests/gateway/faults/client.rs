//! A client that vanishes, falls silent, never reads, or gives a byte at a time.

use std::time::{Duration, Instant};

use super::{Rest, dial_tls, is_served, wait_cause};
use crate::support::gateway::{Door, Gateway, Setup};
use crate::support::mosquitto::Mosquitto;
use crate::support::raw_client::{Ended, RawClient};
use crate::support::recording_broker::RecordingBroker;
use crate::support::wait_for;
use crate::support::wire::{self, Connect, PUBACK, V3_1_1, V5_0, VERSIONS};

type Way = (&'static str, fn(RawClient));

#[test]
fn a_vanished_clients_will_fires_whichever_way_it_went() {
    let broker = Mosquitto::start();
    let gateway = Setup::to(broker.address).start();
    let mut watcher = RawClient::connect(broker.address, &Connect::new(V3_1_1, "watcher"));
    watcher.send(&wire::subscribe(V3_1_1, 1, &[("gone/#", 1)]));
    assert_eq!(watcher.frame()[0], 0x90);
    let ways: [Way; 3] = [
        ("closed", drop),
        ("reset", RawClient::reset),
        ("in the middle of a packet", |mut client| client.send(&[0x32, 0x20, 0x00])),
    ];
    for version in VERSIONS {
        for (number, (how, leave)) in ways.iter().enumerate() {
            let topic = format!("gone/{version}/{number}");
            let connect = Connect::new(version, &format!("g{version}{number}")).will(&topic, b"will", 0);
            leave(RawClient::connect(gateway.plain(), &connect));
            let will = watcher.frame();
            assert!(will.windows(topic.len()).any(|window| window == topic.as_bytes()), "{how}: {will:02x?}");
        }
    }
    wait_cause(&gateway, "client_lost", 9.0);
}

#[test]
fn a_vanished_tls_client_is_gone_upstream_too_without_a_disconnect() {
    let broker = RecordingBroker::polite();
    let gateway = Setup::to(broker.address).start();
    let connect = Connect::new(V5_0, "over-tls");
    let mut client = dial_tls(&gateway, "client").expect("a handshake");
    client.send(&connect.bytes());
    assert_eq!(client.frame()[0], 0x20);
    client.reset();
    broker.wait_ended(0);
    assert_eq!(broker.received(0), connect.bytes());
}

#[test]
fn a_client_that_falls_silent_is_ended_at_one_and_a_half_times_its_keep_alive() {
    let broker = Mosquitto::start();
    let gateway = Setup::to(broker.address).start();
    let mut watcher = RawClient::connect(broker.address, &Connect::new(V3_1_1, "watcher"));
    watcher.send(&wire::subscribe(V3_1_1, 1, &[("silent", 1)]));
    assert_eq!(watcher.frame()[0], 0x90);
    let connect = Connect { keep_alive: 1, ..Connect::new(V5_0, "silent").will("silent", b"will", 1) };
    let mut client = RawClient::connect(gateway.plain(), &connect);
    let began = Instant::now();
    assert_eq!(wire::disconnect_reason(&client.frame()), Some(0x8d), "Keep Alive timeout");
    let took = began.elapsed();
    assert!(took > Duration::from_millis(1_300) && took < Duration::from_secs(6), "{took:?}");
    client.expect_end();
    assert_eq!(watcher.frame()[0], 0x32, "the Will");
    wait_cause(&gateway, "keep_alive", 1.0);
}

#[test]
fn a_client_that_never_reads_holds_the_broker_back_and_meets_the_write_deadline() {
    let broker = RecordingBroker::polite();
    let gateway = Setup::to(broker.address).with("[deadlines]\nwrite = \"1s\"").start();
    let rest = Rest::of(&gateway);
    let client = RawClient::connect(gateway.plain(), &Connect::new(V3_1_1, "deaf"));
    let packet = wire::publish(V3_1_1, 0, "loud", 0, &[], &[0x55; 60_000]);
    let limit = 64 << 20;
    std::thread::scope(|scope| {
        let (broker, packet) = (&broker, &packet);
        let pusher = scope.spawn(move || {
            let mut pushed = 0;
            while pushed < limit && broker.try_push(1, packet) {
                pushed += packet.len();
            }
            pushed
        });
        is_served(&gateway, "unhindered");
        wait_cause(&gateway, "write_deadline", 1.0);
        assert!(pusher.join().expect("it ends") < limit, "the broker was held back");
    });
    let grown = gateway.process.resident_kib().saturating_sub(rest.resident_kib);
    assert!(grown < 16 * 1024, "bounded: {grown} KiB");
    drop(client);
    rest.is_back(&gateway);
}

/// Sends a byte at a time, never pausing for long, until the other side has had enough.
fn dribble(client: &mut RawClient, bytes: &[u8], pause: Duration) -> (Vec<u8>, Duration) {
    let began = Instant::now();
    for byte in bytes {
        if client.try_send(&[*byte]).is_err() {
            break;
        }
        let (came, ended) = client.rest(pause);
        if ended != Ended::Silent {
            return (came, began.elapsed());
        }
        assert!(came.is_empty(), "{came:02x?}");
    }
    (Vec::new(), began.elapsed())
}

#[test]
fn arriving_bytes_push_no_deadline_back() {
    let broker = RecordingBroker::polite();
    let deadlines = "[deadlines]\ntls_handshake = \"800ms\"\nconnect = \"800ms\"\npacket = \"800ms\"";
    let gateway = Setup::to(broker.address).with(deadlines).start();
    let pause = Duration::from_millis(100);
    let too_long = Duration::from_secs(4);
    let [plain, tls, websocket] = [Door::Plain, Door::Tls, Door::WebSocket].map(|door| gateway.address(door));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let connect = Connect::new(V5_0, "a name that takes more than four seconds to spell out").bytes();
            let (came, took) = dribble(&mut RawClient::dial(plain), &connect, pause);
            assert!(came.is_empty() && took < too_long, "CONNECT: {came:02x?} after {took:?}");
        });
        scope.spawn(|| {
            let mut client = RawClient::connect(plain, &Connect::new(V5_0, "dribbles"));
            let (_, took) = dribble(&mut client, &wire::publish(V5_0, 0x02, "a", 1, &[], &[1; 60]), pause);
            assert!(took < too_long, "PUBLISH: {took:?}");
        });
        scope.spawn(|| {
            // A large one streams; its deadline is the same.
            let mut client = RawClient::connect(plain, &Connect::new(V3_1_1, "streams"));
            let large = wire::publish(V3_1_1, 0, "a", 0, &[], &vec![1; 200_000]);
            client.send(&large[..100_000]);
            let (_, took) = dribble(&mut client, &large[100_000..], pause);
            assert!(took < too_long, "a streamed PUBLISH: {took:?}");
        });
        scope.spawn(|| {
            // The beginning of a TLS ClientHello.
            let hello = [&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3], [7; 60].as_slice()].concat();
            let mut client = RawClient::dial(tls);
            let (_, took) = dribble(&mut client, &hello, pause);
            assert!(took < too_long, "ClientHello: {took:?}");
        });
        scope.spawn(|| {
            let upgrade = b"GET /mqtt HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
            let mut client = RawClient::dial(websocket);
            let (_, took) = dribble(&mut client, upgrade, pause);
            assert!(took < too_long, "the WebSocket upgrade: {took:?}");
        });
    });
    wait_cause(&gateway, "packet_deadline", 2.0);
    gateway.wait_metric("tidegate_connections_open", &[], 0.0);
    broker.wait_all_ended();
    let publishes =
        (0..broker.connections()).flat_map(|number| broker.frames(number)).filter(|frame| frame[0] >> 4 == 3);
    assert_eq!(publishes.count(), 0, "nothing that was never whole");
}

#[test]
fn a_slow_client_that_keeps_its_deadlines_is_served() {
    let broker = RecordingBroker::polite();
    let gateway = Setup::to(broker.address).start();
    let mut client = RawClient::dial(gateway.plain());
    let connect = Connect::new(V3_1_1, "slow").bytes();
    for byte in &connect {
        client.send(&[*byte]);
        std::thread::sleep(Duration::from_millis(3));
    }
    assert_eq!(client.frame()[0], 0x20);
    for byte in wire::publish(V3_1_1, 2, "a", 3, &[], b"slowly") {
        client.send(&[byte]);
        std::thread::sleep(Duration::from_millis(3));
    }
    client.expect(&wire::ack(PUBACK, 3));
}

fn storm(gateway: &Gateway, rounds: u16) {
    for round in 0..rounds {
        let mut clients: Vec<RawClient> = (0..20)
            .map(|number| {
                RawClient::connect(gateway.plain(), &Connect::new(V5_0, &format!("s{round}-{number}")).keeping())
            })
            .collect();
        for client in &mut clients {
            client.send(&wire::subscribe(V5_0, 1, &[("storm/#", 1)]));
            client.send(&wire::publish(V5_0, 0x02, "storm/a", 2, &[], &[9; 20_000]));
        }
        // One that is let in over TLS, one that is not, one that gives up in the middle of the handshake.
        let mut secure = dial_tls(gateway, "client").expect("a handshake");
        secure.send(&Connect::new(V5_0, "secure").bytes());
        assert_eq!(secure.frame()[0], 0x20);
        drop(RawClient::try_dial_tls(gateway.address(Door::Tls), gateway.tls_client(None)));
        RawClient::dial(gateway.address(Door::Tls)).send(&[0x16, 3, 1, 0, 99, 1]);
        for (number, client) in clients.into_iter().enumerate() {
            if number % 2 == 0 { client.reset() } else { drop(client) }
        }
    }
}

#[test]
fn storm_after_storm_leaves_nothing_behind() {
    let broker = RecordingBroker::polite();
    let gateway = Setup::to(broker.address).start();
    storm(&gateway, 5);
    let rest = Rest::of(&gateway);
    storm(&gateway, 15);
    rest.is_back(&gateway);
    wait_for("every broker connection to end", || {
        (gateway.metric("tidegate_broker_connections_open", &[]) <= 0.0).then_some(())
    });
    broker.wait_all_ended();
    let first = gateway.process.resident_kib();
    storm(&gateway, 15);
    rest.is_back(&gateway);
    let grown = gateway.process.resident_kib().saturating_sub(first);
    assert!(grown < 4 * 1024, "the second storm left {grown} KiB more than the first");
}
