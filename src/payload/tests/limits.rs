use super::*;
use crate::payload::FlawKind;

/// A payload in the three formats that nest.
fn formats(json: &str) -> [(Format, Vec<u8>); 3] {
    let value: serde_json::Value = serde_json::from_str(json).unwrap();
    let mut cbor = Vec::new();
    coset::cbor::into_writer(&value, &mut cbor).unwrap();
    let messagepack = rmp_serde::to_vec(&value).unwrap();
    [(Format::Json, json.as_bytes().to_vec()), (Format::Cbor, cbor), (Format::MessagePack, messagepack)]
}

fn what(format: &Format, limits: &Limits, payload: &[u8]) -> Option<FlawKind> {
    read(format, limits, &[], payload).err().map(|flaw| flaw.what)
}

#[test]
fn lists_and_objects_nest_as_deep_as_permitted() {
    for (json, depth) in [("1", 0), ("[]", 1), ("{}", 1), ("[{\"a\":[1]},2]", 3), ("{\"a\":{\"b\":{\"c\":{}}}}", 4)] {
        for (format, payload) in formats(json) {
            for max_depth in 0..6 {
                let expected = (max_depth < depth).then_some(FlawKind::TooDeep);
                let limits = Limits { max_depth, ..Limits::default() };
                assert_eq!(what(&format, &limits, &payload), expected, "{format:?}: {json} within {max_depth}");
            }
        }
    }
}

#[test]
fn a_million_openings_end_at_the_limit_whatever_the_settings() {
    let million = 1_000_000;
    let limits = Limits { max_depth: usize::MAX, max_values: usize::MAX, allow_duplicates: false };
    for (format, opening) in [
        (Format::Json, &b"["[..]),
        (Format::Json, b"{\"a\":"),
        (Format::Cbor, b"\x81"),
        (Format::Cbor, b"\x9f"),
        (Format::Cbor, b"\xa1\x61a"),
        (Format::Cbor, b"\xbf\x61a"),
        (Format::MessagePack, b"\x91"),
        (Format::MessagePack, b"\x81\xa1a"),
    ] {
        let payload = opening.repeat(million);
        for limits in [&limits, &Limits::default()] {
            assert_eq!(what(&format, limits, &payload), Some(FlawKind::TooDeep), "{format:?}");
        }
    }
}

#[test]
fn values_of_all_kinds_are_counted_and_names_are_not() {
    for (json, values) in [("1", 1), ("[]", 1), ("[1,[],{}]", 4), ("{\"a\":1,\"b\":[null,\"x\"]}", 5)] {
        for (format, payload) in formats(json) {
            for max_values in 0..7 {
                let expected = (max_values < values).then_some(FlawKind::TooManyValues);
                let limits = Limits { max_values, ..Limits::default() };
                assert_eq!(what(&format, &limits, &payload), expected, "{format:?}: {json} within {max_values}");
            }
        }
    }
}

#[test]
fn where_a_name_may_stand_twice_the_last_counts() {
    let limits = Limits { allow_duplicates: true, ..Limits::default() };
    let fields = ["/a", "/a/b", "/a/c"];
    let integer = |value| Some(Value::Integer(value));
    for (json, expected) in [
        ("{\"a\":1,\"a\":2}", [integer(2), None, None]),
        ("{\"a\":{\"b\":1},\"a\":2}", [integer(2), None, None]),
        ("{\"a\":{\"b\":1},\"a\":{\"c\":2}}", [Some(Value::Object(1)), None, integer(2)]),
        (
            "{\"a\":{\"b\":1,\"b\":3},\"\\u0061\":{\"b\":4,\"c\":2,\"b\":5}}",
            [Some(Value::Object(3)), integer(5), integer(2)],
        ),
    ] {
        let found = read(&Format::Json, &limits, &fields, json.as_bytes()).unwrap();
        for (field, expected) in expected.iter().enumerate() {
            assert_eq!(found.get(field), expected.as_ref(), "{json}: {field}");
        }
    }
    // CBOR and MessagePack alike.
    for (format, payload) in
        [(Format::Cbor, b"\xa2\x61a\x01\x61a\x02"), (Format::MessagePack, b"\x82\xa1a\x01\xa1a\x02")]
    {
        let found = read(&format, &limits, &["/a"], payload).unwrap();
        assert_eq!(found.get(0), integer(2).as_ref());
        let flaw = read(&format, &Limits::default(), &["/a"], payload).unwrap_err();
        assert_eq!(told(&flaw), "duplicate_key 6 /a");
    }
}

#[test]
fn a_name_that_stands_twice_is_found_among_thousands() {
    let members = |names: &mut dyn Iterator<Item = usize>| {
        let members: Vec<String> = names.map(|n| format!("\"n{n}\":{{\"n{n}\":{n}}}")).collect();
        format!("{{\"x\":{{{}}},\"n0\":1}}", members.join(","))
    };
    for count in [5, 31, 32, 33, 60, 63, 64, 65, 200, 4000] {
        let once = members(&mut (0..count));
        let twice = members(&mut (0..count).chain([count / 2]));
        assert_eq!(what(&Format::Json, &Limits::default(), once.as_bytes()), None, "{count}");
        let flaw = read(&Format::Json, &Limits::default(), &[], twice.as_bytes()).unwrap_err();
        assert_eq!(flaw.what, FlawKind::DuplicateKey, "{count}");
        assert!(flaw.field.unwrap().starts_with("/x"), "{count}");
    }
}

#[test]
fn a_reader_wants_so_many_fields() {
    let fields: Vec<String> = (0..33).map(|n| format!("/f{n}")).collect();
    let parsed: Vec<Field> = fields.iter().map(|field| Field::parse(field).unwrap()).collect();
    let new = |fields| Reader::new(Format::Json, Limits::default(), fields);
    assert_eq!(new(&parsed).unwrap_err(), crate::payload::ReaderError::TooMany);
    let payload: Vec<String> = (0..33).rev().map(|n| format!("\"f{n}\":{n}")).collect();
    let payload = format!("{{{}}}", payload.join(","));
    let names: Vec<&str> = fields.iter().take(32).map(String::as_str).collect();
    let found = read(&Format::Json, &Limits::default(), &names, payload.as_bytes()).unwrap();
    for n in 0..32 {
        assert_eq!(found.get(n), Some(&Value::Integer(n as i128)));
    }
    assert_eq!(found.get(32), None);
    // The same field twice, and one on the way to another.
    let found = read(&Format::Json, &Limits::default(), &["/a", "/a/b", "/a", ""], b"{\"a\":{\"b\":1}}").unwrap();
    assert_eq!((found.get(0), found.get(2)), (Some(&Value::Object(1)), Some(&Value::Object(1))));
    assert_eq!((found.get(1), found.get(3)), (Some(&Value::Integer(1)), Some(&Value::Object(1))));
}

#[test]
fn what_one_payload_held_is_gone_with_the_next() {
    let field = [Field::parse("/a").unwrap()];
    let reader = Reader::new(Format::Json, Limits::default(), &field).unwrap();
    let mut found = Found::new();
    reader.read(b"{\"a\":1}", &mut found).unwrap();
    assert_eq!(found.get(0), Some(&Value::Integer(1)));
    reader.read(b"{}", &mut found).unwrap();
    assert_eq!(found.get(0), None);
}
