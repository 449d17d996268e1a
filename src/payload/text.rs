//! Text as it stands in a payload.

use std::borrow::Cow;

use super::{Flaw, FlawKind};

/// Well-formed text that is not yet put together.
#[derive(Clone, Copy)]
pub(super) enum Text<'p> {
    /// As it is.
    Plain(&'p str),
    /// What stands between the quotes in JSON, escapes and all.
    Escaped(&'p str),
    /// CBOR's pieces, heads and all, without the break behind them.
    Chunks(&'p [u8]),
    /// An integer that names a member.
    Natural(u64),
    /// An integer that names a member: -1 less this one.
    Negative(u64),
}

impl<'p> Text<'p> {
    /// Names that are put together need no memory up to this many bytes.
    const SHORT: usize = 128;

    /// Put together.
    pub(super) fn into_cow(self) -> Cow<'p, str> {
        match self {
            Self::Plain(text) => Cow::Borrowed(text),
            Self::Escaped(_) | Self::Chunks(_) | Self::Natural(_) | Self::Negative(_) => {
                let mut whole = String::new();
                self.write(&mut whole);
                Cow::Owned(whole)
            }
        }
    }

    /// Calls with the whole text.
    #[cold]
    pub(super) fn with<T>(self, call: impl FnOnce(&str) -> T) -> T {
        if let Self::Plain(text) = self {
            return call(text);
        }
        let mut short = Short { bytes: [0; Self::SHORT], used: Some(0) };
        self.write(&mut short);
        match short.text() {
            Some(text) => call(text),
            None => call(&self.into_cow()),
        }
    }

    fn write(self, to: &mut impl std::fmt::Write) {
        // Nothing that is written to fails.
        let _ = match self {
            Self::Plain(text) => to.write_str(text),
            Self::Escaped(raw) => unescape(raw, to),
            Self::Chunks(raw) => super::cbor::chunks(raw).try_for_each(|chunk| to.write_str(chunk)),
            Self::Natural(number) => write!(to, "{number}"),
            Self::Negative(number) => write!(to, "{}", -1 - i128::from(number)),
        };
    }
}

/// Text on the stack; `used` is none once it was too long.
struct Short {
    bytes: [u8; Text::SHORT],
    used: Option<usize>,
}

impl Short {
    fn text(&self) -> Option<&str> {
        std::str::from_utf8(self.bytes.get(..self.used?)?).ok()
    }
}

impl std::fmt::Write for Short {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.used = self.used.and_then(|used| {
            let end = used + text.len();
            self.bytes.get_mut(used..end)?.copy_from_slice(text.as_bytes());
            Some(end)
        });
        Ok(())
    }
}

/// Undoes JSON's escapes, which are known to be well-formed.
fn unescape(raw: &str, to: &mut impl std::fmt::Write) -> std::fmt::Result {
    let mut rest = raw;
    while let Some((plain, escape)) = rest.split_once('\\') {
        to.write_str(plain)?;
        let mut chars = escape.chars();
        let c = match chars.next() {
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('u') => {
                let (code, after) = code_point(chars.as_str());
                chars = after.chars();
                code
            }
            Some(c) => c,
            None => break,
        };
        to.write_char(c)?;
        rest = chars.as_str();
    }
    to.write_str(rest)
}

/// What `\u` stands for, one escape or two, and what follows it.
fn code_point(text: &str) -> (char, &str) {
    let unit = |text: &str| text.get(..4).and_then(|hex| u32::from_str_radix(hex, 16).ok());
    let first = unit(text).unwrap_or(0xFFFD);
    let after = text.get(4..).unwrap_or_default();
    let pair = (0xD800..0xDC00).contains(&first).then(|| after.strip_prefix("\\u")).flatten();
    let low = pair.and_then(unit).filter(|unit| (0xDC00..0xE000).contains(unit));
    match (pair, low) {
        (Some(pair), Some(low)) => {
            let code = 0x1_0000 + ((first - 0xD800) << 10) + (low - 0xDC00);
            (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), pair.get(4..).unwrap_or_default())
        }
        _ => (char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER), after),
    }
}

/// UTF-8 without a byte order mark.
///
/// # Errors
/// It is not.
pub(super) fn utf8(bytes: &[u8]) -> Result<&str, Flaw> {
    let flaw = |what, at| Flaw { what, at: Some(at), field: None };
    let text = std::str::from_utf8(bytes).map_err(|error| flaw(FlawKind::NotUtf8, error.valid_up_to()))?;
    if text.starts_with('\u{FEFF}') { Err(flaw(FlawKind::ByteOrderMark, 0)) } else { Ok(text) }
}
