//! The whole of a payload.

use super::metric::Metrics;
use crate::payload::wire::{Wire, flaw};
use crate::payload::{Flaw, FlawKind, Limits};

/// A payload of Sparkplug B. Its own fields are read; its metrics are as [`Payload::metrics`] comes to them.
#[derive(Clone, Copy, Debug)]
pub struct Payload<'p> {
    /// When it was sent, in milliseconds since 1970.
    pub timestamp: Option<u64>,
    /// Its number in the sequence of its edge node.
    pub seq: Option<u8>,
    /// What its `body` is.
    pub uuid: Option<&'p str>,
    /// Bytes of no known meaning.
    pub body: Option<&'p [u8]>,
    wire: Wire<'p>,
    limits: (usize, usize),
}

impl<'p> Payload<'p> {
    const MAX_SEQ: u64 = 255;

    /// Reads all but the metrics. Fields that the specification leaves to others are passed over.
    ///
    /// # Errors
    /// It is no message of Protobuf, has more values than permitted, a field twice or of another type than its own, or a
    /// `seq` above 255 [tck-id-payloads-sequence-num-incrementing].
    pub fn read(payload: &'p [u8], limits: &Limits) -> Result<Self, Flaw> {
        let mut wire = Wire::new(payload);
        let mut read = Self {
            timestamp: None,
            seq: None,
            uuid: None,
            body: None,
            wire,
            limits: (limits.max_depth, limits.max_values),
        };
        let mut values = 0;
        while let Some(entry) = wire.entry()? {
            values += 1;
            if values > limits.max_values {
                return Err(flaw(FlawKind::TooManyValues, entry.at));
            }
            let twice = match entry.number {
                1 => read.timestamp.replace(entry.varint()?).is_some(),
                2 => {
                    entry.inside()?;
                    false
                }
                3 => {
                    let seq = Some(entry.varint()?).filter(|seq| *seq <= Self::MAX_SEQ);
                    let seq = seq.and_then(|seq| u8::try_from(seq).ok());
                    let seq =
                        seq.ok_or_else(|| Flaw { field: Some("seq".into()), ..flaw(FlawKind::NumberRange, entry.at) })?;
                    read.seq.replace(seq).is_some()
                }
                4 => read.uuid.replace(entry.text()?).is_some(),
                5 => read.body.replace(entry.inside()?.bytes()).is_some(),
                _ => false,
            };
            if twice {
                return Err(flaw(FlawKind::DuplicateKey, entry.at));
            }
        }
        Ok(read)
    }

    /// Its metrics, each judged as it is come to. A payload is what it must be when all of them are.
    #[must_use]
    pub fn metrics(&self) -> Metrics<'p> {
        let (max_depth, max_values) = self.limits;
        Metrics::new(self.wire, max_depth, max_values)
    }
}
