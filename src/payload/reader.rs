//! Reads the values that are wanted, and judges all the rest by the way.

use super::binary;
use super::cbor::Cbor;
use super::json::Json;
use super::messagepack::MessagePack;
use super::tree::{Keep, Place, Tree};
use super::walk::{Sink, walk};
use super::{Field, Flaw, FlawKind, Format, Limits, Value, number, protobuf, text};

/// Fields that one [`Reader`] can want.
pub const MAX_FIELDS: usize = 32;

/// What a payload must be, and what is wanted of it.
#[derive(Debug)]
pub struct Reader {
    format: Format,
    limits: Limits,
    tree: Tree,
    /// The fields, held against the descriptor of Protobuf.
    plan: Option<protobuf::Plan>,
}

/// Why there can be no such [`Reader`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReaderError {
    /// More than [`MAX_FIELDS`].
    #[error("more than {MAX_FIELDS} fields")]
    TooMany,
    /// The format can't have such a field.
    #[error("the format has no field `{0}`")]
    NoSuchField(Field),
}

impl Reader {
    /// Prepares for reading payloads of one format.
    ///
    /// # Errors
    /// Too many fields, or one that no payload of this format can have.
    pub fn new(format: Format, limits: Limits, fields: &[Field]) -> Result<Self, ReaderError> {
        if fields.len() > MAX_FIELDS {
            return Err(ReaderError::TooMany);
        }
        let possible = |field: &&Field| match &format {
            Format::Json | Format::Cbor | Format::MessagePack | Format::Protobuf(_) => true,
            Format::Text | Format::Number => field.steps().is_empty(),
            Format::Binary(layout) => layout.has(field),
        };
        if let Some(field) = fields.iter().find(|field| !possible(field)) {
            return Err(ReaderError::NoSuchField(field.clone()));
        }
        let plan = match &format {
            Format::Protobuf(descriptor) => Some(protobuf::Plan::new(descriptor, fields)?),
            Format::Json | Format::Cbor | Format::MessagePack | Format::Text | Format::Number | Format::Binary(_) => {
                None
            }
        };
        let tree = Tree::new(fields);
        Ok(Self { format, limits, tree, plan })
    }

    /// Judges a payload and finds what is wanted of it.
    ///
    /// Asks for memory only for a wanted text that is written with escapes or in pieces, for an object of so many
    /// members that their names must be sorted, for a name with escapes that is longer than 128 bytes, and for a flaw.
    ///
    /// # Errors
    /// What is wrong with it; then what was found means nothing.
    pub fn read<'p>(&'p self, payload: &'p [u8], found: &mut Found<'p>) -> Result<(), Flaw> {
        found.clear(u32::MAX);
        if let (Format::Protobuf(descriptor), Some(plan)) = (&self.format, &self.plan) {
            return protobuf::read(descriptor, plan, &self.limits, payload, found);
        }
        let mut keep = Keep { tree: &self.tree, found, last_counts: self.limits.allow_duplicates };
        match &self.format {
            Format::Json => walk(Json::new(payload)?, &mut keep, &self.limits, Place::WHOLE),
            Format::Cbor => walk(Cbor::new(payload), &mut keep, &self.limits, Place::WHOLE),
            Format::MessagePack => walk(MessagePack::new(payload), &mut keep, &self.limits, Place::WHOLE),
            Format::Text => {
                keep.found(Place::WHOLE, &Value::Text(text::utf8(payload)?.into()));
                Ok(())
            }
            Format::Number => {
                let value = number::whole(text::utf8(payload)?)?;
                keep.scalar(Place::WHOLE, value).map_err(Flaw::new)
            }
            Format::Binary(layout) => binary::read(layout, payload, &mut keep),
            Format::Protobuf(_) => Err(Flaw::new(FlawKind::Unsupported)),
        }
    }
}

/// The values of the fields that were wanted, in their order.
#[derive(Debug)]
pub struct Found<'p> {
    values: [Option<Value<'p>>; MAX_FIELDS],
    /// Which there are, a bit each.
    some: u32,
}

impl<'p> Found<'p> {
    /// Nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { values: [const { None }; MAX_FIELDS], some: 0 }
    }

    /// The value of the field of this number; none where the payload has no such field.
    #[must_use]
    pub fn get(&self, field: usize) -> Option<&Value<'p>> {
        self.values.get(field)?.as_ref()
    }

    /// Sets the values of these fields, a bit each.
    #[inline]
    pub(super) fn set(&mut self, mut fields: u32, value: &Value<'p>) {
        self.some |= fields;
        while fields != 0 {
            if let Some(place) = self.values.get_mut(fields.trailing_zeros() as usize) {
                *place = Some(value.clone());
            }
            fields &= fields - 1;
        }
    }

    /// Takes back the values of these fields, a bit each.
    #[inline]
    pub(super) fn clear(&mut self, fields: u32) {
        let mut fields = fields & self.some;
        self.some &= !fields;
        while fields != 0 {
            if let Some(place) = self.values.get_mut(fields.trailing_zeros() as usize) {
                *place = None;
            }
            fields &= fields - 1;
        }
    }
}

impl Default for Found<'_> {
    fn default() -> Self {
        Self::new()
    }
}
