//! Payloads whose fields stand at fixed places.

use std::collections::HashSet;

use super::text::utf8;
use super::tree::{Keep, Place};
use super::walk::Sink as _;
use super::{Field, Flaw, FlawKind, Value};

/// Where each field stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    length: Length,
    fields: Box<[Slot]>,
}

/// How long a payload is, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// Neither more nor less.
    Exactly(usize),
    /// So many, or more; what is more is not looked at.
    AtLeast(usize),
}

/// Which byte of a number comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Endian {
    /// The most significant, as networks have it.
    #[default]
    Big,
    /// The least significant.
    Little,
}

/// What stands at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An unsigned integer of so many bytes: 1 to 8.
    Unsigned(u8),
    /// A signed integer, in two's complement, of so many bytes: 1 to 8.
    Signed(u8),
    /// An IEEE 754 number of 4 bytes.
    F32,
    /// An IEEE 754 number of 8 bytes.
    F64,
    /// A byte that is 0 or 1.
    Bool,
    /// UTF-8 in so many bytes; zeros at its end are no part of it, and it has no others.
    Text(usize),
    /// So many bytes as they are.
    Bytes(usize),
    /// Bits of an unsigned integer, which is as few bytes as hold them: so many bits over the lowest are left out, and
    /// so many are taken. 64 together at most.
    Bits {
        /// Bits below.
        first: u8,
        /// Bits of the field: 1 to 64.
        count: u8,
    },
}

impl Kind {
    /// Bytes that it takes; none where there is no such kind.
    #[must_use]
    pub fn bytes(self) -> Option<usize> {
        match self {
            Self::Unsigned(bytes @ 1..=8) | Self::Signed(bytes @ 1..=8) => Some(usize::from(bytes)),
            Self::Unsigned(_) | Self::Signed(_) => None,
            Self::F32 => Some(4),
            Self::F64 => Some(8),
            Self::Bool => Some(1),
            Self::Text(bytes) | Self::Bytes(bytes) => (bytes > 0).then_some(bytes),
            Self::Bits { first: 0..64, count: 0 | 65.. } | Self::Bits { first: 64.., .. } => None,
            Self::Bits { first, count } => Some(usize::from(first + count).div_ceil(8)).filter(|bytes| *bytes <= 8),
        }
    }

    const fn is_number(self) -> bool {
        match self {
            Self::Unsigned(_) | Self::Signed(_) | Self::F32 | Self::F64 | Self::Bits { .. } => true,
            Self::Bool | Self::Text(_) | Self::Bytes(_) => false,
        }
    }
}

/// A field and its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Slot {
    /// Its name, unescaped.
    pub name: Box<str>,
    /// Its first byte.
    pub offset: usize,
    /// What stands there.
    pub kind: Kind,
    /// The order of its bytes.
    pub endian: Endian,
    /// What its number is multiplied with.
    pub scale: f64,
    /// What is added after that.
    pub add: f64,
}

/// Why a [`Layout`] can't be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// More than [`Layout::MAX_FIELDS`].
    #[error("more than {} fields", Layout::MAX_FIELDS)]
    TooMany,
    /// A length of more than [`Layout::MAX_BYTES`].
    #[error("a length of more than {} bytes", Layout::MAX_BYTES)]
    TooLong,
    /// Two fields of one name.
    #[error("two fields are named `{0}`")]
    Twice(Box<str>),
    /// A field that is no kind, or takes no bytes or bits.
    #[error("`{0}` has a size that there is not")]
    Size(Box<str>),
    /// A field that ends behind the payload.
    #[error("`{0}` ends behind the payload")]
    Outside(Box<str>),
    /// Scale or sum of a field that is no number, or that are none themselves.
    #[error("`{0}` can't be scaled so")]
    Scale(Box<str>),
}

impl Layout {
    /// Fields of one layout.
    pub const MAX_FIELDS: usize = 256;

    /// The longest payload that is laid out: what MQTT can carry.
    pub const MAX_BYTES: usize = 268_435_455;

    /// Checks a layout.
    ///
    /// # Errors
    /// No payload can be of it.
    pub fn new(length: Length, fields: Vec<Slot>) -> Result<Self, LayoutError> {
        let (Length::Exactly(bytes) | Length::AtLeast(bytes)) = length;
        if fields.len() > Self::MAX_FIELDS {
            return Err(LayoutError::TooMany);
        }
        if bytes > Self::MAX_BYTES {
            return Err(LayoutError::TooLong);
        }
        let mut names = HashSet::new();
        for Slot { name, offset, kind, scale, add, .. } in &fields {
            if !names.insert(name) {
                return Err(LayoutError::Twice(name.clone()));
            }
            let size = kind.bytes().ok_or_else(|| LayoutError::Size(name.clone()))?;
            if offset.checked_add(size).is_none_or(|end| end > bytes) {
                return Err(LayoutError::Outside(name.clone()));
            }
            let scaled = !is(*scale, 1.0) || !is(*add, 0.0);
            if !scale.is_finite() || is(*scale, 0.0) || !add.is_finite() || scaled && !kind.is_number() {
                return Err(LayoutError::Scale(name.clone()));
            }
        }
        Ok(Self { length, fields: fields.into() })
    }

