//! Every refusal and every end is one line of the audit file, and the metrics say the same.

use std::collections::BTreeMap;
use std::net::{Shutdown, TcpStream};

use serde_json::Value;
use socket2::{Domain, Socket, Type};

use super::{dial_tls, wait_cause};
use crate::support::gateway::{Door, Gateway, Setup};
use crate::support::raw_client::RawClient;
use crate::support::recording_broker::RecordingBroker;
use crate::support::wait_for;
use crate::support::wire::{self, Connect, V3_1_1, V5_0};

/// How often something happened, by the words for it.
type Tally = BTreeMap<Vec<String>, u64>;

/// A family of `/metrics`, by the values of these labels; what never happened is left out.
fn counted(page: &str, family: &str, labels: &[&str]) -> Tally {
    let mut tally = Tally::new();
    for sample in page.lines().filter_map(|line| line.strip_prefix(family)?.strip_prefix('{')) {
        let (given, value) = sample.rsplit_once("} ").expect("labels and a value");
        let value: f64 = value.parse().expect("a number");
        let of = |label: &&str| {
            let behind = given.split(&format!("{label}=\"")).nth(1).unwrap_or_else(|| panic!("no {label}: {sample}"));
            behind.split('"').next().unwrap_or_default().to_owned()
        };
        // Counts of a test: whole and small.
        let times = (0..).take_while(|times| f64::from(*times) < value).count() as u64;
        if times > 0 {
            *tally.entry(labels.iter().map(of).collect()).or_default() += times;
        }
    }
    tally
}

/// The lines of one event, by the values of these fields.
fn recorded(lines: &[Value], event: &str, fields: &[&str]) -> Tally {
    let mut tally = Tally::new();
    for line in lines.iter().filter(|line| line["event"] == event) {
        let of = |field: &&str| {
            let text = line[*field].as_str().unwrap_or_else(|| panic!("no {field}: {line}"));
            if *field == "packet" { text.to_lowercase() } else { text.to_owned() }
        };
        // A sum stands for many.
        *tally.entry(fields.iter().map(of).collect()).or_default() += line["count"].as_u64().unwrap_or(1);
    }
    tally
}

fn sum(lines: &[Value], field: &str) -> u64 {
    lines.iter().filter(|line| line["event"] == "ended").map(|line| line[field].as_u64().expect("a number")).sum()
}

fn total(tally: &Tally) -> u64 {
    tally.values().sum()
}

/// Something of everything that is refused, changed or ended.
fn misbehave(gateway: &Gateway, broker: &RecordingBroker) {
    let plain = gateway.plain();
    let connect = |name: &str| Connect::new(V5_0, name);
    RawClient::connect(plain, &connect("leaves")).goodbye();
    drop(RawClient::connect(plain, &Connect::new(V3_1_1, "vanishes")));
    for bytes in [vec![0x36, 0], wire::publish(V5_0, 0, "a/#", 0, &[], b""), connect("again").bytes()] {
        let mut client = RawClient::connect(plain, &connect("offends"));
        client.send(&bytes);
        assert!(wire::disconnect_reason(&client.frame()).is_some());
        client.expect_end();
    }
    for bytes in [vec![0x30, 0], wire::packet(0x10, &[&[0, 4], b"MQTT".as_slice(), &[6, 2, 0, 9]].concat())] {
        let mut client = RawClient::dial(plain);
        client.send(&bytes);
        let _ = client.rest(crate::support::PATIENCE);
    }
    // A payload that is not what it says it is; then more aliases than the gateway has.
    let mut client = RawClient::connect(plain, &connect("is refused").with(&[0x22, 0xff, 0xff]));
    client.send(&wire::publish(V5_0, 0x02, "a", 7, &[0x01, 1], b"\xff"));
    assert_eq!(client.frame()[0], 0x40);
    client.goodbye();
    let number = broker.connections();
    let mut client = RawClient::connect(plain, &connect("listens"));
    broker.push(number, &[0x00, 0x00]);
    assert_eq!(wire::disconnect_reason(&client.frame()), Some(0x80));
    client.expect_end();

    drop(dial_tls(gateway, "client").expect("a handshake"));
    drop(RawClient::try_dial_tls(gateway.address(Door::Tls), gateway.tls_client(None)));
    for (door, bytes) in [(Door::Tls, "GET / HTTP/1.1\r\n\r\n"), (Door::WebSocket, "GET /other HTTP/1.1\r\n\r\n")] {
        let mut client = RawClient::dial(gateway.address(door));
        client.send(bytes.as_bytes());
        let _ = client.rest(crate::support::PATIENCE);
    }
}

