//! JWS in the compact form: as the payload (RFC 7515), or detached, with the payload as it is (RFC 7797).
//!
//! The protected header names what our other carriers name too: `alg`, `kid`, `topic`, `iat_ms`, and `jti` or `ctr`.
//! `jwk`, `jku`, `x5c` and their like are never looked at.

use std::borrow::Cow;

use data_encoding::BASE64URL_NOPAD;
use serde_json::json;

use crate::jwk::json::{Json, Object};
use crate::jwk::{Algorithm, SigningKey};
use crate::signature::claim::{self, Claim, Claimed, Covered, Terms};
use crate::signature::{Message, Once, Sealed, SignError, SignatureFlaw};

/// The longest protected header, in base64url.
const MAX_HEADER_BYTES: usize = 96 << 10;
/// What may be in `crit`: all that is understood here and is not of RFC 7515 itself.
const CRITICAL: [&str; 5] = ["b64", "topic", "iat_ms", "jti", "ctr"];

/// The parts of a text that has the look of a JWS in the compact form; all else is no signature at all.
pub(in crate::signature) fn parts(text: &[u8]) -> Result<[&str; 3], SignatureFlaw> {
    let is_of_it = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let text = str::from_utf8(text).ok().filter(|text| text.as_bytes().iter().all(is_of_it));
    let mut parts = text.ok_or(SignatureFlaw::Missing)?.splitn(4, '.');
    match [parts.next(), parts.next(), parts.next(), parts.next()] {
        [Some(header), Some(payload), Some(signature), None] if !header.is_empty() => Ok([header, payload, signature]),
        _ => Err(SignatureFlaw::Missing),
    }
}

pub(in crate::signature) fn read(message: Message<'_>) -> Result<Claim<'_>, SignatureFlaw> {
    let [header, payload, signature] = parts(message.payload)?;
    BASE64URL_NOPAD.decode_len(payload.len()).map_err(|_| SignatureFlaw::Malformed)?;
    let covered = message.payload.get(..header.len() + 1 + payload.len()).ok_or(SignatureFlaw::Malformed)?;
    claimed(header, signature, message.topic, false, Covered::Bytes(Cow::Borrowed(covered)))
}

pub(in crate::signature) fn strip(payload: &[u8]) -> Result<Vec<u8>, SignatureFlaw> {
    let [_, payload, _] = parts(payload)?;
    BASE64URL_NOPAD.decode(payload.as_bytes()).map_err(|_| SignatureFlaw::Malformed)
}

pub(in crate::signature) fn read_detached<'a>(
    name: &str,
    message: Message<'a>,
    properties: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<Claim<'a>, SignatureFlaw> {
    let mut own = properties.into_iter().filter(|(own, _)| *own == name);
    let (_, text) = own.next().ok_or(SignatureFlaw::Missing)?;
    if own.next().is_some() {
        return Err(SignatureFlaw::Duplicate);
    }
    let [header, "", signature] = parts(text.as_bytes()).map_err(|_| SignatureFlaw::Malformed)? else {
        return Err(SignatureFlaw::Malformed);
    };
    let covered = detached(header, message.payload);
    claimed(header, signature, message.topic, true, Covered::Bytes(Cow::Owned(covered)))
}

/// What a detached JWS is made over (RFC 7797 section 3).
pub(in crate::signature) fn detached(header: &str, payload: &[u8]) -> Vec<u8> {
    [header.as_bytes(), b".", payload].concat()
}

fn claimed<'a>(
    header: &str,
    signature: &str,
    topic: &str,
    is_detached: bool,
    covered: Covered<'a>,
) -> Result<Claim<'a>, SignatureFlaw> {
    if header.len() > MAX_HEADER_BYTES {
        return Err(SignatureFlaw::Malformed);
    }
    let header = BASE64URL_NOPAD.decode(header.as_bytes()).map_err(|_| SignatureFlaw::Malformed)?;
    let header = Object::parse(&header).ok_or(SignatureFlaw::Malformed)?;
    critical(&header, is_detached)?;
    let text = |name| header.text(name).map_err(|_| SignatureFlaw::Malformed);
    let name = text("alg")?.ok_or(SignatureFlaw::Malformed)?;
    let kid = claim::kid(text("kid")?.ok_or(SignatureFlaw::Malformed)?)?.to_owned();
    let counter = number(&header, "ctr")?;
    let time = number(&header, "iat_ms")?.map(i64::try_from).transpose().map_err(|_| SignatureFlaw::Malformed)?;
    let signed_at_millis = time.map(claim::millis).transpose()?;
    let once = claim::once(text("jti")?.map(claim::nonce).transpose()?, counter, signed_at_millis)?;
    if text("topic")?.ok_or(SignatureFlaw::Malformed)? != topic {
        return Err(SignatureFlaw::Topic);
    }
    Ok(Claim {
        kid: Cow::Owned(kid),
        algorithm: Algorithm::parse(name).map_or(Claimed::Unknown, Claimed::Named),
        signed_at_millis,
        once,
        signature: claim::signature(signature)?,
        covered,
    })
}

