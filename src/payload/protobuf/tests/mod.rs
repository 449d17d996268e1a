//! Messages that prost writes are what is read; bytes that are read are what prost reads.

mod descriptors;
mod hostile;
mod model;
mod properties;
mod values;

use std::sync::Arc;

use prost::Message as _;

use model::{Command, Motor, Numbers, Position, Reading};

use super::Descriptor;
use crate::payload::{Field, FlawKind, Format, Found, Limits, Reader, Value};

pub(super) const PLANT: &[u8] = include_bytes!("../../../../tests/vectors/protobuf/plant.binpb");

pub(super) fn plant(limits: Limits, unknown_fields: bool, fields: &[&str]) -> Reader {
    let descriptor = Descriptor::new(PLANT, "plant.Reading").unwrap().with_unknown_fields(unknown_fields);
    let fields = fields.iter().map(|field| Field::parse(field).unwrap()).collect::<Vec<_>>();
    Reader::new(Format::Protobuf(Arc::new(descriptor)), limits, &fields).unwrap()
}

/// The value of one field, written out; what is wrong with the payload, otherwise.
pub(super) fn one(payload: &[u8], field: &str) -> Result<Option<String>, FlawKind> {
    one_within(&Limits::default(), payload, field)
}

pub(super) fn one_within(limits: &Limits, payload: &[u8], field: &str) -> Result<Option<String>, FlawKind> {
    let reader = plant(limits.clone(), false, &[field]);
    let mut found = Found::new();
    reader.read(payload, &mut found).map_err(|flaw| flaw.what)?;
    Ok(found.get(0).map(write))
}

pub(super) fn write(value: &Value<'_>) -> String {
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
