//! One metric.

use std::borrow::Cow;

use super::fault::bounded;
use super::shape::{self, Shape};
use super::{Datatype, FaultKind};
use crate::payload::wire::{Entry, Wire, flaw};
use crate::payload::{Flaw, FlawKind, Value};

/// A metric, as it stands in a payload.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Metric<'p> {
    /// Its name.
    pub name: Option<&'p str>,
    /// The number that stands for its name.
    pub alias: Option<u64>,
    /// When the value was taken, in milliseconds since 1970.
    pub timestamp: Option<u64>,
    /// Its type, where it says one.
    pub datatype: Option<Datatype>,
    /// Whether it tells of the past.
    pub is_historical: bool,
    /// Whether it has no value.
    pub is_null: bool,
    carried: Option<Carried<'p>>,
}

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Carried<'p> {
    Int(u32),
    Long(u64),
    Float(f64),
    Double(f64),
    Boolean(bool),
    Text(&'p str),
    Bytes(&'p [u8]),
    /// So many rows.
    DataSet(usize),
    /// So many metrics.
    Template(usize),
}

/// The metrics of a payload.
#[derive(Clone, Debug)]
pub struct Metrics<'p> {
    wire: Wire<'p>,
    max_depth: usize,
    /// How many values there may still be.
    left: usize,
}

impl<'p> Metrics<'p> {
    pub(super) fn new(wire: Wire<'p>, max_depth: usize, max_values: usize) -> Self {
        Self { wire, max_depth, left: max_values }
    }

    /// # Errors
    /// What is wrong with a metric; then nothing behind it is read.
    fn read(&mut self) -> Result<Option<Metric<'p>>, Flaw> {
        while let Some(entry) = self.wire.entry()? {
            if entry.number != 2 {
                continue;
            }
            // A list of metrics, and a metric.
            if self.max_depth < 3 {
                return Err(flaw(FlawKind::TooDeep, entry.at));
            }
            let mut metric = Metric::default();
            let read = self.metric(entry.inside()?, &mut metric);
            return match read {
                Ok(()) => Ok(Some(metric)),
                Err(flaw) => Err(Flaw { field: metric.name.map(bounded), ..flaw }),
            };
        }
        Ok(None)
    }

    fn metric(&mut self, mut wire: Wire<'p>, metric: &mut Metric<'p>) -> Result<(), Flaw> {
        // Bit n is field n.
        let mut seen = 0_u32;
        while let Some(entry) = wire.entry()? {
            self.left = self.left.checked_sub(1).ok_or_else(|| flaw(FlawKind::TooManyValues, entry.at))?;
            // All values are one field: the specification has them as a oneof.
            let field = if (10..=19).contains(&entry.number) { 10 } else { entry.number };
            let bit = 1_u32.checked_shl(field).unwrap_or(0);
            if seen & bit != 0 {
                return Err(flaw(FlawKind::DuplicateKey, entry.at));
            }
            seen |= bit;
            match entry.number {
                1 => metric.name = Some(entry.text()?),
                2 => metric.alias = Some(entry.varint()?),
                3 => metric.timestamp = Some(entry.varint()?),
                4 => {
                    let datatype = Datatype::of(entry.varint32()?);
                    metric.datatype = Some(datatype.ok_or_else(|| flaw(FlawKind::NumberRange, entry.at))?);
                }
                5 => metric.is_historical = entry.truth()?,
                6 => {
                    entry.truth()?;
                }
                7 => metric.is_null = entry.truth()?,
                8 => self.inside(&shape::METADATA, &entry, 0).map(drop)?,
                9 => self.inside(&shape::PROPERTY_SET, &entry, 0).map(drop)?,
                10..=19 => metric.carried = Some(self.carried(&entry)?),
                _ => {}
            }
        }
        Ok(())
    }

    fn carried(&mut self, entry: &Entry<'p>) -> Result<Carried<'p>, Flaw> {
        Ok(match entry.number {
            10 => Carried::Int(entry.varint32()?),
            11 => Carried::Long(entry.varint()?),
            12 => Carried::Float(entry.float()?),
            13 => Carried::Double(entry.double()?),
            14 => Carried::Boolean(entry.truth()?),
            15 => Carried::Text(entry.text()?),
            16 => Carried::Bytes(entry.inside()?.bytes()),
            17 => Carried::DataSet(self.inside(&shape::DATA_SET, entry, shape::ROWS)?),
            18 => Carried::Template(self.inside(&shape::TEMPLATE, entry, shape::MEMBERS)?),
            _ => return Err(flaw(FlawKind::Unsupported, entry.at)),
        })
    }

    /// Judges what lies inside of a metric, and counts the fields of one number.
    fn inside(&mut self, shape: &Shape, entry: &Entry<'p>, counted: u32) -> Result<usize, Flaw> {
        // The payload, its metrics, the metric.
        let depth = self.max_depth.saturating_sub(3);
        shape.judge(entry.inside()?, counted, depth, &mut self.left)
    }
}

impl<'p> Iterator for Metrics<'p> {
    type Item = Result<Metric<'p>, Flaw>;

    fn next(&mut self) -> Option<Self::Item> {
        let read = self.read().transpose();
        if matches!(read, Some(Err(_))) {
            self.wire = Wire::new(&[]);
        }
        read
    }
}