/// RFC 7515 section 4.1.11, RFC 7797 section 6: what is critical is understood and there; `b64` is false where detached,
/// and not there else.
fn critical(header: &Object, is_detached: bool) -> Result<(), SignatureFlaw> {
    let listed = match header.get("crit") {
        None => Vec::new(),
        Some(Json::List(items)) if items.is_empty() => return Err(SignatureFlaw::Malformed),
        Some(list @ Json::List(_)) => list.texts().ok_or(SignatureFlaw::Malformed)?,
        Some(_) => return Err(SignatureFlaw::Malformed),
    };
    let is_known = |name: &&str| CRITICAL.contains(name) && header.get(name).is_some();
    let is_once = |name: &&str| listed.iter().filter(|other| *other == name).count() == 1;
    let is_good = listed.iter().all(|name| is_known(name) && is_once(name));
    let is_bare = match header.get("b64") {
        None => !is_detached,
        Some(Json::Bool(false)) => is_detached && listed.contains(&"b64"),
        Some(_) => false,
    };
    if is_good && is_bare { Ok(()) } else { Err(SignatureFlaw::Malformed) }
}

fn number(header: &Object, name: &str) -> Result<Option<u64>, SignatureFlaw> {
    match header.get(name) {
        None => Ok(None),
        Some(Json::Integer(value)) => u64::try_from(*value).map(Some).map_err(|_| SignatureFlaw::Malformed),
        Some(_) => Err(SignatureFlaw::Malformed),
    }
}

pub(in crate::signature) fn sign(
    key: &SigningKey,
    message: Message<'_>,
    terms: &Terms<'_>,
) -> Result<Sealed, SignError> {
    let header = BASE64URL_NOPAD.encode(header(key, message.topic, terms, false).as_bytes());
    let mut text = format!("{header}.{}", BASE64URL_NOPAD.encode(message.payload));
    let signature = key.sign(text.as_bytes()).map_err(|_| SignError::Crypto)?;
    text.push('.');
    BASE64URL_NOPAD.encode_append(&signature, &mut text);
    Ok(Sealed { payload: Some(text.into_bytes()), add_properties: Vec::new() })
}

pub(in crate::signature) fn sign_detached(
    name: &str,
    key: &SigningKey,
    message: Message<'_>,
    terms: &Terms<'_>,
) -> Result<Sealed, SignError> {
    let header = BASE64URL_NOPAD.encode(header(key, message.topic, terms, true).as_bytes());
    let covered = detached(&header, message.payload);
    let signature = key.sign(&covered).map_err(|_| SignError::Crypto)?;
    let text = format!("{header}..{}", BASE64URL_NOPAD.encode(&signature));
    // What a User Property can hold.
    if text.len() > usize::from(u16::MAX) {
        return Err(SignError::TooLong);
    }
    Ok(Sealed { payload: None, add_properties: vec![(name.to_owned(), text)] })
}

/// The protected header; its members in one order, so that the same message gives the same text.
fn header(key: &SigningKey, topic: &str, terms: &Terms<'_>, is_detached: bool) -> String {
    let mut members = vec![("alg", json!(key.algorithm().name())), ("kid", json!(terms.kid))];
    if is_detached {
        members.extend([("b64", json!(false)), ("crit", json!(["b64"]))]);
    }
    members.push(("topic", json!(topic)));
    if let Some(time) = terms.signed_at_millis {
        members.push(("iat_ms", json!(time)));
    }
    members.push(match terms.once {
        Once::Nonce(nonce) => ("jti", json!(BASE64URL_NOPAD.encode(nonce.as_bytes()))),
        Once::Counter(counter) => ("ctr", json!(counter)),
    });
    let members: Vec<String> = members.into_iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", members.join(","))
}
