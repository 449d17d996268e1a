//! COSE_Sign1 and COSE_Mac0 (RFC 9052), tagged or not, with the payload inside.
//!
//! The Topic Name is the external additional data; the protected header has algorithm, key id and CWT claims (RFC 9597):
//! 6 the time, 7 the nonce, -65537 the counter. The unprotected header has no say.

use std::borrow::Cow;

use coset::cbor::{self, Value};
use coset::{
    AsCborValue as _, CoseMac0Builder, CoseSign1Builder, Header, HeaderBuilder, Label, MacContext, ProtectedHeader,
    RegisteredLabelWithPrivate, SignatureContext, TaggedCborSerializable as _, iana,
};

use crate::jwk::{Algorithm, SigningKey};
use crate::signature::claim::{self, Claim, Claimed, Covered, Terms};
use crate::signature::{MAX_SIGNATURE_BYTES, Message, Nonce, Once, Sealed, SignError, SignatureFlaw};

/// CBOR tags of one byte each: 18 and 17; and an array of four.
const SIGN1: u8 = 0xD2;
const MAC0: u8 = 0xD1;
const ARRAY_OF_4: u8 = 0x84;
/// The longest header.
const MAX_HEADER_BYTES: usize = 4096;
/// RFC 9597.
const CWT_CLAIMS: i64 = 15;
/// RFC 8392.
const ISSUED_AT: i64 = 6;
const CWT_ID: i64 = 7;
/// Of those for private use: the counter.
const COUNTER: i64 = -65537;
/// From here on, not every whole number is a double.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A message, its headers read.
struct Cose<'a> {
    is_mac: bool,
    protected: ProtectedHeader,
    unprotected: Header,
    payload: &'a [u8],
    signature: &'a [u8],
}

impl<'a> Cose<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, SignatureFlaw> {
        let (tag, array) = match bytes {
            [tag @ (SIGN1 | MAC0), rest @ ..] => (Some(*tag), rest),
            [ARRAY_OF_4, ..] => (None, bytes),
            _ => return Err(SignatureFlaw::Missing),
        };
        let rest = array.strip_prefix(&[ARRAY_OF_4]).ok_or(SignatureFlaw::Malformed)?;
        Self::items(tag, rest).ok_or(SignatureFlaw::Malformed)
    }

    /// The four items. What is in front of the payload is bounded, as all of it is read before anything is known.
    fn items(tag: Option<u8>, rest: &'a [u8]) -> Option<Self> {
        let (protected, rest) = byte_string(rest, MAX_HEADER_BYTES)?;
        let window = rest.get(..MAX_HEADER_BYTES).unwrap_or(rest);
        let mut left = window;
        let unprotected: Value = cbor::de::from_reader(&mut left).ok()?;
        let rest = rest.get(window.len() - left.len()..)?;
        let (payload, rest) = byte_string(rest, usize::MAX)?;
        let (signature, rest) = byte_string(rest, MAX_SIGNATURE_BYTES)?;
        let protected = ProtectedHeader::from_cbor_bstr(Value::Bytes(protected.to_vec())).ok()?;
        // Without a tag both look alike, but their algorithms do not.
        let hmac = matches!(algorithm(&protected.header), Claimed::Named(Algorithm::Hs256));
        let is_mac = tag.map_or(hmac, |tag| tag == MAC0);
        let unprotected = Header::from_cbor_value(unprotected).ok()?;
        let is_whole = rest.is_empty() && !signature.is_empty();
        is_whole.then_some(Self { is_mac, protected, unprotected, payload, signature })
    }

    /// What is signed.
    fn covered(&self, external: &[u8]) -> Vec<u8> {
        let protected = self.protected.clone();
        if self.is_mac {
            coset::mac_structure_data(MacContext::CoseMac0, protected, external, self.payload)
        } else {
            coset::sig_structure_data(SignatureContext::CoseSign1, protected, None, external, self.payload)
        }
    }
}

