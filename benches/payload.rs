//! What it costs to read a payload: fields of a telemetry document, and a schema of it.
//!
//! Figures are per payload.

#![expect(clippy::unwrap_used, reason = "a bench that cannot set up its subject ends")]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::{Value, json};
use tidegate::payload::binary::{Endian, Kind, Layout, Length, Slot};
use tidegate::payload::schema::Schema;
use tidegate::payload::{Field, Format, Found, Limits, Reader};

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
    let cbor = cbor4ii::serde::to_vec(Vec::new(), &document).unwrap();
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

criterion_group!(benches, read, schema);
criterion_main!(benches);
