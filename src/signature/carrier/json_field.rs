//! A member of the JSON object that the payload is. What is signed is the canonical form (RFC 8785) of the whole without
//! the text of the signature itself.

use std::borrow::Cow;

use data_encoding::BASE64URL_NOPAD;

use crate::jwk::SigningKey;
use crate::payload::Field;
use crate::payload::canonical::{Document, Node};
use crate::signature::claim::{self, Claim, Claimed, Covered, Layout, Terms, layout};
use crate::signature::{Message, Once, Sealed, SignError, SignatureFlaw};

/// From here on, not every whole number is a double.
const EXACT: f64 = 9_007_199_254_740_992.0;
const SIGNATURE: &str = "signature";

fn document(payload: &[u8]) -> Result<Document<'_>, SignatureFlaw> {
    Document::read(payload).map_err(|_| SignatureFlaw::Malformed)
}

pub(in crate::signature) fn read<'a>(field: &Field, message: Message<'a>) -> Result<Claim<'a>, SignatureFlaw> {
    let mut document = document(message.payload)?;
    let Node::Object(mut members) = document.take(field).ok_or(SignatureFlaw::Missing)? else {
        return Err(SignatureFlaw::Malformed);
    };
    let at = members.iter().position(|(name, _)| name == SIGNATURE).ok_or(SignatureFlaw::Malformed)?;
    let Node::Text(signature) = members.remove(at).1 else { return Err(SignatureFlaw::Malformed) };
    let (mut kid, mut time, mut nonce, mut counter) = (None, None, None, None);
    for (name, value) in &members {
        match (&**name, value) {
            ("kid", Node::Text(text)) => kid = Some(claim::kid(text)?.to_owned()),
            ("time", Node::Number(number)) => time = Some(whole(*number)?),
            ("nonce", Node::Text(text)) => nonce = Some(claim::nonce(text)?),
            ("counter", Node::Number(number)) => counter = Some(whole(*number)?),
            _ => return Err(SignatureFlaw::Malformed),
        }
    }
    let signed_at_millis = time.map(claim::millis).transpose()?;
    let counter = counter.map(u64::try_from).transpose().map_err(|_| SignatureFlaw::Malformed)?;
    let once = claim::once(nonce, counter, signed_at_millis)?;
    document.insert(field, Node::Object(members)).map_err(|_| SignatureFlaw::Malformed)?;
    Ok(Claim {
        kid: Cow::Owned(kid.ok_or(SignatureFlaw::Malformed)?),
        algorithm: Claimed::Nothing,
        signed_at_millis,
        once,
        signature: claim::signature(&signature)?,
        covered: Covered::Document(document),
    })
}

/// A whole number that a double holds.
fn whole(number: f64) -> Result<i64, SignatureFlaw> {
    #[expect(clippy::cast_possible_truncation, reason = "within the bounds that are looked at first")]
    if number.abs() < EXACT && number.fract() == 0.0 { Ok(number as i64) } else { Err(SignatureFlaw::Malformed) }
}

/// In canonical form: the very text that was signed, without the member.
pub(in crate::signature) fn strip(field: &Field, payload: &[u8]) -> Result<Vec<u8>, SignatureFlaw> {
    let mut document = document(payload)?;
    document.take(field).ok_or(SignatureFlaw::Missing)?;
    Ok(document.write())
}

pub(in crate::signature) fn sign(
    field: &Field,
    key: &SigningKey,
    message: Message<'_>,
    terms: &Terms<'_>,
) -> Result<Sealed, SignError> {
    let mut document = Document::read(message.payload).map_err(|_| SignError::Payload)?;
    let mut members = vec![("kid", Node::Text(Cow::Borrowed(terms.kid)))];
    if let Some(time) = terms.signed_at_millis {
        members.push(("time", number(time)?));
    }
    members.push(match terms.once {
        Once::Nonce(nonce) => ("nonce", Node::Text(BASE64URL_NOPAD.encode(nonce.as_bytes()).into())),
        Once::Counter(counter) => ("counter", number(i64::try_from(*counter).map_err(|_| SignError::TooLong)?)?),
    });
    document.insert(field, Node::object(members)).map_err(|_| SignError::Payload)?;
    let text = document.write();
    let covered = layout(Layout::JsonField, terms, Message { topic: message.topic, payload: &text });
    let signature = key.sign(&covered.ok_or(SignError::TooLong)?).map_err(|_| SignError::Crypto)?;
    let Some(Node::Object(mut members)) = document.take(field) else { return Err(SignError::Payload) };
    // `signature` stands behind `kid` and `nonce`, before `time`.
    let at = members.iter().position(|(name, _)| &**name > SIGNATURE).unwrap_or(members.len());
    members.insert(at, (SIGNATURE.into(), Node::Text(BASE64URL_NOPAD.encode(&signature).into())));
    document.insert(field, Node::Object(members)).map_err(|_| SignError::Payload)?;
    Ok(Sealed { payload: Some(document.write()), add_properties: Vec::new() })
}

fn number<'a>(value: i64) -> Result<Node<'a>, SignError> {
    #[expect(clippy::cast_precision_loss, reason = "looked at behind it")]
    let double = value as f64;
    if double.abs() < EXACT { Ok(Node::Number(double)) } else { Err(SignError::TooLong) }
}
