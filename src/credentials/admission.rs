//! Admission tokens: what a client shows at the door, before anything that is dear is done for it.
//!
//! A token says that whoever gave it out knows a key of the gateway, and until when it holds; where it is bound to a name,
//! it holds for that one alone. It does not prove who the client is: it keeps strangers from the handshake and from what
//! checks passwords. It can be seen on the wire, in the server name and in ALPN, and holds for whoever has it.
//!
//! | bytes | what |
//! |---|---|
//! | 0 | version: 1 |
//! | 1..3 | number of the key, big-endian |
//! | 3..7 | when it ends, in seconds since 1970, big-endian |
//! | 7..15 | zeros, or of the name that it is bound to the first 8 bytes of HMAC-SHA-256(key, `tidegate admission name 1`, 0, name) |
//! | 15..39 | the first 24 bytes of HMAC-SHA-256(key, `tidegate admission 1`, 0, bytes 0..15) |
//!
//! Written in base32 (RFC 4648 section 6, no padding, either case) it is 63 letters: the longest label that a host name may
//! have. Not here: where it is looked for (`tls`, `gateway`). Read [`Keys::check`] first.

mod door;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use data_encoding::{BASE32_NOPAD, BASE64};
use zeroize::Zeroizing;

pub use door::Door;

/// Letters of a token.
pub const TOKEN_LETTERS: usize = 63;

/// What a token begins with as an application protocol (ALPN).
pub const ALPN_PREFIX: &[u8] = b"tg1.";

/// What ends a token in front of a user name.
pub const USERNAME_MARK: char = '@';

/// The longest text of keys, in bytes.
pub const MAX_TEXT_BYTES: usize = 1 << 20;

/// The most keys.
pub const MAX_KEYS: usize = 1024;

/// Bytes of a key: those of what SHA-256 gives.
pub const KEY_BYTES: usize = 32;

const VERSION: u8 = 1;
const TOKEN_BYTES: usize = 39;
const SAID_BYTES: usize = 15;
const NAME_BYTES: usize = 8;

/// Why a token does not admit anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Denial {
    /// There is none.
    #[error("no admission token")]
    Missing,
    /// It is none, or of a key that is not known, or was changed.
    #[error("no admission token of a known key")]
    Invalid,
    /// It has ended.
    #[error("an admission token that has ended")]
    Expired,
    /// It is bound to another name.
    #[error("an admission token for another name")]
    Name,
}

impl Denial {
    /// Every one, for references and metrics.
    pub const ALL: [Self; 4] = [Self::Missing, Self::Invalid, Self::Expired, Self::Name];

    /// The rule that a CONNECT is refused by; never changes.
    #[must_use]
    pub const fn rule(self) -> &'static str {
        match self {
            Self::Missing => "admission.missing",
            Self::Invalid => "admission.invalid",
            Self::Expired => "admission.expired",
            Self::Name => "admission.name",
        }
    }
}

/// What a token that holds says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pass {
    /// The number of the key that made it.
    pub key: u16,
    /// When it ends, in seconds since 1970.
    pub expires: u32,
    name: [u8; NAME_BYTES],
}

impl Pass {
    /// Whether it is bound to a name.
    #[must_use]
    pub fn is_bound(&self) -> bool {
        self.name != [0; NAME_BYTES]
    }
}

/// What is wrong with one line of a text of keys. Holds nothing of what stands there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: Flaw,
}

/// What is wrong with a line of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// No colon.
    #[error("expected a number, a colon and a key in base64")]
    Form,
    /// No number of a key.
    #[error("the number of a key is from 1 to 65535")]
    Number,
    /// The number is given twice.
    #[error("the number is given twice")]
    Duplicate,
    /// No key.
    #[error("the key is not {KEY_BYTES} bytes in base64")]
    Key,
    /// There are more than [`MAX_KEYS`].
    #[error("more than {MAX_KEYS} keys")]
    TooMany,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

/// Keys by number: those that tokens are made with, and those of before whose tokens still hold.
#[derive(Default)]
pub struct Keys(BTreeMap<u16, hmac::Key>);

