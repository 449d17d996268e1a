//! What an attacker does to a message, and what is said of it.

use data_encoding::BASE64URL_NOPAD;

use super::*;
use crate::signature::SignatureFlaw as Flaw;

fn without_end(text: &str, bytes: usize) -> String {
    text.split_at(text.len() - bytes).0.to_owned()
}

#[test]
fn a_message_without_signature_is_missing_one() {
    for carrier in carriers() {
        let scheme = scheme(carrier);
        let sent = seal(&scheme, "ed-1", JSON);
        let stripped = scheme.strip(&sent.payload).unwrap();
        let plain = Sent { payload: stripped.payload.to_vec(), properties: vec![], topic: sent.topic.clone() };
        assert_eq!(judge(&scheme, &plain), Err(Flaw::Missing), "{}", scheme.carrier.name());
    }
    for payload in [&b""[..], b"21.5", b"1.2.3.4", b"..", "ü.ü.ü".as_bytes(), b"{}", b"\xd2", b"TGS"] {
        let sent = Sent { topic: TOPIC.into(), payload: payload.into(), properties: vec![("a".into(), "b".into())] };
        for carrier in [Carrier::Jws, Carrier::Trailer, Carrier::UserProperty(Names::default())] {
            let scheme = scheme(carrier);
            assert_eq!(judge(&scheme, &sent), Err(Flaw::Missing), "{} {payload:?}", scheme.carrier.name());
        }
    }
}

