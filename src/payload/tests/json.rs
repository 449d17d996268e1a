use super::*;

#[test]
fn values_are_what_they_are_written_as() {
    let depth = [b"{\"a\":[{\"b\":" as &[u8], b"[".repeat(29).as_slice(), b"]".repeat(29).as_slice(), b"}]}"].concat();
    let long = format!("{{\"a\":0.{}}}", "1".repeat(254));
    let digits = "1".repeat(254);
    let long_value = format!("0.{digits}").parse().unwrap();
    accepted(
        &Format::Json,
        &[
            (b"{\"a\":null}", "/a", Some(Value::Null)),
            (b" {\t\"a\"\r\n: true } ", "/a", Some(Value::Bool(true))),
            (b"{\"a\":false}", "/a", Some(Value::Bool(false))),
            (b"21", "", Some(Value::Integer(21))),
            (b"{\"a\":0}", "/a", Some(Value::Integer(0))),
            (b"{\"a\":-0}", "/a", Some(Value::Integer(0))),
            (b"{\"a\":-17}", "/a", Some(Value::Integer(-17))),
            (b"{\"a\":999999999999999999}", "/a", Some(Value::Integer(999_999_999_999_999_999))),
            (b"{\"a\":-9999999999999999999}", "/a", Some(Value::Integer(-9_999_999_999_999_999_999))),
            // One more than 64 bits hold: still itself.
            (b"{\"a\":18446744073709551617}", "/a", Some(Value::Integer((1 << 64) + 1))),
            (b"{\"a\":170141183460469231731687303715884105727}", "/a", Some(Value::Integer(i128::MAX))),
            (b"{\"a\":-170141183460469231731687303715884105728}", "/a", Some(Value::Integer(i128::MIN))),
            (b"{\"a\":21.5}", "/a", Some(Value::Float(21.5))),
            (b"{\"a\":1.0}", "/a", Some(Value::Float(1.0))),
            (b"{\"a\":1e2}", "/a", Some(Value::Float(100.0))),
            (b"{\"a\":-1.5E-2}", "/a", Some(Value::Float(-0.015))),
            (b"{\"a\":1.7976931348623157e308}", "/a", Some(Value::Float(f64::MAX))),
            (b"{\"a\":1e-400}", "/a", Some(Value::Float(0.0))),
            (b"{\"a\":0e99999999999999999999}", "/a", Some(Value::Float(0.0))),
            (long.as_bytes(), "/a", Some(Value::Float(long_value))),
            (b"{\"a\":\"\"}", "/a", text("")),
            ("{\"a\":\"21 °C \u{7f}\u{10FFFF}\"}".as_bytes(), "/a", text("21 °C \u{7f}\u{10FFFF}")),
            (b"{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"}", "/a", text("\"\\/\u{8}\u{c}\n\r\t")),
            (b"{\"a\":\"x\\u00b0\\u0000\\uD83D\\ude00y\"}", "/a", text("x°\0😀y")),
            (b"{\"\\u0061\":1}", "/a", Some(Value::Integer(1))),
            (b"{\"\":1}", "/", Some(Value::Integer(1))),
            (b"{\"a/b\":{\"~\":1}}", "/a~1b/~0", Some(Value::Integer(1))),
            (b"[]", "", Some(Value::List(0))),
            (b"[1,[2,3],4]", "", Some(Value::List(3))),
            (b"[1,[2,3],4]", "/1/1", Some(Value::Integer(3))),
            (b"[1,[2,3],4]", "/01", None),
            (b"[1,[2,3],4]", "/-", None),
            (b"[1,[2,3],4]", "/3", None),
            (b"{\"0\":{\"a\":{},\"b\":7}}", "/0", Some(Value::Object(2))),
            (b"{\"0\":{\"a\":{},\"b\":7}}", "/0/b", Some(Value::Integer(7))),
            (b"{\"b\":{\"a\":1}}", "/a", None),
            (b"{\"a\":1}", "/a/b", None),
            // The same name in another object is no duplicate.
            (b"{\"a\":{\"a\":1},\"b\":[{\"a\":2},{\"a\":3}]}", "/b/1/a", Some(Value::Integer(3))),
            (&depth, "/a", Some(Value::List(1))),
        ],
    );
}

