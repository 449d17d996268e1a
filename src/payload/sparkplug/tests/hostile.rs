//! Payloads that are refused.

use super::*;

/// Reads all of a payload.
fn flaw(bytes: &[u8]) -> Option<FlawKind> {
    flaw_within(&Limits::default(), bytes)
}

fn flaw_within(limits: &Limits, bytes: &[u8]) -> Option<FlawKind> {
    let payload = match Payload::read(bytes, limits) {
        Ok(payload) => payload,
        Err(flaw) => return Some(flaw.what),
    };
    payload.metrics().find_map(|metric| metric.err().map(|flaw: Flaw| flaw.what))
}

/// A payload of one metric with these bytes.
fn of(metric: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x12];
    prost::encoding::encode_varint(metric.len() as u64, &mut bytes);
    bytes.extend(metric);
    bytes
}

#[test]
fn a_payload_that_has_two_readings_is_refused() {
    for (bytes, expected) in [
        (&[][..], None),
        (&[0x08, 1, 0x18, 255, 1], None),
        (&[0x18, 0x80, 0x02], Some(FlawKind::NumberRange)), // seq 256
        (&[0x18, 1, 0x18, 1], Some(FlawKind::DuplicateKey)),
        (&[0x08, 1, 0x08, 1], Some(FlawKind::DuplicateKey)),
        (&[0x22, 1, 0xff], Some(FlawKind::NotUtf8)), // uuid
        (&[0x2a, 1, 0xff], None),                    // body
        (&[0x2d, 0, 0, 0, 0], Some(FlawKind::Syntax)),
        (&[0x10, 1], Some(FlawKind::Syntax)), // metrics as a number
        (&[0x32, 1, 0], None),                // left to others
        (&[0x13, 0x14], Some(FlawKind::Unsupported)),
        (&[0x12, 5, 0], Some(FlawKind::Truncated)),
        (b"{\"timestamp\":1}", Some(FlawKind::Unsupported)),
        (b"ONLINE", Some(FlawKind::Syntax)),
    ] {
        assert_eq!(flaw(bytes), expected, "{bytes:x?}");
    }
}

#[test]
fn a_metric_that_has_two_readings_is_refused() {
    for (metric, expected) in [
        (&[][..], None),
        (&[0x0a, 1, b'a', 0x0a, 1, b'b'], Some(FlawKind::DuplicateKey)), // two names
        (&[0x10, 1, 0x10, 2], Some(FlawKind::DuplicateKey)),             // two aliases
        (&[0x50, 1, 0x50, 2], Some(FlawKind::DuplicateKey)),             // two values
        (&[0x50, 1, 0x58, 2], Some(FlawKind::DuplicateKey)),             // two values of different kinds
        (&[0x20, 3, 0x20, 3], Some(FlawKind::DuplicateKey)),             // two datatypes
        (&[0x38, 2], Some(FlawKind::NumberRange)),                       // is_null = 2
        (&[0x20, 0], Some(FlawKind::NumberRange)),                       // datatype Unknown
        (&[0x20, 35], Some(FlawKind::NumberRange)),
        (&[0x20, 0x81, 0x80, 0x80, 0x80, 0x10], Some(FlawKind::NumberRange)), // 2^32 + 1
        (&[0x50, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], Some(FlawKind::NumberRange)), // −1 in 64 bits
        (&[0x0a, 1, 0xff], Some(FlawKind::NotUtf8)),
        (&[0x65, 0, 0, 0xc0, 0x7f], Some(FlawKind::NumberRange)), // NaN
        (&[0x69, 0, 0, 0, 0, 0, 0, 0xf0, 0x7f], Some(FlawKind::NumberRange)), // Infinity
        (&[0x5d, 0, 0, 0, 0], Some(FlawKind::Syntax)),            // long_value of four bytes
        (&[0x9a, 1, 0], Some(FlawKind::Unsupported)),             // extension_value
        (&[0xa0, 1, 0], None),                                    // field 20
        (&[0x4a, 3, 0x0a, 1, 0xff], Some(FlawKind::NotUtf8)),     // a key of a property
        (&[0x4a, 2, 0x12, 5], Some(FlawKind::Truncated)),
        (&[0x42, 2, 0x08, 2], Some(FlawKind::NumberRange)), // is_multi_part = 2
        (&[0x8a, 1, 4, 0x1a, 2, 1, 2], None),               // packed types of columns
        (&[0x8a, 1, 3, 0x1a, 1, 0x80], Some(FlawKind::Truncated)),
        (&[0x92, 1, 4, 0x12, 2, 0x0a, 9], Some(FlawKind::Truncated)), // a metric in a template
    ] {
        assert_eq!(flaw(&of(metric)), expected, "{metric:x?}");
    }
}

