//! What lies inside of a metric and no rule looks at: judged to be what it must be, all the way down.

use crate::payload::wire::{Raw, Wire, flaw};
use crate::payload::{Flaw, FlawKind};

/// The fields of one type of message. Others are passed over: the specification leaves them to be extended.
pub(super) struct Shape(&'static [(u32, Kind)]);

enum Kind {
    Uint32,
    Uint64,
    Fixed32,
    Fixed64,
    Truth,
    Text,
    Bytes,
    Message(&'static Shape),
}

/// The field of a [`DATA_SET`] that holds its rows.
pub(super) const ROWS: u32 = 4;
/// The field of a [`TEMPLATE`] that holds its metrics.
pub(super) const MEMBERS: u32 = 2;

pub(super) static METADATA: Shape = Shape(&[
    (1, Kind::Truth),
    (2, Kind::Text),
    (3, Kind::Uint64),
    (4, Kind::Uint64),
    (5, Kind::Text),
    (6, Kind::Text),
    (7, Kind::Text),
    (8, Kind::Text),
]);

pub(super) static PROPERTY_SET: Shape = Shape(&[(1, Kind::Text), (2, Kind::Message(&PROPERTY_VALUE))]);

static PROPERTY_VALUE: Shape = Shape(&[
    (1, Kind::Uint32),
    (2, Kind::Truth),
    (3, Kind::Uint32),
    (4, Kind::Uint64),
    (5, Kind::Fixed32),
    (6, Kind::Fixed64),
    (7, Kind::Truth),
    (8, Kind::Text),
    (9, Kind::Message(&PROPERTY_SET)),
    (10, Kind::Message(&PROPERTY_SETS)),
]);

static PROPERTY_SETS: Shape = Shape(&[(1, Kind::Message(&PROPERTY_SET))]);

pub(super) static DATA_SET: Shape =
    Shape(&[(1, Kind::Uint64), (2, Kind::Text), (3, Kind::Uint32), (ROWS, Kind::Message(&ROW))]);

static ROW: Shape = Shape(&[(1, Kind::Message(&CELL))]);

static CELL: Shape = Shape(&[
    (1, Kind::Uint32),
    (2, Kind::Uint64),
    (3, Kind::Fixed32),
    (4, Kind::Fixed64),
    (5, Kind::Truth),
    (6, Kind::Text),
]);

pub(super) static TEMPLATE: Shape = Shape(&[
    (1, Kind::Text),
    (MEMBERS, Kind::Message(&MEMBER)),
    (3, Kind::Message(&PARAMETER)),
    (4, Kind::Text),
    (5, Kind::Truth),
]);

static PARAMETER: Shape = Shape(&[
    (1, Kind::Text),
    (2, Kind::Uint32),
    (3, Kind::Uint32),
    (4, Kind::Uint64),
    (5, Kind::Fixed32),
    (6, Kind::Fixed64),
    (7, Kind::Truth),
    (8, Kind::Text),
]);

/// A metric of a template.
static MEMBER: Shape = Shape(&[
    (1, Kind::Text),
    (2, Kind::Uint64),
    (3, Kind::Uint64),
    (4, Kind::Uint32),
    (5, Kind::Truth),
    (6, Kind::Truth),
    (7, Kind::Truth),
    (8, Kind::Message(&METADATA)),
    (9, Kind::Message(&PROPERTY_SET)),
    (10, Kind::Uint32),
    (11, Kind::Uint64),
    (12, Kind::Fixed32),
    (13, Kind::Fixed64),
    (14, Kind::Truth),
    (15, Kind::Text),
    (16, Kind::Bytes),
    (17, Kind::Message(&DATA_SET)),
    (18, Kind::Message(&TEMPLATE)),
]);

impl Shape {
    /// Judges a message that may have `depth` − 1 others inside each other, and returns how many fields of the number
    /// `counted` it has.
    pub(super) fn judge(
        &self,
        mut wire: Wire<'_>,
        counted: u32,
        depth: usize,
        left: &mut usize,
    ) -> Result<usize, Flaw> {
        let deeper = depth.checked_sub(1).ok_or_else(|| flaw(FlawKind::TooDeep, wire.at()))?;
        let mut count = 0;
        while let Some(entry) = wire.entry()? {
            let mut spend = |at| {
                *left = left.checked_sub(1).ok_or_else(|| flaw(FlawKind::TooManyValues, at))?;
                Ok(())
            };
            spend(entry.at)?;
            count += usize::from(entry.number == counted);
            let Some((_, kind)) = self.0.iter().find(|(number, _)| *number == entry.number) else { continue };
            match (kind, entry.raw) {
                // The one list of numbers, the types of a table's columns, may be packed.
                (Kind::Uint32, Raw::Bytes(mut packed)) => {
                    while !packed.is_empty() {
                        let at = packed.at();
                        spend(at)?;
                        u32::try_from(packed.varint()?).map_err(|_| flaw(FlawKind::NumberRange, at))?;
                    }
                }
                (Kind::Uint32, _) => drop(entry.varint32()?),
                (Kind::Uint64, _) => drop(entry.varint()?),
                (Kind::Fixed32, _) => drop(entry.fixed32()?),
                (Kind::Fixed64, _) => drop(entry.fixed64()?),
                (Kind::Truth, _) => drop(entry.truth()?),
                (Kind::Text, _) => drop(entry.text()?),
                (Kind::Bytes, _) => drop(entry.inside()?),
                (Kind::Message(shape), _) => drop(shape.judge(entry.inside()?, 0, deeper, left)?),
            }
        }
        Ok(count)
    }
}