#[test]
fn what_is_cut_short_or_no_json_is_refused() {
    refused(
        &Format::Json,
        &["/a", "/a/b"],
        &[
            (b"", "truncated 0 -"),
            (b"  ", "truncated 2 -"),
            (b"{", "truncated 1 -"),
            (b"{\"a\"", "truncated 4 -"),
            (b"{\"a\":", "truncated 5 /a"),
            (b"{\"a\":1", "truncated 6 -"),
            (b"{\"a\":1,", "truncated 7 -"),
            (b"{\"a\":\"x", "truncated 7 /a"),
            (b"{\"a\":\"x\\", "truncated 8 /a"),
            (b"{\"a\":\"x\\u12", "truncated 11 /a"),
            (b"{\"a\":\"\\ud83d", "truncated 12 /a"),
            (b"{\"a\":-", "truncated 6 /a"),
            (b"{\"a\":1.", "truncated 7 /a"),
            (b"{\"a\":1e+", "truncated 8 /a"),
            (b"tru", "truncated 3 -"),
            (b"[1", "truncated 2 -"),
            (b"\xEF\xBB\xBF{}", "byte_order_mark 0 -"),
            (b"{\"a\":\"\xC3\x28\"}", "not_utf8 6 -"),
            (b"{\"b\":\"\xED\xA0\x80\"}", "not_utf8 6 -"),
            (b"\xFF\xFE{\0}\0", "not_utf8 0 -"),
            (b"{\"a\":\"\\ud800\"}", "syntax 12 /a"),
            (b"{\"a\":\"\\ud800\\n\"}", "syntax 13 /a"),
            (b"{\"a\":\"\\ud800\\ud800\"}", "syntax 12 /a"),
            (b"{\"a\":\"\\udc00\\ud800\"}", "syntax 6 /a"),
            (b"{\"a\":\"\n\"}", "syntax 6 /a"),
            (b"{\"a\":\"\0\"}", "syntax 6 /a"),
            (b"{\"a\":\"1234567\x1f\"}", "syntax 13 /a"),
            (b"{\"a\":\"\\x41\"}", "syntax 7 /a"),
            (b"{\"a\":\"\\u12g4\"}", "syntax 10 /a"),
            (b"{\"a\":'x'}", "syntax 5 /a"),
            (b"{a:1}", "syntax 1 -"),
            (b"{\"a\" 1}", "syntax 5 -"),
            (b"{\"a\":1 \"b\":2}", "syntax 7 -"),
            (b"{\"a\":1,}", "syntax 7 -"),
            (b"{,}", "syntax 1 -"),
            // What ends a text in C would make it another's.
            (b"{\"a\\u0000\":1,\"a\":2}", "unsupported 11 /a\0"),
            (b"{\"b\":[{\"a\\u0000x\":1}]}", "unsupported 18 /b/0/a\0x"),
            (b"{1:2}", "syntax 1 -"),
            (b"[1,]", "syntax 3 /1"),
            (b"[,1]", "syntax 1 /0"),
            (b"[1 2]", "syntax 3 -"),
            (b"[1}", "syntax 2 -"),
            (b"{\"a\":1]", "syntax 6 -"),
            (b"]", "syntax 0 -"),
            (b"{\"a\":{\"b\":01}}", "syntax 11 /a/b"),
            (b"{\"a\":+1}", "syntax 5 /a"),
            (b"{\"a\":.5}", "syntax 5 /a"),
            (b"{\"a\":5.}", "syntax 7 /a"),
            (b"{\"a\":1e}", "syntax 7 /a"),
            (b"{\"a\":--1}", "syntax 6 /a"),
            (b"{\"a\":0x10}", "syntax 6 /a"),
            (b"{\"a\":1_000}", "syntax 6 /a"),
            (b"{\"a\":NaN}", "syntax 5 /a"),
            (b"{\"a\":Infinity}", "syntax 5 /a"),
            (b"{\"a\":-Infinity}", "syntax 6 /a"),
            (b"{\"a\":True}", "syntax 5 /a"),
            (b"{\"a\":nul}", "syntax 8 /a"),
        ],
    );
}

