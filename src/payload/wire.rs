//! The wire format of Protobuf: numbered entries, strictly read, without copying.
//!
//! Not here: what an entry means (`protobuf`, `sparkplug`). Read [`Wire::entry`] first.

use super::{Flaw, FlawKind};

/// The bytes of one message, read entry by entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wire<'p> {
    rest: &'p [u8],
    /// Where `rest` begins in the payload.
    at: usize,
}

/// One entry of a message: a field, or a part of one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Entry<'p> {
    /// The number of its field, 1 to 2^29 − 1.
    pub(super) number: u32,
    /// Where it begins in the payload.
    pub(super) at: usize,
    pub(super) raw: Raw<'p>,
}

/// What an entry holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Raw<'p> {
    Varint(u64),
    Fixed64([u8; 8]),
    Bytes(Wire<'p>),
    Fixed32([u8; 4]),
}

impl PartialEq for Wire<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.rest == other.rest
    }
}

impl<'p> Wire<'p> {
    /// A payload.
    pub(super) const fn new(payload: &'p [u8]) -> Self {
        Self { rest: payload, at: 0 }
    }

    /// All that is not read yet.
    pub(super) const fn bytes(&self) -> &'p [u8] {
        self.rest
    }

    /// Where the next byte stands in the payload.
    pub(super) const fn at(&self) -> usize {
        self.at
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next entry; none at the end.
    ///
    /// # Errors
    /// It ends inside an entry, has a number that can't be, a wire type that is not one, or is of a group.
    pub(super) fn entry(&mut self) -> Result<Option<Entry<'p>>, Flaw> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let at = self.at;
        let tag = u32::try_from(self.varint()?).map_err(|_| flaw(FlawKind::Syntax, at))?;
        let number = tag >> 3;
        if number == 0 {
            return Err(flaw(FlawKind::Syntax, at));
        }
        let raw = match tag & 7 {
            0 => Raw::Varint(self.varint()?),
            1 => Raw::Fixed64(self.fixed()?),
            2 => Raw::Bytes(self.delimited()?),
            3 | 4 => return Err(flaw(FlawKind::Unsupported, at)),
            5 => Raw::Fixed32(self.fixed()?),
            _ => return Err(flaw(FlawKind::Syntax, at)),
        };
        Ok(Some(Entry { number, at, raw }))
    }

    /// A varint: at most ten bytes, at most 64 bits. One with more bytes than it needs is read, since encoders that fill
    /// lengths in later write such, and all decoders read it alike.
    pub(super) fn varint(&mut self) -> Result<u64, Flaw> {
        if let Some((&byte @ ..0x80, rest)) = self.rest.split_first() {
            self.rest = rest;
            self.at += 1;
            return Ok(u64::from(byte));
        }
        self.long_varint()
    }

    fn long_varint(&mut self) -> Result<u64, Flaw> {
        let begin = self.at;
        let mut value = 0_u64;
        for place in 0..10_u32 {
            let (&byte, rest) = self.rest.split_first().ok_or_else(|| flaw(FlawKind::Truncated, begin))?;
            self.rest = rest;
            self.at += 1;
            if place == 9 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << (7 * place);
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(flaw(FlawKind::Syntax, begin))
    }

    /// A number of fixed length, little-endian.
    pub(super) fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Flaw> {
        let (bytes, rest) = self.rest.split_first_chunk::<N>().ok_or_else(|| flaw(FlawKind::Truncated, self.at))?;
        self.rest = rest;
        self.at += N;
        Ok(*bytes)
    }

    fn delimited(&mut self) -> Result<Self, Flaw> {
        let begin = self.at;
        let length = self.varint()?;
        let split = usize::try_from(length).ok().and_then(|length| self.rest.split_at_checked(length));
        let (inside, rest) = split.ok_or_else(|| flaw(FlawKind::Truncated, begin))?;
        let inside = Self { rest: inside, at: self.at };
        self.at += inside.rest.len();
        self.rest = rest;
        Ok(inside)
    }
}

/// A flaw at a place of the payload.
pub(super) const fn flaw(what: FlawKind, at: usize) -> Flaw {
    Flaw { what, at: Some(at), field: None }
}

impl<'p> Entry<'p> {
    /// Its varint; another wire type than the field has is refused, since decoders differ in what they make of it.
    pub(super) fn varint(&self) -> Result<u64, Flaw> {
        match self.raw {
            Raw::Varint(value) => Ok(value),
            Raw::Fixed64(_) | Raw::Bytes(_) | Raw::Fixed32(_) => Err(flaw(FlawKind::Syntax, self.at)),
        }
    }

    /// A varint of 32 bits; one of more is refused, since decoders differ in whether they cut it off.
    pub(super) fn varint32(&self) -> Result<u32, Flaw> {
        u32::try_from(self.varint()?).map_err(|_| flaw(FlawKind::NumberRange, self.at))
    }

