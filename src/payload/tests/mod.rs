//! What is accepted, what is refused and why, per format.

mod binary;
mod cbor;
mod json;
mod limits;
mod messagepack;
mod plain;
mod properties;
mod schema;

use super::{Field, Flaw, Format, Found, Limits, Reader, Value};

/// Reads a payload for these fields.
fn read<'p>(format: &Format, limits: &Limits, fields: &[&str], payload: &'p [u8]) -> Result<Found<'p>, Flaw> {
    let fields: Vec<Field> = fields.iter().map(|field| Field::parse(field).unwrap()).collect();
    // What is found borrows from the reader, too.
    let reader = Box::leak(Box::new(Reader::new(format.clone(), limits.clone(), &fields).unwrap()));
    let mut found = Found::new();
    reader.read(payload, &mut found).map(|()| found)
}

/// A flaw in short: what, at which byte, in which field.
fn told(flaw: &Flaw) -> String {
    let at = flaw.at.map_or_else(|| "-".to_owned(), |at| at.to_string());
    format!("{} {at} {}", flaw.what.label(), flaw.field.as_deref().unwrap_or("-"))
}

/// Each payload has this value in this field.
fn accepted(format: &Format, cases: &[(&[u8], &str, Option<Value<'_>>)]) {
    for (payload, field, value) in cases {
        let shown = payload.escape_ascii();
        match read(format, &Limits::default(), &[field], payload) {
            Ok(found) => assert_eq!(found.get(0), value.as_ref(), "{shown}"),
            Err(flaw) => panic!("{shown}: {}", told(&flaw)),
        }
    }
}

/// Each payload is refused so, whatever is wanted of it.
fn refused(format: &Format, fields: &[&str], cases: &[(&[u8], &str)]) {
    for (payload, expected) in cases {
        let shown = payload.escape_ascii();
        for fields in [&[][..], fields] {
            match read(format, &Limits::default(), fields, payload) {
                Ok(_) => panic!("{shown}: accepted"),
                Err(flaw) => assert_eq!(told(&flaw), *expected, "{shown}"),
            }
        }
    }
}

const fn text(text: &str) -> Option<Value<'_>> {
    Some(Value::Text(std::borrow::Cow::Borrowed(text)))
}