#[test]
fn what_is_more_than_one_document_or_has_two_readings_is_refused() {
    let long = [b"{\"a\":" as &[u8], "1".repeat(257).as_bytes(), b"}"].concat();
    let longer = [b"{\"a\":0." as &[u8], "1".repeat(1 << 20).as_bytes(), b"}"].concat();
    refused(
        &Format::Json,
        &["/a", "/a/b"],
        &[
            (b"{\"a\":1}/* no */", "trailing_bytes 7 -"),
            (b"/**/1", "syntax 0 -"),
            (b"{} {}", "trailing_bytes 3 -"),
            (b"{}\0", "trailing_bytes 2 -"),
            ("{}\u{a0}".as_bytes(), "trailing_bytes 2 -"),
            (b"1 2", "trailing_bytes 2 -"),
            (b"{\"a\":1e400}", "number_range 5 /a"),
            (b"{\"a\":-1e400}", "number_range 5 /a"),
            (b"{\"b\":[0,1e309]}", "number_range 8 /b/1"),
            (b"{\"a\":170141183460469231731687303715884105728}", "number_range 5 /a"),
            (&long, "number_range 5 /a"),
            (&longer, "number_range 5 /a"),
            (b"{\"a\":1,\"a\":1}", "duplicate_key 11 /a"),
            (b"{\"a\":1,\"\\u0061\":2}", "duplicate_key 16 /a"),
            (b"{\"b\":{\"c\":1,\"d\":2,\"c\":3}}", "duplicate_key 22 /b/c"),
            (b"[[{\"\":1,\"\":2}]]", "duplicate_key 11 /0/0/"),
        ],
    );
}

#[test]
fn a_long_name_is_the_same_name_however_it_is_written() {
    for len in [1, 127, 128, 129, 1000] {
        let name = "x".repeat(len);
        let escaped = format!("\\u0078{}", "x".repeat(len - 1));
        let twice = format!("{{\"{name}\":1,\"{escaped}\":2}}");
        let flaw = read(&Format::Json, &Limits::default(), &[], twice.as_bytes()).unwrap_err();
        assert_eq!(flaw.what, crate::payload::FlawKind::DuplicateKey, "{len}");
        let field = flaw.field.unwrap();
        assert!(field.len() <= Flaw::MAX_FIELD_BYTES && field.starts_with("/x"), "{field}");
        assert_eq!(field.ends_with('…'), len > 127, "{field}");
        if len < Field::MAX_BYTES {
            let once = format!("{{\"{escaped}\":2}}");
            let found = read(&Format::Json, &Limits::default(), &[&format!("/{name}")], once.as_bytes()).unwrap();
            assert_eq!(found.get(0), Some(&Value::Integer(2)));
        }
    }
}

#[test]
fn a_string_ends_at_its_quote_wherever_that_stands() {
    for len in 0..40 {
        for (middle, value) in [("", ""), ("°", "°"), ("\\\"", "\""), ("\\\\", "\\"), ("\u{80}\u{ff}", "\u{80}\u{ff}")]
        {
            let plain = "!~".repeat(len);
            let payload = format!("[\"{plain}{middle}{plain}\",7]");
            let found = read(&Format::Json, &Limits::default(), &["/0", "/1"], payload.as_bytes()).unwrap();
            assert_eq!(found.get(0), text(&format!("{plain}{value}{plain}")).as_ref(), "{payload}");
            assert_eq!(found.get(1), Some(&Value::Integer(7)), "{payload}");
        }
        for control in 0..0x20_u8 {
            let mut payload = format!("[\"{}", "!".repeat(len)).into_bytes();
            payload.extend([control, b'"', b']']);
            let flaw = read(&Format::Json, &Limits::default(), &[], &payload).unwrap_err();
            assert_eq!(told(&flaw), format!("syntax {} /0", len + 2));
        }
    }
}
