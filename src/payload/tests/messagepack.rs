use super::*;

#[test]
fn values_are_what_they_are_written_as() {
    accepted(
        &Format::MessagePack,
        &[
            (b"\x00", "", Some(Value::Integer(0))),
            (b"\x7f", "", Some(Value::Integer(127))),
            (b"\xff", "", Some(Value::Integer(-1))),
            (b"\xe0", "", Some(Value::Integer(-32))),
            (b"\xcc\xff", "", Some(Value::Integer(255))),
            (b"\xcd\x01\x00", "", Some(Value::Integer(256))),
            (b"\xce\x00\x01\x00\x00", "", Some(Value::Integer(65536))),
            (b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff", "", Some(Value::Integer(u64::MAX.into()))),
            (b"\xd0\x80", "", Some(Value::Integer(-128))),
            (b"\xd1\x80\x00", "", Some(Value::Integer(-32768))),
            (b"\xd2\x80\x00\x00\x00", "", Some(Value::Integer(i32::MIN.into()))),
            (b"\xd3\x80\0\0\0\0\0\0\0", "", Some(Value::Integer(i64::MIN.into()))),
            (b"\xca\x3f\xc0\x00\x00", "", Some(Value::Float(1.5))),
            (b"\xcb\x3f\xf1\x99\x99\x99\x99\x99\x9a", "", Some(Value::Float(1.1))),
            (b"\xc0", "", Some(Value::Null)),
            (b"\xc2", "", Some(Value::Bool(false))),
            (b"\xc3", "", Some(Value::Bool(true))),
            (b"\xa0", "", text("")),
            (b"\xa2\xc2\xb0", "", text("°")),
            (b"\xd9\x02ab", "", text("ab")),
            (b"\xda\x00\x02ab", "", text("ab")),
            (b"\xdb\x00\x00\x00\x02ab", "", text("ab")),
            (b"\xc4\x02\xff\xfe", "", Some(Value::Bytes(b"\xff\xfe"))),
            (b"\xc5\x00\x01\xff", "", Some(Value::Bytes(b"\xff"))),
            (b"\xc6\x00\x00\x00\x01\xff", "", Some(Value::Bytes(b"\xff"))),
            (b"\x93\x01\x02\x03", "/2", Some(Value::Integer(3))),
            (b"\xdc\x00\x01\x05", "", Some(Value::List(1))),
            (b"\xdd\x00\x00\x00\x01\x05", "/0", Some(Value::Integer(5))),
            (b"\x81\xa1a\x91\x01", "/a/0", Some(Value::Integer(1))),
            (b"\xde\x00\x01\xa1a\x01", "/a", Some(Value::Integer(1))),
            (b"\xdf\x00\x00\x00\x01\xa1a\x01", "", Some(Value::Object(1))),
            (b"\x82\x07\x01\xff\x02", "/-1", Some(Value::Integer(2))),
            (b"\x81\xcd\x01\x00\x01", "/256", Some(Value::Integer(1))),
        ],
    );
}

#[test]
fn what_has_two_readings_or_none_is_refused() {
    refused(
        &Format::MessagePack,
        &["", "/a"],
        &[
            (b"", "truncated 0 -"),
            (b"\xcd\x01", "truncated 2 -"),
            (b"\xa3ab", "truncated 3 -"),
            (b"\x92\x01", "truncated 2 -"),
            (b"\x82\xa1a\x01", "truncated 4 -"),
            // What can't be there is not waited for.
            (b"\xdd\xff\xff\xff\xff\x01", "truncated 6 -"),
            (b"\xdf\xff\xff\xff\xff\x01", "truncated 6 -"),
            (b"\xdb\xff\xff\xff\xffab", "truncated 7 -"),
            (b"\xc6\xff\xff\xff\xffab", "truncated 7 -"),
            (b"\x00\x00", "trailing_bytes 1 -"),
            (b"\xc1", "syntax 0 -"),
            // Extensions, a timestamp among them.
            (b"\xd6\xff\x00\x00\x00\x00", "unsupported 0 -"),
            (b"\x81\xa1a\xd4\x01\x00", "unsupported 3 /a"),
            (b"\xc7\x00\x01", "unsupported 0 -"),
            (b"\xc9\xff\xff\xff\xff\x01", "unsupported 0 -"),
            // Text that is none does not turn into bytes.
            (b"\xa1\xff", "not_utf8 1 -"),
            (b"\x81\xa1a\xd9\x02a\xc2", "not_utf8 6 /a"),
            (b"\x81\xa1\xff\x01", "not_utf8 2 -"),
            (b"\xca\x7f\x80\x00\x00", "number_range 0 -"),
            (b"\xcb\x7f\xf8\0\0\0\0\0\0", "number_range 0 -"),
            (b"\x81\xc0\x01", "key_type 1 -"),
            (b"\x81\xc3\x01", "key_type 1 -"),
            (b"\x81\xc4\x01a\x01", "key_type 1 -"),
            (b"\x81\x90\x01", "key_type 1 -"),
            (b"\x81\xca\x3f\xc0\x00\x00\x01", "key_type 1 -"),
            (b"\x82\xa1a\x01\xd9\x01a\x02", "duplicate_key 7 /a"),
            (b"\x82\x01\x01\xa11\x02", "duplicate_key 5 /1"),
            (b"\x81\xa2a\0\x01", "unsupported 4 /a\0"),
            (b"\x82\x01\x01\xcc\x01\x02", "duplicate_key 5 /1"),
        ],
    );
}
