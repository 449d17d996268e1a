//! What prost makes of `tests/vectors/protobuf/plant.proto`; for tests and fuzzing alone.

use std::collections::{BTreeMap, HashMap};

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Reading {
    #[prost(double, tag = "1")]
    pub(crate) celsius: f64,
    #[prost(double, optional, tag = "2")]
    pub(crate) bar: Option<f64>,
    #[prost(string, tag = "3")]
    pub(crate) unit: String,
    #[prost(bytes = "vec", tag = "4")]
    pub(crate) raw: Vec<u8>,
    #[prost(bool, tag = "5")]
    pub(crate) valid: bool,
    #[prost(int32, tag = "6")]
    pub(crate) state: i32,
    #[prost(message, optional, tag = "7")]
    pub(crate) position: Option<Position>,
    #[prost(double, repeated, tag = "8")]
    pub(crate) samples: Vec<f64>,
    #[prost(string, repeated, tag = "9")]
    pub(crate) tags: Vec<String>,
    #[prost(message, repeated, tag = "10")]
    pub(crate) track: Vec<Position>,
    #[prost(btree_map = "string, double", tag = "11")]
    pub(crate) limits: BTreeMap<String, f64>,
    #[prost(map = "int32, message", tag = "12")]
    pub(crate) axes: HashMap<i32, Position>,
    #[prost(btree_map = "bool, string", tag = "13")]
    pub(crate) switches: BTreeMap<bool, String>,
    #[prost(oneof = "Command", tags = "14, 15, 16")]
    pub(crate) command: Option<Command>,
    #[prost(message, optional, tag = "100")]
    pub(crate) numbers: Option<Numbers>,
    #[prost(message, optional, boxed, tag = "101")]
    pub(crate) inner: Option<Box<Reading>>,
    #[prost(message, optional, tag = "102")]
    pub(crate) motor: Option<Motor>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum Command {
    #[prost(uint32, tag = "14")]
    Speed(u32),
    #[prost(string, tag = "15")]
    Recipe(String),
    #[prost(message, tag = "16")]
    GoTo(Position),
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct Position {
    #[prost(sint32, tag = "1")]
    pub(crate) x: i32,
    #[prost(sint32, tag = "2")]
    pub(crate) y: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Numbers {
    #[prost(int32, tag = "1")]
    pub(crate) int32: i32,
    #[prost(int64, tag = "2")]
    pub(crate) int64: i64,
    #[prost(uint32, tag = "3")]
    pub(crate) uint32: u32,
    #[prost(uint64, tag = "4")]
    pub(crate) uint64: u64,
    #[prost(sint32, tag = "5")]
    pub(crate) sint32: i32,
    #[prost(sint64, tag = "6")]
    pub(crate) sint64: i64,
    #[prost(fixed32, tag = "7")]
    pub(crate) fixed32: u32,
    #[prost(fixed64, tag = "8")]
    pub(crate) fixed64: u64,
    #[prost(sfixed32, tag = "9")]
    pub(crate) sfixed32: i32,
    #[prost(sfixed64, tag = "10")]
    pub(crate) sfixed64: i64,
    #[prost(float, tag = "11")]
    pub(crate) float: f32,
    #[prost(double, tag = "12")]
    pub(crate) double: f64,
    #[prost(sint64, repeated, tag = "13")]
    pub(crate) many: Vec<i64>,
    #[prost(fixed32, repeated, packed = "false", tag = "14")]
    pub(crate) words: Vec<u32>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Motor {
    #[prost(uint32, required, tag = "1")]
    pub(crate) rpm: u32,
    #[prost(int32, optional, tag = "2")]
    pub(crate) torque: Option<i32>,
    #[prost(int32, repeated, packed = "false", tag = "3")]
    pub(crate) history: Vec<i32>,
}

/// What is read of a message, and [`oracle`] tells in their order.
pub(crate) const FIELDS: [&str; 18] = [
    "/celsius",
    "/bar",
    "/unit",
    "/raw",
    "/valid",
    "/state",
    "/position/x",
    "/samples",
    "/samples/1",
    "/tags/0",
    "/track/1/y",
    "/limits/a",
    "/axes/1/x",
    "/switches/true",
    "/speed",
    "/recipe",
    "/numbers/sint64",
    "/motor/rpm",
];

/// What prost reads of the same fields; of a number that is none, nothing is known.
pub(crate) fn oracle(reading: &Reading) -> Vec<Option<String>> {
    let float = |value: f64| Some(format!("{value:?}"));
    let text = |text: &String| format!("{text:?}");
    let state = match reading.state {
        0 => "\"STOPPED\"".to_owned(),
        1 => "\"RUNNING\"".to_owned(),
        2 => "\"FAULT\"".to_owned(),
        other => other.to_string(),
    };
    vec![
        float(reading.celsius),
        reading.bar.and_then(float),
        Some(text(&reading.unit)),
        Some(format!("{:?}", reading.raw)),
        Some(reading.valid.to_string()),
        Some(state),
        reading.position.as_ref().map(|position| position.x.to_string()),
        Some(format!("list of {}", reading.samples.len())),
        reading.samples.get(1).and_then(|sample| float(*sample)),
        reading.tags.first().map(text),
        reading.track.get(1).map(|position| position.y.to_string()),
        reading.limits.get("a").and_then(|limit| float(*limit)),
        reading.axes.get(&1).map(|position| position.x.to_string()),
        reading.switches.get(&true).map(text),
        match &reading.command {
            Some(Command::Speed(speed)) => Some(speed.to_string()),
            _ => None,
        },
        match &reading.command {
            Some(Command::Recipe(recipe)) => Some(text(recipe)),
            _ => None,
        },
        reading.numbers.as_ref().map(|numbers| numbers.sint64.to_string()),
        reading.motor.as_ref().map(|motor| motor.rpm.to_string()),
    ]
}