#[test]
fn the_audit_file_and_the_metrics_tell_the_same_story() {
    let broker = RecordingBroker::polite();
    let gateway = Setup::to(broker.address).with_ipv6().each_listener("limits.max_half_open = 8").start();
    misbehave(&gateway, &broker);
    let crowd: Vec<TcpStream> =
        (0..11).map(|_| TcpStream::connect(gateway.address(Door::Ipv6)).expect("a connection")).collect();
    gateway.wait_metric("tidegate_connections_refused_total", &["listener=\"ipv6\""], 3.0);
    drop(crowd);
    gateway.wait_metric("tidegate_connections_open", &[], 0.0);
    let ends = ["listener", "cause", "blame"];
    let (page, lines) = wait_for("every record to be written", || {
        let (_, page) = gateway.get("/metrics")?;
        let lines = gateway.audit();
        let written = gateway.metric("tidegate_audit_events_written_total", &[]);
        // Records gather for some milliseconds before they are written: as many as the page had counted must be there.
        let ended = total(&counted(&page, "tidegate_connections_ended_total", &ends));
        let refused = total(&counted(&page, "tidegate_connections_refused_total", &["listener"]));
        let told = total(&recorded(&lines, "not_accepted", &["listener"])) + refused_versions(&lines);
        let is_whole = total(&recorded(&lines, "ended", &ends)) == ended && told == refused;
        let is_whole = is_whole && counted_as(lines.len(), written);
        (gateway.connections_open() <= 0.0 && is_whole).then_some((page, lines))
    });

    let ended = recorded(&lines, "ended", &ends);
    assert_eq!(ended, counted(&page, "tidegate_connections_ended_total", &ends));
    let failures = ["listener", "reason"];
    let failed = recorded(&lines, "handshake_failed", &failures);
    assert_eq!(failed, counted(&page, "tidegate_tls_handshake_failures_total", &failures));
    assert_eq!(total(&ended) + total(&failed), total(&counted(&page, "tidegate_connections_total", &["listener"])));
    let packets = ["direction", "packet", "reason"];
    let types = ["direction", "type", "reason"];
    assert_eq!(recorded(&lines, "refused", &packets), counted(&page, "tidegate_refusals_total", &types));
    assert_eq!(recorded(&lines, "rewritten", &packets), counted(&page, "tidegate_rewrites_total", &types));
    let mut refused = recorded(&lines, "not_accepted", &failures);
    for (words, count) in &ended {
        if words[1] == "protocol_version" {
            *refused.entry(words[..2].to_vec()).or_default() += count;
        }
    }
    assert_eq!(refused, counted(&page, "tidegate_connections_refused_total", &failures));

    for event in ["refused", "rewritten", "not_accepted", "handshake_failed", "ended"] {
        assert!(lines.iter().any(|line| line["event"] == event), "the story lacks `{event}`");
    }
    assert!(ended.len() >= 8 && failed.len() >= 3, "{ended:#?} {failed:#?}");
    for (direction, field) in [("from_client", "client_packets"), ("from_broker", "broker_packets")] {
        let counted = counted(&page, "tidegate_packets_total", &["direction"]);
        assert_eq!(counted[&vec![direction.to_owned()]], sum(&lines, field), "{field}");
    }
}

fn refused_versions(lines: &[Value]) -> u64 {
    lines.iter().filter(|line| line["cause"] == "protocol_version").count() as u64
}

fn counted_as(count: usize, value: f64) -> bool {
    u32::try_from(count).is_ok_and(|count| f64::from(count) <= value && f64::from(count) >= value)
}

/// A connection from an address of this machine's own network.
fn dial_from(source: &str, gateway: &Gateway) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let source: std::net::SocketAddr = format!("{source}:0").parse().expect("an address");
    socket.bind(&source.into()).expect("an address of this machine");
    socket.connect(&gateway.plain().into()).expect("the gateway accepts");
    socket.into()
}

#[test]
fn each_bound_on_connections_holds_where_the_settings_say() {
    let neighbours = ["127.0.0.1", "127.0.0.2", "127.0.0.3"];
    let same = ["127.0.0.1"; 3];
    let cases = [
        ("max_connections = 2", neighbours, "listener_max_connections"),
        ("max_half_open = 2", neighbours, "listener_max_half_open"),
        ("max_connections_per_address = 2", same, "max_connections_per_address"),
        ("max_half_open_per_address = 2", same, "max_half_open_per_address"),
        ("max_connections_per_prefix = 2", neighbours, "max_connections_per_prefix"),
        ("max_half_open_per_prefix = 2", neighbours, "max_half_open_per_prefix"),
        (
            "max_connections_per_prefix = 2\nlimits.ipv4_prefix_bits = 8",
            ["127.1.0.1", "127.2.0.1", "127.3.0.1"],
            "max_connections_per_prefix",
        ),
    ];
    let broker = RecordingBroker::polite();
    for (setting, sources, reason) in cases {
        let gateway = Setup::to(broker.address).each_listener(&format!("limits.{setting}")).start();
        let [first, second, third] = sources.map(|source| dial_from(source, &gateway));
        let line = gateway.wait_audit(&[("event", "not_accepted"), ("reason", reason)]);
        assert_eq!(line["peer"], third.local_addr().expect("an address").to_string(), "{setting}");
        gateway.wait_metric("tidegate_connections_refused_total", &[&format!("reason=\"{reason}\"")], 1.0);
        first.shutdown(Shutdown::Both).expect("it goes");
        wait_cause(&gateway, "client_lost", 1.0);
        let _fourth = dial_from(sources[2], &gateway);
        wait_for("the place that is left to be given again", || (gateway.connections_open() >= 2.0).then_some(()));
        drop(second);
    }
    let process = Setup::to(broker.address).with("[limits]\nmax_connections = 2\nmax_half_open = 1").start();
    let _half_open = dial_from("127.0.0.1", &process);
    drop(dial_from("127.0.0.1", &process));
    process.wait_audit(&[("event", "not_accepted"), ("reason", "max_half_open")]);
}
