//! What judging costs: `enforce::Connection::receive` over batches of PUBLISH, without sockets or TLS.
//!
//! Figures are per batch of [`BATCH`] messages; the throughput line gives messages per second. QoS 1 counts the
//! PUBLISH of the client and the PUBACK of the broker as one message.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a bench that cannot set up its subject ends")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tidegate::enforce::{At, Connection, Credentials, Opening, Output, Terms, open};
use tidegate::identity::Identity;
use tidegate::mqtt::{Direction, Limits, Version};
use tidegate::policy::Policy;

const BATCH: u16 = 64;
const TOPIC: &[u8] = b"plant/line1/temperature/t07";

fn judge(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("judge");
    group.throughput(Throughput::Elements(u64::from(BATCH)));
    for (name, version, properties) in [
        ("3.1.1", Version::V311, None),
        ("5.0", Version::V50, Some(&b""[..])),
        // Message Expiry Interval, and Topic Name of a response.
        ("5.0, two properties", Version::V50, Some(&b"\x02\x00\x00\x00\x3c\x08\x00\x03r/1"[..])),
    ] {
        let no_reply = batch(|id| publish(0, id, properties));
        let asking = batch(|id| publish(1, id, properties));
        let acks = batch(|id| [&[0x40, 2][..], &id.to_be_bytes()].concat());
        let (mut connection, now) = connected(version);
        let mut out = Output::default();
        group.bench_function(format!("{name} PUBLISH QoS 0, 64 B"), |bencher| {
            bencher.iter(|| receive(&mut connection, Direction::FromClient, now, &no_reply, &mut out));
        });
        group.bench_function(format!("{name} PUBLISH QoS 1, 64 B, with its PUBACK"), |bencher| {
            bencher.iter(|| {
                receive(&mut connection, Direction::FromClient, now, &asking, &mut out);
                receive(&mut connection, Direction::FromBroker, now, &acks, &mut out);
            });
        });
    }
    group.finish();
}

/// All of `input` is permitted and goes on as one piece.
fn receive(connection: &mut Connection, from: Direction, now: Instant, input: &[u8], out: &mut Output) {
    out.clear();
    let received = connection.receive(from, now, black_box(input), out).unwrap();
    assert!(received.consumed == input.len() && out.onward.segments.len() == 1);
    black_box(&out);
}

fn connected(version: Version) -> (Connection, Instant) {
    let terms = Arc::new(Terms::new(Limits::default(), Arc::new(Policy::permit_all("1"))));
    let identity = Identity::new("bench".into(), ([127, 0, 0, 1], 1883).into(), None);
    let now = Instant::now();
    let (connect, connack) = match version {
        Version::V50 => (&b"\x10\x0e\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x01c"[..], &b"\x20\x03\x00\x00\x00"[..]),
        Version::V31 | Version::V311 => {
            (&b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01c"[..], &b"\x20\x02\x00\x00"[..])
        }
    };
    let Opening::Asking(asking) = open(connect, &terms) else { panic!("CONNECT refused") };
    let at = At { now, unix_millis: 0, ends: None };
    let accepted = asking.admit(&terms, asking.known(identity), &Credentials::AsReceived, at);
    let mut connection = accepted.unwrap().connection;
    connection.receive(Direction::FromBroker, now, connack, &mut Output::default()).unwrap();
    (connection, now)
}

fn batch(frame: impl Fn(u16) -> Vec<u8>) -> Vec<u8> {
    (1..=BATCH).flat_map(frame).collect()
}

/// A PUBLISH with 64 bytes of payload; `properties` in 5.0 only.
fn publish(qos: u8, packet_id: u16, properties: Option<&[u8]>) -> Vec<u8> {
    let mut body = [&[0, u8::try_from(TOPIC.len()).unwrap()][..], TOPIC].concat();
    if qos > 0 {
        body.extend(packet_id.to_be_bytes());
    }
    if let Some(properties) = properties {
        body.push(u8::try_from(properties.len()).unwrap());
        body.extend(properties);
    }
    body.resize(body.len() + 64, b'x');
    // Under 128 bytes, so one byte of Remaining Length.
    [&[0x30 | qos << 1, u8::try_from(body.len()).unwrap()][..], &body].concat()
}

criterion_group!(benches, judge);
criterion_main!(benches);
