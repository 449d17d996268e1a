//! What it costs to verify a signed message, beside the crypto core alone: `cargo bench --bench signature`.

#![expect(clippy::unwrap_used, reason = "a benchmark: a panic is its way to fail")]

use std::hint::black_box;
use std::time::Duration;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, UnparsedPublicKey};
use criterion::{Criterion, criterion_group, criterion_main};
use data_encoding::BASE64URL_NOPAD;
use tidegate::jwk::{Keys, SigningKeys};
use tidegate::payload::Field;
use tidegate::signature::{Carrier, Freshness, Message, Names, Nonce, Once, Scheme};

const PRIVATE: &str = include_str!("../tests/vectors/signatures/private.json");
const PUBLIC: &str = include_str!("../tests/vectors/signatures/public.json");
const TOPIC: &str = "plant/line1/command/valve-3";
const NOW: i64 = 1_800_000_000_123;

/// A member of a key, decoded.
fn member(kid: &str, name: &str) -> Vec<u8> {
    let set: serde_json::Value = serde_json::from_str(PRIVATE).unwrap();
    let keys = set.get("keys").and_then(|keys| keys.as_array()).unwrap();
    let key = keys.iter().find(|key| key.get("kid").is_some_and(|own| own == kid)).unwrap();
    BASE64URL_NOPAD.decode(key.get(name).and_then(|value| value.as_str()).unwrap().as_bytes()).unwrap()
}

fn scheme(carrier: Carrier) -> Scheme {
    Scheme {
        carrier,
        algorithms: Scheme::ALGORITHMS.to_vec(),
        max_age: Some(Duration::from_secs(30)),
        clock_skew: Duration::from_secs(5),
        freshness: Freshness::Either,
    }
}

fn json(length: usize) -> Vec<u8> {
    let start = r#"{"celsius":21.5,"unit":"C","text":""#;
    format!("{start}{}\"}}", "x".repeat(length - start.len() - 2)).into_bytes()
}

fn ours(c: &mut Criterion) {
    let (signing, keys) = (SigningKeys::parse(PRIVATE.as_bytes()).unwrap(), Keys::parse(PUBLIC.as_bytes()).unwrap());
    let carriers = [
        Carrier::UserProperty(Names::default()),
        Carrier::Trailer,
        Carrier::Jws,
        Carrier::JwsDetached(Carrier::JWS_PROPERTY.into()),
        Carrier::Cose,
        Carrier::JsonField(Field::parse("/signature").unwrap()),
    ];
    let payload = json(256);
    let once = Once::Nonce(Nonce::new(b"0123456789abcdef").unwrap());
    let mut group = c.benchmark_group("verify 256 B");
    for carrier in carriers {
        let scheme = scheme(carrier);
        for kid in ["hmac-1", "ed-1", "p256-1"] {
            let message = Message { topic: TOPIC, payload: &payload };
            let sealed = scheme.sign(signing.get(kid).unwrap(), message, &once, Some(NOW)).unwrap();
            let sent = sealed.payload.as_deref().unwrap_or(&payload);
            let message = Message { topic: TOPIC, payload: sent };
            group.bench_function(format!("{} {kid}", scheme.carrier.name()), |b| {
                b.iter(|| {
                    let properties = sealed.add_properties.iter().map(|(name, value)| (&**name, &**value));
                    black_box(scheme.verify(&keys, black_box(message), properties, NOW).unwrap())
                });
            });
        }
    }
    group.finish();
}

/// The same bytes, with keys that were parsed before.
fn alone(c: &mut Criterion) {
    let signing = SigningKeys::parse(PRIVATE.as_bytes()).unwrap();
    // As long as what a User Property covers of 256 bytes.
    let covered = vec![b'x'; 256 + 22 + 1 + 2 + 6 + 2 + TOPIC.len() + 8 + 2 + 16];
    let sign = |kid: &str| signing.get(kid).unwrap().sign(&covered).unwrap();
    let mut group = c.benchmark_group("aws-lc-rs alone");
    let key = hmac::Key::new(hmac::HMAC_SHA256, &member("hmac-1", "k"));
    let tag = sign("hmac-1");
    group.bench_function("hmac-1", |b| b.iter(|| hmac::verify(black_box(&key), black_box(&covered), &tag).unwrap()));
    let point = member("ed-1", "x");
    let signature = sign("ed-1");
    let key = ParsedPublicKey::new(&ED25519, &point).unwrap();
    group.bench_function("ed-1", |b| b.iter(|| key.verify_sig(black_box(&covered), &signature).unwrap()));
    let unparsed = UnparsedPublicKey::new(&ED25519, &point);
    group.bench_function("ed-1 unparsed", |b| b.iter(|| unparsed.verify(black_box(&covered), &signature).unwrap()));
    let point = [&[4][..], &member("p256-1", "x"), &member("p256-1", "y")].concat();
    let signature = sign("p256-1");
    let key = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &point).unwrap();
    group.bench_function("p256-1", |b| b.iter(|| key.verify_sig(black_box(&covered), &signature).unwrap()));
    let unparsed = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &point);
    group.bench_function("p256-1 unparsed", |b| b.iter(|| unparsed.verify(black_box(&covered), &signature).unwrap()));
    group.finish();
}

criterion_group!(benches, ours, alone);
criterion_main!(benches);