#[test]
fn a_message_is_good_for_its_own_topic_payload_and_key_alone() {
    let strangers = Keys::parse(PUBLIC.replace("hmac-1", "x").replace("ed-1", "hmac-1").as_bytes()).unwrap();
    for carrier in carriers() {
        let scheme = scheme(carrier);
        let name = scheme.carrier.name();
        for kid in KIDS {
            let sent = seal(&scheme, kid, JSON);
            let moved = Sent { topic: "plant/line1/command/valve-4".into(), ..sent.clone() };
            let is_jws = matches!(scheme.carrier, Carrier::Jws | Carrier::JwsDetached(_));
            let expected = if is_jws { Flaw::Topic } else { Flaw::Signature };
            assert_eq!(judge(&scheme, &moved), Err(expected), "{name} {kid}");

            let other = seal(&scheme, kid, br#"{"valve":"shut", "percent": 40.0}"#);
            let mixed = if scheme.carrier.needs_properties() {
                Sent { payload: other.payload, ..sent.clone() }
            } else {
                // The payload of one, the signature of the other: of the same length.
                let length =
                    sent.payload.iter().zip(&other.payload).take_while(|(one, other)| one == other).count() + 12;
                let payload = [&other.payload[..length], &sent.payload[length..]].concat();
                Sent { payload, ..sent.clone() }
            };
            if kid == "hmac-1" || kid == "ed-1" {
                assert!(judge(&scheme, &mixed).is_err(), "{name} {kid}");
            }
            if scheme.carrier.needs_properties() {
                assert_eq!(judge(&scheme, &mixed), Err(Flaw::Signature), "{name} {kid}");
            }
        }
        let sent = seal(&scheme, "hmac-1", JSON);
        // A key of that name, but another: of another type, so of another algorithm.
        let said = verify(&scheme, &strangers, &sent, NOW).map(|_| ());
        let names_algorithm = matches!(scheme.carrier, Carrier::Jws | Carrier::JwsDetached(_) | Carrier::Cose);
        assert_eq!(said, Err(if names_algorithm { Flaw::Algorithm } else { Flaw::Signature }), "{name}");
        let sent = seal(&scheme, "ed-1", JSON);
        assert_eq!(verify(&scheme, &strangers, &sent, NOW).map(|_| ()), Err(Flaw::UnknownKey), "{name}");
    }
}

#[test]
fn another_key_of_the_same_type_does_not_do() {
    let other = r#"{"keys":[{"kid":"hmac-1","kty":"oct","k":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"}]}"#;
    let keys = Keys::parse(other.as_bytes()).unwrap();
    for carrier in carriers() {
        let scheme = scheme(carrier);
        let sent = seal(&scheme, "hmac-1", JSON);
        assert_eq!(verify(&scheme, &keys, &sent, NOW).map(|_| ()), Err(Flaw::Signature), "{}", scheme.carrier.name());
    }
}

#[test]
fn an_algorithm_that_is_not_listed_is_not_taken() {
    for carrier in carriers() {
        let all = scheme(carrier);
        for kid in KIDS {
            let own = private().get(kid).unwrap().algorithm();
            let others = Scheme::ALGORITHMS.iter().copied().filter(|other| *other != own).collect();
            let without = Scheme { algorithms: others, ..all.clone() };
            let said = judge(&without, &seal(&all, kid, JSON));
            // A carrier that names no algorithm leaves it to the scheme: of RSA there is PS384 then.
            let is_named = matches!(all.carrier, Carrier::Jws | Carrier::JwsDetached(_) | Carrier::Cose);
            let expected = if kid == "rsa-1" && !is_named { Flaw::Signature } else { Flaw::Algorithm };
            assert_eq!(said, Err(expected), "{} {kid}", all.carrier.name());
        }
        let legacy = Scheme { algorithms: vec![Algorithm::Rs256, Algorithm::Hs512], ..all.clone() };
        for kid in KIDS {
            assert_eq!(judge(&legacy, &seal(&all, kid, JSON)), Err(Flaw::Algorithm), "whatever the scheme says");
        }
    }
}

/// A JWS with this header, over the payload, with the signature that the function makes.
fn jws(header: &str, payload: &[u8], sign: impl Fn(&[u8]) -> Vec<u8>) -> Sent {
    let covered = format!("{}.{}", BASE64URL_NOPAD.encode(header.as_bytes()), BASE64URL_NOPAD.encode(payload));
    let signature = BASE64URL_NOPAD.encode(&sign(covered.as_bytes()));
    Sent { topic: TOPIC.into(), payload: format!("{covered}.{signature}").into_bytes(), properties: vec![] }
}

#[test]
fn what_a_jws_says_of_its_algorithm_confuses_nobody() {
    let keys = private();
    let scheme = scheme(Carrier::Jws);
    let by = |kid: &'static str| move |covered: &[u8]| private().get(kid).unwrap().sign(covered).unwrap();
    // HMAC, with what everybody knows of a key as the secret.
    let public = BASE64URL_NOPAD.decode(b"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
    let confused = move |covered: &[u8]| {
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &public);
        aws_lc_rs::hmac::sign(&key, covered).as_ref().to_vec()
    };
    let header = |alg: &str, kid: &str, more: &str| {
        format!(r#"{{"alg":{alg},"kid":"{kid}","topic":"{TOPIC}","iat_ms":{NOW},"ctr":1{more}}}"#)
    };
    let own = r#","jwk":{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    let cases: Vec<(Sent, Result<(), Flaw>)> = vec![
        (jws(&header("\"EdDSA\"", "ed-1", ""), b"x", by("ed-1")), Ok(())),
        (jws(&header("\"Ed25519\"", "ed-1", ""), b"x", by("ed-1")), Ok(())),
        (jws(&header("\"HS256\"", "ed-1", ""), b"x", confused), Err(Flaw::Algorithm)),
        (jws(&header("\"EdDSA\"", "p256-1", ""), b"x", by("p256-1")), Err(Flaw::Algorithm)),
        (jws(&header("\"ES256\"", "p384-1", ""), b"x", by("p384-1")), Err(Flaw::Algorithm)),
        (jws(&header("\"ES256\"", "p256-1", ""), b"x", by("p384-1")), Err(Flaw::Signature)),
        (jws(&header("\"RS256\"", "rsa-1", ""), b"x", by("rsa-1")), Err(Flaw::Algorithm)),
        (jws(&header("\"PS512\"", "rsa-1", ""), b"x", by("rsa-1")), Err(Flaw::Signature)),
        (jws(&header("\"none\"", "ed-1", ""), b"x", |_| b"x".to_vec()), Err(Flaw::Algorithm)),
        (jws(&header("\"none\"", "ed-1", ""), b"x", |_| vec![]), Err(Flaw::Malformed)),
        (jws(&header("\"NONE\"", "hmac-1", ""), b"x", by("hmac-1")), Err(Flaw::Algorithm)),
        (jws(&header("\"\"", "hmac-1", ""), b"x", by("hmac-1")), Err(Flaw::Algorithm)),
        (jws(&header("null", "hmac-1", ""), b"x", by("hmac-1")), Err(Flaw::Malformed)),
        (jws(&header("[\"HS256\"]", "hmac-1", ""), b"x", by("hmac-1")), Err(Flaw::Malformed)),
        (jws(&header("\"EdDSA\"", "stranger", own), b"x", by("ed-1")), Err(Flaw::UnknownKey)),
        (jws(&header("\"EdDSA\"", "ed-1", r#","crit":["exp"],"exp":1"#), b"x", by("ed-1")), Err(Flaw::Malformed)),
        (jws(&header("\"EdDSA\"", "ed-1", r#","crit":[]"#), b"x", by("ed-1")), Err(Flaw::Malformed)),
        (jws(&header("\"EdDSA\"", "ed-1", r#","crit":"topic""#), b"x", by("ed-1")), Err(Flaw::Malformed)),
        (jws(&header("\"EdDSA\"", "ed-1", r#","crit":["jti"]"#), b"x", by("ed-1")), Err(Flaw::Malformed)),
        (jws(&header("\"EdDSA\"", "ed-1", r#","crit":["topic","topic"]"#), b"x", by("ed-1")), Err(Flaw::Malformed)),
        (jws(&header("\"EdDSA\"", "ed-1", r#","crit":["topic","ctr"]"#), b"x", by("ed-1")), Ok(())),
        (jws(&header("\"EdDSA\"", "ed-1", r#","b64":false,"crit":["b64"]"#), b"x", by("ed-1")), Err(Flaw::Malformed)),
        (jws(&header("\"EdDSA\"", "ed-1", r#","b64":true"#), b"x", by("ed-1")), Err(Flaw::Malformed)),
        (jws(&header("\"EdDSA\"", "ed-1", r#","ctr":2"#), b"x", by("ed-1")), Err(Flaw::Malformed)),
        (jws(&header("\"EdDSA\"", "ed-1", r#","jti":"AAECAwQFBgc""#), b"x", by("ed-1")), Err(Flaw::Malformed)),
        (jws(&header("\"EdDSA\"", "", ""), b"x", by("ed-1")), Err(Flaw::Malformed)),
        (jws(&header("\"EdDSA\"", &"k".repeat(129), ""), b"x", by("ed-1")), Err(Flaw::Malformed)),
    ];
    for (at, (sent, expected)) in cases.into_iter().enumerate() {
        assert_eq!(judge(&scheme, &sent), expected, "case {at}");
    }
    let parts = |change: &dyn Fn(&str) -> String| {
        let text = String::from_utf8(jws(&header("\"EdDSA\"", "ed-1", ""), b"x", by("ed-1")).payload).unwrap();
        judge(&scheme, &Sent { topic: TOPIC.into(), payload: change(&text).into_bytes(), properties: vec![] })
    };
    assert_eq!(parts(&|text| text.replace('.', "=.")), Err(Flaw::Missing), "padding is not of the form");
    assert_eq!(parts(&|text| format!("{text}\n")), Err(Flaw::Missing));
    assert_eq!(parts(&|text| without_end(text, 1)), Err(Flaw::Malformed));
    assert_eq!(parts(&|text| without_end(text, 2)), Err(Flaw::Signature));
    assert!(keys.get("ed-1").is_some());
}

#[test]
fn a_signature_of_one_carrier_is_none_of_another() {
    let property = scheme(Carrier::UserProperty(Names::default()));
    let sent = seal(&property, "hmac-1", b"{}");
    let value = |name: &str| sent.properties.iter().find(|(own, _)| own == name).unwrap().1.clone();
    let json = format!(
        r#"{{"signature":{{"kid":"hmac-1","nonce":"{}","signature":"{}","time":{NOW}}}}}"#,
        value("tg-nonce"),
        value("tg-sig")
    );
    let field = scheme(Carrier::JsonField(Field::parse("/signature").unwrap()));
    let moved = Sent { topic: TOPIC.into(), payload: json.into_bytes(), properties: vec![] };
    assert_eq!(judge(&field, &moved), Err(Flaw::Signature));
    // The very bytes that a JSON field covers, signed as a User Property.
    let whole = r#"{"signature":{"kid":"hmac-1","nonce":"MDEyMzQ1Njc4OWFiY2RlZg","time":1800000000123}}"#;
    let sent = seal(&property, "hmac-1", whole.as_bytes());
    let signature = sent.properties.iter().find(|(own, _)| own == "tg-sig").unwrap().1.clone();
    let payload = whole.replace(r#""time""#, &format!(r#""signature":"{signature}","time""#)).into_bytes();
    assert_eq!(judge(&field, &Sent { payload, ..moved }), Err(Flaw::Signature));
}

#[test]
fn labels_are_words_and_differ() {
    let mut labels: Vec<&str> = Flaw::ALL.iter().map(|flaw| flaw.label()).collect();
    assert!(labels.iter().all(|label| label.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')));
    labels.sort_unstable();
    labels.dedup();
    assert_eq!(labels.len(), Flaw::ALL.len());
}
