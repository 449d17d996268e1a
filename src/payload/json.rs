//! JSON (RFC 8259), strictly.

use super::number;
use super::text::Text;
use super::walk::{Item, Open, Scalar, Source, Stop, stop};
use super::{Flaw, FlawKind};

/// A reader of one JSON text.
pub(super) struct Json<'p> {
    text: &'p str,
    bytes: &'p [u8],
    at: usize,
}

impl<'p> Json<'p> {
    /// Reads UTF-8 without a byte order mark.
    pub(super) fn new(payload: &'p [u8]) -> Result<Self, Flaw> {
        let text = super::text::utf8(payload)?;
        Ok(Self { text, bytes: payload, at: 0 })
    }

    fn stop(&self, what: FlawKind) -> Stop {
        stop(what, self.at)
    }

    /// Syntax, or what ends too early.
    #[cold]
    fn amiss(&self) -> Stop {
        self.stop(if self.at >= self.bytes.len() { FlawKind::Truncated } else { FlawKind::Syntax })
    }

    /// The next byte that is no white space.
    #[inline]
    fn peek(&mut self) -> Option<u8> {
        loop {
            match self.bytes.get(self.at)? {
                b' ' | b'\n' | b'\r' | b'\t' => self.at += 1,
                byte => return Some(*byte),
            }
        }
    }

    /// The next byte that is no white space and must be there.
    #[inline]
    fn next(&mut self) -> Result<u8, Stop> {
        self.peek().ok_or_else(|| self.amiss())
    }

    fn literal(&mut self, word: &str, value: Scalar<'p>) -> Result<Item<'p>, Stop> {
        for byte in word.bytes() {
            if self.bytes.get(self.at) != Some(&byte) {
                return Err(self.amiss());
            }
            self.at += 1;
        }
        Ok(Item::Scalar(value))
    }

    /// What stands behind an opening quote, up to the closing one.
    #[inline]
    fn string(&mut self) -> Result<Text<'p>, Stop> {
        let start = self.at + 1;
        self.at = start + plain(self.bytes.get(start..).unwrap_or_default());
        if self.bytes.get(self.at) != Some(&b'"') {
            return self.escaped(start);
        }
        let text = self.text.get(start..self.at).unwrap_or_default();
        self.at += 1;
        Ok(Text::Plain(text))
    }

    /// The rest of a string that began there and has escapes.
    #[cold]
    fn escaped(&mut self, start: usize) -> Result<Text<'p>, Stop> {
        loop {
            match self.bytes.get(self.at) {
                Some(b'"') => break,
                Some(b'\\') => self.escape()?,
                _ => return Err(self.amiss()),
            }
            self.at += plain(self.bytes.get(self.at..).unwrap_or_default());
        }
        let text = self.text.get(start..self.at).unwrap_or_default();
        self.at += 1;
        Ok(Text::Escaped(text))
    }

    /// An escape that stands for a character, or two that do.
    fn escape(&mut self) -> Result<(), Stop> {
        self.at += 1;
        match self.bytes.get(self.at) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => match self.unit()? {
                0xD800..0xDC00 => {
                    let low = self.at;
                    if self.bytes.get(low) != Some(&b'\\') {
                        return Err(self.amiss());
                    }
                    self.at += 1;
                    if self.bytes.get(self.at) != Some(&b'u') {
                        return Err(self.amiss());
                    }
                    if !(0xDC00..0xE000).contains(&self.unit()?) {
                        return Err(stop(FlawKind::Syntax, low));
                    }
                }
                0xDC00..0xE000 => return Err(stop(FlawKind::Syntax, self.at - 6)),
                _ => {}
            },
            _ => return Err(self.amiss()),
        }
        Ok(())
    }

    /// `u` and four hexadecimal digits.
    fn unit(&mut self) -> Result<u32, Stop> {
        self.at += 1;
        let mut unit = 0;
        for _ in 0..4 {
            let digit = self.bytes.get(self.at).and_then(|byte| char::from(*byte).to_digit(16));
            unit = unit << 4 | digit.ok_or_else(|| self.amiss())?;
            self.at += 1;
        }
        Ok(unit)
    }
}

impl<'p> Source<'p> for Json<'p> {
    const HAS_ZEROS: bool = false;

    fn at(&self) -> usize {
        self.at
    }

    #[inline]
    fn item(&mut self) -> Result<Item<'p>, Stop> {
        match self.next()? {
            b'"' => Ok(Item::Scalar(Scalar::Text(self.string()?))),
            b'-' | b'0'..=b'9' => {
                let (number, end) = number::scan(self.text, self.at).map_err(|(what, at)| stop(what, at))?;
                self.at = end;
                Ok(Item::Scalar(number))
            }
            b'{' => {
                self.at += 1;
                Ok(Item::Object(Open { left: None, first: true }))
            }
            b'[' => {
                self.at += 1;
                Ok(Item::List(Open { left: None, first: true }))
            }
            b't' => self.literal("true", Scalar::True),
            b'f' => self.literal("false", Scalar::False),
            b'n' => self.literal("null", Scalar::Null),
            _ => Err(self.stop(FlawKind::Syntax)),
        }
    }

    #[inline]
    fn another(&mut self, open: &mut Open) -> Result<bool, Stop> {
        let byte = self.next()?;
        let first = std::mem::take(&mut open.first);
        match byte {
            b']' => {
                self.at += 1;
                Ok(false)
            }
            _ if first => Ok(true),
            b',' => {
                self.at += 1;
                Ok(true)
            }
            _ => Err(self.stop(FlawKind::Syntax)),
        }
    }

    #[inline]
    fn name(&mut self, open: &mut Open) -> Result<Option<Text<'p>>, Stop> {
        let mut byte = self.next()?;
        let first = std::mem::take(&mut open.first);
        if byte == b'}' {
            self.at += 1;
            return Ok(None);
        }
        if !first {
            if byte != b',' {
                return Err(self.stop(FlawKind::Syntax));
            }
            self.at += 1;
            byte = self.next()?;
        }
        if byte != b'"' {
            return Err(self.stop(FlawKind::Syntax));
        }
        let name = self.string()?;
        if self.next()? != b':' {
            return Err(self.stop(FlawKind::Syntax));
        }
        self.at += 1;
        Ok(Some(name))
    }

    fn end(&mut self) -> Result<(), Stop> {
        match self.peek() {
            Some(_) => Err(self.stop(FlawKind::TrailingBytes)),
            None => Ok(()),
        }
    }
}

/// How many bytes stand before the next quote, backslash or control character.
#[inline]
fn plain(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    let (words, rest) = bytes.as_chunks::<8>();
    for (n, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        // The lowest bit set is always a true one: only bytes above it can be taken wrongly.
        let special =
            zero(word ^ (ONES * 0x22)) | zero(word ^ (ONES * 0x5C)) | word.wrapping_sub(ONES * 0x20) & !word & HIGH;
        if special != 0 {
            return n * 8 + special.trailing_zeros() as usize / 8;
        }
    }
    let special = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20));
    words.len() * 8 + special.unwrap_or(rest.len())
}
