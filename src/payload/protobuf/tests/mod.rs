//! Messages that prost writes are what is read; bytes that are read are what prost reads.

mod descriptors;
mod hostile;
mod properties;
mod values;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use prost::Message;

use super::Descriptor;
use crate::payload::{Field, FlawKind, Format, Found, Limits, Reader, Value};

pub(super) const PLANT: &[u8] = include_bytes!("../../../../tests/vectors/protobuf/plant.binpb");

#[derive(Clone, PartialEq, Message)]
pub(super) struct Reading {
    #[prost(double, tag = "1")]
    celsius: f64,
    #[prost(double, optional, tag = "2")]
    bar: Option<f64>,
    #[prost(string, tag = "3")]
    unit: String,
    #[prost(bytes = "vec", tag = "4")]
    raw: Vec<u8>,
    #[prost(bool, tag = "5")]
    valid: bool,
    #[prost(int32, tag = "6")]
    state: i32,
    #[prost(message, optional, tag = "7")]
    position: Option<Position>,
    #[prost(double, repeated, tag = "8")]
    samples: Vec<f64>,
    #[prost(string, repeated, tag = "9")]
    tags: Vec<String>,
    #[prost(message, repeated, tag = "10")]
    track: Vec<Position>,
    #[prost(btree_map = "string, double", tag = "11")]
    limits: BTreeMap<String, f64>,
    #[prost(map = "int32, message", tag = "12")]
    axes: HashMap<i32, Position>,
    #[prost(btree_map = "bool, string", tag = "13")]
    switches: BTreeMap<bool, String>,
    #[prost(oneof = "Command", tags = "14, 15, 16")]
    command: Option<Command>,
    #[prost(message, optional, tag = "100")]
    numbers: Option<Numbers>,
    #[prost(message, optional, boxed, tag = "101")]
    inner: Option<Box<Reading>>,
    #[prost(message, optional, tag = "102")]
    motor: Option<Motor>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum Command {
    #[prost(uint32, tag = "14")]
    Speed(u32),
    #[prost(string, tag = "15")]
    Recipe(String),
    #[prost(message, tag = "16")]
    GoTo(Position),
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Position {
    #[prost(sint32, tag = "1")]
    x: i32,
    #[prost(sint32, tag = "2")]
    y: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Numbers {
    #[prost(int32, tag = "1")]
    int32: i32,
    #[prost(int64, tag = "2")]
    int64: i64,
    #[prost(uint32, tag = "3")]
    uint32: u32,
    #[prost(uint64, tag = "4")]
    uint64: u64,
    #[prost(sint32, tag = "5")]
    sint32: i32,
    #[prost(sint64, tag = "6")]
    sint64: i64,
    #[prost(fixed32, tag = "7")]
    fixed32: u32,
    #[prost(fixed64, tag = "8")]
    fixed64: u64,
    #[prost(sfixed32, tag = "9")]
    sfixed32: i32,
    #[prost(sfixed64, tag = "10")]
    sfixed64: i64,
    #[prost(float, tag = "11")]
    float: f32,
    #[prost(double, tag = "12")]
    double: f64,
    #[prost(sint64, repeated, tag = "13")]
    many: Vec<i64>,
    #[prost(fixed32, repeated, packed = "false", tag = "14")]
    words: Vec<u32>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Motor {
    #[prost(uint32, required, tag = "1")]
    rpm: u32,
    #[prost(int32, optional, tag = "2")]
    torque: Option<i32>,
    #[prost(int32, repeated, packed = "false", tag = "3")]
    history: Vec<i32>,
}

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
