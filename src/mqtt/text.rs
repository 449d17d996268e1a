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

/// Whether nothing in the bytes needs a second look: printable ASCII without wildcards, and not empty.
#[inline]
pub(super) fn is_plain(bytes: &[u8]) -> bool {
    let (words, _) = bytes.as_chunks();
    // The last word is looked at once more where it overlaps the one before.
    let last = bytes.last_chunk().map_or_else(|| short_word(bytes), |word| u64::from_le_bytes(*word));
    let seen = words.iter().fold(unusual_bytes(last), |seen, word| seen | unusual_bytes(u64::from_le_bytes(*word)));
    seen & all(0x80) == 0 && !bytes.is_empty()
}

/// Fewer than eight bytes, filled up with plain letters.
#[inline]
fn short_word(bytes: &[u8]) -> u64 {
    bytes.iter().fold(all(b'a'), |word, &byte| word << 8 | u64::from(byte))
}

/// `byte` in all eight places of a word.
const fn all(byte: u8) -> u64 {
    0x0101_0101_0101_0101 * byte as u64
}

/// A word with the top bit set in some byte if one of its bytes is not printable ASCII, or a wildcard.
#[inline]
const fn unusual_bytes(word: u64) -> u64 {
    // The top bit of each byte is set first, so that none borrows from the next.
    let from_space = (word | all(0x80)) - all(0x20);
    let from_delete = word.wrapping_add(all(0x01));
    // `#` and `+` differ in one bit.
    let wildcard = (word & !all(b'#' ^ b'+')) ^ all(b'#' & b'+');
    let not_wildcard = (wildcard | all(0x80)) - all(0x01);
    word | !from_space | from_delete | !not_wildcard
}

/// Whether a terminal or an editor would act on the character, or not show it, rather than print it: controls, line and
/// paragraph separators, marks of writing direction, other format characters, and what is no character.
#[must_use]
pub fn is_hidden(character: char) -> bool {
    matches!(character,
        '\0'..='\u{1f}'
        | '\u{7f}'..='\u{9f}'
        | '\u{ad}'
        | '\u{600}'..='\u{605}'
        | '\u{61c}'
        | '\u{6dd}'
        | '\u{70f}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{fdd0}'..='\u{fdef}'
        | '\u{feff}'
        | '\u{fff0}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}')
        || u32::from(character) & 0xfffe == 0xfffe
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every byte at every place of texts that fill no, one and several words.
    #[test]
    fn plain_is_what_each_byte_is() {
        for len in [1, 2, 7, 8, 9, 15, 16, 30, 31, 300] {
            for at in (0..len).rev().take(9).chain(0..len.min(9)) {
                for byte in 0..=u8::MAX {
                    let mut bytes = vec![b'/'; len];
                    bytes[at] = byte;
                    let plain = matches!(byte, 0x20..=0x7E) && !b"+#".contains(&byte);
                    assert_eq!(is_plain(&bytes), plain, "{byte:#x} at {at} of {len}");
                }
            }
        }
        assert!(!is_plain(b""));
    }

    #[test]
    fn control_characters_and_noncharacters_are_told_from_others() {
        for (text, expected) in [
            ("plain", false),
            ("é☃😀", false),
            ("\u{1}", true),
            ("\u{1f}", true),
            ("\u{7f}", true),
            ("\u{80}", true),
            ("\u{9f}", true),
            ("\u{a0}", false),
            ("\u{fdcf}", false),
            ("\u{fdd0}", true),
            ("\u{fdef}", true),
            ("\u{fdf0}", false),
            ("\u{fffd}", false),
            ("\u{fffe}", true),
            ("\u{1ffff}", true),
            ("\u{10ffff}", true),
            ("\u{feff}", false),
        ] {
            assert_eq!(holds_control(text), expected, "{text:?}");
        }
    }
}
