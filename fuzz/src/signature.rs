//! Key sets, signed messages and canonical JSON from anybody.

use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;
use tidegate::jwk::{Keys, MAX_KEYS, SigningKeys};
use tidegate::payload::{Field, canonical::canonical};
use tidegate::signature::{Carrier, Freshness, MAX_KID_BYTES, Message, Names, Once, Scheme};

/// Keys that everybody knows; nothing but the messages of the corpus is signed with them.
const PUBLIC: &str = include_str!("../../tests/vectors/signatures/public.json");
const TOPIC: &str = "plant/line1/command/valve-3";
const NOW: i64 = 1_800_000_000_123;

/// Every key that is taken checks something, has its name once, and checks what its private half signs.
pub(crate) fn key_sets(data: &[u8]) {
    if let Ok(keys) = Keys::parse(data) {
        assert!((1..=MAX_KEYS).contains(&keys.len()) && keys.len() == keys.keys().len());
        for key in keys.keys() {
            assert!(key.algorithms().count() > 0);
            assert!(key.kid().is_none_or(|kid| keys.get(kid).is_some_and(|found| found.mark() == key.mark())));
            let (from, to) = key.validity();
            assert!(from.zip(to).is_none_or(|(from, to)| from < to));
        }
    }
    if let Ok(keys) = SigningKeys::parse(data) {
        let checking = keys.checking();
        for key in keys.keys().iter().take(4) {
            let checking = checking.get(key.kid()).expect("its public half");
            // The halves may be of two keys where the crypto core does not compare them; then nothing is taken.
            if let Ok(signature) = key.sign(data) {
                assert!(checking.verifies(key.algorithm(), data, &signature));
                assert!(!checking.verifies(key.algorithm(), b"another", &signature) || data == b"another");
            }
        }
    }
}

fn keys() -> &'static Keys {
    static KEYS: OnceLock<Keys> = OnceLock::new();
    KEYS.get_or_init(|| Keys::parse(PUBLIC.as_bytes()).expect("good keys"))
}

/// The first byte chooses the carrier; of those beside the payload, the lines up to an empty one are User Properties, and
/// behind it is the payload. What is found good can be made plain, and is good for no other topic.
pub(crate) fn messages(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else { return };
    let carrier = match kind % 6 {
        0 => Carrier::UserProperty(Names::default()),
        1 => Carrier::Jws,
        2 => Carrier::JwsDetached(Carrier::JWS_PROPERTY.into()),
        3 => Carrier::Cose,
        4 => Carrier::JsonField(Field::parse("/signature").expect("a pointer")),
        _ => Carrier::Trailer,
    };
    let scheme = Scheme {
        carrier,
        algorithms: Scheme::ALGORITHMS.to_vec(),
        max_age: Some(Duration::from_secs(30)),
        clock_skew: Duration::from_secs(5),
        freshness: Freshness::Either,
    };
    let (properties, payload) = split(rest, scheme.carrier.needs_properties());
    let verify = |topic: &str| {
        let pairs = properties.iter().copied();
        scheme
            .verify(keys(), Message { topic, payload }, pairs, NOW)
            .map(|said| (said.kid.len(), said.once, said.digest))
    };
    let plain = scheme.strip(payload);
    if let Ok((kid_bytes, once, digest)) = verify(TOPIC) {
        assert!((1..=MAX_KID_BYTES).contains(&kid_bytes) && digest != [0; 32]);
        assert!(matches!(once, Once::Counter(_) | Once::Nonce(_)));
        assert!(plain.is_ok());
        assert!(verify("plant/line1/command/valve-4").is_err(), "good for one topic alone");
    }
}

fn split(rest: &[u8], has_properties: bool) -> (Vec<(&str, &str)>, &[u8]) {
    let mut properties = Vec::new();
    let mut left = rest;
    if !has_properties {
        return (properties, left);
    }
    loop {
        let end = left.iter().position(|byte| *byte == b'\n').unwrap_or(left.len());
        let (line, behind) = left.split_at(end);
        left = behind.get(1..).unwrap_or_default();
        match std::str::from_utf8(line).ok().and_then(|line| line.split_once('=')) {
            Some(pair) if properties.len() < 32 => properties.push(pair),
            Some(_) | None => return (properties, left),
        }
    }
}

/// The canonical form is its own, says what the text says, and is of JSON alone.
pub(crate) fn canonical_form(data: &[u8]) {
    let Ok(form) = canonical(data, None) else { return };
    assert_eq!(canonical(&form, None).as_deref(), Ok(&form[..]));
    let one: Value = serde_json::from_slice(data).expect("JSON to others too");
    let other: Value = serde_json::from_slice(&form).expect("JSON to others too");
    assert!(same(&one, &other));
    assert!(!form.iter().any(|byte| matches!(byte, b'\n' | b'\t')), "no white space");
    let field = Field::parse("/signature").expect("a pointer");
    let without = canonical(data, Some(&field)).expect("as good as the whole");
    let left: Value = serde_json::from_slice(&without).expect("JSON");
    assert!(left.get("signature").is_none());
}

/// As numbers are doubles to those who read the canonical form, and the other reader may be off by the last bit.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            let (one, other) = (one.as_f64().expect("a double"), other.as_f64().expect("a double"));
            (one - other).abs() <= one.abs() * 1e-15 || (one - other).abs() < 1e-300
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(name, value)| other.get(name).is_some_and(|other| same(value, other)))
        }
        (one, other) => one == other,
    }
}
