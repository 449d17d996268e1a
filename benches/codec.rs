//! What it costs to judge one packet: `cargo bench --bench codec`.

#![expect(clippy::unwrap_used, reason = "a benchmark: a panic is its way to fail")]

use std::{hint::black_box, num::NonZeroU16};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tidegate::mqtt::{
    Context, Direction, Limits, Version, encode,
    frame::{PacketType, QoS},
    packet::{Publish, PublishProperties},
    reason::ReasonCode,
    topic,
};

const TOPIC: &str = "plant/line1/temperature/temp-7";

fn publish(qos: QoS, properties: &[u8]) -> (Version, Vec<u8>) {
    let version = if properties.is_empty() { Version::V311 } else { Version::V50 };
    let publish = Publish {
        dup: false,
        qos,
        retain: false,
        topic: TOPIC,
        packet_id: (qos != QoS::Zero).then_some(NonZeroU16::MIN),
        properties: PublishProperties::default(),
        payload: &[b'x'; 64],
    };
    let mut bytes = Vec::new();
    encode::publish(version, &publish, &mut bytes);
    let Some((block_len, _)) = properties.split_first().filter(|(len, _)| **len > 0) else { return (version, bytes) };
    let at = 2 + 2 + TOPIC.len() + if qos == QoS::Zero { 0 } else { 2 };
    bytes.splice(at..=at, properties.iter().copied());
    *bytes.get_mut(1).unwrap() += block_len;
    (version, bytes)
}

fn decode(c: &mut Criterion) {
    let three =
        [&[0x1C, 0x02, 0, 0, 0, 60, 0x03, 0, 10][..], b"text/plain", &[0x26, 0, 3], b"key", &[0, 2], b"42"].concat();
    let mut ack = Vec::new();
    encode::ack(Version::V311, PacketType::PubAck, NonZeroU16::MIN, ReasonCode::Success, [], &mut ack);
    let cases = [
        ("PUBLISH 3.1.1 QoS 0", publish(QoS::Zero, &[])),
        ("PUBLISH 3.1.1 QoS 1", publish(QoS::One, &[])),
        ("PUBLISH 5.0 QoS 0", publish(QoS::Zero, &[0])),
        ("PUBLISH 5.0 QoS 1, three properties", publish(QoS::One, &three)),
        ("PUBACK 3.1.1", (Version::V311, ack)),
    ];
    let limits = Limits::default();
    let mut group = c.benchmark_group("decode");
    group.throughput(Throughput::Elements(1));
    for (name, (version, bytes)) in &cases {
        let context = Context { version: *version, direction: Direction::FromClient, limits: &limits };
        group.bench_function(*name, |b| {
            b.iter(|| {
                let context = black_box(&context);
                let frame = context.frame(black_box(bytes)).unwrap().unwrap();
                black_box(&context.packet(frame));
            });
        });
    }
    group.finish();
}

fn topics(c: &mut Criterion) {
    let mut group = c.benchmark_group("topic");
    let (filter, narrow) = ("plant/+/temperature/#", "plant/+/temperature/+");
    group.bench_function("matches", |b| b.iter(|| topic::matches(black_box(filter), black_box(TOPIC))));
    group.bench_function("covers", |b| b.iter(|| topic::covers(black_box(filter), black_box(narrow))));
    group.finish();
}

criterion_group!(benches, decode, topics);
criterion_main!(benches);
