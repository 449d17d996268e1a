//! Slow clients of every shape: each is ended by its deadline, however it spreads its bytes, and nobody else notices.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{client_hello, dial_from};
use crate::support::gateway::{Door, Gateway, Setup};
use crate::support::raw_client::{Ended, RawClient};
use crate::support::recording_broker::RecordingBroker;
use crate::support::wait_for;
use crate::support::wire::{self, Connect, V3_1_1, V5_0};

const SLOW: Ipv4Addr = Ipv4Addr::new(127, 66, 6, 1);

/// Deadlines short enough for a test, and far enough apart to tell which one ended it.
const DEADLINES: &str = "[deadlines]\ntls_handshake = \"1s\"\nconnect = \"2s\"\npacket = \"1s\"";

/// Longer than any of them, on a busy machine too.
const LATEST: Duration = Duration::from_secs(10);

const UPGRADE: &[u8] = b"GET /mqtt HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";

/// Sends a byte now and then, until the gateway has had enough; how long that took.
fn dribble(mut stream: TcpStream, bytes: &[u8], whole: usize) -> Duration {
    let began = Instant::now();
    let (at_once, slowly) = bytes.split_at(whole.min(bytes.len()));
    let _ = stream.write_all(at_once);
    stream.set_read_timeout(Some(Duration::from_millis(20))).expect("a read timeout");
    let mut next = slowly.iter();
    while began.elapsed() < LATEST {
        match stream.read(&mut [0; 4096]) {
            Ok(1..) => {}
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
                // At one in 20 ms no shape here is through before its deadline.
                let _ = next.next().map(|byte| stream.write_all(&[*byte]));
            }
            Ok(0) | Err(_) => return began.elapsed(),
        }
    }
    panic!("it was never ended");
}

fn start() -> (RecordingBroker, Gateway) {
    let broker = RecordingBroker::polite();
    let gateway = Setup::to(broker.address).with(DEADLINES).with("[protection]\nmax_handshakes = 1").start();
    (broker, gateway)
}

#[test]
fn whatever_is_slow_before_connect_is_ended_in_time_and_costs_nobody_else_anything() {
    let (broker, gateway) = start();
    let mut steady = RawClient::connect(gateway.plain(), &Connect::new(V5_0, "steady"));
    let hello = client_hello(&gateway.tls_client(Some(&gateway.pki.pair("client"))));
    // A long one, so that no dribble comes to its end.
    let connect = Connect::new(V5_0, &"c".repeat(200)).bytes();
    let shapes: Vec<(&str, Door, Vec<u8>, usize, f64)> = vec![
        ("silence, TLS", Door::Tls, vec![], 0, 1.0),
        ("a record's header, then silence", Door::Tls, hello[..3].to_vec(), 3, 1.0),
        ("half a ClientHello, then silence", Door::Tls, hello[..hello.len() / 2].to_vec(), hello.len(), 1.0),
        ("a ClientHello byte by byte", Door::Tls, hello.clone(), 0, 1.0),
        ("a ClientHello, and no answer to ours", Door::Tls, hello.clone(), hello.len(), 1.0),
        ("silence, plain", Door::Plain, vec![], 0, 2.0),
        ("half a CONNECT, then silence", Door::Plain, connect[..20].to_vec(), 20, 2.0),
        ("a CONNECT byte by byte", Door::Plain, connect.clone(), 0, 2.0),
        ("silence, WebSocket", Door::WebSocket, vec![], 0, 1.0),
        ("an upgrade byte by byte", Door::WebSocket, UPGRADE.to_vec(), 0, 1.0),
    ];
    let running: Vec<_> = shapes
        .into_iter()
        .map(|(what, door, bytes, whole, due)| {
            let address = gateway.address(door);
            std::thread::spawn(move || (what, dribble(dial_from(SLOW, address), &bytes, whole), due))
        })
        .collect();
    let mut worst = Duration::ZERO;
    for _ in 0..20 {
        let began = Instant::now();
        steady.send(&wire::PINGREQ);
        steady.expect(&wire::PINGRESP);
        worst = worst.max(began.elapsed());
        std::thread::sleep(Duration::from_millis(50));
    }
    for shape in running {
        let (what, took, due) = shape.join().expect("a slow client");
        assert!(took.as_secs_f64() > due * 0.8, "{what}: ended after {took:?}, before its time");
        assert!(took.as_secs_f64() < due + 2.5, "{what}: ended after {took:?}, too late");
    }
    assert!(worst < Duration::from_secs(1), "a PINGREQ waited for {worst:?}");
    assert_eq!(broker.connections(), 1, "the broker has heard of one client");
    gateway.wait_audit(&[("event", "handshake_failed"), ("reason", "timeout")]);
    gateway.wait_audit(&[("event", "ended"), ("cause", "connect_deadline")]);
    wait_for("their places", || (gateway.connections_open() == 1.0).then_some(()));
}

