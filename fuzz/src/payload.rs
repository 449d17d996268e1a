//! Payloads: what is taken is what other readers take it for, and what they refuse is refused.

use coset::cbor;
use tidegate::payload::binary::{Endian, Kind, Layout, Length, Slot};
use tidegate::payload::schema::{Schema, SchemaFlaw};
use tidegate::payload::{Field, Flaw, FlawKind, Format, Found, Limits, MAX_FIELDS, Reader, Value};

/// As deep as serde_json goes, and else without bounds of our own.
const WIDE: Limits = Limits { max_depth: 127, max_values: usize::MAX, allow_duplicates: true };

fn reader(format: &Format, limits: Limits, fields: &[Field]) -> Reader {
    Reader::new(format.clone(), limits, fields).unwrap()
}

fn judge(format: &Format, limits: Limits, data: &[u8]) -> Result<(), Flaw> {
    let judged = reader(format, limits, &[]).read(data, &mut Found::new());
    if let Err(flaw) = &judged {
        assert!(flaw.at.is_none_or(|at| at <= data.len()));
        assert!(flaw.field.as_ref().is_none_or(|field| field.len() <= Flaw::MAX_FIELD_BYTES && field.starts_with('/')));
    }
    judged
}

/// A name that is longer can't be wanted.
fn can_be_wanted(pointer: &str) -> bool {
    pointer.len() <= Field::MAX_BYTES
}

/// JSON: taken exactly where serde_json takes it, but for numbers beyond all range and zeros in names.
pub(crate) fn json(data: &[u8]) {
    let wide = judge(&Format::Json, WIDE, data);
    let strict = judge(&Format::Json, Limits::default(), data);
    let Ok(document) = serde_json::from_slice::<serde_json::Value>(data) else {
        assert!(wide.is_err() && strict.is_err());
        return;
    };
    if let Err(flaw) = wide {
        assert!(matches!(flaw.what, FlawKind::NumberRange | FlawKind::Unsupported), "{flaw:?}");
        return;
    }
    let document = cbor::Value::serialized(&document).unwrap();
    same(&Format::Json, &WIDE, data, &document);
    match strict.map_err(|flaw| flaw.what) {
        Ok(()) => same(&Format::Json, &Limits::default(), data, &document),
        Err(FlawKind::DuplicateKey | FlawKind::TooDeep | FlawKind::TooManyValues) => {}
        Err(what) => panic!("{what:?} under stricter limits only"),
    }
}

/// CBOR: what is taken, ciborium takes alike.
pub(crate) fn cbor(data: &[u8]) {
    taken_alike(&Format::Cbor, data, || cbor::from_reader(data).unwrap());
}

/// MessagePack: what is taken, rmp-serde takes alike.
pub(crate) fn messagepack(data: &[u8]) {
    taken_alike(&Format::MessagePack, data, || rmp_serde::from_slice(data).unwrap());
}

fn taken_alike(format: &Format, data: &[u8], other: impl FnOnce() -> cbor::Value) {
    let unique = Limits { allow_duplicates: false, ..WIDE };
    let wide = judge(format, WIDE, data).is_ok();
    let strict = judge(format, Limits::default(), data).is_ok();
    let deep = judge(format, unique.clone(), data).is_ok();
    assert!((deep || !strict) && (wide || !deep));
    if wide {
        let document = other();
        if deep {
            same(format, &unique, data, &document);
        }
    }
}

/// Each place of a document holds what the other reader found there.
fn same(format: &Format, limits: &Limits, data: &[u8], document: &cbor::Value) {
    let mut places = Vec::new();
    gather(document, &mut String::new(), &mut places);
    for places in places.chunks(MAX_FIELDS).take(4) {
        let fields: Vec<Field> = places.iter().map(|(pointer, _)| Field::parse(pointer).unwrap()).collect();
        let reader = reader(format, limits.clone(), &fields);
        let mut found = Found::new();
        reader.read(data, &mut found).unwrap();
        for (n, (pointer, expected)) in places.iter().enumerate() {
            let value = found.get(n);
            assert!(value.is_some_and(|value| alike(value, expected)), "{pointer}: {value:?} is not {expected:?}");
        }
    }
}

fn gather<'d>(value: &'d cbor::Value, pointer: &mut String, places: &mut Vec<(String, &'d cbor::Value)>) {
    if places.len() >= 128 || !can_be_wanted(pointer) {
        return;
    }
    places.push((pointer.clone(), value));
    let before = pointer.len();
    let value = bare(value);
    for (n, item) in value.as_array().into_iter().flatten().enumerate() {
        pointer.push_str(&format!("/{n}"));
        gather(item, pointer, places);
        pointer.truncate(before);
    }
    for (name, member) in value.as_map().into_iter().flatten() {
        let number = || i128::from(name.as_integer().unwrap()).to_string();
        let name = name.as_text().map_or_else(number, |name| name.replace('~', "~0").replace('/', "~1"));
        pointer.push('/');
        pointer.push_str(&name);
        gather(member, pointer, places);
        pointer.truncate(before);
    }
}

