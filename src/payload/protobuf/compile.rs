//! From a file of descriptors to a [`Descriptor`].

use std::collections::{BTreeMap, HashMap};

use prost::Message as _;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet};

use super::{Descriptor, Enumeration, Kind, Member, Message, Shape};

/// Why there is no such [`Descriptor`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DescriptorError {
    /// It is larger than [`Descriptor::MAX_BYTES`].
    #[error("larger than {} bytes", Descriptor::MAX_BYTES)]
    TooLarge,
    /// It is not what `protoc` writes.
    #[error("not a file of descriptors, as `protoc --descriptor_set_out --include_imports` writes it")]
    NotDescriptors,
    /// It has no such message.
    #[error("no message `{0}`")]
    NoMessage(String),
    /// It lacks a type that is used.
    #[error("no type `{0}`, which is used; write the file with `--include_imports`")]
    NoType(String),
    /// It uses more types than [`Descriptor::MAX_MESSAGES`], or one has more fields than [`Descriptor::MAX_FIELDS`].
    #[error("more than {max} messages, or more than {max} fields in `{0}`", max = Descriptor::MAX_FIELDS)]
    TooMany(String),
    /// It has what is not supported.
    #[error("`{at}` is of {what}, which is not supported")]
    Unsupported {
        /// The message or field.
        at: String,
        /// What it has.
        what: &'static str,
    },
}

pub(super) fn compile(set: &[u8], message: &str) -> Result<Descriptor, DescriptorError> {
    if set.len() > Descriptor::MAX_BYTES {
        return Err(DescriptorError::TooLarge);
    }
    let set = FileDescriptorSet::decode(set).map_err(|_| DescriptorError::NotDescriptors)?;
    if set.file.is_empty() {
        return Err(DescriptorError::NotDescriptors);
    }
    let types = Types::of(&set);
    let name = format!(".{}", message.trim_start_matches('.'));
    if !types.messages.contains_key(&name) {
        return Err(DescriptorError::NoMessage(message.to_owned()));
    }
    let mut compiler =
        Compiler { types, messages: Vec::new(), queue: Vec::new(), enums: Vec::new(), places: HashMap::new() };
    compiler.place_of_message(&name)?;
    while let Some(name) = compiler.queue.get(compiler.messages.len()).cloned() {
        let message = compiler.message(&name)?;
        compiler.messages.push(message);
    }
    Ok(Descriptor { messages: compiler.messages.into(), enums: compiler.enums.into(), unknown_fields: false })
}

/// All types of a set, by full name, which begins with a dot.
struct Types<'s> {
    messages: HashMap<String, (&'s FileDescriptorProto, &'s DescriptorProto)>,
    enums: HashMap<String, &'s EnumDescriptorProto>,
}

impl<'s> Types<'s> {
    fn of(set: &'s FileDescriptorSet) -> Self {
        let mut types = Self { messages: HashMap::new(), enums: HashMap::new() };
        for file in &set.file {
            let scope = match file.package() {
                "" => String::new(),
                package => format!(".{package}"),
            };
            types.add(file, &scope, &file.message_type, &file.enum_type);
        }
        types
    }

    fn add(
        &mut self,
        file: &'s FileDescriptorProto,
        scope: &str,
        messages: &'s [DescriptorProto],
        enums: &'s [EnumDescriptorProto],
    ) {
        for enumeration in enums {
            self.enums.insert(format!("{scope}.{}", enumeration.name()), enumeration);
        }
        for message in messages {
            let name = format!("{scope}.{}", message.name());
            // Recursion is as deep as the decoder of the set went, which stops at a hundred.
            self.add(file, &name, &message.nested_type, &message.enum_type);
            self.messages.insert(name, (file, message));
        }
    }
}

struct Compiler<'s> {
    types: Types<'s>,
    /// Those compiled, in the order of `queue`.
    messages: Vec<Message>,
    /// Names of all messages that have a place.
    queue: Vec<String>,
    enums: Vec<Enumeration>,
    /// The place of a message in `queue`, of an enumeration in `enums`.
    places: HashMap<String, usize>,
}

