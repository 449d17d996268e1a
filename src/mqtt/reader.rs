//! A cursor over one packet's bytes that cannot read past their end.

use std::num::NonZeroU16;

use super::{error::DecodeError, text};

/// What is still to be read, and what it means when it runs out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    at_end: DecodeError,
}

impl<'a> Reader<'a> {
    /// Over the body of a packet.
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, at_end: DecodeError::Truncated }
    }

    /// Over a block of properties.
    pub(super) const fn of_properties(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, at_end: DecodeError::PropertyTruncated }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    #[inline]
    pub(super) fn u8(&mut self) -> Result<u8, DecodeError> {
        let (&byte, rest) = self.rest.split_first().ok_or(self.at_end)?;
        self.rest = rest;
        Ok(byte)
    }

    #[inline]
    pub(super) fn u16(&mut self) -> Result<u16, DecodeError> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(self.at_end)?;
        self.rest = rest;
        Ok(u16::from_be_bytes(*bytes))
    }

    pub(super) fn u32(&mut self) -> Result<u32, DecodeError> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(self.at_end)?;
        self.rest = rest;
        Ok(u32::from_be_bytes(*bytes))
    }

    #[inline]
    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(self.at_end)?;
        self.rest = rest;
        Ok(taken)
    }

    /// Binary Data: a two-byte length and so many bytes.
    #[inline]
    pub(super) fn binary(&mut self) -> Result<&'a [u8], DecodeError> {
        let len = self.u16()?;
        self.take(usize::from(len))
    }

    /// A UTF-8 Encoded String.
    pub(super) fn string(&mut self) -> Result<&'a str, DecodeError> {
        text::utf8(self.binary()?)
    }

    /// A Packet Identifier. [MQTT-2.3.1-1], 5.0 [MQTT-2.2.1-3]
    #[inline]
    pub(super) fn packet_id(&mut self) -> Result<NonZeroU16, DecodeError> {
        NonZeroU16::new(self.u16()?).ok_or(DecodeError::PacketIdentifierZero)
    }

    /// A Variable Byte Integer of at most four bytes, and no more than it needs. [MQTT-1.5.5-1]
    pub(super) fn variable_byte_integer(&mut self) -> Result<u32, DecodeError> {
        match variable_byte_integer(self.rest) {
            Integer::Whole { value, len } => {
                self.take(len)?;
                Ok(value)
            }
            Integer::More => Err(self.at_end),
            Integer::TooLong => Err(DecodeError::VariableByteIntegerTooLong),
            Integer::NotMinimal => Err(DecodeError::VariableByteIntegerNotMinimal),
        }
    }

    /// Holds that nothing is left over.
    pub(super) const fn finish(self) -> Result<(), DecodeError> {
        if self.rest.is_empty() { Ok(()) } else { Err(DecodeError::TrailingBytes) }
    }
}

/// What the front of some bytes says as a Variable Byte Integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Integer {
    Whole { value: u32, len: usize },
    More,
    TooLong,
    NotMinimal,
}

/// Reads a Variable Byte Integer: seven bits a byte, the lowest first, the top bit set on all but the last.
#[inline]
pub(super) fn variable_byte_integer(bytes: &[u8]) -> Integer {
    let mut value = 0;
    for (at, &byte) in bytes.iter().take(4).enumerate() {
        value |= u32::from(byte & 0x7F) << (7 * at);
        if byte & 0x80 == 0 {
            return if byte == 0 && at > 0 { Integer::NotMinimal } else { Integer::Whole { value, len: at + 1 } };
        }
    }
    if bytes.len() < 4 { Integer::More } else { Integer::TooLong }
}
