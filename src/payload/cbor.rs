//! CBOR (RFC 8949).
//!
//! A tag changes what its content means, so none is passed over in silence: a time (0, 1) is read as the text or number
//! that it holds, the mark of CBOR itself (55799) may stand around the whole, all others are refused. So are `undefined`,
//! simple values without a meaning, and bytes in pieces.

use super::FlawKind;
use super::bytes::Bytes;
use super::text::Text;
use super::walk::{Item, Open, Scalar, Source, Stop, stop};

/// "This is CBOR", and nothing else.
const SELF_DESCRIBED: u64 = 55799;

/// Ends what has no length.
const BREAK: u8 = 0xFF;

/// A reader of one CBOR item.
pub(super) struct Cbor<'p> {
    bytes: Bytes<'p>,
}

/// Major types.
mod major {
    pub(super) const UNSIGNED: u8 = 0;
    pub(super) const NEGATIVE: u8 = 1;
    pub(super) const BYTES: u8 = 2;
    pub(super) const TEXT: u8 = 3;
    pub(super) const LIST: u8 = 4;
    pub(super) const MAP: u8 = 5;
    pub(super) const TAG: u8 = 6;
}

impl<'p> Cbor<'p> {
    pub(super) const fn new(payload: &'p [u8]) -> Self {
        Self { bytes: Bytes::new(payload) }
    }

    /// Major type and argument; none is "indefinite length".
    #[inline]
    fn head(&mut self) -> Result<(u8, Option<u64>), Stop> {
        let first = self.bytes.byte()?;
        let (major, short) = (first >> 5, first & 0x1F);
        if short < 24 { Ok((major, Some(u64::from(short)))) } else { Ok((major, self.argument(major, short)?)) }
    }

    /// The argument that follows a head.
    fn argument(&mut self, major: u8, short: u8) -> Result<Option<u64>, Stop> {
        Ok(match short {
            24 => Some(u64::from(self.bytes.byte()?)),
            25 => Some(u64::from(u16::from_be_bytes(self.bytes.array()?))),
            26 => Some(u64::from(u32::from_be_bytes(self.bytes.array()?))),
            27 => Some(u64::from_be_bytes(self.bytes.array()?)),
            31 if (major::BYTES..=major::MAP).contains(&major) => None,
            _ => return Err(stop(FlawKind::Syntax, self.bytes.at - 1)),
        })
    }

    #[inline]
    fn text(&mut self, len: Option<u64>) -> Result<Text<'p>, Stop> {
        if let Some(len) = len {
            return Ok(Text::Plain(self.bytes.text(len)?));
        }
        self.pieces()
    }

    /// Text without a length, piece by piece.
    #[cold]
    fn pieces(&mut self) -> Result<Text<'p>, Stop> {
        let start = self.bytes.at;
        while self.bytes.peek() != Some(BREAK) {
            let piece = self.bytes.at;
            let (major::TEXT, Some(len)) = self.head()? else { return Err(stop(FlawKind::Syntax, piece)) };
            self.bytes.text(len)?;
        }
        let pieces = self.bytes.since(start);
        self.bytes.at += 1;
        Ok(Text::Chunks(pieces))
    }

    #[inline]
    fn nest(&self, count: Option<u64>, each: u64) -> Result<Open, Stop> {
        count.map_or(Ok(Open { left: None, first: true }), |count| self.bytes.several(count, each))
    }

    /// Major type 7.
    #[inline]
    fn simple(&mut self) -> Result<Scalar<'p>, Stop> {
        let start = self.bytes.at;
        let number = match self.bytes.byte()? {
            0xF4 => return Ok(Scalar::False),
            0xF5 => return Ok(Scalar::True),
            0xF6 => return Ok(Scalar::Null),
            0xF8 => {
                let known = self.bytes.byte()? < 32;
                return Err(stop(if known { FlawKind::Syntax } else { FlawKind::Unsupported }, start));
            }
            0xF9 => half(self.bytes.array()?),
            0xFA => f64::from(f32::from_be_bytes(self.bytes.array()?)),
            0xFB => f64::from_be_bytes(self.bytes.array()?),
            0xE0..=0xF7 => return Err(stop(FlawKind::Unsupported, start)),
            _ => return Err(stop(FlawKind::Syntax, start)),
        };
        if number.is_finite() { Ok(Scalar::Float(number)) } else { Err(stop(FlawKind::NumberRange, start)) }
    }

    /// What a tag is about, if it is one that is taken.
    #[cold]
    fn tagged(&mut self, start: usize, tag: u64) -> Result<Item<'p>, Stop> {
        let inner = self.bytes.at;
        if tag == SELF_DESCRIBED && start == 0 {
            return self.item();
        }
        if tag > 1 || self.bytes.peek().is_some_and(|first| first >> 5 == major::TAG) {
            return Err(stop(FlawKind::Unsupported, if tag > 1 { start } else { inner }));
        }
        let value = self.item()?;
        match (&value, tag) {
            (Item::Scalar(Scalar::Text(_)), 0) | (Item::Scalar(Scalar::Integer(_) | Scalar::Float(_)), 1) => Ok(value),
            _ => Err(stop(FlawKind::Syntax, inner)),
        }
    }

    /// Whether another value follows in what was opened.
    #[inline]
    fn follows(&mut self, open: &mut Open) -> Result<bool, Stop> {
        match &mut open.left {
            Some(0) => Ok(false),
            Some(left) => {
                *left -= 1;
                Ok(true)
            }
            None => match self.bytes.peek() {
                Some(BREAK) => {
                    self.bytes.at += 1;
                    Ok(false)
                }
                Some(_) => Ok(true),
                None => Err(self.bytes.stop(FlawKind::Truncated)),
            },
        }
    }
}

