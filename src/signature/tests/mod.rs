mod attacks;
mod carriers;
mod forms;
mod properties;
mod times;
mod vectors;

use std::time::Duration;

use super::*;
use crate::jwk::{Algorithm, Keys, SigningKeys};
use crate::payload::Field;

pub(super) const PRIVATE: &str = include_str!("../../../tests/vectors/signatures/private.json");
pub(super) const PUBLIC: &str = include_str!("../../../tests/vectors/signatures/public.json");
pub(super) const NOW: i64 = 1_800_000_000_123;
pub(super) const TOPIC: &str = "plant/line1/command/valve-3";
pub(super) const JSON: &[u8] = br#"{"valve":"open", "percent": 40.0}"#;
/// Every key of the sets.
pub(super) const KIDS: [&str; 5] = ["hmac-1", "ed-1", "p256-1", "p384-1", "rsa-1"];

pub(super) fn private() -> SigningKeys {
    SigningKeys::parse(PRIVATE.as_bytes()).unwrap()
}

pub(super) fn public() -> Keys {
    Keys::parse(PUBLIC.as_bytes()).unwrap()
}

pub(super) fn carriers() -> Vec<Carrier> {
    let field = Field::parse("/signature").unwrap();
    vec![
        Carrier::UserProperty(Names::default()),
        Carrier::Jws,
        Carrier::JwsDetached(Carrier::JWS_PROPERTY.into()),
        Carrier::Cose,
        Carrier::JsonField(field),
        Carrier::Trailer,
    ]
}

pub(super) fn scheme(carrier: Carrier) -> Scheme {
    Scheme {
        carrier,
        algorithms: Scheme::ALGORITHMS.to_vec(),
        max_age: Some(Duration::from_secs(30)),
        clock_skew: Duration::from_secs(5),
        freshness: Freshness::Either,
    }
}

pub(super) fn nonce() -> Once {
    Once::Nonce(Nonce::new(b"0123456789abcdef").unwrap())
}

/// A message as it is sent.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sent {
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
    pub(super) properties: Vec<(String, String)>,
}

impl Sent {
    pub(super) fn properties(&self) -> impl Iterator<Item = (&str, &str)> {
        self.properties.iter().map(|(name, value)| (&**name, &**value))
    }
}

pub(super) fn seal_with(scheme: &Scheme, kid: &str, payload: &[u8], once: &Once, time: Option<i64>) -> Sent {
    let keys = private();
    let message = Message { topic: TOPIC, payload };
    let sealed = scheme.sign(keys.get(kid).unwrap(), message, once, time).unwrap();
    Sent {
        topic: TOPIC.into(),
        payload: sealed.payload.unwrap_or_else(|| payload.to_vec()),
        properties: sealed.add_properties,
    }
}

pub(super) fn seal(scheme: &Scheme, kid: &str, payload: &[u8]) -> Sent {
    seal_with(scheme, kid, payload, &nonce(), Some(NOW))
}

pub(super) fn verify<'k>(
    scheme: &Scheme,
    keys: &'k Keys,
    sent: &Sent,
    now: i64,
) -> Result<Verified<'k>, SignatureFlaw> {
    scheme.verify(keys, Message { topic: &sent.topic, payload: &sent.payload }, sent.properties(), now)
}

pub(super) fn judge(scheme: &Scheme, sent: &Sent) -> Result<(), SignatureFlaw> {
    verify(scheme, &public(), sent, NOW).map(|_| ())
}

#[test]
fn keys_and_schemes_can_be_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Keys>();
    shared::<SigningKeys>();
    shared::<Scheme>();
}