impl<'p> Metric<'p> {
    /// Its value, as `datatype` reads it; where that is not known, as far as there is but one reading.
    ///
    /// `int_value` of `Int8` and `Int16` is taken as the two's complement of so many bits or of 32, since encoders differ;
    /// `UInt32` in `int_value` or `long_value`, likewise. An array is its bytes, a table the list of its rows, a template an
    /// object.
    ///
    /// # Errors
    /// It has none and is not null, or both; it is not carried as its datatype is, or out of its range; its datatype is
    /// not known and matters.
    pub fn value(&self, datatype: Option<Datatype>) -> Result<Value<'p>, FaultKind> {
        let carried = match (self.carried, self.is_null) {
            (Some(carried), false) => carried,
            (None, true) => return Ok(Value::Null),
            (None, false) => return Err(FaultKind::NoValue),
            (Some(_), true) => return Err(FaultKind::NullWithValue),
        };
        match datatype {
            Some(datatype) => carried.by(datatype),
            None => carried.alone(),
        }
    }

    /// A whole number without a sign, whatever it says of its type.
    pub(super) fn unsigned(&self) -> Option<u64> {
        match self.carried? {
            Carried::Int(value) => Some(value.into()),
            Carried::Long(value) => Some(value),
            Carried::Float(_) | Carried::Double(_) | Carried::Boolean(_) | Carried::Text(_) | Carried::Bytes(_) => None,
            Carried::DataSet(_) | Carried::Template(_) => None,
        }
    }
}

impl<'p> Carried<'p> {
    fn by(self, datatype: Datatype) -> Result<Value<'p>, FaultKind> {
        use Datatype as D;
        let array = |bytes: &'p [u8]| match datatype.item_bytes() {
            Some(size) if !bytes.len().is_multiple_of(size) => Err(FaultKind::ValueRange),
            Some(_) | None => Ok(Value::Bytes(bytes)),
        };
        match (datatype, self) {
            (D::Int8, Self::Int(value)) => signed(value, 8),
            (D::Int16, Self::Int(value)) => signed(value, 16),
            (D::Int32, Self::Int(value)) => Ok(Value::Integer(value.cast_signed().into())),
            (D::Int64, Self::Long(value)) => Ok(Value::Integer(value.cast_signed().into())),
            (D::UInt8, Self::Int(value)) => unsigned(value.into(), u8::MAX.into()),
            (D::UInt16, Self::Int(value)) => unsigned(value.into(), u16::MAX.into()),
            (D::UInt32, Self::Int(value)) => Ok(Value::Integer(value.into())),
            (D::UInt32, Self::Long(value)) => unsigned(value, u32::MAX.into()),
            (D::UInt64 | D::DateTime, Self::Long(value)) => Ok(Value::Integer(value.into())),
            (D::Float, Self::Float(value)) | (D::Double, Self::Double(value)) => Ok(Value::Float(value)),
            (D::Boolean, Self::Boolean(value)) => Ok(Value::Bool(value)),
            (D::String | D::Text | D::UUID, Self::Text(text)) => Ok(Value::Text(Cow::Borrowed(text))),
            (D::Bytes | D::File, Self::Bytes(bytes)) => Ok(Value::Bytes(bytes)),
            (D::Int8Array | D::Int16Array | D::Int32Array | D::Int64Array, Self::Bytes(bytes))
            | (D::UInt8Array | D::UInt16Array | D::UInt32Array | D::UInt64Array, Self::Bytes(bytes))
            | (D::FloatArray | D::DoubleArray | D::DateTimeArray, Self::Bytes(bytes))
            | (D::BooleanArray | D::StringArray, Self::Bytes(bytes)) => array(bytes),
            (D::DataSet, Self::DataSet(rows)) => Ok(Value::List(rows)),
            (D::Template, Self::Template(members)) => Ok(Value::Object(members)),
            _ => Err(FaultKind::ValueType),
        }
    }

    /// What it is to every reader, whichever datatype that knows of.
    fn alone(self) -> Result<Value<'p>, FaultKind> {
        // The least whole number that some datatype reads as negative.
        const NEGATIVE: u64 = 0x80;
        match self {
            Self::Int(value) if u64::from(value) < NEGATIVE => Ok(Value::Integer(value.into())),
            // Of 64 bits in any case, or UInt32.
            Self::Long(value) if i64::try_from(value).is_ok() => Ok(Value::Integer(value.into())),
            Self::Int(_) | Self::Long(_) => Err(FaultKind::Datatype),
            Self::Float(value) | Self::Double(value) => Ok(Value::Float(value)),
            Self::Boolean(value) => Ok(Value::Bool(value)),
            Self::Text(text) => Ok(Value::Text(Cow::Borrowed(text))),
            Self::Bytes(bytes) => Ok(Value::Bytes(bytes)),
            Self::DataSet(rows) => Ok(Value::List(rows)),
            Self::Template(members) => Ok(Value::Object(members)),
        }
    }
}

/// The two's complement of so many bits, or of 32.
fn signed<'p>(value: u32, bits: u32) -> Result<Value<'p>, FaultKind> {
    let shift = u32::BITS - bits;
    let extended = (value << shift).cast_signed() >> shift;
    if value >> bits == 0 || value == extended.cast_unsigned() {
        Ok(Value::Integer(extended.into()))
    } else {
        Err(FaultKind::ValueRange)
    }
}

fn unsigned<'p>(value: u64, max: u64) -> Result<Value<'p>, FaultKind> {
    if value <= max { Ok(Value::Integer(value.into())) } else { Err(FaultKind::ValueRange) }
}
