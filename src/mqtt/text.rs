//! UTF-8 Encoded Strings, and what some of them may not hold.

use super::error::DecodeError;

/// Bytes as text: well-formed UTF-8 without U+0000. [MQTT-1.5.3-1] [MQTT-1.5.3-2], 5.0 [MQTT-1.5.4-1] [MQTT-1.5.4-2]
///
/// Surrogates and overlong forms are not well-formed; a byte order mark stays where it is.
///
/// # Errors
/// `NotUtf8` or `NullCharacter`.
#[inline]
pub fn utf8(bytes: &[u8]) -> Result<&str, DecodeError> {
    let text = std::str::from_utf8(bytes).map_err(|_| DecodeError::NotUtf8)?;
    if memchr::memchr(0, bytes).is_some() { Err(DecodeError::NullCharacter) } else { Ok(text) }
}

/// Whether a text holds a control character (U+0001 to U+001F, U+007F to U+009F) or a non-character.
#[must_use]
pub fn holds_control(text: &str) -> bool {
    text.chars().any(|c| c.is_control() || is_noncharacter(c))
}

/// U+FDD0 to U+FDEF and the last two of every plane.
const fn is_noncharacter(c: char) -> bool {
    let code = c as u32;
    matches!(code, 0xFDD0..=0xFDEF) || code & 0xFFFE == 0xFFFE
}

/// What one look at the bytes of a Topic Name shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Marks {
    /// Nothing in it needs a second look: printable ASCII without wildcards, and not empty.
    pub(super) plain: bool,
    /// How often `/` stands in it.
    pub(super) slashes: usize,
}

impl Marks {
    /// Looks at every byte once.
    #[inline]
    pub(super) fn of(bytes: &[u8]) -> Self {
        let mut unusual = false;
        let mut slashes = 0;
        for &byte in bytes {
            unusual |= !matches!(byte, 0x20..=0x7E) | (byte == b'+') | (byte == b'#');
            slashes += usize::from(byte == b'/');
        }
        Self { plain: !unusual && !bytes.is_empty(), slashes }
    }
}
