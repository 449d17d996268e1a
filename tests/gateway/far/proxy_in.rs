//! PROXY protocol from a load balancer: what it says counts, and only it may say it.

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use super::{dial_as, header, told};
use crate::support::gateway::{Door, Gateway, Setup};
use crate::support::raw_client::{Ended, RawClient};
use crate::support::recording_broker::RecordingBroker;
use crate::support::wire::{self, Connect, V3_1_1};
use crate::support::{PATIENCE, ports, wait_for};

/// The balancer is 127.0.0.1; 127.0.0.2 and others are not.
const FROM: &str = "proxy_protocol = { from = [\"127.0.0.1\", \"::1\"] }";
const MAY: &str = "proxy_protocol = { from = [\"127.0.0.1\"], required = false }";

fn start(broker: &RecordingBroker, lines: &str) -> Gateway {
    Setup::to(broker.address).each_listener(lines).start()
}

/// A connection from another address of this machine.
fn dial_from(own: [u8; 4], to: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from((own, 0)).into()).expect("an address of this machine");
    socket.connect(&to.into()).expect("a connection");
    socket.into()
}

fn connects(client: &mut RawClient, client_id: &str) {
    client.send(&Connect::new(V3_1_1, client_id).bytes());
    assert_eq!(told(&client.frame()), 0);
}

/// The address that the records of a client show.
fn peer(gateway: &Gateway, client_id: &str) -> SocketAddr {
    let line = gateway.wait_audit(&[("event", "ended"), ("client_id", client_id)]);
    line["peer"].as_str().expect("a peer").parse().expect("an address")
}

#[test]
fn a_client_is_known_by_the_address_that_its_balancer_tells() {
    let broker = RecordingBroker::polite();
    let gateway = Setup::to(broker.address).each_listener(FROM).broker("proxy_protocol.version = \"v2\"").start();
    let v1 = b"PROXY TCP4 203.0.113.7 198.51.100.1 4711 8883\r\n".to_vec();
    let v6 = b"PROXY TCP6 2001:db8::7 2001:db8::1 4711 8883\r\n".to_vec();
    for (name, header, expected) in [
        ("v1", v1, "203.0.113.7:4711"),
        ("v6", v6, "[2001:db8::7]:4711"),
        ("v2", header::tcp4([203, 0, 113, 8], 4712), "203.0.113.8:4712"),
    ] {
        let expected: SocketAddr = expected.parse().expect("an address");
        let number = broker.connections();
        let mut client = RawClient::dial(gateway.plain());
        client.send(&header);
        connects(&mut client, name);
        client.goodbye();
        assert_eq!(peer(&gateway, name), expected);
        // And the broker is told the same, and what the client dialled.
        let told = header::read(&broker.received(number));
        assert_eq!((told.source, told.destination.port()), (expected, 8883));
    }
    // Byte by byte, and in one piece with the CONNECT.
    let mut client = RawClient::dial(gateway.plain());
    for byte in header::tcp4([203, 0, 113, 9], 1) {
        client.send(&[byte]);
        std::thread::sleep(Duration::from_millis(1));
    }
    connects(&mut client, "slowly");
    client.goodbye();
    assert_eq!(peer(&gateway, "slowly").port(), 1);
    let mut client = RawClient::dial(gateway.plain());
    client.send(&[header::tcp4([203, 0, 113, 9], 2), Connect::new(V3_1_1, "at-once").bytes()].concat());
    assert_eq!(told(&client.frame()), 0);
    client.goodbye();
    assert_eq!(peer(&gateway, "at-once").port(), 2);
}

#[test]
fn a_balancer_that_speaks_for_itself_is_known_by_its_own_address() {
    let broker = RecordingBroker::polite();
    let gateway = start(&broker, FROM);
    for (name, header) in [
        ("local", header::v2(0x20, 0, &[])),
        ("unspecified", header::v2(0x21, 0, &[1, 2, 3])),
        ("unknown", b"PROXY UNKNOWN\r\n".to_vec()),
    ] {
        let mut client = RawClient::dial(gateway.plain());
        client.send(&header);
        let own = client.socket().local_addr().expect("an address");
        connects(&mut client, name);
        client.goodbye();
        assert_eq!(peer(&gateway, name), own);
    }
}

