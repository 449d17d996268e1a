//! What a signature says of itself, whatever its carrier, and the bytes that it covers.

use std::borrow::Cow;

use data_encoding::BASE64URL_NOPAD;

use super::{MAX_KID_BYTES, MAX_SIGNATURE_BYTES, Message, Nonce, Once, SignatureFlaw};
use crate::jwk::Algorithm;
use crate::payload::canonical::Document;

/// The latest time that a signature may name: the year 9999, in milliseconds.
const LATEST_MILLIS: i64 = 253_402_300_799_999;

/// A signature as it was found; nothing of it is proven.
pub(super) struct Claim<'a> {
    pub(super) kid: Cow<'a, str>,
    pub(super) algorithm: Claimed,
    pub(super) signed_at_millis: Option<i64>,
    pub(super) once: Once,
    pub(super) signature: Vec<u8>,
    pub(super) covered: Covered<'a>,
}

/// What a signature says of its algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claimed {
    /// The carrier does not name it.
    Nothing,
    /// One that is known here.
    Named(Algorithm),
    /// One that is not, as `none`.
    Unknown,
}

/// What a signature is made over.
pub(super) enum Covered<'a> {
    /// These bytes.
    Bytes(Cow<'a, [u8]>),
    /// The layout of [`layout`], over this payload.
    Layout(Layout, &'a [u8]),
    /// The layout of [`layout`], over the canonical form of this document, which is not written for nobody.
    Document(Document<'a>),
}

/// The carriers whose bytes to be signed are laid out by [`layout`]; the number is part of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    UserProperty = 1,
    JsonField = 2,
    Trailer = 3,
}

/// What goes into the bytes to be signed, but for topic and payload.
pub(super) struct Terms<'a> {
    pub(super) kid: &'a str,
    pub(super) signed_at_millis: Option<i64>,
    pub(super) once: &'a Once,
}

impl Claim<'_> {
    pub(super) fn covered(&self, message: Message<'_>) -> Option<Cow<'_, [u8]>> {
        match &self.covered {
            Covered::Bytes(bytes) => Some(Cow::Borrowed(bytes)),
            Covered::Layout(of, payload) => self.layout(*of, message.topic, payload),
            Covered::Document(document) => self.layout(Layout::JsonField, message.topic, &document.write()),
        }
    }

    fn layout(&self, of: Layout, topic: &str, payload: &[u8]) -> Option<Cow<'_, [u8]>> {
        let terms = Terms { kid: &self.kid, signed_at_millis: self.signed_at_millis, once: &self.once };
        layout(of, &terms, Message { topic, payload }).map(Cow::Owned)
    }
}

/// The bytes to be signed, as `docs/signatures.md` gives them; none where a text is too long for its length field.
pub(super) fn layout(of: Layout, terms: &Terms<'_>, message: Message<'_>) -> Option<Vec<u8>> {
    /// Says what is signed, so that no signature of anything else can be taken for one of these.
    const DOMAIN: &[u8] = b"tidegate-signature-v1\0";
    let counter;
    let (kind, value): (u8, &[u8]) = match terms.once {
        Once::Nonce(nonce) => (1, nonce.as_bytes()),
        Once::Counter(value) => {
            counter = value.to_be_bytes();
            (2, &counter)
        }
    };
    let time = u64::try_from(terms.signed_at_millis.unwrap_or_default()).ok()?;
    let fixed = DOMAIN.len() + 1 + 2 + 2 + 8 + 2;
    let length = fixed + terms.kid.len() + message.topic.len() + value.len() + message.payload.len();
    let mut out = Vec::with_capacity(length);
    out.extend_from_slice(DOMAIN);
    out.push(of as u8);
    for text in [terms.kid, message.topic] {
        out.extend_from_slice(&u16::try_from(text.len()).ok()?.to_be_bytes());
        out.extend_from_slice(text.as_bytes());
    }
    out.extend_from_slice(&time.to_be_bytes());
    out.push(kind);
    out.push(u8::try_from(value.len()).ok()?);
    out.extend_from_slice(value);
    out.extend_from_slice(message.payload);
    Some(out)
}

/// A key id: 1 to [`MAX_KID_BYTES`] bytes without control characters.
pub(super) fn kid(text: &str) -> Result<&str, SignatureFlaw> {
    let is_kid = (1..=MAX_KID_BYTES).contains(&text.len()) && !text.chars().any(char::is_control);
    if is_kid { Ok(text) } else { Err(SignatureFlaw::Malformed) }
}

/// A time in milliseconds since 1970, after that and before the year 10000.
pub(super) fn millis(time: i64) -> Result<i64, SignatureFlaw> {
    if (1..=LATEST_MILLIS).contains(&time) { Ok(time) } else { Err(SignatureFlaw::Malformed) }
}

/// A number in decimal digits, without sign and without zeros in front.
pub(super) fn decimal(text: &str) -> Result<u64, SignatureFlaw> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| is_plain).ok_or(SignatureFlaw::Malformed)
}

/// A nonce in base64url.
pub(super) fn nonce(text: &str) -> Result<Once, SignatureFlaw> {
    let mut bytes = [0; super::MAX_NONCE_BYTES];
    let length = BASE64URL_NOPAD.decode_len(text.len()).map_err(|_| SignatureFlaw::Malformed)?;
    let room = bytes.get_mut(..length).ok_or(SignatureFlaw::Malformed)?;
    BASE64URL_NOPAD.decode_mut(text.as_bytes(), room).map_err(|_| SignatureFlaw::Malformed)?;
    Nonce::new(room).map(Once::Nonce).ok_or(SignatureFlaw::Malformed)
}

/// A signature in base64url.
pub(super) fn signature(text: &str) -> Result<Vec<u8>, SignatureFlaw> {
    let is_bounded = !text.is_empty() && text.len() <= BASE64URL_NOPAD.encode_len(MAX_SIGNATURE_BYTES);
    let decoded = BASE64URL_NOPAD.decode(text.as_bytes()).ok().filter(|_| is_bounded);
    decoded.ok_or(SignatureFlaw::Malformed)
}

/// Either a nonce or a counter; and a nonce needs a time, as nobody can remember all nonces for ever.
pub(super) fn once(
    nonce: Option<Once>,
    counter: Option<u64>,
    signed_at_millis: Option<i64>,
) -> Result<Once, SignatureFlaw> {
    match (nonce, counter, signed_at_millis) {
        (Some(nonce), None, Some(_)) => Ok(nonce),
        (None, Some(counter), _) => Ok(Once::Counter(counter)),
        (Some(_) | None, ..) => Err(SignatureFlaw::Malformed),
    }
}
