//! User Properties of MQTT 5.0: key id, time, nonce or counter, signature; the payload stays as it is.

use data_encoding::BASE64URL_NOPAD;

use super::Names;
use crate::jwk::SigningKey;
use crate::signature::claim::{self, Claim, Claimed, Covered, Layout, Terms, layout};
use crate::signature::{Message, Once, Sealed, SignError, SignatureFlaw};

pub(in crate::signature) fn read<'a>(
    names: &Names,
    message: Message<'a>,
    properties: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<Claim<'a>, SignatureFlaw> {
    let own = names.all();
    let mut found = [None; 5];
    for (name, value) in properties {
        let Some(at) = own.iter().position(|own| *own == name) else { continue };
        if found.get_mut(at).and_then(|place| place.replace(value)).is_some() {
            return Err(SignatureFlaw::Duplicate);
        }
    }
    let [kid, time, nonce, counter, signature] = found;
    if found.iter().all(Option::is_none) {
        return Err(SignatureFlaw::Missing);
    }
    let (Some(kid), Some(signature)) = (kid, signature) else { return Err(SignatureFlaw::Malformed) };
    let decimal = |text: &str| claim::decimal(text);
    let millis = |text| claim::millis(i64::try_from(decimal(text)?).map_err(|_| SignatureFlaw::Malformed)?);
    let signed_at_millis = time.map(millis).transpose()?;
    let nonce = nonce.map(claim::nonce).transpose()?;
    let once = claim::once(nonce, counter.map(decimal).transpose()?, signed_at_millis)?;
    Ok(Claim {
        kid: claim::kid(kid)?.into(),
        algorithm: Claimed::Nothing,
        signed_at_millis,
        once,
        signature: claim::signature(signature)?,
        covered: Covered::Layout(Layout::UserProperty, message.payload),
    })
}

pub(in crate::signature) fn sign(
    names: &Names,
    key: &SigningKey,
    message: Message<'_>,
    terms: &Terms<'_>,
) -> Result<Sealed, SignError> {
    let covered = layout(Layout::UserProperty, terms, message).ok_or(SignError::TooLong)?;
    let signature = key.sign(&covered).map_err(|_| SignError::Crypto)?;
    let mut properties = vec![(names.kid.to_string(), terms.kid.to_owned())];
    if let Some(time) = terms.signed_at_millis {
        properties.push((names.time.to_string(), time.to_string()));
    }
    properties.push(match terms.once {
        Once::Nonce(nonce) => (names.nonce.to_string(), BASE64URL_NOPAD.encode(nonce.as_bytes())),
        Once::Counter(counter) => (names.counter.to_string(), counter.to_string()),
    });
    properties.push((names.signature.to_string(), BASE64URL_NOPAD.encode(&signature)));
    Ok(Sealed { payload: None, add_properties: properties })
}