/// Over everything that a listener may speak, as a real balancer sends it.
#[test]
fn clients_behind_haproxy_come_through_with_their_address() {
    let broker = RecordingBroker::polite();
    let gateway = start(&broker, FROM);
    let folder = tempfile::tempdir().expect("a folder");
    for send in ["send-proxy", "send-proxy-v2"] {
        for door in [Door::Plain, Door::Tls] {
            let front = SocketAddr::from(([127, 0, 0, 1], ports::free_port()));
            let _haproxy = header::haproxy(folder.path(), (front, ""), (gateway.address(door), send));
            let name = format!("{send}-{door:?}");
            let own = match door {
                Door::Tls => {
                    let config = gateway.tls_client(Some(&gateway.pki.pair("client")));
                    let mut client = RawClient::try_dial_tls(front, config).expect("a handshake");
                    let own = client.socket().local_addr().expect("an address");
                    connects(&mut client, &name);
                    client.goodbye();
                    own
                }
                Door::Plain | Door::WebSocket | Door::WebSocketTls | Door::Ipv6 => {
                    let stream = dial_from([127, 0, 0, 9], front);
                    let own = stream.local_addr().expect("an address");
                    let mut client = RawClient::from(stream);
                    connects(&mut client, &name);
                    client.goodbye();
                    own
                }
            };
            assert_eq!(peer(&gateway, &name), own, "{name}");
        }
    }
}

fn failures(gateway: &Gateway, reason: &str) -> f64 {
    gateway.metric("tidegate_tls_handshake_failures_total", &[&format!("reason=\"{reason}\"")])
}

/// Sends this, and is closed without another word, for this reason.
fn fails(gateway: &Gateway, mut client: RawClient, bytes: &[u8], reason: &str) {
    let before = failures(gateway, reason);
    let own: SocketAddr = client.socket().local_addr().expect("an address");
    client.send(bytes);
    let (came, ended) = client.rest(PATIENCE);
    assert!(came.is_empty() && ended != Ended::Silent, "{reason}: {came:02x?} {ended:?}");
    gateway.wait_metric("tidegate_tls_handshake_failures_total", &[&format!("reason=\"{reason}\"")], before + 1.0);
    wait_for("its record, or a sum with it", || {
        let from = |peer: &str| peer == own.ip().to_string() || peer.starts_with(&format!("{}:", own.ip()));
        gateway.audit().into_iter().find(|line| {
            line["event"] == "handshake_failed" && line["reason"] == reason && line["peer"].as_str().is_some_and(from)
        })
    });
}

#[test]
fn nobody_but_the_balancer_may_say_where_it_comes_from() {
    let broker = RecordingBroker::polite();
    for lines in [FROM, MAY] {
        let gateway = start(&broker, lines);
        let stranger = || RawClient::from(dial_from([127, 0, 0, 2], gateway.plain()));
        for header in [header::tcp4([203, 0, 113, 7], 1), b"PROXY TCP4 203.0.113.7 198.51.100.1 4711 8883\r\n".to_vec()]
        {
            let bytes = [header, Connect::new(V3_1_1, "forged").bytes()].concat();
            fails(&gateway, stranger(), &bytes, "proxy_header_forbidden");
        }
        // Without one it is a client like others.
        let mut client = stranger();
        connects(&mut client, "direct");
        client.goodbye();
        assert_eq!(peer(&gateway, "direct").ip(), IpAddr::from([127, 0, 0, 2]));
    }
    assert_eq!(broker.connections(), 2);
}

#[test]
fn what_a_balancer_must_say_must_be_said_and_in_good_form() {
    let broker = RecordingBroker::polite();
    let gateway = start(&broker, FROM);
    let connect = Connect::new(V3_1_1, "c").bytes();
    let dial = || RawClient::dial(gateway.plain());
    fails(&gateway, dial(), &connect, "proxy_header_missing");
    fails(&gateway, dial(), b"GET /mqtt HTTP/1.1\r\n\r\n", "proxy_header_missing");
    fails(&gateway, dial(), b"PROXY TCP4 203.0.113.7\r\n", "proxy_header_malformed");
    fails(&gateway, dial(), &header::v2(0x21, 0x12, &[0; 12]), "proxy_header_transport");
    let large = [b"\r\n\r\n\0\r\nQUIT\n\x21\x11".as_slice(), &[0xff, 0xff]].concat();
    fails(&gateway, dial(), &large, "proxy_header_too_large");
    let twice = [header::tcp4([203, 0, 113, 7], 1), header::tcp4([203, 0, 113, 8], 1)].concat();
    let mut client = dial();
    client.send(&twice);
    let (came, ended) = client.rest(PATIENCE);
    assert!(came.is_empty() && ended != Ended::Silent, "a second header is no MQTT");
    // Where it need not be said, the balancer may come as a client.
    let lenient = start(&broker, MAY);
    let mut client = RawClient::dial(lenient.plain());
    connects(&mut client, "itself");
    let mut client = RawClient::dial(lenient.plain());
    client.send(&header::tcp4([203, 0, 113, 7], 5));
    connects(&mut client, "told");
    client.goodbye();
    assert_eq!(peer(&lenient, "told").port(), 5);
    assert_eq!(broker.connections(), 2);
}