/// Without the tags that are taken.
fn bare(mut value: &cbor::Value) -> &cbor::Value {
    while let cbor::Value::Tag(0 | 1 | 55799, inner) = value {
        value = inner;
    }
    value
}

fn alike(value: &Value<'_>, expected: &cbor::Value) -> bool {
    match (value, bare(expected)) {
        (Value::Null, cbor::Value::Null) => true,
        (Value::Bool(value), cbor::Value::Bool(expected)) => value == expected,
        (Value::Integer(value), cbor::Value::Integer(expected)) => *value == i128::from(*expected),
        // serde_json has no integers beyond 64 bits, and reads `-0` as a float.
        (Value::Integer(value), cbor::Value::Float(expected)) => close(*value as f64, *expected),
        (Value::Float(value), cbor::Value::Float(expected)) => close(*value, *expected),
        (Value::Text(value), cbor::Value::Text(expected)) => value == expected,
        (Value::Bytes(value), cbor::Value::Bytes(expected)) => value == expected,
        (Value::List(items), cbor::Value::Array(expected)) => *items == expected.len(),
        (Value::Object(members), cbor::Value::Map(expected)) => *members >= expected.len(),
        _ => false,
    }
}

/// serde_json's own numbers are off by a little.
fn close(one: f64, other: f64) -> bool {
    one.is_finite() && (one - other).abs() <= one.abs() * 1e-15 + f64::MIN_POSITIVE
}

/// A layout and a payload of it: the length, then six bytes a field, then the payload behind a zero count.
pub(crate) fn binary(data: &[u8]) {
    let Some(([exact, length, count], rest)) = data.split_first_chunk() else { return };
    let Some((fields, payload)) = rest.split_at_checked(usize::from(*count % 33) * 6) else { return };
    let length = usize::from(*length);
    let slots: Vec<Slot> = fields.chunks(6).enumerate().map(|(n, field)| slot(n, field)).collect();
    let whole = if exact & 1 == 0 { Length::Exactly(length) } else { Length::AtLeast(length) };
    let Ok(layout) = Layout::new(whole, slots.clone()) else { return };
    let format = Format::Binary(std::sync::Arc::new(layout));
    for (n, slot) in slots.iter().enumerate() {
        let reader = reader(&format, Limits::default(), &[Field::parse(&format!("/f{n}")).unwrap()]);
        let mut found = Found::new();
        let fits = if exact & 1 == 0 { payload.len() == length } else { payload.len() >= length };
        match reader.read(payload, &mut found) {
            Err(flaw) => assert_eq!(flaw.what == FlawKind::WrongLength, !fits),
            Ok(()) => match found.get(0).unwrap() {
                Value::Float(value) => assert!(value.is_finite() && fits),
                Value::Integer(value) => {
                    assert!(fits && *value <= u64::MAX.into() && *value >= i64::MIN.into());
                    if let Kind::Unsigned(1) = slot.kind {
                        assert_eq!(*value, i128::from(payload[slot.offset]));
                    }
                }
                Value::Text(text) => assert!(fits && !text.contains('\0')),
                Value::Bytes(bytes) => assert_eq!(*bytes, &payload[slot.offset..][..bytes.len()]),
                Value::Bool(_) => assert!(fits),
                value @ (Value::Null | Value::List(_) | Value::Object(_)) => panic!("{value:?}"),
            },
        }
    }
}

fn slot(n: usize, field: &[u8]) -> Slot {
    let size = field[2];
    let kind = match field[1] % 8 {
        0 => Kind::Unsigned(size),
        1 => Kind::Signed(size),
        2 => Kind::F32,
        3 => Kind::F64,
        4 => Kind::Bool,
        5 => Kind::Text(size.into()),
        6 => Kind::Bytes(size.into()),
        _ => Kind::Bits { first: size, count: field[3] },
    };
    let scale = [1.0, 0.1, -2.5, 1e300, 0.0, f64::NAN][usize::from(field[4] % 6)];
    let endian = if field[5] & 1 == 0 { Endian::Big } else { Endian::Little };
    Slot { name: format!("f{n}").into(), offset: field[0].into(), kind, endian, scale, add: f64::from(field[5] >> 1) }
}

/// A schema and a document of it, with a zero between.
pub(crate) fn schema(data: &[u8]) {
    let Some(zero) = data.iter().position(|byte| *byte == 0) else { return };
    let Ok(document) = serde_json::from_slice(&data[..zero]) else { return };
    let Ok(schema) =
        Schema::compile(&document, "file:///schema.json", &mut |_| Ok(serde_json::json!({"type": "object"})))
    else {
        return;
    };
    for format in [Format::Json, Format::Cbor, Format::MessagePack] {
        if let Err(SchemaFlaw::Schema { field, keyword }) =
            schema.validate(&format, &Limits::default(), &data[zero + 1..])
        {
            assert!(field.len() <= Flaw::MAX_FIELD_BYTES && !keyword.is_empty());
        }
    }
}
