use super::*;
use crate::payload::FlawKind;

fn form(json: &str) -> Result<String, FlawKind> {
    match canonical(json.as_bytes(), None) {
        Ok(form) => Ok(String::from_utf8(form).unwrap()),
        Err(flaw) => Err(flaw.what),
    }
}

/// RFC 8785 section 3.2.2 to 3.2.4.
#[test]
fn the_example_of_rfc_8785_has_its_form() {
    let text = r#"{
        "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
        "literals": [null, true, false]
    }"#;
    let bytes = "7b226c69746572616c73223a5b6e756c6c2c747275652c66616c73655d2c226e756d62657273223a5b333333333333333333\
        2e333333333333332c31652b33302c342e352c302e3030322c31652d32375d2c22737472696e67223a22e282ac245c75303030665c6e\
        4127425c225c5c5c5c5c222f227d";
    let expected = data_encoding::HEXLOWER.decode(bytes.as_bytes()).unwrap();
    assert_eq!(form(text).unwrap(), String::from_utf8(expected).unwrap());
}

/// RFC 8785 section 3.2.3.
#[test]
fn names_are_in_the_order_of_utf_16() {
    let text = r#"{"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One",
        "\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis"}"#;
    let expected = "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u{80}\":\"Control\",\
        \"ö\":\"Latin Small Letter O With Diaeresis\",\"€\":\"Euro Sign\",\"😀\":\"Emoji: Grinning Face\",\
        \"\u{fb33}\":\"Hebrew Letter Dalet With Dagesh\"}";
    assert_eq!(form(text).unwrap(), expected);
}

