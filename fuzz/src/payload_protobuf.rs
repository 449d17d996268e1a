//! Protobuf by a descriptor: what is read is what prost reads; any descriptor is taken or refused.

use std::sync::{Arc, LazyLock};

use prost::Message as _;
use tidegate::payload::protobuf::Descriptor;
use tidegate::payload::{Field, Format, Found, Limits, Reader, Value};

#[path = "../../src/payload/protobuf/tests/model.rs"]
mod model;

static READER: LazyLock<Reader> = LazyLock::new(|| {
    let plant = include_bytes!("../../tests/vectors/protobuf/plant.binpb");
    let descriptor = Descriptor::new(plant, "plant.Reading").unwrap().with_unknown_fields(true);
    let fields: Vec<Field> = model::FIELDS.iter().map(|field| Field::parse(field).unwrap()).collect();
    Reader::new(Format::Protobuf(Arc::new(descriptor)), Limits::default(), &fields).unwrap()
});

pub(crate) fn read(data: &[u8]) {
    let Some((kind, data)) = data.split_first() else { return };
    if *kind == 0 {
        let _ = Descriptor::new(data, "A");
        return;
    }
    let mut found = Found::new();
    if let Err(flaw) = READER.read(data, &mut found) {
        assert!(flaw.at.is_none_or(|at| at <= data.len()));
        return;
    }
    let reading = model::Reading::decode(data).expect("prost reads what is read");
    let values: Vec<_> = (0..model::FIELDS.len()).map(|field| found.get(field).map(write)).collect();
    assert_eq!(values, model::oracle(&reading));
}

fn write(value: &Value<'_>) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(truth) => truth.to_string(),
        Value::Integer(integer) => integer.to_string(),
        Value::Float(float) => format!("{float:?}"),
        Value::Text(text) => format!("{text:?}"),
        Value::Bytes(bytes) => format!("{bytes:?}"),
        Value::List(items) => format!("list of {items}"),
        Value::Object(members) => format!("object of {members}"),
    }
}
