use std::sync::Arc;

use super::*;
use crate::payload::binary::{Endian, Kind, Layout, LayoutError, Length, Slot};

fn slot(name: &str, offset: usize, kind: Kind) -> Slot {
    Slot { name: name.into(), offset, kind, endian: Endian::Big, scale: 1.0, add: 0.0 }
}

fn layout(length: Length, slots: Vec<Slot>) -> Format {
    Format::Binary(Arc::new(Layout::new(length, slots).unwrap()))
}

fn one(slot: Slot, payload: &[u8]) -> Result<Value<'_>, String> {
    let field = format!("/{}", slot.name);
    let format = layout(Length::AtLeast(payload.len()), vec![slot]);
    read(&format, &Limits::default(), &[&field], payload)
        .map(|found| found.get(0).unwrap().clone())
        .map_err(|flaw| told(&flaw))
}

#[test]
fn a_field_is_read_from_its_place() {
    let payload = b"\x00\x80\x01\xff\xfe\x7f\x40\x49\x0f\xdb\xab\xcd";
    let little = |kind, offset| Slot { endian: Endian::Little, ..slot("a", offset, kind) };
    for (slot, expected) in [
        (slot("a", 1, Kind::Unsigned(1)), Value::Integer(0x80)),
        (slot("a", 1, Kind::Signed(1)), Value::Integer(-128)),
        (slot("a", 1, Kind::Unsigned(2)), Value::Integer(0x8001)),
        (little(Kind::Unsigned(2), 1), Value::Integer(0x0180)),
        (slot("a", 3, Kind::Signed(2)), Value::Integer(-2)),
        (little(Kind::Signed(2), 3), Value::Integer(-257)),
        (slot("a", 1, Kind::Unsigned(3)), Value::Integer(0x80_01ff)),
        (slot("a", 1, Kind::Signed(3)), Value::Integer(0x80_01ff - 0x100_0000)),
        (slot("a", 0, Kind::Unsigned(8)), Value::Integer(0x0080_01ff_fe7f_4049)),
        (slot("a", 3, Kind::Signed(8)), Value::Integer(i128::from(0xfffe_7f40_490f_dbab_u64.cast_signed()))),
        (slot("a", 6, Kind::F32), Value::Float(f64::from(std::f32::consts::PI.next_down().next_up()))),
        (slot("a", 0, Kind::Bool), Value::Bool(false)),
        (slot("a", 2, Kind::Bool), Value::Bool(true)),
        (slot("a", 10, Kind::Bytes(2)), Value::Bytes(b"\xab\xcd")),
        // 0xabcd is 1010_1011_1100_1101.
        (slot("a", 10, Kind::Bits { first: 0, count: 4 }), Value::Integer(0b1011)),
        (slot("a", 10, Kind::Bits { first: 4, count: 4 }), Value::Integer(0b1010)),
        (slot("a", 10, Kind::Bits { first: 6, count: 5 }), Value::Integer(0b01111)),
        (little(Kind::Bits { first: 6, count: 5 }, 10), Value::Integer(0b10110)),
        (slot("a", 1, Kind::Bits { first: 0, count: 64 }), Value::Integer(0x8001_fffe_7f40_490f)),
        (slot("a", 1, Kind::Bits { first: 63, count: 1 }), Value::Integer(1)),
    ] {
        assert_eq!(one(slot.clone(), payload), Ok(expected), "{slot:?}");
    }
    let double = 1234.5_f64;
    assert_eq!(one(slot("a", 0, Kind::F64), &double.to_be_bytes()), Ok(Value::Float(double)));
    assert_eq!(
        one(Slot { endian: Endian::Little, ..slot("a", 0, Kind::F64) }, &double.to_le_bytes()),
        Ok(Value::Float(double))
    );
    for (bytes, expected) in [
        (&b"pump\0\0"[..], Ok(text("pump").unwrap())),
        (b"\0\0\0", Ok(text("").unwrap())),
        (b"abc", Ok(text("abc").unwrap())),
        (b"a\0b", Err("syntax 1 /a".to_owned())),
        (b"a\xff", Err("not_utf8 1 /a".to_owned())),
    ] {
        assert_eq!(one(slot("a", 0, Kind::Text(bytes.len())), bytes), expected, "{}", bytes.escape_ascii());
    }
}

#[test]
fn a_scaled_number_is_what_one_would_write() {
    for (scale, add, raw, expected) in [
        (0.1, 0.0, 3_i16, 0.3),
        (0.1, 0.0, 253, 25.3),
        (0.01, 0.0, 57, 0.57),
        (0.1, -40.0, 653, 25.3),
        (2.0, 0.0, -3, -6.0),
        (0.25, 1.0, 10, 3.5),
        (1.0, -40.0, 40, 0.0),
        (-1.0, 0.0, 5, -5.0),
        (1e300, 0.0, 2, 2e300),
    ] {
        let slot = Slot { scale, add, ..slot("a", 0, Kind::Signed(2)) };
        let Ok(Value::Float(value)) = one(slot, &raw.to_be_bytes()) else { panic!("{raw}") };
        assert!((value - expected).abs() <= expected.abs() * 1e-15, "{raw} * {scale} + {add} = {value}");
        assert!(add != 0.0 || value.to_bits() == expected.to_bits(), "{raw} * {scale} = {value}");
    }
}