/// RFC 8785 appendix B.
#[test]
fn numbers_are_written_as_ecmascript_writes_them() {
    let cases: &[(u64, &str)] = &[
        (0x0000_0000_0000_0000, "0"),
        (0x8000_0000_0000_0000, "0"),
        (0x0000_0000_0000_0001, "5e-324"),
        (0x8000_0000_0000_0001, "-5e-324"),
        (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
        (0xffef_ffff_ffff_ffff, "-1.7976931348623157e+308"),
        (0x4340_0000_0000_0000, "9007199254740992"),
        (0xc340_0000_0000_0000, "-9007199254740992"),
        (0x4430_0000_0000_0000, "295147905179352830000"),
        (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
        (0x44b5_2d02_c7e1_4af6, "1e+23"),
        (0x44b5_2d02_c7e1_4af7, "1.0000000000000001e+23"),
        (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
        (0x444b_1ae4_d6e2_ef4f, "999999999999999900000"),
        (0x444b_1ae4_d6e2_ef50, "1e+21"),
        (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
        (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
        (0x41b3_de43_5555_5553, "333333333.3333332"),
        (0x41b3_de43_5555_5554, "333333333.33333325"),
        (0x41b3_de43_5555_5555, "333333333.3333333"),
        (0x41b3_de43_5555_5556, "333333333.3333334"),
        (0x41b3_de43_5555_5557, "333333333.33333343"),
        (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
        (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
    ];
    for (bits, expected) in cases {
        let mut written = String::new();
        number::write(f64::from_bits(*bits), &mut written);
        assert_eq!(written, *expected, "{bits:x}");
        assert_eq!(form(expected).as_deref(), Ok(*expected), "it is its own form");
    }
}

/// Halfway between two texts of the shortest length: the even one. Computed with another implementation (V8).
#[test]
fn of_two_equally_near_texts_the_even_one_is_written() {
    for (text, expected) in [
        ("1424953923781206.25", "1424953923781206.2"),
        ("1424953923781206.75", "1424953923781206.8"),
        ("5e-324", "5e-324"),
        ("9007199254740991.5", "9007199254740992"),
        ("4503599627370497.5", "4503599627370498"),
        ("2.5", "2.5"),
        ("1.5e300", "1.5e+300"),
    ] {
        assert_eq!(form(text).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn what_has_two_readings_or_none_is_refused() {
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let cases: &[(&str, Result<&str, FlawKind>)] = &[
        (r#"{"a":1,"a":1}"#, Err(FlawKind::DuplicateKey)),
        (r#"{"a":1,"b":2,"\u0061":1}"#, Err(FlawKind::DuplicateKey)),
        (r#"[{"a":{"b":1,"b":2}}]"#, Err(FlawKind::DuplicateKey)),
        ("9007199254740993", Err(FlawKind::NumberRange)),
        ("-9007199254740993", Err(FlawKind::NumberRange)),
        ("18446744073709551615", Err(FlawKind::NumberRange)),
        ("9007199254740994", Ok("9007199254740994")),
        ("9007199254740993.0", Ok("9007199254740992")),
        ("1e400", Err(FlawKind::NumberRange)),
        ("-1e400", Err(FlawKind::NumberRange)),
        ("NaN", Err(FlawKind::Syntax)),
        ("Infinity", Err(FlawKind::Syntax)),
        ("01", Err(FlawKind::TrailingBytes)),
        ("-", Err(FlawKind::Truncated)),
        ("1.", Err(FlawKind::Truncated)),
        (".5", Err(FlawKind::Syntax)),
        ("+1", Err(FlawKind::Syntax)),
        ("1e", Err(FlawKind::Truncated)),
        ("0x10", Err(FlawKind::TrailingBytes)),
        ("-0", Ok("0")),
        ("-0.0", Ok("0")),
        (r#""\ud83d""#, Err(FlawKind::Syntax)),
        (r#""\ude00""#, Err(FlawKind::Syntax)),
        (r#""\ud83d\u0041""#, Err(FlawKind::Syntax)),
        (r#""\ud83dx""#, Err(FlawKind::Syntax)),
        (r#""\x41""#, Err(FlawKind::Syntax)),
        (r#""\u00g0""#, Err(FlawKind::Syntax)),
        ("\"\n\"", Err(FlawKind::Syntax)),
        ("\"a\\n\u{1}\"", Err(FlawKind::Syntax)),
        ("\"\u{7f}\"", Ok("\"\u{7f}\"")),
        (r#""a"#, Err(FlawKind::Truncated)),
        (r#""a\"#, Err(FlawKind::Truncated)),
        ("{} {}", Err(FlawKind::TrailingBytes)),
        ("", Err(FlawKind::Truncated)),
        ("{", Err(FlawKind::Truncated)),
        ("[1,]", Err(FlawKind::Syntax)),
        (r#"{"a":1,}"#, Err(FlawKind::Syntax)),
        (r#"{a:1}"#, Err(FlawKind::Syntax)),
        ("{\"a\":1}//", Err(FlawKind::TrailingBytes)),
        ("tru", Err(FlawKind::Truncated)),
        ("trux", Err(FlawKind::Syntax)),
        ("\u{feff}{}", Err(FlawKind::ByteOrderMark)),
        (&deep(33), Err(FlawKind::TooDeep)),
        (&deep(10_000), Err(FlawKind::TooDeep)),
        (" [ 1 , { } , [ ] ] ", Ok("[1,{},[]]")),
    ];
    for (text, expected) in cases {
        assert_eq!(form(text).as_deref(), expected.as_ref().copied(), "{text}");
    }
    assert!(form(&deep(32)).is_ok());
    assert_eq!(canonical(b"\"\xff\"", None).unwrap_err().what, FlawKind::NotUtf8);
    let many = |items: usize| format!("[{}]", vec!["1"; items].join(","));
    assert!(form(&many(9_999)).is_ok());
    assert_eq!(form(&many(10_000)), Err(FlawKind::TooManyValues));
}

#[test]
fn a_member_is_taken_out_and_put_in() {
    let without = |field: &str| {
        let json = br#"{"b":{"x":1,"a/b":2},"a":[{"x":1}]}"#;
        String::from_utf8(canonical(json, Some(&Field::parse(field).unwrap())).unwrap()).unwrap()
    };
    assert_eq!(without("/b/x"), r#"{"a":[{"x":1}],"b":{"a/b":2}}"#);
    assert_eq!(without("/b/a~1b"), r#"{"a":[{"x":1}],"b":{"x":1}}"#);
    assert_eq!(without("/b"), r#"{"a":[{"x":1}]}"#);
    for nothing in ["", "/c", "/b/x/y", "/a/0/x", "/a/0"] {
        assert_eq!(without(nothing), r#"{"a":[{"x":1}],"b":{"a/b":2,"x":1}}"#, "{nothing}");
    }
    let mut document = Document::read(br#"{"z":{}}"#).unwrap();
    let field = |text| Field::parse(text).unwrap();
    assert!(document.insert(&field("/z/k"), Node::Null).is_ok());
    assert!(document.insert(&field("/A"), Node::object([("q", Node::Bool(true)), ("b", Node::Number(1.5))])).is_ok());
    for taken in ["/z", "/z/k", "/y/k", "", "/z/k/l"] {
        assert!(document.insert(&field(taken), Node::Null).is_err(), "{taken}");
    }
    assert_eq!(document.write(), br#"{"A":{"b":1.5,"q":true},"z":{"k":null}}"#);
}

proptest::proptest! {
    #[test]
    fn any_double_is_written_so_that_it_is_read_again(bits: u64) {
        let value = f64::from_bits(bits);
        if value.is_finite() {
            let mut written = String::new();
            number::write(value, &mut written);
            proptest::prop_assert_eq!(written.parse::<f64>().unwrap(), value);
            proptest::prop_assert_eq!(form(&written).unwrap(), written);
        }
    }

    #[test]
    fn what_is_taken_is_json_to_others_and_says_the_same(text in "[\\[\\]{}\",:0-9a-e.\\\\ u-]{0,24}") {
        if let Ok(form) = form(&text) {
            let one: serde_json::Value = serde_json::from_str(&text).unwrap();
            let other: serde_json::Value = serde_json::from_str(&form).unwrap();
            proptest::prop_assert_eq!(one.is_object(), other.is_object());
            proptest::prop_assert_eq!(self::form(&form).unwrap(), form);
        }
    }
}