    /// Whether there is such a field.
    pub(super) fn has(&self, field: &Field) -> bool {
        matches!(field.steps(), [name] if self.fields.iter().any(|slot| slot.name == *name))
    }
}

/// Reads the fields that are wanted; those alone are judged.
pub(super) fn read<'p>(layout: &Layout, payload: &'p [u8], keep: &mut Keep<'_, 'p>) -> Result<(), Flaw> {
    let fits = match layout.length {
        Length::Exactly(bytes) => payload.len() == bytes,
        Length::AtLeast(bytes) => payload.len() >= bytes,
    };
    if !fits {
        return Err(Flaw::new(FlawKind::WrongLength));
    }
    for slot in &layout.fields {
        let place = keep.member(Place::WHOLE, &slot.name);
        if keep.wants(place) {
            let value = slot
                .value(payload)
                .map_err(|flaw| Flaw { at: Some(slot.offset + flaw.at.unwrap_or(0)), ..flaw }.within(&slot.name))?;
            keep.found(place, &value);
        }
    }
    Ok(())
}

impl Slot {
    fn value<'p>(&self, payload: &'p [u8]) -> Result<Value<'p>, Flaw> {
        let size = self.kind.bytes().unwrap_or(0);
        let bytes = payload.get(self.offset..).and_then(|rest| rest.get(..size));
        let bytes = bytes.ok_or(Flaw::new(FlawKind::WrongLength))?;
        let raw = || self.unsigned(bytes);
        Ok(match self.kind {
            Kind::Unsigned(_) => self.scaled(i128::from(raw()))?,
            Kind::Signed(bytes) => {
                let unused = 64 - 8 * u32::from(bytes.min(8));
                self.scaled(i128::from((raw() << unused).cast_signed() >> unused))?
            }
            Kind::Bits { first, count } => {
                let mask = u64::MAX >> (64 - u32::from(count.clamp(1, 64)));
                self.scaled(i128::from(raw() >> first.min(63) & mask))?
            }
            Kind::F32 => {
                let bits = u32::try_from(raw()).unwrap_or(u32::MAX);
                self.float(f64::from(f32::from_bits(bits)))?
            }
            Kind::F64 => self.float(f64::from_bits(raw()))?,
            Kind::Bool => match raw() {
                0 => Value::Bool(false),
                1 => Value::Bool(true),
                _ => return Err(Flaw::new(FlawKind::NumberRange)),
            },
            Kind::Text(_) => {
                let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
                let text = utf8(bytes.get(..end).unwrap_or_default())?;
                match text.find('\0') {
                    Some(at) => return Err(Flaw { what: FlawKind::Syntax, at: Some(at), field: None }),
                    None => Value::Text(text.into()),
                }
            }
            Kind::Bytes(_) => Value::Bytes(bytes),
        })
    }

    fn unsigned(&self, bytes: &[u8]) -> u64 {
        let add = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
        match self.endian {
            Endian::Big => bytes.iter().fold(0, add),
            Endian::Little => bytes.iter().rev().fold(0, add),
        }
    }

    /// An integer stays one unless it is scaled.
    fn scaled<'p>(&self, value: i128) -> Result<Value<'p>, Flaw> {
        if is(self.scale, 1.0) && is(self.add, 0.0) {
            return Ok(Value::Integer(value));
        }
        #[expect(clippy::cast_precision_loss, reason = "a scaled number is a double")]
        self.float(value as f64)
    }

    /// A scale that is one over a whole number divides by that: 3 × 0.1 is then what `0.3` is.
    fn float<'p>(&self, value: f64) -> Result<Value<'p>, Flaw> {
        let over = (1.0 / self.scale).round();
        let scaled = if is(1.0 / over, self.scale) { value / over } else { value * self.scale };
        let value = scaled + self.add;
        if value.is_finite() { Ok(Value::Float(value)) } else { Err(Flaw::new(FlawKind::NumberRange)) }
    }
}

/// Equal to the last bit, but for the sign of zero.
fn is(one: f64, other: f64) -> bool {
    one.total_cmp(&other).is_eq() || one.abs() + other.abs() == 0.0
}