impl Keys {
    /// Takes a text in: a line `NUMBER:BASE64` each, `#` begins a comment. What stands there before is kept.
    ///
    /// # Errors
    /// Every line that is not one.
    pub fn add(&mut self, text: &str) -> Result<(), Vec<Problem>> {
        let mut problems = Vec::new();
        for (index, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.trim_start().starts_with('#') {
                continue;
            }
            if let Err(what) = self.add_line(line) {
                problems.push(Problem { line: index + 1, what });
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    fn add_line(&mut self, line: &str) -> Result<(), Flaw> {
        let (number, key) = line.split_once(':').ok_or(Flaw::Form)?;
        let number = number.trim().parse().ok().filter(|number| *number > 0).ok_or(Flaw::Number)?;
        let key = Zeroizing::new(BASE64.decode(key.trim().as_bytes()).map_err(|_| Flaw::Key)?);
        if key.len() != KEY_BYTES {
            return Err(Flaw::Key);
        }
        if self.0.contains_key(&number) {
            return Err(Flaw::Duplicate);
        }
        if self.0.len() >= MAX_KEYS {
            return Err(Flaw::TooMany);
        }
        self.0.insert(number, hmac::Key::new(hmac::HMAC_SHA256, &key));
        Ok(())
    }

    /// The number of the newest key, which is the highest.
    #[must_use]
    pub fn newest(&self) -> Option<u16> {
        self.0.keys().next_back().copied()
    }

    /// Makes a token with the key of that number; none where there is no such key.
    #[must_use]
    pub fn make(&self, key: u16, expires: u32, name: Option<&str>) -> Option<String> {
        let made_with = self.0.get(&key)?;
        let [high, low] = key.to_be_bytes();
        let mut token = vec![VERSION, high, low];
        token.extend(expires.to_be_bytes());
        token.extend(name.map_or([0; NAME_BYTES], |name| mark_of(made_with, name)));
        let tag = tag_of(made_with, &token);
        token.extend(tag.as_ref().iter().take(TOKEN_BYTES - SAID_BYTES));
        Some(BASE32_NOPAD.encode(&token).to_ascii_lowercase())
    }

    /// Whether a token holds now, in seconds since 1970. To whom it is bound is for [`Keys::admit`].
    ///
    /// # Errors
    /// It does not.
    pub fn check(&self, token: &[u8], now: i64) -> Result<Pass, Denial> {
        let bytes = decode(token).ok_or(Denial::Invalid)?;
        let (said, tag) = bytes.split_at_checked(SAID_BYTES).ok_or(Denial::Invalid)?;
        let &[VERSION, high, low, e0, e1, e2, e3, ref name @ ..] = said else { return Err(Denial::Invalid) };
        let pass = Pass {
            key: u16::from_be_bytes([high, low]),
            expires: u32::from_be_bytes([e0, e1, e2, e3]),
            name: name.try_into().map_err(|_| Denial::Invalid)?,
        };
        let key = self.0.get(&pass.key).ok_or(Denial::Invalid)?;
        let expected = tag_of(key, said);
        let expected = expected.as_ref().get(..tag.len()).unwrap_or_default();
        // In constant time: how far a guess was right is not to be told.
        verify_slices_are_equal(expected, tag).map_err(|_| Denial::Invalid)?;
        if i64::from(pass.expires) <= now { Err(Denial::Expired) } else { Ok(pass) }
    }

    /// Whether a token that held admits a client of this name, or none where it is proven to have one.
    ///
    /// # Errors
    /// It is bound to another, or its key has been taken out meanwhile.
    pub fn admit(&self, pass: &Pass, name: Option<&str>) -> Result<(), Denial> {
        let key = self.0.get(&pass.key).ok_or(Denial::Invalid)?;
        if !pass.is_bound() {
            return Ok(());
        }
        let expected = name.map(|name| mark_of(key, name)).ok_or(Denial::Name)?;
        verify_slices_are_equal(&expected, &pass.name).map_err(|_| Denial::Name)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// The bytes of a token, if it is written as one.
fn decode(token: &[u8]) -> Option<[u8; TOKEN_BYTES]> {
    let letters: [u8; TOKEN_LETTERS] = token.try_into().ok()?;
    let mut bytes = [0; TOKEN_BYTES];
    BASE32_NOPAD.decode_mut(&letters.to_ascii_uppercase(), &mut bytes).ok()?;
    Some(bytes)
}

fn tag_of(key: &hmac::Key, said: &[u8]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(key);
    context.update(b"tidegate admission 1\0");
    context.update(said);
    context.sign()
}

/// What stands for a name. Never zeros, which stand for none.
fn mark_of(key: &hmac::Key, name: &str) -> [u8; NAME_BYTES] {
    let mut context = hmac::Context::with_key(key);
    context.update(b"tidegate admission name 1\0");
    context.update(name.as_bytes());
    let mark = context.sign().as_ref().first_chunk().copied().unwrap_or_default();
    if mark == [0; NAME_BYTES] { [u8::MAX; NAME_BYTES] } else { mark }
}

/// The token in front of a server name, as its first label, and the name without it. Any first label of
/// [`TOKEN_LETTERS`] letters is taken for one.
#[must_use]
pub fn in_server_name(name: &str) -> Option<(&str, &str)> {
    name.split_once('.').filter(|(token, _)| token.len() == TOKEN_LETTERS)
}

/// The token that an application protocol is.
#[must_use]
pub fn in_protocol(protocol: &[u8]) -> Option<&[u8]> {
    protocol.strip_prefix(ALPN_PREFIX)
}

/// The token in front of a user name, and the user name without it.
#[must_use]
pub fn in_username(name: &str) -> Option<(&str, &str)> {
    name.split_once(USERNAME_MARK).filter(|(token, _)| token.len() == TOKEN_LETTERS)
}
