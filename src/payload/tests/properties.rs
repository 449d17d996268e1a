//! Whatever document is written, in whatever format: what is read of it is what stands in it.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::Value as Document;

use super::*;
use crate::payload::FlawKind;
use crate::payload::cbor::Cbor;
use crate::payload::document::Build;
use crate::payload::json::Json;
use crate::payload::messagepack::MessagePack;
use crate::payload::walk::{Source, walk};

fn scalar() -> impl Strategy<Value = Document> {
    prop_oneof![
        Just(Document::Null),
        any::<bool>().prop_map(Document::from),
        any::<i64>().prop_map(Document::from),
        any::<u64>().prop_map(Document::from),
        prop::num::f64::NORMAL.prop_map(Document::from),
        (-1000..1000).prop_map(|n| Document::from(f64::from(n) / 8.0)),
        ".{0,12}".prop_map(Document::from),
        "[\\x00-\\x7f\"\\\\/]{0,24}".prop_map(Document::from),
    ]
}

fn document() -> impl Strategy<Value = Document> {
    scalar().prop_recursive(5, 60, 8, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..8).prop_map(Document::from),
            btree_map("[a-c~/\"é]{0,3}|[^\0]{0,10}|[0-9]{1,2}", inner, 0..8)
                .prop_map(|members| Document::Object(members.into_iter().collect())),
        ]
    })
}

fn built<'p>(source: impl Source<'p>) -> Result<Document, Flaw> {
    let mut build = Build::default();
    walk(source, &mut build, &Limits::default(), ()).map(|()| build.into_whole())
}

/// A document in each format that nests.
fn written(document: &Document) -> [(Format, Vec<u8>); 4] {
    let mut cbor = Vec::new();
    coset::cbor::into_writer(document, &mut cbor).unwrap();
    [
        (Format::Json, serde_json::to_vec(document).unwrap()),
        (Format::Json, serde_json::to_vec_pretty(document).unwrap()),
        (Format::Cbor, cbor),
        (Format::MessagePack, rmp_serde::to_vec(document).unwrap()),
    ]
}

/// With every character of names and texts that JSON lets escape written so.
fn escaped(document: &Document) -> String {
    let text = |text: &str| {
        let units: Vec<String> = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
        format!("\"{}\"", units.concat())
    };
    match document {
        Document::String(value) => text(value),
        Document::Array(items) => format!("[{}]", items.iter().map(escaped).collect::<Vec<_>>().join(",")),
        Document::Object(members) => {
            let members: Vec<_> =
                members.iter().map(|(name, value)| format!("{}:{}", text(name), escaped(value))).collect();
            format!("{{{}}}", members.join(","))
        }
        Document::Null | Document::Bool(_) | Document::Number(_) => document.to_string(),
    }
}

/// Every place of a document.
fn places(document: &Document, pointer: &str, found: &mut Vec<(String, Document)>) {
    found.push((pointer.to_owned(), document.clone()));
    match document {
        Document::Array(items) => {
            for (n, item) in items.iter().enumerate() {
                places(item, &format!("{pointer}/{n}"), found);
            }
        }
        Document::Object(members) => {
            for (name, member) in members {
                places(member, &format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1")), found);
            }
        }
        Document::Null | Document::Bool(_) | Document::Number(_) | Document::String(_) => {}
    }
}

fn alike(value: &Value<'_>, expected: &Document) -> bool {
    match (value, expected) {
        (Value::Null, Document::Null) => true,
        (Value::Bool(value), Document::Bool(expected)) => value == expected,
        (Value::Integer(value), Document::Number(expected)) => expected.as_i128() == Some(*value),
        (Value::Float(value), Document::Number(expected)) => {
            expected.is_f64() && expected.as_f64().map(f64::to_bits) == Some(value.to_bits())
        }
        (Value::Text(value), Document::String(expected)) => value == expected,
        (Value::List(items), Document::Array(expected)) => *items == expected.len(),
        (Value::Object(members), Document::Object(expected)) => *members == expected.len(),
        _ => false,
    }
}

proptest! {
    #[test]
    fn a_document_is_read_as_it_was_written(document in document()) {
        for (format, payload) in written(&document) {
            let read = if matches!(format, Format::Cbor) {
                built(Cbor::new(&payload))
            } else if matches!(format, Format::MessagePack) {
                built(MessagePack::new(&payload))
            } else {
                Json::new(&payload).and_then(built)
            };
            prop_assert_eq!(read.as_ref(), Ok(&document), "{:?}", format);
        }
        let escaped = escaped(&document);
        let read = Json::new(escaped.as_bytes()).and_then(built);
        prop_assert_eq!(read.as_ref(), Ok(&document), "{}", escaped);
    }

    #[test]
    fn every_place_is_found_by_its_pointer(document in document()) {
        let mut all = Vec::new();
        places(&document, "", &mut all);
        for (format, payload) in written(&document) {
            for places in all.chunks(32) {
                let fields: Vec<&str> = places.iter().map(|(pointer, _)| pointer.as_str()).collect();
                let found = read(&format, &Limits::default(), &fields, &payload).unwrap();
                for (n, (pointer, expected)) in places.iter().enumerate() {
                    let value = found.get(n);
                    prop_assert!(value.is_some_and(|value| alike(value, expected)), "{format:?} {pointer}: {value:?}");
                }
            }
        }
    }

    #[test]
    fn whatever_is_cut_off_is_missed(document in document(), cut in any::<prop::sample::Index>()) {
        for (format, payload) in written(&document) {
            let cut = cut.index(payload.len());
            let judged = read(&format, &Limits::default(), &[], &payload[..cut]).map_err(|flaw| flaw.what);
            // Half a character is no text; what is left of a number is one.
            match judged {
                Err(what) => prop_assert!(matches!(what, FlawKind::Truncated | FlawKind::NotUtf8), "{format:?}: {what:?}"),
                Ok(_) => prop_assert!(document.is_number() && matches!(format, Format::Json), "{format:?}"),
            }
        }
    }

    #[test]
    fn whatever_follows_is_refused(document in document(), more in any::<u8>()) {
        for (format, mut payload) in written(&document) {
            payload.push(more);
            let judged = read(&format, &Limits::default(), &[], &payload);
            let blank = matches!(format, Format::Json) && b" \t\r\n".contains(&more);
            let digit = matches!(format, Format::Json) && document.is_number();
            prop_assert!(judged.is_err() || blank || digit, "{format:?}");
        }
    }

    #[test]
    fn a_number_is_what_the_standard_library_reads(text in "[-+]?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,30})?([eE][-+]?[0-9]{1,3})?") {
        let expected = text.parse::<f64>().unwrap();
        match read(&Format::Number, &Limits::default(), &[""], text.as_bytes()) {
            Ok(found) => {
                let expected = text.parse().map_or(Value::Float(expected), Value::Integer);
                prop_assert_eq!(found.get(0), Some(&expected));
            }
            Err(flaw) => prop_assert!(flaw.what == FlawKind::NumberRange && expected.is_infinite(), "{}", told(&flaw)),
        }
    }

    #[test]
    fn nothing_at_all_is_read_without_a_verdict(payload in vec(any::<u8>(), 0..200)) {
        for format in [Format::Json, Format::Cbor, Format::MessagePack, Format::Text, Format::Number] {
            if let Err(flaw) = read(&format, &Limits::default(), &[], &payload) {
                prop_assert!(flaw.at.is_none_or(|at| at <= payload.len()));
                prop_assert!(flaw.field.is_none_or(|field| field.len() <= Flaw::MAX_FIELD_BYTES));
            }
        }
    }
}
