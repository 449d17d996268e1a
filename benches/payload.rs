//! What it costs to read a payload: fields of a telemetry document, and a schema of it.
//!
//! Figures are per payload.

#![expect(clippy::unwrap_used, reason = "a bench that cannot set up its subject ends")]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use prost::Message as _;
use serde_json::{Value, json};
use tidegate::payload::binary::{Endian, Kind, Layout, Length, Slot};
use tidegate::payload::protobuf::Descriptor;
use tidegate::payload::schema::Schema;
use tidegate::payload::sparkplug::{Asked, Datatype, Named, Nodes, Payload, Topic, Way};
use tidegate::payload::{Field, Format, Found, Limits, Reader};

#[path = "../src/payload/sparkplug/tests/model.rs"]
mod model;

/// Ten members, 256 bytes.
const TELEMETRY: &str = concat!(
    r#"{"device":"pump-07","site":"plant-2/line-4","timestamp":1795447560123,"sequence":48213,"#,
    r#""celsius":21.734,"bar":3.918,"rpm":1480,"state":"running","alarm":false,"#,
    r#""detail":{"vibration":[0.012,0.034,0.021],"valve":"open","hours":18231.25,"firmware":"4.11.2-a"}}"#,
);

fn read(criterion: &mut Criterion) {
    assert_eq!(TELEMETRY.len(), 256);
    let document: Value = serde_json::from_str(TELEMETRY).unwrap();
    let spaced = serde_json::to_string_pretty(&document).unwrap();
    let mut cbor = Vec::new();
    coset::cbor::into_writer(&document, &mut cbor).unwrap();
    let messagepack = rmp_serde::to_vec(&document).unwrap();
    let slot = |name: &str, offset, scale| Slot {
        name: name.into(),
        offset,
        kind: Kind::Unsigned(2),
        endian: Endian::Big,
        scale,
        add: 0.0,
    };
    let layout = Layout::new(Length::Exactly(64), vec![slot("celsius", 4, 0.1), slot("bar", 6, 1.0)]).unwrap();
    let mut group = criterion.benchmark_group("read two fields");
    for (name, format, payload) in [
        ("JSON, 256 B", Format::Json, TELEMETRY.as_bytes()),
        ("JSON, the same in many lines", Format::Json, spaced.as_bytes()),
        ("CBOR, the same", Format::Cbor, &cbor),
        ("MessagePack, the same", Format::MessagePack, &messagepack),
        ("binary, 64 B", Format::Binary(Arc::new(layout)), &[7; 64]),
    ] {
        let fields = ["/celsius", "/bar"].map(|field| Field::parse(field).unwrap());
        let reader = Reader::new(format, Limits::default(), &fields).unwrap();
        let mut found = Found::new();
        reader.read(payload, &mut found).unwrap();
        assert!(found.get(0).is_some() && found.get(1).is_some());
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut found = Found::new();
                reader.read(black_box(payload), &mut found).unwrap();
                black_box(found.get(1).is_some())
            });
        });
    }
    group.finish();
}

fn schema(criterion: &mut Criterion) {
    let schema = json!({
        "type": "object",
        "required": ["device", "timestamp", "celsius", "bar"],
        "additionalProperties": false,
        "properties": {
            "device": {"type": "string", "pattern": "^pump-[0-9]{2}$"},
            "site": {"type": "string", "maxLength": 64},
            "timestamp": {"type": "integer", "minimum": 0},
            "sequence": {"type": "integer", "minimum": 0},
            "celsius": {"type": "number", "minimum": -40, "maximum": 125},
            "bar": {"type": "number", "minimum": 0, "maximum": 10},
            "rpm": {"type": "integer", "maximum": 3000},
            "state": {"enum": ["running", "stopped", "fault"]},
            "alarm": {"type": "boolean"},
            "detail": {"type": "object"},
        },
    });
    let schema = Schema::compile(&schema, "file:///schema.json", &mut |_| Err(String::new())).unwrap();
    let limits = Limits::default();
    criterion.bench_function("schema of ten properties/JSON, 256 B", |bencher| {
        bencher.iter(|| schema.validate(&Format::Json, &limits, black_box(TELEMETRY.as_bytes())).unwrap());
    });
}

