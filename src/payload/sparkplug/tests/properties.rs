//! What prost writes is read; what is read is what prost reads.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;

fn value() -> impl Strategy<Value = Is> {
    prop_oneof![
        any::<u32>().prop_map(Is::Int),
        any::<u64>().prop_map(Is::Long),
        prop::num::f32::NORMAL.prop_map(Is::Float),
        prop::num::f64::NORMAL.prop_map(Is::Double),
        any::<bool>().prop_map(Is::Boolean),
        ".{0,9}".prop_map(Is::Text),
        vec(any::<u8>(), 0..9).prop_map(Is::Bytes),
        vec(vec(option::of(any::<u32>()), 0..3), 0..3).prop_map(|rows| {
            let cells = |cells: Vec<_>| cells.into_iter().map(|int| model::Cell { int, double: None }).collect();
            let rows = rows.into_iter().map(|row| model::Row { elements: cells(row) }).collect();
            Is::DataSet(model::DataSet { rows, types: vec![1, 2], ..model::DataSet::default() })
        }),
    ]
}

fn metric() -> impl Strategy<Value = model::Metric> {
    let flags = (option::of(any::<bool>()), option::of(any::<bool>()), option::of(any::<bool>()));
    let names = (option::of(".{0,9}"), option::of(any::<u64>()), option::of(any::<u64>()), option::of(1..=34_u32));
    let properties = option::of(vec((".{0,4}", option::of(any::<u32>())), 0..3));
    (names, flags, properties, option::of(value())).prop_map(|(names, flags, properties, value)| model::Metric {
        name: names.0,
        alias: names.1,
        timestamp: names.2,
        datatype: names.3,
        is_historical: flags.0,
        is_transient: flags.1,
        is_null: flags.2,
        metadata: None,
        properties: properties.map(|properties| {
            let (keys, values) = properties.into_iter().unzip();
            let values =
                Vec::into_iter(values).map(|int| model::PropertyValue { int, ..model::PropertyValue::default() });
            model::PropertySet { keys, values: values.collect() }
        }),
        value,
    })
}

fn whole() -> impl Strategy<Value = model::Payload> {
    let own =
        (option::of(any::<u64>()), option::of(0..=255_u64), option::of(".{0,9}"), option::of(vec(any::<u8>(), 0..9)));
    (own, vec(metric(), 0..5)).prop_map(|((timestamp, seq, uuid, body), metrics)| model::Payload {
        timestamp,
        metrics,
        seq,
        uuid,
        body,
    })
}

fn agrees(read: &Payload<'_>, metrics: &[Metric<'_>], model: &model::Payload) -> Result<(), TestCaseError> {
    prop_assert_eq!(read.timestamp, model.timestamp);
    prop_assert_eq!(read.seq.map(u64::from), model.seq);
    prop_assert_eq!(read.uuid, model.uuid.as_deref());
    prop_assert_eq!(read.body, model.body.as_deref());
    prop_assert_eq!(metrics.len(), model.metrics.len());
    for (metric, model) in metrics.iter().zip(&model.metrics) {
        prop_assert_eq!(metric.name, model.name.as_deref());
        prop_assert_eq!(metric.alias, model.alias);
        prop_assert_eq!(metric.timestamp, model.timestamp);
        prop_assert_eq!(metric.datatype.map(|datatype| datatype as u32), model.datatype);
        prop_assert_eq!(metric.is_historical, model.is_historical.unwrap_or_default());
        prop_assert_eq!(metric.is_null, model.is_null.unwrap_or_default());
        let (Ok(value), Some(is)) = (metric.value(metric.datatype), &model.value) else { continue };
        let agrees = match (value, is) {
            (Value::Integer(value), Is::Int(is)) => {
                value == i128::from(*is) || value == i128::from(is.cast_signed()) || *is < 0x1_0000
            }
            (Value::Integer(value), Is::Long(is)) => value == i128::from(*is) || value == i128::from(is.cast_signed()),
            (Value::Float(value), Is::Float(is)) => value == f64::from(*is),
            (Value::Float(value), Is::Double(is)) => value == *is,
            (Value::Bool(value), Is::Boolean(is)) => value == *is,
            (Value::Text(value), Is::Text(is)) => value == *is,
            (Value::Bytes(value), Is::Bytes(is)) => value == &is[..],
            (Value::List(rows), Is::DataSet(is)) => rows == is.rows.len(),
            (Value::Object(members), Is::Template(is)) => members == is.metrics.len(),
            _ => false,
        };
        prop_assert!(agrees, "{metric:?} {model:?}");
    }
    Ok(())
}

proptest! {
    #[test]
    fn what_prost_writes_is_read(model in whole()) {
        let bytes = read(&model);
        let read = Payload::read(&bytes, &Limits::default()).unwrap();
        let metrics = read.metrics().collect::<Result<Vec<_>, _>>().unwrap();
        agrees(&read, &metrics, &model)?;
    }

    #[test]
    fn what_is_read_is_what_prost_reads(model in whole(), changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4)) {
        let mut bytes = read(&model);
        for (at, byte) in changes {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
        }
        let Ok(read) = Payload::read(&bytes, &Limits::default()) else { return Ok(()) };
        let Ok(metrics) = read.metrics().collect::<Result<Vec<_>, _>>() else { return Ok(()) };
        let model = model::Payload::decode(&bytes[..]);
        prop_assert!(model.is_ok(), "prost refuses {bytes:x?}: {model:?}");
        agrees(&read, &metrics, &model.unwrap())?;
    }

    /// Whatever comes, in whatever order, what is used is what is known, and within bounds.
    #[test]
    fn nothing_is_kept_beyond_the_bounds(
        messages in vec((0..8_usize, 0..4_usize, 0..3_usize, any::<bool>(), vec((0..6_u64, option::of(0..6_u64)), 0..5)), 0..40)
    ) {
        let bounds = Bounds { nodes: 2, devices: 3, metrics: 8, name_bytes: 40 };
        let mut story = Story { nodes: Nodes::new(bounds, bounds), ..Story::new(NOTHING) };
        for (message, node, device, goes_on, metrics) in messages {
            let message = MessageType::ALL[message];
            let device = if message.is_of_device() { format!("/device{device}") } else { String::new() };
            let topic = format!("spBv1.0/g/{}/node{node}{device}", message.as_str());
            let metrics = metrics.into_iter().map(|(name, alias)| model::Metric { alias, ..super::metric(&format!("m{name}"), Datatype::Int8, Is::Int(1)) });
            let bytes = payload(Some(0), metrics.collect());
            let (step, _) = story.judge(Way::Published, &topic, &bytes);
            story.nodes.settle(step, goes_on);
            story.nodes.check();
        }
    }
}