impl<'p> Source<'p> for Cbor<'p> {
    const HAS_ZEROS: bool = true;

    fn at(&self) -> usize {
        self.bytes.at
    }

    #[inline]
    fn item(&mut self) -> Result<Item<'p>, Stop> {
        let start = self.bytes.at;
        if self.bytes.peek().is_some_and(|first| first >= 0xE0) {
            return self.simple().map(Item::Scalar);
        }
        let (major, argument) = self.head()?;
        Ok(match (major, argument) {
            (major::UNSIGNED, Some(value)) => Item::Scalar(Scalar::Integer(i128::from(value))),
            (major::NEGATIVE, Some(value)) => Item::Scalar(Scalar::Integer(-1 - i128::from(value))),
            (major::BYTES, Some(len)) => Item::Scalar(Scalar::Bytes(self.bytes.take(len)?)),
            (major::TEXT, len) => Item::Scalar(Scalar::Text(self.text(len)?)),
            (major::LIST, count) => Item::List(self.nest(count, 1)?),
            (major::MAP, count) => Item::Object(self.nest(count, 2)?),
            (major::TAG, Some(tag)) => self.tagged(start, tag)?,
            _ => return Err(stop(FlawKind::Unsupported, start)),
        })
    }

    #[inline]
    fn another(&mut self, open: &mut Open) -> Result<bool, Stop> {
        self.follows(open)
    }

    #[inline]
    fn name(&mut self, open: &mut Open) -> Result<Option<Text<'p>>, Stop> {
        if !self.follows(open)? {
            return Ok(None);
        }
        let start = self.bytes.at;
        if self.bytes.peek().is_some_and(|first| first >> 5 > major::TEXT) {
            return Err(stop(FlawKind::KeyType, start));
        }
        let (major, argument) = self.head()?;
        match (major, argument) {
            (major::UNSIGNED, Some(number)) => Ok(Some(Text::Natural(number))),
            (major::NEGATIVE, Some(number)) => Ok(Some(Text::Negative(number))),
            (major::TEXT, len) => self.text(len).map(Some),
            _ => Err(stop(FlawKind::KeyType, start)),
        }
    }

    fn end(&mut self) -> Result<(), Stop> {
        self.bytes.end()
    }
}

/// The pieces of a text that is known to be well-formed.
pub(super) fn chunks(raw: &[u8]) -> impl Iterator<Item = &str> {
    let mut cbor = Cbor::new(raw);
    std::iter::from_fn(move || {
        let (_, len) = cbor.head().ok()?;
        cbor.bytes.text(len?).ok()
    })
}

/// A number of half precision (RFC 8949, appendix D).
fn half(bytes: [u8; 2]) -> f64 {
    let half = u16::from_be_bytes(bytes);
    let (exponent, mantissa) = (i32::from(half >> 10 & 0x1F), f64::from(half & 0x3FF));
    let value = match exponent {
        0 => mantissa * 2_f64.powi(-24),
        31 if mantissa == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (mantissa + 1024.0) * 2_f64.powi(exponent - 25),
    };
    if half & 0x8000 == 0 { value } else { -value }
}
