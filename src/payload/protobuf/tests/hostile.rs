//! What is refused.

use super::*;

#[test]
fn what_decoders_read_differently_is_refused() {
    let flaw = |bytes: &[u8]| one(bytes, "").unwrap_err();
    for (bytes, expected, what) in [
        (&[0x28, 2][..], FlawKind::NumberRange, "a truth value of 2"),
        (&[0x28, 1, 0x28, 1], FlawKind::DuplicateKey, "a scalar twice"),
        (&[0x70, 1, 0x7a, 0], FlawKind::DuplicateKey, "two of a oneof"),
        (&[0x70, 1, 0x70, 1], FlawKind::DuplicateKey, "one of a oneof twice"),
        (&[0x3a, 0, 0x3a, 0], FlawKind::DuplicateKey, "a message twice"),
        (&[0x08, 1], FlawKind::Syntax, "a double as varint"),
        (&[0x1d, 0, 0, 0, 0], FlawKind::Syntax, "text of four bytes"),
        (&[0x2a, 0], FlawKind::Syntax, "a truth value with a length"),
        (&[0x1a, 1, 0xff], FlawKind::NotUtf8, "text"),
        (&[0x5a, 3, 0x0a, 1, 0xff], FlawKind::NotUtf8, "the key of a map"),
        (&[0x5a, 4, 0x0a, 0, 0x0a, 0], FlawKind::DuplicateKey, "two keys in one entry"),
        (&[0x30, 0xff, 0xff, 0xff, 0xff, 0x0f], FlawKind::NumberRange, "-1 in 32 bits"),
        (&[0xa2, 0x06, 6, 0x18, 0x80, 0x80, 0x80, 0x80, 0x10], FlawKind::NumberRange, "2^32 as uint32"),
        (&[0x09, 0, 0, 0, 0, 0, 0, 0xf8, 0x7f], FlawKind::NumberRange, "NaN"),
        (&[0xa2, 0x06, 5, 0x5d, 0, 0, 0x80, 0xff], FlawKind::NumberRange, "-Infinity"),
        (&[0x88, 0x7d, 1], FlawKind::UnknownField, "field 2001"),
        (&[0x3a, 2, 0x18, 1], FlawKind::UnknownField, "field 3 of a position"),
        (&[0x5a, 2, 0x18, 1], FlawKind::UnknownField, "field 3 of an entry"),
        (&[0xb2, 0x06, 2, 0x10, 1], FlawKind::MissingField, "a motor without rpm"),
        (&[0x0b, 0x0c], FlawKind::Unsupported, "a group"),
        (&[0x42, 7, 0, 0, 0, 0, 0, 0, 0], FlawKind::Truncated, "a packed double of seven bytes"),
        (&[0x42, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], FlawKind::Truncated, "a promise of 4 TiB"),
        (b"{\"celsius\": 21.5}", FlawKind::Unsupported, "JSON, which begins like a group"),
    ] {
        assert_eq!(flaw(bytes), expected, "{what}");
    }
}

#[test]
fn unknown_fields_pass_where_they_are_permitted_but_not_groups() {
    let reader = plant(Limits::default(), true, &["/valid"]);
    let mut found = Found::new();
    for bytes in [&[0x88, 0x7d, 1, 0x28, 1][..], &[0x3a, 2, 0x18, 1, 0x28, 1], &[0x5a, 2, 0x18, 1, 0x28, 1]] {
        reader.read(bytes, &mut found).unwrap();
        assert_eq!(found.get(0), Some(&Value::Bool(true)));
    }
    assert_eq!(reader.read(&[0x8b, 0x7d, 0x8c, 0x7d], &mut found).unwrap_err().what, FlawKind::Unsupported);
}

#[test]
fn a_key_that_is_wanted_stands_once() {
    let twice = [0x6a, 2, 8, 1, 0x6a, 5, 8, 1, 0x12, 1, b'x'];
    assert_eq!(one(&twice, "/switches/true"), Err(FlawKind::DuplicateKey));
    assert_eq!(one(&twice, "/switches/false"), Ok(None));
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| {
        (1..depth).fold(Reading::default(), |inner, _| Reading { inner: Some(Box::new(inner)), ..Reading::default() })
    };
    assert_eq!(one(&nested(32).encode_to_vec(), "/valid"), Ok(Some("false".to_owned())));
    assert_eq!(one(&nested(33).encode_to_vec(), "/valid"), Err(FlawKind::TooDeep));
    // A hundred thousand messages in one another, written outside in.
    let mut bomb = Vec::new();
    for _ in 0..100_000 {
        let mut outer = vec![0xaa, 0x06];
        prost::encoding::encode_varint(bomb.len() as u64, &mut outer);
        if outer.len() + bomb.len() > 65_536 {
            break;
        }
        outer.append(&mut bomb);
        bomb = outer;
    }
    assert_eq!(one(&bomb, "/valid"), Err(FlawKind::TooDeep));
    // A list counts, and what is in it.
    let track = Reading { track: vec![Position::default()], ..Reading::default() }.encode_to_vec();
    let within = |max_depth| one_within(&Limits { max_depth, ..Limits::default() }, &track, "/track/0/x");
    assert_eq!(within(3), Ok(Some("0".to_owned())));
    assert_eq!(within(2), Err(FlawKind::TooDeep));
}

#[test]
fn values_are_counted_wherever_they_stand() {
    let within = |max_values, payload: &[u8]| one_within(&Limits { max_values, ..Limits::default() }, payload, "");
    for reading in [
        Reading { samples: vec![1.0; 9], ..Reading::default() },
        Reading { tags: vec![String::new(); 10], ..Reading::default() },
        Reading { track: vec![Position::default(); 10], ..Reading::default() },
        Reading { axes: (0..10).map(|axis| (axis, Position::default())).collect(), ..Reading::default() },
    ] {
        let payload = reading.encode_to_vec();
        assert!(within(10, &payload).is_ok());
        assert_eq!(within(9, &payload), Err(FlawKind::TooManyValues));
    }
}

#[test]
fn a_flaw_tells_its_field_and_byte() {
    let reader = plant(Limits::default(), false, &[]);
    let mut found = Found::new();
    // inner.position.x is not a number.
    let flaw = reader.read(&[0xaa, 0x06, 4, 0x3a, 2, 0x0a, 0], &mut found).unwrap_err();
    assert_eq!(flaw.field.as_deref(), Some("/inner/position/x"));
    assert_eq!(flaw.at, Some(5));
    let mut payload = vec![0x2a, 0];
    for _ in 0..20 {
        let mut outer = vec![0xaa, 0x06, u8::try_from(payload.len()).unwrap()];
        outer.append(&mut payload);
        payload = outer;
    }
    let flaw = reader.read(&payload, &mut found).unwrap_err();
    let field = flaw.field.unwrap();
    assert!(field.len() <= crate::payload::Flaw::MAX_FIELD_BYTES && field.ends_with("/inner/valid"), "{field}");
}