#[test]
fn a_header_that_does_not_come_is_awaited_until_the_deadline_and_no_longer() {
    let broker = RecordingBroker::polite();
    let gateway =
        Setup::to(broker.address).each_listener(FROM).each_listener("deadlines.tls_handshake = \"1s\"").start();
    let began = Instant::now();
    let mut silent = RawClient::dial(gateway.plain());
    let mut dribbling = RawClient::dial(gateway.plain());
    for byte in header::tcp4([203, 0, 113, 7], 1).into_iter().cycle() {
        if dribbling.try_send(&[byte]).is_err() || began.elapsed() > PATIENCE {
            break;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    assert!(silent.rest(PATIENCE).1 != Ended::Silent);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    gateway.wait_metric("tidegate_tls_handshake_failures_total", &["reason=\"timeout\""], 2.0);
}

#[test]
fn bounds_on_an_address_count_clients_where_they_are_and_not_at_the_balancer() {
    let broker = RecordingBroker::polite();
    let bounds = "limits.max_connections_per_address = 3\nlimits.max_half_open_per_address = 2\n\
                  limits.max_half_open = 6";
    let gateway = Setup::to(broker.address).each_listener(FROM).each_listener(bounds).start();
    let dial = |last: u8| {
        let mut client = RawClient::dial(gateway.plain());
        client.send(&header::tcp4([203, 0, 113, last], 1));
        client
    };
    let mut served = Vec::new();
    for address in [1, 2] {
        for _ in 0..3 {
            let mut client = dial(address);
            connects(&mut client, &format!("c{address}-{}", served.len()));
            served.push(client);
        }
    }
    dial(1).expect_end();
    gateway.wait_audit(&[
        ("event", "not_accepted"),
        ("reason", "max_connections_per_address"),
        ("peer", "203.0.113.1:1"),
    ]);
    let refused = ["reason=\"max_connections_per_address\""];
    gateway.wait_metric("tidegate_connections_refused_total", &refused, 1.0);

    let half_open: Vec<_> = (0..2).map(|_| dial(3)).collect();
    gateway.wait_metric("tidegate_connections_half_open", &[], 2.0);
    dial(3).expect_end();
    gateway.wait_audit(&[
        ("event", "not_accepted"),
        ("reason", "max_half_open_per_address"),
        ("peer", "203.0.113.3:1"),
    ]);
    // A balancer that says nothing holds places of the listener, which are bounded.
    let silent: Vec<_> = (0..4).map(|_| RawClient::dial(gateway.plain())).collect();
    gateway.wait_metric("tidegate_connections_half_open", &[], 6.0);
    RawClient::dial(gateway.plain()).expect_end();
    gateway.wait_audit(&[("event", "not_accepted"), ("reason", "listener_max_half_open")]);
    drop((half_open, silent));
    for client in served {
        client.goodbye();
    }
    gateway.wait_metric("tidegate_connections_open", &[], 0.0);
    connects(&mut dial(1), "again");
}

/// The certificate is the client's, whoever carries its bytes.
#[test]
fn a_certificate_is_looked_at_behind_a_header_too() {
    let broker = RecordingBroker::polite();
    let gateway = start(&broker, MAY);
    let mut client = dial_as(&gateway, "temp-07");
    connects(&mut client, "c");
    client.goodbye();
    let line = gateway.wait_audit(&[("event", "ended"), ("client_id", "c")]);
    assert_eq!(line["common_name"], "temp-07", "{line}");
    let mut nobody = RawClient::dial(gateway.address(Door::Tls));
    nobody.send(&[header::tcp4([203, 0, 113, 7], 1), wire::PINGREQ.to_vec()].concat());
    assert_ne!(nobody.rest(PATIENCE).1, Ended::Silent);
    gateway.wait_audit(&[("event", "handshake_failed"), ("reason", "not_tls"), ("peer", "203.0.113.7:1")]);
}
