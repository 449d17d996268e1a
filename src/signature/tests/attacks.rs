//! What an attacker does to a message, and what is said of it.

use data_encoding::BASE64URL_NOPAD;

use super::*;
use crate::signature::SignatureFlaw as Flaw;

/// Changes the value of a User Property.
fn set(sent: &mut Sent, name: &str, value: &str) {
    sent.properties.iter_mut().filter(|(own, _)| own == name).for_each(|(_, own)| *own = value.into());
}

fn remove(sent: &mut Sent, name: &str) {
    sent.properties.retain(|(own, _)| own != name);
}

fn without_end(text: &str, bytes: usize) -> String {
    text.split_at(text.len() - bytes).0.to_owned()
}

fn replaced(sent: &Sent, from: &str, to: &str) -> Sent {
    let text = String::from_utf8(sent.payload.clone()).unwrap();
    assert!(text.contains(from), "{text}");
    Sent { payload: text.replacen(from, to, 1).into_bytes(), ..sent.clone() }
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
fn properties_are_had_once_each_and_all_of_them() {
    let scheme = scheme(Carrier::UserProperty(Names::default()));
    let good = seal(&scheme, "hmac-1", JSON);
    for (name, _) in &good.properties {
        let twice = |value: Option<&str>| {
            let mut sent = good.clone();
            let (_, own) = sent.properties.iter().find(|(own, _)| own == name).unwrap().clone();
            sent.properties.push((name.clone(), value.unwrap_or(&own).into()));
            judge(&scheme, &sent)
        };
        assert_eq!(twice(None), Err(Flaw::Duplicate), "{name}");
        assert_eq!(twice(Some("other")), Err(Flaw::Duplicate), "{name}");
        let mut sent = good.clone();
        remove(&mut sent, name);
        assert_eq!(judge(&scheme, &sent), Err(Flaw::Malformed), "{name}");
        set(&mut sent, name, "");
        assert_eq!(judge(&scheme, &sent), Err(Flaw::Malformed), "{name}");
    }
    let mut others = good.clone();
    others.properties.insert(0, ("unit".into(), "C".into()));
    others.properties.extend([("unit".into(), "F".into()), ("TG-KID".into(), "x".into())]);
    assert_eq!(judge(&scheme, &others), Ok(()), "those of others are none of ours");
    let cases: &[(&str, &str, Flaw)] = &[
        ("tg-kid", "stranger", Flaw::UnknownKey),
        ("tg-kid", "ed-1", Flaw::Signature),
        ("tg-kid", "hmac\n1", Flaw::Malformed),
        ("tg-time", "1800000000124", Flaw::Signature),
        ("tg-time", "+1800000000123", Flaw::Malformed),
        ("tg-time", "01800000000123", Flaw::Malformed),
        ("tg-time", " 1800000000123", Flaw::Malformed),
        ("tg-time", "0", Flaw::Malformed),
        ("tg-time", "-1", Flaw::Malformed),
        ("tg-time", "253402300800000", Flaw::Malformed),
        ("tg-time", "99999999999999999999", Flaw::Malformed),
        ("tg-time", "1e12", Flaw::Malformed),
        ("tg-nonce", "MDEyMzQ1Njc4OWFiY2RlZw", Flaw::Signature),
        ("tg-nonce", "MDEyMzQ1Njc4OWFiY2RlZg==", Flaw::Malformed),
        // The same bytes, but for bits that nobody looks at.
        ("tg-nonce", "MDEyMzQ1Njc4OWFiY2RlZh", Flaw::Malformed),
        ("tg-nonce", "MDEyMzQ1Ng", Flaw::Malformed),
        ("tg-sig", "AAAA", Flaw::Signature),
        ("tg-sig", "A", Flaw::Malformed),
        ("tg-sig", "AA+/", Flaw::Malformed),
    ];
    for (name, value, expected) in cases {
        let mut sent = good.clone();
        set(&mut sent, name, value);
        assert_eq!(judge(&scheme, &sent), Err(*expected), "{name}: {value}");
    }
    let mut long = good.clone();
    set(&mut long, "tg-nonce", &BASE64URL_NOPAD.encode(&[7; 65]));
    assert_eq!(judge(&scheme, &long), Err(Flaw::Malformed));
    set(&mut long, "tg-nonce", &BASE64URL_NOPAD.encode(&[7; 64]));
    assert_eq!(judge(&scheme, &long), Err(Flaw::Signature));
    let mut long = good.clone();
    set(&mut long, "tg-sig", &BASE64URL_NOPAD.encode(&[7; 1025]));
    assert_eq!(judge(&scheme, &long), Err(Flaw::Malformed));
    let mut both = good;
    both.properties.push(("tg-counter".into(), "1".into()));
    assert_eq!(judge(&scheme, &both), Err(Flaw::Malformed), "a nonce or a counter");
}

#[test]
fn a_detached_jws_is_had_once_and_is_bare() {
    let scheme = scheme(Carrier::JwsDetached(Carrier::JWS_PROPERTY.into()));
    let good = seal(&scheme, "ed-1", JSON);
    let text = good.properties[0].1.clone();
    let twice = Sent { properties: vec![good.properties[0].clone(); 2], ..good.clone() };
    assert_eq!(judge(&scheme, &twice), Err(Flaw::Duplicate));
    let attached = seal(&Scheme { carrier: Carrier::Jws, ..scheme.clone() }, "ed-1", JSON);
    let cases = [
        (text.replace("..", ".eyJ9."), Flaw::Malformed),
        (text.replace("..", "."), Flaw::Malformed),
        (String::from_utf8(attached.payload).unwrap(), Flaw::Malformed),
        (String::new(), Flaw::Malformed),
        ("..".into(), Flaw::Malformed),
    ];
    for (value, expected) in cases {
        let sent = Sent { properties: vec![(Carrier::JWS_PROPERTY.into(), value)], ..good.clone() };
        assert_eq!(judge(&scheme, &sent), Err(expected));
    }
}

#[test]
fn a_field_of_json_is_of_its_form() {
    let scheme = scheme(Carrier::JsonField(Field::parse("/signature").unwrap()));
    let good = seal(&scheme, "hmac-1", JSON);
    let cases: &[(&str, &str, Flaw)] = &[
        (r#""valve":"open""#, r#""valve":"shut""#, Flaw::Signature),
        (r#""valve":"open""#, r#""valve":"open","x":1"#, Flaw::Signature),
        (r#""valve":"open""#, r#""valve":"open","valve":"shut""#, Flaw::Malformed),
        (r#""kid":"hmac-1""#, r#""kid":"hmac-1","kid":"hmac-1""#, Flaw::Malformed),
        (r#""kid":"hmac-1""#, r#""kid":"hmac-1","x":1"#, Flaw::Malformed),
        (r#""kid":"hmac-1""#, r#""kid":7"#, Flaw::Malformed),
        (r#""kid":"hmac-1","#, "", Flaw::Malformed),
        (r#""time":1800000000123"#, r#""time":1800000000123.5"#, Flaw::Malformed),
        (r#""time":1800000000123"#, r#""time":"1800000000123""#, Flaw::Malformed),
        (r#""time":1800000000123"#, r#""time":1800000000124"#, Flaw::Signature),
        (r#""time":1800000000123"#, r#""time":1.800000000123e12"#, Flaw::Malformed),
        (r#""signature":{"#, r#""Signature":{"#, Flaw::Missing),
        (r#""signature":""#, r#""sig":""#, Flaw::Malformed),
    ];
    for (from, to, expected) in cases {
        let sent = replaced(&good, from, to);
        let said = judge(&scheme, &sent);
        // The same number, spelled otherwise, is the same number.
        let expected = if to.contains("e12") { Ok(()) } else { Err(*expected) };
        assert_eq!(said, expected, "{to}");
    }
    for payload in ["[]", "7", r#"{"signature":null}"#, r#"{"signature":[]}"#, "{", "\"x\""] {
        let sent = Sent { payload: payload.into(), ..good.clone() };
        let expected = if matches!(payload, "[]" | "7" | "\"x\"") { Flaw::Missing } else { Flaw::Malformed };
        assert_eq!(judge(&scheme, &sent), Err(expected), "{payload}");
    }
}

#[test]
fn a_trailer_that_is_cut_or_lies_about_its_lengths_is_malformed() {
    let scheme = scheme(Carrier::Trailer);
    let good = seal(&scheme, "hmac-1", b"");
    assert_eq!(good.payload.len(), 8 + 16 + 6 + 32 + 9, "as docs/signatures.md says");
    for cut in 1..good.payload.len() {
        let sent = Sent { payload: good.payload[cut..].to_vec(), ..good.clone() };
        let is_whole = good.payload.len() - cut >= 4;
        let expected = if is_whole { Flaw::Malformed } else { Flaw::Missing };
        assert_eq!(judge(&scheme, &sent), Err(expected), "{cut}");
        let sent = Sent { payload: good.payload[..cut].to_vec(), ..good.clone() };
        assert_eq!(judge(&scheme, &sent), Err(Flaw::Missing), "{cut}");
    }
    let end = good.payload.len();
    for (at, value, expected) in [
        (end - 9, 2, Flaw::Malformed),
        (end - 8, 3, Flaw::Malformed),
        (end - 8, 0, Flaw::Malformed),
        (end - 7, 0, Flaw::Malformed),
        (end - 7, 255, Flaw::Malformed),
        (end - 6, 255, Flaw::Malformed),
        (end - 5, 0, Flaw::Malformed),
        (end - 1, 0xfe, Flaw::Missing),
    ] {
        let mut sent = good.clone();
        sent.payload[at] = value;
        let said = judge(&scheme, &sent);
        assert!(said == Err(expected) || said == Err(Flaw::UnknownKey), "{at} {value}: {said:?}");
    }
    // The clock is said to be missing, though a nonce needs one.
    let mut clockless = good;
    clockless.payload[..8].fill(0);
    assert_eq!(judge(&scheme, &clockless), Err(Flaw::Malformed));
}

#[test]
fn a_cose_message_is_of_its_form() {
    use coset::cbor::Value;
    let scheme = scheme(Carrier::Cose);
    let mac = seal(&scheme, "hmac-1", JSON);
    let signed = seal(&scheme, "ed-1", JSON);
    let untagged = |sent: &Sent| Sent { payload: sent.payload[1..].to_vec(), ..sent.clone() };
    assert_eq!(judge(&scheme, &untagged(&mac)), Ok(()));
    assert_eq!(judge(&scheme, &untagged(&signed)), Ok(()));
    let tagged = |sent: &Sent, tag: u8| Sent { payload: [&[tag], &sent.payload[1..]].concat(), ..sent.clone() };
    assert_eq!(judge(&scheme, &tagged(&mac, 0xD2)), Err(Flaw::Algorithm), "a MAC is no signature");
    assert_eq!(judge(&scheme, &tagged(&signed, 0xD1)), Err(Flaw::Algorithm));
    assert_eq!(judge(&scheme, &tagged(&signed, 0xD8)), Err(Flaw::Missing));
    let more = Sent { payload: [&signed.payload[..], b"\0"].concat(), ..signed.clone() };
    assert_eq!(judge(&scheme, &more), Err(Flaw::Malformed));
    for cut in 2..signed.payload.len() {
        let sent = Sent { payload: signed.payload[..cut].to_vec(), ..signed.clone() };
        assert_eq!(judge(&scheme, &sent), Err(Flaw::Malformed), "{cut}");
    }
    // The third and second item of the array, changed.
    let changed = |at: usize, value: Value| {
        let mut message: Value = coset::cbor::de::from_reader(&signed.payload[1..]).unwrap();
        message.as_array_mut().unwrap()[at] = value;
        let mut payload = vec![0xD2];
        coset::cbor::ser::into_writer(&message, &mut payload).unwrap();
        judge(&scheme, &Sent { payload, ..signed.clone() })
    };
    let map = |label: i64, value: Value| Value::Map(vec![(Value::from(label), value)]);
    assert_eq!(changed(2, Value::Null), Err(Flaw::Malformed), "the payload must be inside");
    assert_eq!(changed(2, Value::Bytes(b"x".to_vec())), Err(Flaw::Signature));
    assert_eq!(changed(1, map(4, Value::Bytes(b"other".to_vec()))), Err(Flaw::Malformed));
    assert_eq!(changed(1, map(1, Value::from(-7))), Err(Flaw::Malformed));
    assert_eq!(changed(1, map(15, Value::Map(vec![]))), Err(Flaw::Malformed));
    assert_eq!(changed(1, map(99, Value::from(1))), Ok(()), "what nobody knows and nothing covers has no say");
    assert_eq!(changed(3, Value::Bytes(vec![])), Err(Flaw::Malformed));
    assert_eq!(changed(0, Value::Bytes(vec![])), Err(Flaw::Malformed));
    let header = |pairs: Vec<(Value, Value)>| {
        let mut bytes = Vec::new();
        coset::cbor::ser::into_writer(&Value::Map(pairs), &mut bytes).unwrap();
        changed(0, Value::Bytes(bytes))
    };
    let claims = |pairs: Vec<(i64, Value)>| {
        let map = pairs.into_iter().map(|(label, value)| (Value::from(label), value)).collect();
        (Value::from(15), Value::Map(map))
    };
    let alg = |alg: i64| (Value::from(1), Value::from(alg));
    let kid = || (Value::from(4), Value::Bytes(b"ed-1".to_vec()));
    let iat = |seconds: f64| (6, Value::from(seconds));
    let count = || (-65537, Value::from(1));
    let now = 1_800_000_000.0;
    assert_eq!(header(vec![alg(-8), kid(), claims(vec![iat(now), count()])]), Err(Flaw::Signature));
    assert_eq!(header(vec![alg(-7), kid(), claims(vec![iat(now), count()])]), Err(Flaw::Algorithm));
    assert_eq!(header(vec![kid(), claims(vec![iat(now), count()])]), Err(Flaw::Algorithm));
    assert_eq!(header(vec![alg(-8), alg(-8), kid(), claims(vec![iat(now), count()])]), Err(Flaw::Malformed));
    assert_eq!(header(vec![alg(-8), kid(), claims(vec![iat(now)])]), Err(Flaw::Malformed));
    assert_eq!(header(vec![alg(-8), kid(), claims(vec![iat(now), count(), count()])]), Err(Flaw::Duplicate));
    assert_eq!(header(vec![alg(-8), kid(), claims(vec![iat(f64::NAN), count()])]), Err(Flaw::Malformed));
    assert_eq!(header(vec![alg(-8), kid(), claims(vec![iat(1e300), count()])]), Err(Flaw::Malformed));
    assert_eq!(header(vec![alg(-8), kid()]), Err(Flaw::Malformed));
    let critical = (Value::from(2), Value::Array(vec![Value::from(16)]));
    assert_eq!(header(vec![alg(-8), critical, kid(), claims(vec![iat(now), count()])]), Err(Flaw::Malformed));
    let deep = [vec![0x84; 10_000], vec![0xD2; 10_000]];
    let bombs = [
        b"\xd2\x84\x5b\xff\xff\xff\xff\xff\xff\xff\xff".to_vec(),
        b"\xd2\x9b\xff\xff\xff\xff\xff\xff\xff\xff".to_vec(),
    ];
    for payload in deep.into_iter().chain(bombs) {
        assert_eq!(judge(&scheme, &Sent { payload, ..signed.clone() }), Err(Flaw::Malformed));
    }
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
