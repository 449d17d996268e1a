//! Protobuf messages, by a descriptor: values by the names of their fields, read off the wire without a message.
//!
//! Where decoders differ in what they make of bytes, the bytes are refused: a field of another wire type than its own, a
//! singular field or two members of a oneof on the wire twice (unless duplicates are permitted), integers of more bits
//! than their type has, truth values other than 0 and 1. Read [`Descriptor`] first.
//!
//! | in the `.proto` | value |
//! |---|---|
//! | integers of all kinds | integer |
//! | `float`, `double` | number; NaN and Infinity are refused |
//! | `bool` | truth value |
//! | `enum` | text: the name of the value; of a number that has no name, the integer |
//! | `string`, `bytes` | text, bytes |
//! | message | object; its members by field name |
//! | `repeated` | list, packed or not; its items by number from 0 |
//! | `map` | object; its members by key |
//!
//! **What is not on the wire.** A proto3 scalar outside `optional` and `oneof` has no presence: left out, it *is* 0,
//! false or empty, to every decoder. So it is to a rule: `min = 1` can't be dodged by leaving the field out, and
//! `required` always holds. Lists and maps that are left out are empty. All else (proto2, `optional`, members of a oneof,
//! messages) is not there when it is left out, and so is what lies inside a message that is left out: rules that must
//! not be dodged ask for `required` there. A proto2 `required` field that is missing is a flaw.

mod compile;
#[cfg(test)]
mod tests;
mod walk;
mod want;

pub use compile::DescriptorError;
pub(super) use walk::read;
pub(super) use want::Plan;

/// One type of message, and all that it uses.
#[derive(Clone, Debug)]
pub struct Descriptor {
    /// The first is the type itself.
    messages: Box<[Message]>,
    enums: Box<[Enumeration]>,
    unknown_fields: bool,
}

impl Descriptor {
    /// The largest file of descriptors, in bytes.
    pub const MAX_BYTES: usize = 8 << 20;
    /// Types of messages that one type can use, itself included.
    pub const MAX_MESSAGES: usize = 1024;
    /// Fields of one type of message.
    pub const MAX_FIELDS: usize = 1024;

    /// Reads the type named `message` (`package.Type`) from a serialized `FileDescriptorSet`, as `protoc
    /// --descriptor_set_out --include_imports` writes it. Unknown fields are refused.
    ///
    /// # Errors
    /// It is no such set, lacks the type or one that it uses, is over a bound, or has something that is not supported:
    /// groups, editions.
    pub fn new(file_descriptor_set: &[u8], message: &str) -> Result<Self, DescriptorError> {
        compile::compile(file_descriptor_set, message)
    }

    /// The same, with fields that it does not know passed over (`true`) or refused.
    #[must_use]
    pub fn with_unknown_fields(self, unknown_fields: bool) -> Self {
        Self { unknown_fields, ..self }
    }

    fn message(&self, index: usize) -> &Message {
        self.messages.get(index).unwrap_or(Message::EMPTY)
    }

    /// The name of a value of an enumeration.
    fn name_of(&self, index: usize, number: i32) -> Option<&str> {
        let names = &self.enums.get(index)?.names;
        let found = names.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        names.get(found).map(|(_, name)| &**name)
    }
}

#[derive(Clone, Debug)]
struct Message {
    /// By number.
    fields: Vec<Member>,
    /// Places in `fields` of the members of each oneof.
    oneofs: Vec<Vec<usize>>,
    /// Places in `fields` of what proto2 requires.
    required: Vec<usize>,
}

impl Message {
    const EMPTY: &Self = &Self { fields: Vec::new(), oneofs: Vec::new(), required: Vec::new() };

    /// The field of a number, and its place.
    fn field(&self, number: u32) -> Option<(usize, &Member)> {
        // Most messages number their fields without a gap.
        let near = usize::try_from(number).ok()?.checked_sub(1)?;
        if let Some(field) = self.fields.get(near).filter(|field| field.number == number) {
            return Some((near, field));
        }
        let place = self.fields.binary_search_by_key(&number, |field| field.number).ok()?;
        self.fields.get(place).map(|field| (place, field))
    }
}

#[derive(Clone, Debug)]
struct Member {
    number: u32,
    name: Box<str>,
    kind: Kind,
    shape: Shape,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Int32,
    Int64,
    Uint32,
    Uint64,
    Sint32,
    Sint64,
    Fixed32,
    Fixed64,
    Sfixed32,
    Sfixed64,
    Float,
    Double,
    Bool,
    Text,
    Bytes,
    /// The enumeration of this place.
    Enum(usize),
    /// The message of this place.
    Message(usize),
}

/// How often a field can stand in a message, and what it is when it does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// Once; left out, it is zero or empty.
    Implicit,
    /// Once or not.
    Explicit,
    /// Once.
    Required,
    /// As [`Shape::Explicit`], and no other of the oneof of this place.
    OneOf(usize),
    Repeated,
    /// As [`Shape::Repeated`], of messages with a key (1) and a value (2).
    Map,
}

#[derive(Clone, Debug)]
struct Enumeration {
    /// By number; of aliases the first.
    names: Box<[(i32, Box<str>)]>,
}
