//! What is not of the form of its carrier, or is altered in it, field by field.

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

fn replaced(sent: &Sent, from: &str, to: &str) -> Sent {
    let text = String::from_utf8(sent.payload.clone()).unwrap();
    assert!(text.contains(from), "{text}");
    Sent { payload: text.replacen(from, to, 1).into_bytes(), ..sent.clone() }
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
