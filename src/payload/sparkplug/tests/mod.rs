//! Held against prost, whose structs here are written by hand from the field numbers of the specification.

mod births;
mod hostile;
pub(crate) mod model;
mod properties;
mod sequence;
mod values;

use prost::Message as _;

use super::*;
use crate::payload::{Flaw, FlawKind, Limits, Value};
use model::value::Value as Is;

fn read(payload: &model::Payload) -> Vec<u8> {
    payload.encode_to_vec()
}

/// A metric with a name, a type and a value.
fn metric(name: &str, datatype: Datatype, value: Is) -> model::Metric {
    model::Metric {
        name: Some(name.to_owned()),
        datatype: Some(datatype as u32),
        value: Some(value),
        ..model::Metric::default()
    }
}

fn with_alias(alias: u64, metric: model::Metric) -> model::Metric {
    model::Metric { alias: Some(alias), ..metric }
}

/// A metric with an alias and a value, as data has them.
fn by_alias(alias: u64, value: Is) -> model::Metric {
    model::Metric { alias: Some(alias), value: Some(value), ..model::Metric::default() }
}

/// A metric with a name and a value.
fn by_name(name: &str, value: Is) -> model::Metric {
    model::Metric { name: Some(name.to_owned()), value: Some(value), ..model::Metric::default() }
}

fn bd_seq(number: u64) -> model::Metric {
    metric("bdSeq", Datatype::UInt64, Is::Long(number))
}

fn payload(seq: Option<u64>, metrics: Vec<model::Metric>) -> Vec<u8> {
    read(&model::Payload { timestamp: Some(1), seq, metrics, ..model::Payload::default() })
}

const ALL: Asked = Asked { sequence: true, declared: true };
const NOTHING: Asked = Asked { sequence: false, declared: false };

/// What one connection says and hears, message by message.
#[derive(Default)]
struct Story {
    nodes: Nodes,
    asked: Option<Asked>,
    /// What the last message was seen to say.
    seen: Vec<String>,
}

impl Story {
    fn new(asked: Asked) -> Self {
        Self { asked: Some(asked), ..Self::default() }
    }

    /// Judges a message, settles it as a gateway that refuses what is wrong, and says what is.
    fn way(&mut self, way: Way, topic: &str, bytes: &[u8]) -> Option<&'static str> {
        let (step, fault) = self.judge(way, topic, bytes);
        self.nodes.settle(step, fault.is_none());
        fault.map(FaultKind::label)
    }

    fn judge(&mut self, way: Way, topic: &str, bytes: &[u8]) -> (Step, Option<FaultKind>) {
        let topic = Topic::parse(topic).unwrap();
        let limits = Limits::default();
        self.seen.clear();
        let payload = match Payload::read(bytes, &limits) {
            Ok(payload) => payload,
            Err(flaw) => return (self.nodes.unread(way, &topic), Some(Fault::from(flaw).what)),
        };
        let seen = &mut self.seen;
        let mut each = |named: &Named<'_, '_>| {
            let value = named.value.as_ref().map_or("?".to_owned(), |value| format!("{value:?}"));
            seen.push(format!("{} = {value}", named.name.unwrap_or("?")));
        };
        let (step, judged) = self.nodes.judge(way, &topic, &payload, self.asked.unwrap_or(ALL), &mut each);
        (step, judged.err().map(|fault| fault.what))
    }

    fn will(&mut self, topic: &str, metrics: Vec<model::Metric>) -> Option<&'static str> {
        self.way(Way::Will, topic, &payload(None, metrics))
    }

    fn says(&mut self, topic: &str, seq: impl Into<Option<u64>>, metrics: Vec<model::Metric>) -> Option<&'static str> {
        self.way(Way::Published, topic, &payload(seq.into(), metrics))
    }

    fn hears(&mut self, topic: &str, seq: impl Into<Option<u64>>, metrics: Vec<model::Metric>) -> Option<&'static str> {
        self.way(Way::Received, topic, &payload(seq.into(), metrics))
    }
}

const NDEATH: &str = "spBv1.0/g/NDEATH/e";
const NBIRTH: &str = "spBv1.0/g/NBIRTH/e";
const NDATA: &str = "spBv1.0/g/NDATA/e";
const NCMD: &str = "spBv1.0/g/NCMD/e";
const DBIRTH: &str = "spBv1.0/g/DBIRTH/e/pump";
const DDATA: &str = "spBv1.0/g/DDATA/e/pump";
const DDEATH: &str = "spBv1.0/g/DDEATH/e/pump";
const DCMD: &str = "spBv1.0/g/DCMD/e/pump";

/// A node with one metric, and one device with one.
fn born(asked: Asked) -> Story {
    let mut story = Story::new(asked);
    assert_eq!(story.will(NDEATH, vec![bd_seq(7)]), None);
    let node = with_alias(1, metric("Load", Datatype::Int8, Is::Int(0)));
    assert_eq!(story.says(NBIRTH, 0, vec![bd_seq(7), node]), None);
    let device = with_alias(2, metric("Pressure", Datatype::Float, Is::Float(1.0)));
    assert_eq!(story.says(DBIRTH, 1, vec![device]), None);
    story
}
