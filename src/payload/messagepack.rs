//! MessagePack. Extension types, timestamps among them, are refused.

use super::FlawKind;
use super::bytes::Bytes;
use super::text::Text;
use super::walk::{Item, Open, Scalar, Source, Stop, stop};

/// A reader of one MessagePack object.
pub(super) struct MessagePack<'p> {
    bytes: Bytes<'p>,
}

impl<'p> MessagePack<'p> {
    pub(super) const fn new(payload: &'p [u8]) -> Self {
        Self { bytes: Bytes::new(payload) }
    }

    fn u8(&mut self) -> Result<u64, Stop> {
        self.bytes.byte().map(u64::from)
    }

    fn u16(&mut self) -> Result<u64, Stop> {
        Ok(u64::from(u16::from_be_bytes(self.bytes.array()?)))
    }

    fn u32(&mut self) -> Result<u64, Stop> {
        Ok(u64::from(u32::from_be_bytes(self.bytes.array()?)))
    }

    /// An integer, if this byte begins one: whether it is negative, and itself or -1 less it.
    fn integer(&mut self, first: u8) -> Result<Option<(bool, u64)>, Stop> {
        let signed =
            |value: i64| if value < 0 { (true, !value.cast_unsigned()) } else { (false, value.cast_unsigned()) };
        Ok(Some(match first {
            0x00..=0x7F => (false, u64::from(first)),
            0xE0..=0xFF => signed(i64::from(first.cast_signed())),
            0xCC => (false, self.u8()?),
            0xCD => (false, self.u16()?),
            0xCE => (false, self.u32()?),
            0xCF => (false, u64::from_be_bytes(self.bytes.array()?)),
            0xD0 => signed(i64::from(i8::from_be_bytes(self.bytes.array()?))),
            0xD1 => signed(i64::from(i16::from_be_bytes(self.bytes.array()?))),
            0xD2 => signed(i64::from(i32::from_be_bytes(self.bytes.array()?))),
            0xD3 => signed(i64::from_be_bytes(self.bytes.array()?)),
            _ => return Ok(None),
        }))
    }

    /// Text of 32 bytes or more, if this byte begins one.
    fn text(&mut self, first: u8) -> Result<Option<Text<'p>>, Stop> {
        let len = match first {
            0xD9 => self.u8()?,
            0xDA => self.u16()?,
            0xDB => self.u32()?,
            _ => return Ok(None),
        };
        Ok(Some(Text::Plain(self.bytes.text(len)?)))
    }

    #[inline]
    fn several(&self, count: u64, each: u64) -> Result<Open, Stop> {
        self.bytes.several(count, each)
    }
}

impl<'p> Source<'p> for MessagePack<'p> {
    const HAS_ZEROS: bool = true;

    fn at(&self) -> usize {
        self.bytes.at
    }

    #[inline]
    fn item(&mut self) -> Result<Item<'p>, Stop> {
        let start = self.bytes.at;
        let first = self.bytes.byte()?;
        let finite = |value: f64| {
            if value.is_finite() { Ok(Scalar::Float(value)) } else { Err(stop(FlawKind::NumberRange, start)) }
        };
        Ok(Item::Scalar(match first {
            0xA0..=0xBF => Scalar::Text(Text::Plain(self.bytes.text(u64::from(first & 0x1F))?)),
            0x80..=0x8F => return Ok(Item::Object(self.several(u64::from(first & 0x0F), 2)?)),
            0x90..=0x9F => return Ok(Item::List(self.several(u64::from(first & 0x0F), 1)?)),
            0xDC | 0xDD => {
                let count = if first == 0xDC { self.u16()? } else { self.u32()? };
                return Ok(Item::List(self.several(count, 1)?));
            }
            0xDE | 0xDF => {
                let count = if first == 0xDE { self.u16()? } else { self.u32()? };
                return Ok(Item::Object(self.several(count, 2)?));
            }
            0xC0 => Scalar::Null,
            0xC1 => return Err(stop(FlawKind::Syntax, start)),
            0xC2 => Scalar::False,
            0xC3 => Scalar::True,
            0xC4..=0xC6 => {
                let len = match first {
                    0xC4 => self.u8()?,
                    0xC5 => self.u16()?,
                    _ => self.u32()?,
                };
                Scalar::Bytes(self.bytes.take(len)?)
            }
            0xC7..=0xC9 | 0xD4..=0xD8 => return Err(stop(FlawKind::Unsupported, start)),
            0xCA => finite(f64::from(f32::from_be_bytes(self.bytes.array()?)))?,
            0xCB => finite(f64::from_be_bytes(self.bytes.array()?))?,
            0xD9..=0xDB => Scalar::Text(self.text(first)?.unwrap_or(Text::Plain(""))),
            0x00..=0x7F | 0xCC..=0xD3 | 0xE0..=0xFF => {
                let (negative, number) = self.integer(first)?.unwrap_or_default();
                let number = i128::from(number);
                Scalar::Integer(if negative { -1 - number } else { number })
            }
        }))
    }

    #[inline]
    fn another(&mut self, open: &mut Open) -> Result<bool, Stop> {
        let more = open.left.and_then(|left| left.checked_sub(1));
        open.left = Some(more.unwrap_or(0));
        Ok(more.is_some())
    }

    #[inline]
    fn name(&mut self, open: &mut Open) -> Result<Option<Text<'p>>, Stop> {
        if !self.another(open)? {
            return Ok(None);
        }
        let start = self.bytes.at;
        let first = self.bytes.byte()?;
        if let 0xA0..=0xBF = first {
            return Ok(Some(Text::Plain(self.bytes.text(u64::from(first & 0x1F))?)));
        }
        if let Some(text) = self.text(first)? {
            return Ok(Some(text));
        }
        match self.integer(first)? {
            Some((false, number)) => Ok(Some(Text::Natural(number))),
            Some((true, number)) => Ok(Some(Text::Negative(number))),
            None => Err(stop(FlawKind::KeyType, start)),
        }
    }

    fn end(&mut self) -> Result<(), Stop> {
        self.bytes.end()
    }
}
