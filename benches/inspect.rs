//! What rules about messages cost, beside a policy that permits everything: values, schemas, histories, signatures.

#![expect(clippy::unwrap_used, reason = "a bench that cannot set up its subject ends")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use criterion::{Criterion, criterion_group, criterion_main};
use tidegate::identity::Identity;
use tidegate::jwk::{Keys, SigningKeys};
use tidegate::mqtt::frame::QoS;
use tidegate::payload::schema::Schema;
use tidegate::payload::{Field, Format};
use tidegate::policy::{
    Act, Authority, Bound, Change, Check, CheckedField, Decision, Draft, Memory, Message, PayloadFormat, PayloadRule,
    Policy, Request, SignatureRule,
};
use tidegate::signature::{self, Carrier, Freshness, Nonce, Once, Scheme};
use tidegate::store::{Bounds, Store};

/// Enough for what is measured here.
const BOUNDS: Bounds =
    Bounds { max_histories: 1000, max_facts: 1000, max_nonces: 1000, max_counters: 1000, max_buckets: 1000 };
const NOW: i64 = 1_800_000_000_000;
const TOPIC: &str = "plant/line1/temperature/t07";
const PRIVATE: &[u8] = include_bytes!("../tests/vectors/signatures/private.json");
const PUBLIC: &[u8] = include_bytes!("../tests/vectors/signatures/public.json");

/// Telemetry of 256 bytes.
fn telemetry() -> Vec<u8> {
    let mut text = concat!(
        r#"{"device":"temp-07","site":"plant-1","line":1,"unit":"C","celsius":21.375,"bar":3.25,"rpm":1480,"#,
        r#""valves":[0,1,1,0],"status":{"ok":true,"code":0},"serial":"A-2049-77","at":"2026-11-23T16:00:00Z","note":""#,
    )
    .to_owned();
    while text.len() < 254 {
        text.push('x');
    }
    text.push_str("\"}");
    text.into_bytes()
}

fn check(field: &str) -> Check {
    Check::new(CheckedField::Field(Field::parse(field).unwrap()))
}

fn range(field: &str) -> Check {
    Check { min: Some(Bound::Float(-40.0)), max: Some(Bound::Integer(150)), ..check(field) }
}

fn values(values: Vec<Check>) -> PayloadRule {
    let mut rule = PayloadRule::new("values");
    rule.rule.publish = vec!["plant/+/temperature/+".to_owned()];
    PayloadRule { format: Some(PayloadFormat::Fields(Format::Json)), values, ..rule }
}

/// Ten properties, each with something to hold.
fn schema() -> PayloadRule {
    let document = serde_json::json!({
        "type": "object",
        "required": ["device", "celsius", "bar"],
        "properties": {
            "device": {"type": "string", "maxLength": 16},
            "site": {"type": "string"},
            "line": {"type": "integer", "minimum": 1},
            "unit": {"enum": ["C", "F"]},
            "celsius": {"type": "number", "minimum": -40, "maximum": 150},
            "bar": {"type": "number", "minimum": 0},
            "rpm": {"type": "integer"},
            "valves": {"type": "array", "maxItems": 8},
            "status": {"type": "object"},
            "serial": {"type": "string", "pattern": "^[A-Z]-[0-9-]+$"}
        }
    });
    let schema = Schema::compile(&document, "file:///telemetry.json", &mut |_| Err(String::new())).unwrap();
    PayloadRule { schema: Some(Arc::new(schema)), ..values(Vec::new()) }
}

fn identity() -> Identity {
    let mut identity = Identity::new("bench".into(), ([127, 0, 0, 1], 1883).into(), None);
    identity.name = Some("temp-07".into());
    identity
}

fn message(payload: &[u8]) -> Message<'_> {
    let (topic, qos, payload_bytes) = (TOPIC, QoS::One, payload.len());
    Message { topic, qos, retain: false, payload_bytes, payload: Some(payload), dup: false, properties: None }
}

