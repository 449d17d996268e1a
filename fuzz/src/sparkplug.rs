//! Sparkplug B: what is read of a payload is what prost reads; whatever comes in whatever order is judged.

use prost::Message as _;
use tidegate::payload::Limits;
use tidegate::payload::sparkplug::{Asked, Bounds, Fault, Metric, Nodes, Payload, Topic, Way};

#[path = "../../src/payload/sparkplug/tests/model.rs"]
mod model;

const TOPICS: [&str; 8] = [
    "spBv1.0/g/NBIRTH/e",
    "spBv1.0/g/NDATA/e",
    "spBv1.0/g/NDEATH/e",
    "spBv1.0/g/NCMD/e",
    "spBv1.0/g/DBIRTH/e/d",
    "spBv1.0/g/DDATA/e/d",
    "spBv1.0/g/DDEATH/e/d",
    "spBv1.0/g/DCMD/e/d",
];

/// Messages: a byte that says which and how, a byte of length, the payload.
pub(crate) fn judge(data: &[u8]) {
    let bounds = Bounds { nodes: 2, devices: 2, metrics: 8, name_bytes: 64 };
    let mut nodes = Nodes::new(bounds, bounds);
    let mut rest = data;
    while let Some(([how, length], more)) = rest.split_first_chunk() {
        let (payload, more) = more.split_at(more.len().min((*length).into()));
        rest = more;
        whole(payload);
        message(&mut nodes, *how, payload);
    }
    let text = String::from_utf8_lossy(data);
    if let Some(Topic::Node { group, message, node, device }) = Topic::parse(&text) {
        let device = device.map_or(String::new(), |device| format!("/{device}"));
        assert_eq!(text, format!("spBv1.0/{group}/{}/{node}{device}", message.as_str()));
    }
}

fn message(nodes: &mut Nodes, how: u8, bytes: &[u8]) {
    let topic = Topic::parse(TOPICS[usize::from(how & 7)]).unwrap();
    let way = [Way::Published, Way::Will, Way::Received, Way::Published][usize::from(how >> 3 & 3)];
    let asked = Asked { sequence: how & 0x20 != 0, declared: how & 0x40 != 0 };
    let (step, judged) = match Payload::read(bytes, &Limits::default()) {
        Ok(payload) => nodes.judge(way, &topic, &payload, asked, &mut |_| {}),
        Err(flaw) => (nodes.unread(way, &topic), Err(Fault::from(flaw))),
    };
    nodes.settle(step, judged.is_ok() || how & 0x80 != 0);
}

fn whole(bytes: &[u8]) {
    let Ok(payload) = Payload::read(bytes, &Limits::default()) else { return };
    let Ok(metrics) = payload.metrics().collect::<Result<Vec<Metric<'_>>, _>>() else { return };
    let model = model::Payload::decode(bytes).expect("prost reads what is read");
    assert_eq!(payload.timestamp, model.timestamp);
    assert_eq!(payload.seq.map(u64::from), model.seq);
    assert_eq!(payload.uuid, model.uuid.as_deref());
    assert_eq!(payload.body, model.body.as_deref());
    assert_eq!(metrics.len(), model.metrics.len());
    for (metric, model) in metrics.iter().zip(&model.metrics) {
        assert_eq!(metric.name, model.name.as_deref());
        assert_eq!(metric.alias, model.alias);
        assert_eq!(metric.datatype.map(|datatype| datatype as u32), model.datatype);
        assert_eq!(metric.is_null, model.is_null.unwrap_or_default());
    }
}