impl Compiler<'_> {
    fn place_of_message(&mut self, name: &str) -> Result<usize, DescriptorError> {
        if let Some(&place) = self.places.get(name) {
            return Ok(place);
        }
        if self.queue.len() == Descriptor::MAX_MESSAGES {
            return Err(DescriptorError::TooMany(name.to_owned()));
        }
        if !self.types.messages.contains_key(name) {
            return Err(DescriptorError::NoType(name.to_owned()));
        }
        self.queue.push(name.to_owned());
        self.places.insert(name.to_owned(), self.queue.len() - 1);
        Ok(self.queue.len() - 1)
    }

    fn place_of_enum(&mut self, name: &str) -> Result<usize, DescriptorError> {
        if let Some(&place) = self.places.get(name) {
            return Ok(place);
        }
        let found = self.types.enums.get(name).ok_or_else(|| DescriptorError::NoType(name.to_owned()))?;
        let mut names = BTreeMap::new();
        for value in &found.value {
            names.entry(value.number()).or_insert_with(|| value.name().into());
        }
        self.enums.push(Enumeration { names: names.into_iter().collect() });
        self.places.insert(name.to_owned(), self.enums.len() - 1);
        Ok(self.enums.len() - 1)
    }

    fn message(&mut self, name: &str) -> Result<Message, DescriptorError> {
        let (file, message) = *self.types.messages.get(name).ok_or_else(|| DescriptorError::NoType(name.to_owned()))?;
        if message.field.len() > Descriptor::MAX_FIELDS {
            return Err(DescriptorError::TooMany(name.to_owned()));
        }
        let proto3 = match file.syntax() {
            "" | "proto2" => false,
            "proto3" => true,
            _ => return Err(DescriptorError::Unsupported { at: name.to_owned(), what: "an edition" }),
        };
        let mut fields =
            message.field.iter().map(|field| self.field(name, field, proto3)).collect::<Result<Vec<_>, _>>()?;
        fields.sort_by_key(|field| field.number);
        if fields.windows(2).any(|pair| matches!(pair, [one, other] if one.number == other.number)) {
            return Err(DescriptorError::NotDescriptors);
        }
        let places = |wanted: &dyn Fn(Shape) -> bool| {
            let places = fields.iter().enumerate().filter(|(_, field)| wanted(field.shape));
            places.map(|(place, _)| place).collect::<Vec<_>>()
        };
        let oneofs = (0..message.oneof_decl.len()).map(|oneof| places(&|shape| shape == Shape::OneOf(oneof))).collect();
        let required = places(&|shape| shape == Shape::Required);
        Ok(Message { oneofs, required, fields })
    }

    fn field(&mut self, message: &str, field: &FieldDescriptorProto, proto3: bool) -> Result<Member, DescriptorError> {
        let number = u32::try_from(field.number()).ok().filter(|number| (1..1 << 29).contains(number));
        let number = number.ok_or(DescriptorError::NotDescriptors)?;
        let kind = match field.r#type.and_then(|kind| Type::try_from(kind).ok()) {
            Some(Type::Int32) => Kind::Int32,
            Some(Type::Int64) => Kind::Int64,
            Some(Type::Uint32) => Kind::Uint32,
            Some(Type::Uint64) => Kind::Uint64,
            Some(Type::Sint32) => Kind::Sint32,
            Some(Type::Sint64) => Kind::Sint64,
            Some(Type::Fixed32) => Kind::Fixed32,
            Some(Type::Fixed64) => Kind::Fixed64,
            Some(Type::Sfixed32) => Kind::Sfixed32,
            Some(Type::Sfixed64) => Kind::Sfixed64,
            Some(Type::Float) => Kind::Float,
            Some(Type::Double) => Kind::Double,
            Some(Type::Bool) => Kind::Bool,
            Some(Type::String) => Kind::Text,
            Some(Type::Bytes) => Kind::Bytes,
            Some(Type::Enum) => Kind::Enum(self.place_of_enum(field.type_name())?),
            Some(Type::Message) => Kind::Message(self.place_of_message(field.type_name())?),
            Some(Type::Group) => {
                let at = format!("{message}.{}", field.name());
                return Err(DescriptorError::Unsupported { at, what: "a group" });
            }
            None => return Err(DescriptorError::NotDescriptors),
        };
        let shape = match field.label() {
            Label::Repeated if self.is_map(field) => Shape::Map,
            Label::Repeated => Shape::Repeated,
            Label::Required => Shape::Required,
            Label::Optional => singular(field, kind, proto3)?,
        };
        Ok(Member { number, name: field.name().into(), kind, shape })
    }

    /// Whether its messages are the entries of a map, as `protoc` makes them of one.
    fn is_map(&self, field: &FieldDescriptorProto) -> bool {
        let message = self.types.messages.get(field.type_name());
        let entry =
            |(_, message): &(_, &DescriptorProto)| message.options.as_ref().is_some_and(|options| options.map_entry());
        field.r#type() == Type::Message && message.is_some_and(entry)
    }
}

fn singular(field: &FieldDescriptorProto, kind: Kind, proto3: bool) -> Result<Shape, DescriptorError> {
    Ok(match field.oneof_index {
        Some(oneof) if !field.proto3_optional() => {
            Shape::OneOf(usize::try_from(oneof).map_err(|_| DescriptorError::NotDescriptors)?)
        }
        Some(_) => Shape::Explicit,
        None if proto3 && !matches!(kind, Kind::Message(_)) => Shape::Implicit,
        None => Shape::Explicit,
    })
}
