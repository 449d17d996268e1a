//! What each datatype makes of a value.

use super::*;

fn value(datatype: Datatype, value: Is) -> Result<String, FaultKind> {
    let bytes = payload(
        None,
        vec![model::Metric { datatype: Some(datatype as u32), value: Some(value), ..model::Metric::default() }],
    );
    let read = Payload::read(&bytes, &Limits::default()).unwrap();
    let metric = read.metrics().next().unwrap().unwrap();
    assert_eq!(metric.datatype, Some(datatype));
    metric.value(metric.datatype).map(|value| format!("{value:?}"))
}

#[test]
fn a_value_is_read_as_its_datatype_says() {
    use Datatype as D;
    let integer = |value: i128| Ok(format!("{:?}", Value::Integer(value)));
    for (datatype, written, expected) in [
        (D::Int8, Is::Int(0x7f), integer(127)),
        (D::Int8, Is::Int(0x80), integer(-128)),
        (D::Int8, Is::Int(0xff), integer(-1)),
        (D::Int8, Is::Int(0xffff_ff80), integer(-128)),
        (D::Int8, Is::Int(u32::MAX), integer(-1)),
        (D::Int8, Is::Int(0x100), Err(FaultKind::ValueRange)),
        (D::Int8, Is::Int(0xffff_ff7f), Err(FaultKind::ValueRange)),
        (D::Int16, Is::Int(0xff), integer(255)),
        (D::Int16, Is::Int(0x8000), integer(-32768)),
        (D::Int16, Is::Int(0xffff_8000), integer(-32768)),
        (D::Int16, Is::Int(0x1_0000), Err(FaultKind::ValueRange)),
        (D::Int32, Is::Int(0x8000_0000), integer(i32::MIN.into())),
        (D::Int32, Is::Int(u32::MAX), integer(-1)),
        (D::Int32, Is::Long(1), Err(FaultKind::ValueType)),
        (D::Int64, Is::Long(u64::MAX), integer(-1)),
        (D::Int64, Is::Int(1), Err(FaultKind::ValueType)),
        (D::UInt8, Is::Int(255), integer(255)),
        (D::UInt8, Is::Int(256), Err(FaultKind::ValueRange)),
        (D::UInt16, Is::Int(65_536), Err(FaultKind::ValueRange)),
        (D::UInt32, Is::Int(u32::MAX), integer(u32::MAX.into())),
        (D::UInt32, Is::Long(u32::MAX.into()), integer(u32::MAX.into())),
        (D::UInt32, Is::Long(1 << 32), Err(FaultKind::ValueRange)),
        (D::UInt64, Is::Long(u64::MAX), integer(u64::MAX.into())),
        (D::DateTime, Is::Long(1_486_144_502_122), integer(1_486_144_502_122)),
        (D::Float, Is::Float(1.5), Ok("Float(1.5)".to_owned())),
        (D::Float, Is::Double(1.5), Err(FaultKind::ValueType)),
        (D::Double, Is::Double(-0.1), Ok("Float(-0.1)".to_owned())),
        (D::Boolean, Is::Boolean(true), Ok("Bool(true)".to_owned())),
        (D::Boolean, Is::Int(1), Err(FaultKind::ValueType)),
        (D::String, Is::Text("ä".to_owned()), Ok("Text(\"ä\")".to_owned())),
        (D::Text, Is::Text(String::new()), Ok("Text(\"\")".to_owned())),
        (D::UUID, Is::Text("x".to_owned()), Ok("Text(\"x\")".to_owned())),
        (D::String, Is::Bytes(vec![1]), Err(FaultKind::ValueType)),
        (D::Bytes, Is::Bytes(vec![1]), Ok("Bytes([1])".to_owned())),
        (D::File, Is::Bytes(vec![]), Ok("Bytes([])".to_owned())),
        (D::Int8Array, Is::Bytes(vec![1, 2, 3]), Ok("Bytes([1, 2, 3])".to_owned())),
        (D::Int16Array, Is::Bytes(vec![1, 2]), Ok("Bytes([1, 2])".to_owned())),
        (D::UInt16Array, Is::Bytes(vec![1, 2, 3]), Err(FaultKind::ValueRange)),
        (D::FloatArray, Is::Bytes(vec![0; 6]), Err(FaultKind::ValueRange)),
        (D::DateTimeArray, Is::Bytes(vec![0; 12]), Err(FaultKind::ValueRange)),
        (D::StringArray, Is::Bytes(vec![0; 3]), Ok("Bytes([0, 0, 0])".to_owned())),
        (D::BooleanArray, Is::Text(String::new()), Err(FaultKind::ValueType)),
        (D::DataSet, Is::DataSet(table(3)), Ok("List(3)".to_owned())),
        (D::Template, Is::Template(model::Template::default()), Ok("Object(0)".to_owned())),
        (D::Template, Is::DataSet(table(0)), Err(FaultKind::ValueType)),
        (D::PropertySet, Is::Int(0), Err(FaultKind::ValueType)),
    ] {
        assert_eq!(value(datatype, written.clone()), expected, "{datatype:?} {written:?}");
    }
}