#[test]
fn what_no_number_can_be_is_refused_where_it_is_wanted() {
    let inf = f32::INFINITY.to_be_bytes();
    let format = layout(
        Length::Exactly(6),
        vec![slot("a", 0, Kind::F32), slot("b", 4, Kind::Bool), slot("c", 5, Kind::Unsigned(1))],
    );
    let payload = [&inf[..], &[2, 7]].concat();
    let read = |field, payload| read(&format, &Limits::default(), &[field], payload).map_err(|flaw| told(&flaw));
    assert_eq!(read("/a", &payload).unwrap_err(), "number_range 0 /a");
    assert_eq!(read("/b", &payload).unwrap_err(), "number_range 4 /b");
    assert_eq!(read("/c", &payload).unwrap().get(0), Some(&Value::Integer(7)));
    let nan = [&f32::NAN.to_be_bytes()[..], &[0, 7]].concat();
    assert_eq!(read("/a", &nan).unwrap_err(), "number_range 0 /a");
    let huge = Slot { scale: 1e300, ..slot("a", 0, Kind::F64) };
    assert_eq!(one(huge, &1e300_f64.to_be_bytes()), Err("number_range 0 /a".to_owned()));
}

#[test]
fn a_payload_has_its_length() {
    for (length, fits) in [
        (Length::Exactly(2), [false, false, true, false]),
        (Length::AtLeast(2), [false, false, true, true]),
        (Length::Exactly(0), [true, false, false, false]),
    ] {
        let format = layout(length, Vec::new());
        for (bytes, fits) in fits.into_iter().enumerate() {
            let flaw = read(&format, &Limits::default(), &[], &vec![0; bytes]).err().map(|flaw| told(&flaw));
            assert_eq!(flaw.as_deref(), (!fits).then_some("wrong_length - -"), "{length:?}: {bytes}");
        }
    }
}

#[test]
fn a_layout_that_no_payload_can_have_is_refused() {
    let exactly = Length::Exactly(8);
    let refused = |length, slots| Layout::new(length, slots).unwrap_err().to_string();
    let kind = |kind| refused(exactly, vec![slot("a", 0, kind)]);
    assert_eq!(kind(Kind::Unsigned(0)), "`a` has a size that there is not");
    assert_eq!(kind(Kind::Signed(9)), "`a` has a size that there is not");
    for (first, count) in [(0, 0), (0, 65), (1, 64), (64, 1), (255, 255), (8, 57)] {
        assert_eq!(kind(Kind::Bits { first, count }), "`a` has a size that there is not", "{first}, {count}");
    }
    assert_eq!(kind(Kind::Text(0)), "`a` has a size that there is not");
    assert_eq!(kind(Kind::Bytes(9)), "`a` ends behind the payload");
    assert_eq!(refused(exactly, vec![slot("a", 5, Kind::F32)]), "`a` ends behind the payload");
    assert_eq!(refused(exactly, vec![slot("a", usize::MAX, Kind::Unsigned(1))]), "`a` ends behind the payload");
    assert_eq!(refused(Length::AtLeast(1), vec![slot("a", 0, Kind::Unsigned(2))]), "`a` ends behind the payload");
    let twice = vec![slot("a", 0, Kind::Bool), slot("b", 0, Kind::Bool), slot("a", 1, Kind::Bool)];
    assert_eq!(refused(exactly, twice), "two fields are named `a`");
    let many = (0..257).map(|n| slot(&n.to_string(), 0, Kind::Bool)).collect();
    assert_eq!(Layout::new(exactly, many), Err(LayoutError::TooMany));
    assert_eq!(Layout::new(Length::AtLeast(1 << 28), Vec::new()), Err(LayoutError::TooLong));
    for (scale, add) in [(0.0, 0.0), (-0.0, 0.0), (f64::NAN, 0.0), (f64::INFINITY, 0.0), (1.0, f64::NAN)] {
        let slot = Slot { scale, add, ..slot("a", 0, Kind::F32) };
        assert_eq!(refused(exactly, vec![slot]), "`a` can't be scaled so", "{scale}, {add}");
    }
    let slot = Slot { scale: 0.1, ..slot("a", 0, Kind::Bool) };
    assert_eq!(refused(exactly, vec![slot]), "`a` can't be scaled so");
}

#[test]
fn a_field_that_is_not_laid_out_is_refused() {
    let format = layout(Length::Exactly(1), vec![slot("a/b", 0, Kind::Bool)]);
    for (field, there) in [("/a~1b", true), ("/a", false), ("", false), ("/a~1b/c", false)] {
        let reader = Reader::new(format.clone(), Limits::default(), &[Field::parse(field).unwrap()]);
        assert_eq!(reader.is_ok(), there, "{field}");
    }
}