#[test]
fn a_handshake_that_is_through_and_says_nothing_more_is_ended_at_the_deadline_of_connect() {
    let (broker, gateway) = start();
    let config = gateway.tls_client(Some(&gateway.pki.pair("client")));
    let began = Instant::now();
    let mut silent = RawClient::try_dial_tls(gateway.address(Door::Tls), config).expect("a handshake");
    let (_, ended) = silent.rest(LATEST);
    assert_ne!(ended, Ended::Silent);
    let took = began.elapsed().as_secs_f64();
    assert!((1.6..5.0).contains(&took), "ended after {took} s");
    assert_eq!(broker.connections(), 0);
}

#[test]
fn a_packet_that_comes_byte_by_byte_is_ended_at_its_deadline_and_nothing_of_it_goes_on() {
    let (broker, gateway) = start();
    let connect = Connect::new(V5_0, "dribbler");
    let mut client = RawClient::connect(gateway.plain(), &connect);
    let publish = wire::publish(V5_0, 2, "plant/a", 1, &[], &[b'x'; 1000]);
    let began = Instant::now();
    for byte in publish {
        if client.try_send(&[byte]).is_err() || began.elapsed() > LATEST {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let took = began.elapsed().as_secs_f64();
    assert!((0.8..5.0).contains(&took), "ended after {took} s");
    gateway.wait_audit(&[("event", "ended"), ("cause", "packet_deadline")]);
    assert_eq!(broker.received(0).len(), connect.bytes().len());
}

/// Until when a client that asks for this Keep Alive, and falls silent, is kept.
fn kept(gateway: &Gateway, version: u8, keep_alive: u16) -> (Option<u16>, Duration) {
    let connect = Connect { keep_alive, ..Connect::new(version, &format!("silent-{version}-{keep_alive}")) };
    let mut client = RawClient::dial(gateway.plain());
    client.send(&connect.bytes());
    let connack = client.frame();
    let began = Instant::now();
    assert_eq!(wire::body(&connack)[1], 0);
    let told = connack.windows(3).find(|property| property[0] == 0x13).map(|p| u16::from_be_bytes([p[1], p[2]]));
    let (_, ended) = client.rest(LATEST);
    assert_ne!(ended, Ended::Silent, "a client of {version} that asked for {keep_alive} s was kept for ever");
    (told, began.elapsed())
}

#[test]
fn no_client_is_kept_longer_than_the_longest_keep_alive_whatever_it_asks_for() {
    let broker = RecordingBroker::polite();
    let setup = Setup::to(broker.address).only(&[Door::Plain]);
    let gateway = Arc::new(setup.with("[keep_alive]\nmax = \"2s\"\nzero = \"replace\"").start());
    let asked: Vec<_> = [V3_1_1, V5_0].into_iter().flat_map(|v| [0, 1, 600, 65_535].map(|asked| (v, asked))).collect();
    let running: Vec<_> = asked
        .into_iter()
        .map(|(version, asked)| {
            let gateway = Arc::clone(&gateway);
            std::thread::spawn(move || (version, asked, kept(&gateway, version, asked)))
        })
        .collect();
    for client in running {
        let (version, asked, (told, took)) = client.join().expect("a client");
        let due = if asked == 1 { 1.5 } else { 3.0 };
        let took = took.as_secs_f64();
        assert!((due - 0.1..due + 2.0).contains(&took), "{version}, {asked} s: ended after {took} s");
        assert_eq!(told, (version == V5_0 && asked != 1).then_some(2), "{version}, {asked} s");
    }
}

#[test]
fn a_keep_alive_of_zero_is_refused_where_the_settings_say_so() {
    let broker = RecordingBroker::polite();
    let gateway = Setup::to(broker.address).only(&[Door::Plain]).with("[keep_alive]\nzero = \"refuse\"").start();
    for version in [V3_1_1, V5_0] {
        let mut client = RawClient::dial(gateway.plain());
        client.send(&Connect { keep_alive: 0, ..Connect::new(version, "zero") }.bytes());
        let code = wire::body(&client.frame())[1];
        assert!(code != 0, "{version}");
        gateway.wait_audit(&[("event", "ended"), ("cause", "keep_alive_zero"), ("rule", "keep_alive")]);
        assert!(gateway.metric("tidegate_connections_ended_total", &["keep_alive_zero"]) >= 1.0, "{version}");
    }
    assert_eq!(broker.connections(), 0);
    let mut one = RawClient::connect(gateway.plain(), &Connect { keep_alive: 1, ..Connect::new(V5_0, "one") });
    one.send(&wire::PINGREQ);
    one.expect(&wire::PINGRESP);
}
