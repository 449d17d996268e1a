//! Bytes behind the payload, for devices that can do little more than count bytes.
//!
//! payload, time (8), counter (8) or nonce (16), key id, signature; then nine bytes from which the rest is found: version,
//! flags, length of the key id, length of the signature (2), magic (4). Numbers are big-endian.

use crate::jwk::SigningKey;
use crate::signature::claim::{self, Claim, Claimed, Covered, Layout, Terms, layout};
use crate::signature::{MAX_SIGNATURE_BYTES, Message, Nonce, Once, Sealed, SignError, SignatureFlaw};

/// What a trailer ends in. The last byte is in no UTF-8 text, so no JSON and no text ends so by chance.
const MAGIC: [u8; 4] = *b"TGS\xff";
const VERSION: u8 = 1;
/// The one flag: a nonce stands in the place of the counter.
const NONCE: u8 = 1;
const NONCE_BYTES: usize = 16;

struct Parts<'a> {
    payload: &'a [u8],
    time: u64,
    once: Once,
    kid: &'a [u8],
    signature: &'a [u8],
}

fn parts(message: &[u8]) -> Result<Parts<'_>, SignatureFlaw> {
    let (rest, magic) = message.split_last_chunk::<4>().ok_or(SignatureFlaw::Missing)?;
    if *magic != MAGIC {
        return Err(SignatureFlaw::Missing);
    }
    split(rest).ok_or(SignatureFlaw::Malformed)
}

fn split(rest: &[u8]) -> Option<Parts<'_>> {
    let (rest, [version, flags, kid_length, signature_length @ ..]) = rest.split_last_chunk::<5>()?;
    if *version != VERSION || *flags & !NONCE != 0 {
        return None;
    }
    let signature_length = usize::from(u16::from_be_bytes(*signature_length));
    if !(1..=MAX_SIGNATURE_BYTES).contains(&signature_length) {
        return None;
    }
    let (rest, signature) = rest.split_at_checked(rest.len().checked_sub(signature_length)?)?;
    let (rest, kid) = rest.split_at_checked(rest.len().checked_sub(usize::from(*kid_length))?)?;
    let (rest, once) = if *flags & NONCE == 0 {
        let (rest, counter) = rest.split_last_chunk::<8>()?;
        (rest, Once::Counter(u64::from_be_bytes(*counter)))
    } else {
        let (rest, nonce) = rest.split_last_chunk::<NONCE_BYTES>()?;
        (rest, Once::Nonce(Nonce::new(nonce)?))
    };
    let (payload, time) = rest.split_last_chunk::<8>()?;
    Some(Parts { payload, time: u64::from_be_bytes(*time), once, kid, signature })
}

pub(in crate::signature) fn read(message: Message<'_>) -> Result<Claim<'_>, SignatureFlaw> {
    let Parts { payload, time, once, kid, signature } = parts(message.payload)?;
    let kid = str::from_utf8(kid).map_err(|_| SignatureFlaw::Malformed)?;
    let time = i64::try_from(time).map_err(|_| SignatureFlaw::Malformed)?;
    let signed_at_millis = Some(time).filter(|time| *time != 0).map(claim::millis).transpose()?;
    if signed_at_millis.is_none() && matches!(once, Once::Nonce(_)) {
        return Err(SignatureFlaw::Malformed);
    }
    Ok(Claim {
        kid: claim::kid(kid)?.into(),
        algorithm: Claimed::Nothing,
        signed_at_millis,
        once,
        signature: signature.to_vec(),
        covered: Covered::Layout(Layout::Trailer, payload),
    })
}

pub(in crate::signature) fn strip(payload: &[u8]) -> Result<&[u8], SignatureFlaw> {
    parts(payload).map(|parts| parts.payload)
}

pub(in crate::signature) fn sign(
    key: &SigningKey,
    message: Message<'_>,
    terms: &Terms<'_>,
) -> Result<Sealed, SignError> {
    let covered = layout(Layout::Trailer, terms, message).ok_or(SignError::TooLong)?;
    let signature = key.sign(&covered).map_err(|_| SignError::Crypto)?;
    let mut payload = message.payload.to_vec();
    payload.extend_from_slice(&terms.signed_at_millis.unwrap_or_default().to_be_bytes());
    let flags = match terms.once {
        Once::Nonce(nonce) if nonce.as_bytes().len() == NONCE_BYTES => {
            payload.extend_from_slice(nonce.as_bytes());
            NONCE
        }
        Once::Nonce(_) => return Err(SignError::Freshness),
        Once::Counter(counter) => {
            payload.extend_from_slice(&counter.to_be_bytes());
            0
        }
    };
    payload.extend_from_slice(terms.kid.as_bytes());
    payload.extend_from_slice(&signature);
    payload.extend_from_slice(&[VERSION, flags, u8::try_from(terms.kid.len()).map_err(|_| SignError::TooLong)?]);
    payload.extend_from_slice(&u16::try_from(signature.len()).map_err(|_| SignError::TooLong)?.to_be_bytes());
    payload.extend_from_slice(&MAGIC);
    Ok(Sealed { payload: Some(payload), add_properties: Vec::new() })
}