#[test]
fn a_flaw_names_its_metric() {
    let bytes = of(&[0x0a, 1, b'a', 0x38, 2]);
    let payload = Payload::read(&bytes, &Limits::default()).unwrap();
    let flaw = payload.metrics().next().unwrap().unwrap_err();
    assert_eq!((flaw.field.as_deref(), flaw.at), (Some("a"), Some(5)));
    // Nothing behind it is read.
    let mut metrics = payload.metrics();
    assert!(metrics.next().unwrap().is_err() && metrics.next().is_none());
}

#[test]
fn templates_and_properties_are_bounded_in_depth() {
    let nested = |depth| {
        let inner = (0..depth).fold(model::Metric::default(), |inner, _| {
            let template = model::Template { metrics: vec![inner], ..model::Template::default() };
            model::Metric { value: Some(Is::Template(template)), ..model::Metric::default() }
        });
        payload(None, vec![inner])
    };
    // The payload, its metrics, the metric; and twice that much for each template and metric in it.
    assert_eq!(flaw(&nested(14)), None);
    assert_eq!(flaw(&nested(15)), Some(FlawKind::TooDeep));
    let properties = (0..40).fold(model::PropertySet::default(), |inner, _| model::PropertySet {
        keys: vec![String::new()],
        values: vec![model::PropertyValue { set: Some(inner), ..model::PropertyValue::default() }],
    });
    let metric = model::Metric { properties: Some(properties), ..model::Metric::default() };
    assert_eq!(flaw(&payload(None, vec![metric])), Some(FlawKind::TooDeep));
    let flat = Limits { max_depth: 2, ..Limits::default() };
    assert_eq!(flaw_within(&flat, &payload(None, vec![model::Metric::default()])), Some(FlawKind::TooDeep));
    // A bomb of 60,000 bytes.
    let mut bomb = Vec::new();
    while bomb.len() < 60_000 {
        let mut template = vec![0x92, 0x01];
        prost::encoding::encode_varint(bomb.len() as u64, &mut template);
        template.append(&mut bomb);
        let mut member = vec![0x12];
        prost::encoding::encode_varint(template.len() as u64, &mut member);
        member.append(&mut template);
        bomb = member;
    }
    assert_eq!(flaw(&bomb), Some(FlawKind::TooDeep));
}

#[test]
fn values_are_bounded_in_number() {
    let limits = Limits { max_values: 10, ..Limits::default() };
    let metrics = |count| payload(None, vec![model::Metric::default(); count]);
    assert_eq!(flaw_within(&limits, &metrics(9)), None);
    assert_eq!(flaw_within(&limits, &metrics(10)), Some(FlawKind::TooManyValues));
    let cells = |cells| {
        let row = model::Row { elements: vec![model::Cell::default(); cells] };
        let table = model::DataSet { rows: vec![row], ..model::DataSet::default() };
        payload(None, vec![model::Metric { value: Some(Is::DataSet(table)), ..model::Metric::default() }])
    };
    assert_eq!(flaw_within(&limits, &cells(8)), None);
    assert_eq!(flaw_within(&limits, &cells(9)), Some(FlawKind::TooManyValues));
}