/// A byte string of a length that is written in front of it, of at most so many bytes; and what is behind it.
fn byte_string(bytes: &[u8], max: usize) -> Option<(&[u8], &[u8])> {
    let (head, rest) = bytes.split_first()?;
    let (length, rest) = match head {
        0x40..=0x57 => (usize::from(head - 0x40), rest),
        0x58 => rest.split_first().map(|(length, rest)| (usize::from(*length), rest))?,
        0x59 => rest.split_first_chunk().map(|(length, rest)| (usize::from(u16::from_be_bytes(*length)), rest))?,
        0x5A => {
            let (length, rest) = rest.split_first_chunk()?;
            (usize::try_from(u32::from_be_bytes(*length)).ok()?, rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length).filter(|_| length <= max)
}

pub(in crate::signature) fn read(message: Message<'_>) -> Result<Claim<'_>, SignatureFlaw> {
    let cose = Cose::read(message.payload)?;
    let header = &cose.protected.header;
    if speaks(&cose.unprotected) || !is_understood(header) {
        return Err(SignatureFlaw::Malformed);
    }
    let algorithm = match algorithm(header) {
        // A signature is no MAC, and a MAC no signature.
        Claimed::Named(named) if cose.is_mac != (named == Algorithm::Hs256) => Claimed::Unknown,
        claimed @ (Claimed::Nothing | Claimed::Named(_) | Claimed::Unknown) => claimed,
    };
    let kid = str::from_utf8(&header.key_id).map_err(|_| SignatureFlaw::Malformed)?;
    let kid = claim::kid(kid)?.to_owned();
    let (signed_at_millis, once) = claims(header)?;
    let covered = Covered::Bytes(Cow::Owned(cose.covered(message.topic.as_bytes())));
    Ok(Claim { kid: kid.into(), algorithm, signed_at_millis, once, signature: cose.signature.to_vec(), covered })
}

pub(in crate::signature) fn strip(payload: &[u8]) -> Result<&[u8], SignatureFlaw> {
    Cose::read(payload).map(|cose| cose.payload)
}

/// What is signed, and the signature.
#[cfg(test)]
pub(in crate::signature) fn parts(message: &[u8], external: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let cose = Cose::read(message).ok()?;
    Some((cose.covered(external), cose.signature.to_vec()))
}

fn algorithm(header: &Header) -> Claimed {
    let Some(RegisteredLabelWithPrivate::Assigned(algorithm)) = &header.alg else { return Claimed::Unknown };
    let known = names().into_iter().find(|(names, _)| names.contains(algorithm));
    known.map_or(Claimed::Unknown, |(_, algorithm)| Claimed::Named(algorithm))
}

/// The names of each algorithm, the one that we write first.
fn names() -> [(&'static [iana::Algorithm], Algorithm); 7] {
    use iana::Algorithm as Name;
    [
        (&[Name::HMAC_256_256], Algorithm::Hs256),
        (&[Name::EdDSA, Name::Ed25519], Algorithm::EdDsa),
        (&[Name::ES256, Name::ESP256], Algorithm::Es256),
        (&[Name::ES384, Name::ESP384], Algorithm::Es384),
        (&[Name::PS256], Algorithm::Ps256),
        (&[Name::PS384], Algorithm::Ps384),
        (&[Name::PS512], Algorithm::Ps512),
    ]
}

/// Whether a header that nothing covers says what only a covered one may say.
fn speaks(unprotected: &Header) -> bool {
    unprotected.alg.is_some()
        || !unprotected.key_id.is_empty()
        || !unprotected.crit.is_empty()
        || unprotected.rest.iter().any(|(label, _)| *label == Label::Int(CWT_CLAIMS))
}

/// RFC 9052 section 3.1: whatever is critical must be known.
fn is_understood(header: &Header) -> bool {
    header.crit.iter().all(|label| {
        use iana::HeaderParameter as Name;
        matches!(label, RegisteredLabelWithPrivate::Assigned(Name::Alg | Name::Kid | Name::CwtClaims))
    })
}

fn claims(header: &Header) -> Result<(Option<i64>, Once), SignatureFlaw> {
    let claims = header.rest.iter().find(|(label, _)| *label == Label::Int(CWT_CLAIMS));
    let Some((_, Value::Map(claims))) = claims else { return Err(SignatureFlaw::Malformed) };
    let (mut time, mut nonce, mut counter) = (None, None, None);
    for (name, value) in claims {
        let Value::Integer(name) = name else { continue };
        let is_twice = match i64::try_from(*name) {
            Ok(ISSUED_AT) => time.replace(issued_at(value)?).is_some(),
            Ok(CWT_ID) => {
                let bytes = value.as_bytes().ok_or(SignatureFlaw::Malformed)?;
                nonce.replace(Nonce::new(bytes).map(Once::Nonce).ok_or(SignatureFlaw::Malformed)?).is_some()
            }
            Ok(COUNTER) => {
                let value = value.as_integer().and_then(|value| u64::try_from(value).ok());
                counter.replace(value.ok_or(SignatureFlaw::Malformed)?).is_some()
            }
            Ok(_) | Err(_) => false,
        };
        if is_twice {
            return Err(SignatureFlaw::Duplicate);
        }
    }
    Ok((time, claim::once(nonce, counter, time)?))
}

/// A NumericDate: seconds since 1970, with a fraction where that is needed.
fn issued_at(value: &Value) -> Result<i64, SignatureFlaw> {
    let seconds = |value: cbor::value::Integer| i64::try_from(value).ok()?.checked_mul(1000);
    #[expect(clippy::cast_possible_truncation, reason = "within the bounds that are looked at first")]
    let fraction = |value: f64| ((value * 1000.0).abs() < EXACT).then(|| (value * 1000.0).round() as i64);
    let millis = value.as_integer().and_then(seconds).or_else(|| value.as_float().and_then(fraction));
    claim::millis(millis.ok_or(SignatureFlaw::Malformed)?)
}

pub(in crate::signature) fn sign(
    key: &SigningKey,
    message: Message<'_>,
    terms: &Terms<'_>,
) -> Result<Sealed, SignError> {
    let name = names().into_iter().find(|(_, own)| *own == key.algorithm()).and_then(|(names, _)| names.first());
    let mut claims = Vec::new();
    if let Some(millis) = terms.signed_at_millis {
        claims.push((Value::from(ISSUED_AT), numeric_date(millis)));
    }
    claims.push(match terms.once {
        Once::Nonce(nonce) => (Value::from(CWT_ID), Value::Bytes(nonce.as_bytes().to_vec())),
        Once::Counter(counter) => (Value::from(COUNTER), Value::from(*counter)),
    });
    let header = HeaderBuilder::new()
        .algorithm(*name.ok_or(SignError::Algorithm)?)
        .key_id(terms.kid.as_bytes().to_vec())
        .value(CWT_CLAIMS, Value::Map(claims))
        .build();
    let payload = message.payload.to_vec();
    let topic = message.topic.as_bytes();
    let crypto = |covered: &[u8]| key.sign(covered).map_err(|_| SignError::Crypto);
    let sealed = if key.algorithm() == Algorithm::Hs256 {
        let builder = CoseMac0Builder::new().protected(header).payload(payload);
        builder.try_create_tag(topic, crypto)?.build().to_tagged_vec()
    } else {
        let builder = CoseSign1Builder::new().protected(header).payload(payload);
        builder.try_create_signature(topic, crypto)?.build().to_tagged_vec()
    };
    Ok(Sealed { payload: Some(sealed.map_err(|_| SignError::TooLong)?), add_properties: Vec::new() })
}

/// Whole seconds as a whole number, else a double.
fn numeric_date(millis: i64) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "far within what a double holds: before the year 10000")]
    if millis % 1000 == 0 { Value::from(millis / 1000) } else { Value::from(millis as f64 / 1000.0) }
}
