//! What of a message is found.

use super::*;

fn full() -> Reading {
    Reading {
        celsius: 21.5,
        bar: Some(0.0),
        unit: "C".to_owned(),
        raw: vec![1, 2],
        valid: true,
        state: 1,
        position: Some(Position { x: -3, y: 4 }),
        samples: vec![1.0, 2.5],
        tags: vec!["a".to_owned(), "b".to_owned()],
        track: vec![Position { x: 1, y: 2 }, Position { x: 0, y: -2 }],
        limits: [("low".to_owned(), -1.5), ("a/b".to_owned(), 0.0)].into(),
        axes: [(-7, Position { x: 9, y: 0 })].into(),
        switches: [(false, "off".to_owned()), (true, "on".to_owned())].into(),
        command: Some(Command::Speed(1200)),
        numbers: Some(Numbers {
            int32: i32::MIN,
            uint64: u64::MAX,
            many: vec![-1, i64::MIN],
            words: vec![7, 8],
            ..Numbers::default()
        }),
        inner: Some(Box::new(Reading { celsius: -1.0, ..Reading::default() })),
        motor: Some(Motor { rpm: 900, torque: None, history: vec![1, -1] }),
    }
}

#[test]
fn values_are_found_by_name() {
    let bytes = full().encode_to_vec();
    for (field, expected) in [
        ("", "object of 17"),
        ("/celsius", "21.5"),
        ("/bar", "0.0"),
        ("/unit", "\"C\""),
        ("/raw", "[1, 2]"),
        ("/valid", "true"),
        ("/state", "\"RUNNING\""),
        ("/position", "object of 2"),
        ("/position/x", "-3"),
        ("/samples", "list of 2"),
        ("/samples/1", "2.5"),
        ("/tags/0", "\"a\""),
        ("/track", "list of 2"),
        ("/track/1/y", "-2"),
        ("/track/1/x", "0"),
        ("/limits", "object of 2"),
        ("/limits/low", "-1.5"),
        ("/limits/a~1b", "0.0"),
        ("/axes/-7/x", "9"),
        ("/switches/true", "\"on\""),
        ("/switches/false", "\"off\""),
        ("/speed", "1200"),
        ("/numbers/int32", "-2147483648"),
        ("/numbers/uint64", "18446744073709551615"),
        ("/numbers/many/1", "-9223372036854775808"),
        ("/numbers/words/0", "7"),
        ("/inner/celsius", "-1.0"),
        ("/motor/rpm", "900"),
        ("/motor/history/1", "-1"),
    ] {
        assert_eq!(one(&bytes, field), Ok(Some(expected.to_owned())), "{field}");
    }
}

#[test]
fn what_has_no_presence_is_zero_where_it_is_left_out_and_all_else_is_not_there() {
    for (field, expected) in [
        ("", Some("object of 0")),
        ("/celsius", Some("0.0")),
        ("/unit", Some("\"\"")),
        ("/raw", Some("[]")),
        ("/valid", Some("false")),
        ("/state", Some("\"STOPPED\"")),
        ("/samples", Some("list of 0")),
        ("/limits", Some("object of 0")),
        ("/bar", None),
        ("/position", None),
        ("/position/x", None),
        ("/samples/0", None),
        ("/limits/low", None),
        ("/speed", None),
        ("/recipe", None),
        ("/motor/rpm", None),
    ] {
        assert_eq!(one(&[], field), Ok(expected.map(str::to_owned)), "{field}");
    }
    let there = Reading { position: Some(Position::default()), ..Reading::default() }.encode_to_vec();
    assert_eq!(one(&there, "/position/x"), Ok(Some("0".to_owned())));
    let empty_axis = Reading { axes: [(1, Position::default())].into(), ..Reading::default() }.encode_to_vec();
    assert_eq!(one(&empty_axis, "/axes/1/x"), Ok(Some("0".to_owned())));
    // An entry of a map whose key and value are both left out.
    assert_eq!(one(&[0x5a, 0x00], "/limits/"), Ok(Some("0.0".to_owned())));
    assert_eq!(one(&[0x62, 0x00], "/axes/0/x"), Ok(Some("0".to_owned())));
}

#[test]
fn an_enumerated_value_without_a_name_is_its_number() {
    for (state, expected) in [(2, "\"FAULT\""), (3, "3"), (-1, "-1")] {
        let bytes = Reading { state, ..Reading::default() }.encode_to_vec();
        assert_eq!(one(&bytes, "/state"), Ok(Some(expected.to_owned())));
    }
}

#[test]
fn a_list_is_read_packed_and_not_and_both_in_turn() {
    // samples: 1.0 alone, then 2.0 and 3.0 packed.
    let mut bytes = vec![0x41];
    bytes.extend(1.0_f64.to_le_bytes());
    bytes.extend([0x42, 16]);
    bytes.extend(2.0_f64.to_le_bytes());
    bytes.extend(3.0_f64.to_le_bytes());
    for (field, expected) in [("/samples", "list of 3"), ("/samples/0", "1.0"), ("/samples/2", "3.0")] {
        assert_eq!(one(&bytes, field), Ok(Some(expected.to_owned())), "{field}");
    }
    // A list that is declared unpacked may come packed, and other fields between its items.
    let words = [0xa2, 0x06, 0x0f, 0x72, 4, 1, 0, 0, 0, 0x08, 5, 0x75, 2, 0, 0, 0, 0x72, 0];
    assert_eq!(one(&words, "/numbers/words/1"), Ok(Some("2".to_owned())));
    assert_eq!(one(&words, "/numbers/words"), Ok(Some("list of 2".to_owned())));
}

#[test]
fn a_place_can_be_wanted_twice_and_a_message_with_what_is_in_it() {
    let reader = plant(Limits::default(), false, &["/position", "/position/y", "/position/y"]);
    let payload = full().encode_to_vec();
    let mut found = Found::new();
    reader.read(&payload, &mut found).unwrap();
    assert_eq!(found.get(0), Some(&Value::Object(2)));
    assert_eq!(found.get(1), Some(&Value::Integer(4)));
    assert_eq!(found.get(2), Some(&Value::Integer(4)));
}

#[test]
fn where_duplicates_are_permitted_the_last_counts() {
    let limits = Limits { allow_duplicates: true, ..Limits::default() };
    let one = |payload: &[u8], field| one_within(&limits, payload, field);
    assert_eq!(one(&[0x28, 0, 0x28, 1], "/valid"), Ok(Some("true".to_owned())));
    // speed = 1, then recipe = "x": there is no speed.
    let bytes = [0x70, 1, 0x7a, 1, b'x'];
    assert_eq!(one(&bytes, "/speed"), Ok(None));
    assert_eq!(one(&bytes, "/recipe"), Ok(Some("\"x\"".to_owned())));
    // go_to, then speed: nothing of go_to is there.
    let bytes = [0x82, 0x01, 2, 0x08, 2, 0x70, 1];
    assert_eq!(one(&bytes, "/go_to/x"), Ok(None));
    assert_eq!(one(&bytes, "/go_to"), Ok(None));
    // A message that stands twice is refused even so: decoders merge it.
    assert_eq!(one(&[0x3a, 0, 0x3a, 0], "/valid"), Err(FlawKind::DuplicateKey));
    // switches: true twice, the second without a value.
    assert_eq!(one(&[0x6a, 5, 8, 1, 0x12, 1, b'x', 0x6a, 2, 8, 1], "/switches/true"), Ok(Some("\"\"".to_owned())));
}
