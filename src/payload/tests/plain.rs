use super::*;
use crate::payload::ReaderError;

#[test]
fn text_is_one_value() {
    accepted(
        &Format::Text,
        &[
            (b"", "", text("")),
            (b"ON", "", text("ON")),
            (b" a\0b\n", "", text(" a\0b\n")),
            ("21 °C".as_bytes(), "", text("21 °C")),
        ],
    );
    refused(
        &Format::Text,
        &[""],
        &[(b"a\xff", "not_utf8 1 -"), (b"\xef\xbb\xbfON", "byte_order_mark 0 -"), (b"\xed\xa0\x80", "not_utf8 0 -")],
    );
}

#[test]
fn a_number_is_one_value() {
    accepted(
        &Format::Number,
        &[
            (b"0", "", Some(Value::Integer(0))),
            (b"+5", "", Some(Value::Integer(5))),
            (b"-17", "", Some(Value::Integer(-17))),
            (b"21.50", "", Some(Value::Float(21.5))),
            (b"+1.5e-3", "", Some(Value::Float(0.0015))),
            (b"18446744073709551617", "", Some(Value::Integer((1 << 64) + 1))),
        ],
    );
    let long = "1".repeat(300);
    refused(
        &Format::Number,
        &[""],
        &[
            (b"", "truncated 0 -"),
            (b"-", "truncated 1 -"),
            (b"1.", "truncated 2 -"),
            (b"1e", "truncated 2 -"),
            (b" 1", "syntax 0 -"),
            (b"1 ", "trailing_bytes 1 -"),
            (b"1\n", "trailing_bytes 1 -"),
            (b"1\0", "trailing_bytes 1 -"),
            (b"1,5", "trailing_bytes 1 -"),
            (b"21 C", "trailing_bytes 2 -"),
            (b"+-1", "syntax 1 -"),
            (b"--1", "syntax 1 -"),
            (b".5", "syntax 0 -"),
            // Eight to some, ten to others.
            (b"010", "syntax 1 -"),
            (b"0x10", "syntax 1 -"),
            (b"1_000", "syntax 1 -"),
            (b"1.2.3", "syntax 3 -"),
            (b"NaN", "syntax 0 -"),
            (b"inf", "syntax 0 -"),
            (b"1e400", "number_range 0 -"),
            (long.as_bytes(), "number_range 0 -"),
            ("١".as_bytes(), "syntax 0 -"),
            (b"\xef\xbb\xbf1", "byte_order_mark 0 -"),
            (b"1\xff", "not_utf8 1 -"),
        ],
    );
}

#[test]
fn neither_has_fields() {
    let field = Field::parse("/a").unwrap();
    for format in [Format::Text, Format::Number] {
        let error = Reader::new(format, Limits::default(), std::slice::from_ref(&field)).unwrap_err();
        assert_eq!(error, ReaderError::NoSuchField(field.clone()));
        assert_eq!(error.to_string(), "the format has no field `/a`");
    }
}
