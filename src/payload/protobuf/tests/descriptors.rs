//! What can be made of a file of descriptors.

use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet};

use super::*;
use crate::payload::ReaderError;
use crate::payload::protobuf::DescriptorError;

fn set(syntax: &str, messages: Vec<DescriptorProto>) -> Vec<u8> {
    let file = FileDescriptorProto {
        syntax: Some(syntax.to_owned()),
        message_type: messages,
        ..FileDescriptorProto::default()
    };
    FileDescriptorSet { file: vec![file] }.encode_to_vec()
}

fn message(name: &str, fields: Vec<FieldDescriptorProto>) -> DescriptorProto {
    DescriptorProto { name: Some(name.to_owned()), field: fields, ..DescriptorProto::default() }
}

fn field(number: i32, kind: Type, of: Option<&str>) -> FieldDescriptorProto {
    FieldDescriptorProto {
        name: Some(format!("f{number}")),
        number: Some(number),
        label: Some(Label::Optional.into()),
        r#type: Some(kind.into()),
        type_name: of.map(str::to_owned),
        ..FieldDescriptorProto::default()
    }
}

#[test]
fn a_type_is_found_by_its_full_name() {
    for name in ["plant.Reading", ".plant.Reading", "plant.Reading.Position", "plant.legacy.Motor"] {
        assert!(Descriptor::new(PLANT, name).is_ok(), "{name}");
    }
    for name in ["Reading", "plant.State", "plant", ""] {
        assert_eq!(Descriptor::new(PLANT, name).unwrap_err(), DescriptorError::NoMessage(name.to_owned()));
    }
}

#[test]
fn a_type_that_uses_itself_is_no_bomb() {
    let bytes = set("proto3", vec![message("A", vec![field(1, Type::Message, Some(".A"))])]);
    assert_eq!(Descriptor::new(&bytes, "A").unwrap().messages.len(), 1);
}

#[test]
fn what_is_no_descriptor_is_refused() {
    let refused = |bytes: &[u8]| Descriptor::new(bytes, "A").unwrap_err();
    assert_eq!(refused(&[]), DescriptorError::NotDescriptors);
    assert_eq!(refused(b"syntax = \"proto3\";"), DescriptorError::NotDescriptors);
    assert_eq!(refused(&vec![0; Descriptor::MAX_BYTES + 1]), DescriptorError::TooLarge);
    let one = |field| set("proto3", vec![message("A", vec![field])]);
    assert_eq!(refused(&one(field(0, Type::Bool, None))), DescriptorError::NotDescriptors);
    assert_eq!(refused(&one(field(1 << 29, Type::Bool, None))), DescriptorError::NotDescriptors);
    assert_eq!(refused(&one(field(1, Type::Message, Some(".B")))), DescriptorError::NoType(".B".to_owned()));
    assert_eq!(refused(&one(field(1, Type::Enum, Some(".B")))), DescriptorError::NoType(".B".to_owned()));
    let group = DescriptorError::Unsupported { at: ".A.f1".to_owned(), what: "a group" };
    assert_eq!(refused(&one(field(1, Type::Group, Some(".A")))), group);
    let edition = DescriptorError::Unsupported { at: ".A".to_owned(), what: "an edition" };
    assert_eq!(refused(&set("editions", vec![message("A", Vec::new())])), edition);
    let twice = vec![field(1, Type::Bool, None), field(1, Type::Int32, None)];
    assert_eq!(refused(&set("proto3", vec![message("A", twice)])), DescriptorError::NotDescriptors);
}

#[test]
fn messages_and_fields_are_bounded() {
    let fields = |count: i32| vec![message("A", (1..=count).map(|number| field(number, Type::Bool, None)).collect())];
    assert!(Descriptor::new(&set("proto3", fields(1024)), "A").is_ok());
    let refused = Descriptor::new(&set("proto3", fields(1025)), "A").unwrap_err();
    assert_eq!(refused, DescriptorError::TooMany(".A".to_owned()));
    let chain = |count: i32| {
        let next = |number| {
            if number == count { Vec::new() } else { vec![field(1, Type::Message, Some(&format!(".M{}", number + 1)))] }
        };
        set("proto3", (1..=count).map(|number| message(&format!("M{number}"), next(number))).collect())
    };
    assert!(Descriptor::new(&chain(1024), "M1").is_ok());
    assert!(matches!(Descriptor::new(&chain(1025), "M1"), Err(DescriptorError::TooMany(_))));
}

#[test]
fn a_field_that_the_message_can_not_have_is_refused_at_once() {
    let descriptor = Arc::new(Descriptor::new(PLANT, "plant.Reading").unwrap());
    for (field, there) in [
        ("/celsius", true),
        ("/inner/inner/inner/motor/history/3", true),
        ("/axes/12/x", true),
        ("/axes/-12/x", true),
        ("/Celsius", false),
        ("/1", false),
        ("/celsius/0", false),
        ("/samples/first", false),
        ("/samples/-1", false),
        ("/samples/01", false),
        ("/samples/+1", false),
        ("/samples/18446744073709551616", false),
        ("/axes/x", false),
        ("/axes/012", false),
        ("/switches/yes", false),
        ("/", false),
    ] {
        let field = Field::parse(field).unwrap();
        let made =
            Reader::new(Format::Protobuf(Arc::clone(&descriptor)), Limits::default(), std::slice::from_ref(&field));
        assert_eq!(made.map(|_| ()), if there { Ok(()) } else { Err(ReaderError::NoSuchField(field)) });
    }
}