    /// A truth value: 0 or 1.
    pub(super) fn truth(&self) -> Result<bool, Flaw> {
        match self.varint()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(flaw(FlawKind::NumberRange, self.at)),
        }
    }

    /// Four bytes.
    pub(super) fn fixed32(&self) -> Result<[u8; 4], Flaw> {
        match self.raw {
            Raw::Fixed32(bytes) => Ok(bytes),
            Raw::Varint(_) | Raw::Fixed64(_) | Raw::Bytes(_) => Err(flaw(FlawKind::Syntax, self.at)),
        }
    }

    /// Eight bytes.
    pub(super) fn fixed64(&self) -> Result<[u8; 8], Flaw> {
        match self.raw {
            Raw::Fixed64(bytes) => Ok(bytes),
            Raw::Varint(_) | Raw::Fixed32(_) | Raw::Bytes(_) => Err(flaw(FlawKind::Syntax, self.at)),
        }
    }

    /// A finite number of 32 bits.
    pub(super) fn float(&self) -> Result<f64, Flaw> {
        self.finite(f64::from(f32::from_le_bytes(self.fixed32()?)))
    }

    /// A finite number of 64 bits.
    pub(super) fn double(&self) -> Result<f64, Flaw> {
        self.finite(f64::from_le_bytes(self.fixed64()?))
    }

    fn finite(&self, number: f64) -> Result<f64, Flaw> {
        if number.is_finite() { Ok(number) } else { Err(flaw(FlawKind::NumberRange, self.at)) }
    }

    /// What has a length: bytes, text, a message.
    pub(super) fn inside(&self) -> Result<Wire<'p>, Flaw> {
        match self.raw {
            Raw::Bytes(inside) => Ok(inside),
            Raw::Varint(_) | Raw::Fixed64(_) | Raw::Fixed32(_) => Err(flaw(FlawKind::Syntax, self.at)),
        }
    }

    /// Text.
    pub(super) fn text(&self) -> Result<&'p str, Flaw> {
        str::from_utf8(self.inside()?.bytes()).map_err(|_| flaw(FlawKind::NotUtf8, self.at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Vec<(u32, Raw<'_>)>, FlawKind> {
        let mut wire = Wire::new(bytes);
        let mut entries = Vec::new();
        while let Some(entry) = wire.entry().map_err(|flaw| flaw.what)? {
            entries.push((entry.number, entry.raw));
        }
        assert_eq!(wire.at(), bytes.len());
        Ok(entries)
    }

    #[test]
    fn entries_are_read_in_order() {
        let bytes = [0x08, 0x96, 0x01, 0x12, 0x01, b'x', 0x1d, 1, 2, 3, 4, 0x21, 1, 2, 3, 4, 5, 6, 7, 8];
        let expected = vec![
            (1, Raw::Varint(150)),
            (2, Raw::Bytes(Wire::new(b"x"))),
            (3, Raw::Fixed32([1, 2, 3, 4])),
            (4, Raw::Fixed64([1, 2, 3, 4, 5, 6, 7, 8])),
        ];
        assert_eq!(read(&bytes), Ok(expected));
        assert_eq!(read(&[]), Ok(Vec::new()));
    }

    #[test]
    fn a_varint_has_64_bits_at_most() {
        let ff = 0xff;
        for (bytes, expected) in [
            (&[0x00][..], Ok(0)),
            (&[0x7f], Ok(127)),
            (&[0x80, 0x01], Ok(128)),
            (&[0x81, 0x80, 0x00], Ok(1)),
            (&[ff, ff, ff, ff, ff, ff, ff, ff, ff, 0x01], Ok(u64::MAX)),
            (&[ff, ff, ff, ff, ff, ff, ff, ff, ff, 0x02], Err(FlawKind::Syntax)),
            (&[0x80; 10], Err(FlawKind::Syntax)),
            (&[ff, ff, ff, ff, ff, ff, ff, ff, ff, 0x81, 0x00], Err(FlawKind::Syntax)),
            (&[0x80, 0x80], Err(FlawKind::Truncated)),
            (&[], Err(FlawKind::Truncated)),
        ] {
            assert_eq!(Wire::new(bytes).varint().map_err(|flaw| flaw.what), expected, "{bytes:x?}");
        }
    }

    #[test]
    fn what_is_no_entry_is_refused() {
        for (bytes, expected) in [
            (&[0x00, 0x01][..], FlawKind::Syntax),                        // field 0
            (&[0x0b, 0x0c], FlawKind::Unsupported),                       // a group
            (&[0x0c], FlawKind::Unsupported),                             // its end
            (&[0x0e, 0x00], FlawKind::Syntax),                            // wire type 6
            (&[0x0f], FlawKind::Syntax),                                  // wire type 7
            (&[0xf8, 0xff, 0xff, 0xff, 0x1f, 0x00], FlawKind::Syntax),    // field 2^30
            (&[0x08], FlawKind::Truncated),                               // no value
            (&[0x0a, 0x02, b'x'], FlawKind::Truncated),                   // longer than the rest
            (&[0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f], FlawKind::Truncated), // 4 GiB are promised
            (&[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], FlawKind::Truncated),
            (&[0x0d, 1, 2, 3], FlawKind::Truncated),
            (&[0x09, 1, 2, 3, 4, 5, 6, 7], FlawKind::Truncated),
        ] {
            assert_eq!(read(bytes), Err(expected), "{bytes:x?}");
        }
        let highest = [0xf8, 0xff, 0xff, 0xff, 0x0f, 0x00];
        assert_eq!(read(&highest), Ok(vec![((1 << 29) - 1, Raw::Varint(0))]));
    }
}