fn rules(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("inspect");
    let (identity, payload) = (identity(), telemetry());
    assert!(payload.len() == 256);
    let slow = Change { by: 5.0, per: Duration::from_secs(1) };
    let followed = Check { max_change: Some(slow), ..range("/celsius") };
    for (name, payloads) in [
        ("permit all", vec![]),
        ("size alone", vec![PayloadRule { format: None, ..values(Vec::new()) }]),
        ("JSON, no value", vec![values(Vec::new())]),
        ("range of two values", vec![values(vec![range("/celsius"), range("/bar")])]),
        ("range of two values, one followed", vec![values(vec![followed, range("/bar")])]),
        ("schema of ten properties", vec![schema()]),
    ] {
        let policy = Policy::new(Draft { permit_all: true, payloads, ..Draft::new("1") }).unwrap();
        let memory: Arc<dyn Memory> = Arc::new(Store::new(&BOUNDS));
        let mut authority = Authority::new(&Arc::new(policy), &identity, NOW).with_memory(Some(memory));
        let request = Request::Publish(message(&payload));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let decision = authority.decide(black_box(&identity), black_box(&request));
                assert!(black_box(decision) == Decision::Allow);
                authority.accept();
            });
        });
    }
    group.finish();
}

/// Verification of a message whose nonce is used up, with DUP set: all that a fresh one costs but the room it takes.
fn signatures(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("signature");
    let (identity, payload) = (identity(), telemetry());
    let scheme = Scheme {
        carrier: Carrier::Trailer,
        algorithms: Scheme::ALGORITHMS.to_vec(),
        max_age: Some(Duration::from_secs(30)),
        clock_skew: Duration::from_secs(5),
        freshness: Freshness::Nonce,
    };
    let (private, public) = (SigningKeys::parse(PRIVATE).unwrap(), Keys::parse(PUBLIC).unwrap());
    let mut rule = SignatureRule::new("signed", scheme.clone(), Act::Verify(Arc::new(public)));
    rule.rule.receive = vec!["plant/#".to_owned()];
    let draft = Draft { permit_all: true, signatures: vec![rule], ..Draft::new("1") };
    let policy = Arc::new(Policy::new(draft).unwrap());
    for kid in ["hmac-1", "ed-1", "p256-1"] {
        let once = Once::Nonce(Nonce::new(b"0123456789abcdef").unwrap());
        let plain = signature::Message { topic: TOPIC, payload: &payload };
        let sealed = scheme.sign(private.get(kid).unwrap(), plain, &once, Some(NOW)).unwrap();
        let signed = sealed.payload.unwrap();
        let memory: Arc<dyn Memory> = Arc::new(Store::new(&BOUNDS));
        let mut authority = Authority::new(&policy, &identity, NOW).with_memory(Some(memory));
        let request = Request::Receive(Message { dup: true, ..message(&signed) });
        group.bench_function(format!("verified, {kid}"), |bencher| {
            bencher.iter(|| {
                let decision = authority.decide(black_box(&identity), black_box(&request));
                assert!(black_box(decision) == Decision::Allow);
                authority.accept();
            });
        });
    }
    let signed = [TOPIC.as_bytes(), &payload].concat();
    let key = Ed25519KeyPair::generate().unwrap();
    let (signature, point) = (key.sign(&signed), key.public_key().as_ref().to_vec());
    group.bench_function("the crypto library alone, Ed25519", |bencher| {
        let key = UnparsedPublicKey::new(&ED25519, &point);
        bencher.iter(|| key.verify(black_box(&signed), signature.as_ref()).unwrap());
    });
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let signature = key.sign(&SystemRandom::new(), &signed).unwrap();
    let point = key.public_key().as_ref().to_vec();
    group.bench_function("the crypto library alone, P-256", |bencher| {
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &point);
        bencher.iter(|| key.verify(black_box(&signed), signature.as_ref()).unwrap());
    });
    group.finish();
}

criterion_group!(benches, rules, signatures);
criterion_main!(benches);
