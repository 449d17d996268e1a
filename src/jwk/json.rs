//! JSON as a token or a key set may have it: of bounded depth and width, no name twice in one object.
//!
//! What a name means must not hang on which of two equal names a reader takes.

use std::fmt;

use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use zeroize::Zeroizing;

const MAX_DEPTH: usize = 16;
const MAX_MEMBERS: usize = 256;
const MAX_ITEMS: usize = 1024;

/// A value, wiped when dropped where it is text.
pub(crate) enum Json {
    Null,
    Bool(bool),
    Integer(i128),
    /// With a fraction or an exponent, or too large for 64 bits.
    Float(f64),
    Text(Zeroizing<Box<str>>),
    List(Vec<Self>),
    Object(Object),
}

/// Names and values, in the order of the text.
#[derive(Default)]
pub(crate) struct Object(pub(crate) Vec<(Box<str>, Json)>);

impl Object {
    /// Reads a text that is one object and nothing else; none where it is not, or is out of bounds.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let mut reader = serde_json::Deserializer::from_slice(text);
        let value = Depth(0).deserialize(&mut reader).ok()?;
        reader.end().ok()?;
        value.into_object()
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Json> {
        self.0.iter().find(|(known, _)| **known == *name).map(|(_, value)| value)
    }

    /// A text; an error where the value is of another type.
    pub(crate) fn text(&self, name: &'static str) -> Result<Option<&str>, WrongType> {
        self.get(name).map(|value| value.as_text().ok_or(WrongType(name))).transpose()
    }
}

/// The member that is not what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WrongType(pub(crate) &'static str);

impl Json {
    pub(crate) fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    pub(crate) fn into_object(self) -> Option<Object> {
        if let Self::Object(object) = self { Some(object) } else { None }
    }

    /// A list of texts; a single text is a list of one.
    pub(crate) fn texts(&self) -> Option<Vec<&str>> {
        if let Self::List(items) = self {
            items.iter().map(Self::as_text).collect()
        } else {
            self.as_text().map(|t| vec![t])
        }
    }
}

/// How many lists and objects are around a value.
#[derive(Clone, Copy)]
struct Depth(usize);

impl Depth {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        if self.0 < MAX_DEPTH { Ok(Self(self.0 + 1)) } else { Err(E::custom("too deep")) }
    }
}

impl<'de> DeserializeSeed<'de> for Depth {
    type Value = Json;

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<Json, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Depth {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Integer(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Integer(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(Zeroizing::new(value.into())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json, A::Error> {
        let depth = self.deeper()?;
        let mut items = Vec::new();
        while let Some(item) = list.next_element_seed(depth)? {
            if items.len() == MAX_ITEMS {
                return Err(A::Error::custom("too many items"));
            }
            items.push(item);
        }
        Ok(Json::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let depth = self.deeper()?;
        let mut object = Object::default();
        while let Some(name) = map.next_key::<Box<str>>()? {
            if object.0.len() == MAX_MEMBERS || object.get(&name).is_some() {
                return Err(A::Error::custom("too many members, or a name twice"));
            }
            object.0.push((name, map.next_value_seed(depth)?));
        }
        Ok(Json::Object(object))
    }
}