fn table(rows: usize) -> model::DataSet {
    let row = model::Row {
        elements: vec![model::Cell { int: Some(1), double: None }, model::Cell { int: None, double: Some(f64::NAN) }],
    };
    model::DataSet {
        columns_count: Some(2),
        columns: vec!["a".to_owned(), "b".to_owned()],
        types: vec![3, 10],
        rows: vec![row; rows],
    }
}

#[test]
fn datatypes_are_numbered_as_in_the_specification() {
    let numbers: Vec<u32> = Datatype::ALL.iter().map(|datatype| *datatype as u32).collect();
    assert_eq!(numbers, (1..=34).collect::<Vec<_>>());
    for number in 1..=34 {
        assert_eq!(Datatype::of(number).map(|datatype| datatype as u32), Some(number));
    }
    for number in [0, 35, u32::MAX] {
        assert_eq!(Datatype::of(number), None);
    }
    assert_eq!((Datatype::UUID as u32, Datatype::Template as u32, Datatype::UUID.as_str()), (15, 19, "UUID"));
}

#[test]
fn null_is_said_and_never_beside_a_value() {
    let value = |is_null, value| {
        let bytes =
            payload(None, vec![model::Metric { datatype: Some(3), is_null, value, ..model::Metric::default() }]);
        let read = Payload::read(&bytes, &Limits::default()).unwrap();
        let metric = read.metrics().next().unwrap().unwrap();
        metric.value(metric.datatype).map(|value| value == Value::Null)
    };
    assert_eq!(value(Some(true), None), Ok(true));
    assert_eq!(value(None, None), Err(FaultKind::NoValue));
    assert_eq!(value(Some(false), None), Err(FaultKind::NoValue));
    assert_eq!(value(Some(true), Some(Is::Int(1))), Err(FaultKind::NullWithValue));
    assert_eq!(value(Some(false), Some(Is::Int(1))), Ok(false));
}

#[test]
fn without_a_datatype_a_value_is_read_as_far_as_all_read_it_alike() {
    let value = |value| {
        let bytes = payload(None, vec![by_name("x", value)]);
        let read = Payload::read(&bytes, &Limits::default()).unwrap();
        read.metrics().next().unwrap().unwrap().value(None).map(|value| format!("{value:?}"))
    };
    assert_eq!(value(Is::Int(127)), Ok("Integer(127)".to_owned()));
    // −128 as Int8.
    assert_eq!(value(Is::Int(128)), Err(FaultKind::Datatype));
    assert_eq!(value(Is::Long(i64::MAX as u64)), Ok(format!("Integer({})", i64::MAX)));
    assert_eq!(value(Is::Long(1 << 63)), Err(FaultKind::Datatype));
    assert_eq!(value(Is::Double(2.0)), Ok("Float(2.0)".to_owned()));
}