fn protobuf(criterion: &mut Criterion) {
    let plant = include_bytes!("../tests/vectors/protobuf/plant.binpb");
    let descriptor = Arc::new(Descriptor::new(plant, "plant.Reading").unwrap());
    let fields = ["/celsius", "/bar"].map(|field| Field::parse(field).unwrap());
    let reader = Reader::new(Format::Protobuf(descriptor), Limits::default(), &fields).unwrap();
    // celsius, bar, unit, state, position, ten packed samples.
    let mut payload = [&[0x09][..], &21.5_f64.to_le_bytes(), &[0x11], &3.9_f64.to_le_bytes()].concat();
    payload.extend(b"\x1a\x01C\x30\x01\x3a\x04\x08\x05\x10\x08\x42\x50");
    payload.extend([0; 80]);
    criterion.bench_function("read two fields/Protobuf, 111 B", |bencher| {
        bencher.iter(|| {
            let mut found = Found::new();
            reader.read(black_box(&payload), &mut found).unwrap();
            black_box(found.get(1).is_some())
        });
    });
}

/// Ten metrics by alias, each with its time; two are wanted.
fn sparkplug(criterion: &mut Criterion) {
    const WANTED: [&str; 2] = ["Outputs/Pressure 3", "Outputs/Pressure 7"];
    let metric = |alias: u64, birth: bool| model::Metric {
        name: birth.then(|| format!("Outputs/Pressure {alias}")),
        alias: Some(alias),
        timestamp: Some(1_795_447_560_123),
        datatype: birth.then_some(Datatype::Double as u32),
        value: Some(model::value::Value::Double(1.5)),
        ..model::Metric::default()
    };
    let message = |seq, birth| {
        let metrics = (0..10).map(|alias| metric(alias, birth)).collect();
        model::Payload { timestamp: Some(1_795_447_560_123), seq: Some(seq), metrics, ..model::Payload::default() }
    };
    let (birth, data) = (message(0, true).encode_to_vec(), message(1, false).encode_to_vec());
    let limits = Limits::default();
    let read = |payload| Payload::read(payload, &limits).unwrap();
    let [born, said] = ["spBv1.0/g/NBIRTH/e", "spBv1.0/g/NDATA/e"].map(|topic| Topic::parse(topic).unwrap());
    let mut nodes = Nodes::default();
    let lax = Asked { sequence: false, declared: true };
    let (step, judged) = nodes.judge(Way::Published, &born, &read(&birth), lax, &mut |_| {});
    judged.unwrap();
    nodes.settle(step, true);
    let mut group = criterion.benchmark_group("Sparkplug B");
    group.bench_function(format!("ten metrics by alias, {} B, two wanted", data.len()), |bencher| {
        bencher.iter(|| {
            let payload = read(black_box(&data));
            let mut found = 0;
            let mut each = |named: &Named<'_, '_>| {
                found += usize::from(WANTED.iter().any(|wanted| named.name == Some(*wanted)));
            };
            let (step, judged) = nodes.judge(Way::Published, &said, &payload, lax, &mut each);
            judged.unwrap();
            nodes.settle(step, true);
            assert_eq!(black_box(found), 2);
        });
    });
    group.bench_function("ten metrics, only read", |bencher| {
        bencher.iter(|| read(black_box(&data)).metrics().map(|metric| metric.unwrap().alias.unwrap()).sum::<u64>());
    });
    group.bench_function("ten metrics, decoded by prost", |bencher| {
        bencher.iter(|| model::Payload::decode(black_box(&data[..])).unwrap());
    });
    group.finish();
}

criterion_group!(benches, read, protobuf, sparkplug, schema);
criterion_main!(benches);
