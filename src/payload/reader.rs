//! Reads the values that are wanted, and judges all the rest by the way.

use super::{Field, Flaw, FlawKind, Format, Limits, Value, protobuf};

/// Fields that one [`Reader`] can want.
pub const MAX_FIELDS: usize = 32;

/// What a payload must be, and what is wanted of it.
#[derive(Debug)]
pub struct Reader {
    format: Format,
    limits: Limits,
    fields: Box<[Field]>,
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
        let plan = if let Format::Protobuf(descriptor) = &format {
            Some(protobuf::Plan::new(descriptor, fields)?)
        } else {
            None
        };
        Ok(Self { format, limits, fields: fields.into(), plan })
    }

    /// Judges a payload and finds what is wanted of it.
    ///
    /// # Errors
    /// What is wrong with it; then what was found means nothing.
    pub fn read<'p>(&'p self, payload: &'p [u8], found: &mut Found<'p>) -> Result<(), Flaw> {
        found.clear(u32::MAX);
        if let (Format::Protobuf(descriptor), Some(plan)) = (&self.format, &self.plan) {
            return protobuf::read(descriptor, plan, &self.limits, payload, found);
        }
        let (_, _, _) = (&self.format, &self.limits, &self.fields);
        let (_, _) = (payload, found);
        Err(Flaw::new(FlawKind::Syntax))
    }
}

/// The values of the fields that were wanted, in their order.
#[derive(Debug)]
pub struct Found<'p> {
    values: [Option<Value<'p>>; MAX_FIELDS],
}

impl<'p> Found<'p> {
    /// Nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { values: [const { None }; MAX_FIELDS] }
    }

    /// The value of the field of this number; none where the payload has no such field.
    #[must_use]
    pub fn get(&self, field: usize) -> Option<&Value<'p>> {
        self.values.get(field)?.as_ref()
    }

    /// Sets the values of these fields, a bit each.
    pub(super) fn set(&mut self, mut fields: u32, value: &Value<'p>) {
        while fields != 0 {
            if let Some(place) = self.values.get_mut(fields.trailing_zeros() as usize) {
                *place = Some(value.clone());
            }
            fields &= fields - 1;
        }
    }

    /// Takes back the values of these fields, a bit each.
    pub(super) fn clear(&mut self, mut fields: u32) {
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
