use super::*;
use crate::payload::canonical::canonical;

#[test]
fn what_is_signed_is_verified_and_made_plain_by_every_carrier_and_algorithm() {
    let keys = public();
    for carrier in carriers() {
        let scheme = scheme(carrier);
        scheme.check().unwrap();
        let name = scheme.carrier.name();
        for kid in KIDS {
            for once in [nonce(), Once::Counter(0), Once::Counter(7_000_000)] {
                let sent = seal_with(&scheme, kid, JSON, &once, Some(NOW));
                let said =
                    verify(&scheme, &keys, &sent, NOW + 1).unwrap_or_else(|flaw| panic!("{name} {kid}: {flaw:?}"));
                assert_eq!((said.kid, said.signed_at_millis, &said.once), (kid, Some(NOW), &once), "{name}");
                let plain = scheme.strip(&sent.payload).unwrap();
                let canonical = canonical(JSON, None).unwrap();
                let is_canonical = matches!(scheme.carrier, Carrier::JsonField(_));
                assert_eq!(&*plain.payload, if is_canonical { &canonical } else { JSON }, "{name}");
                let left = sent.properties().filter(|(name, _)| !plain.drop_properties.contains(name));
                assert_eq!(left.count(), 0, "{name}");
                assert_eq!(scheme.carrier.needs_properties(), !sent.properties.is_empty());
            }
        }
    }
}

#[test]
fn any_payload_goes_with_any_carrier_but_json_with_a_field_of_it() {
    let long = vec![0xff; 70_000];
    for payload in [&b""[..], b"\0", b"TGS\xff", b"a.b.c", b"{", &long] {
        for carrier in carriers() {
            let scheme = scheme(carrier);
            if matches!(scheme.carrier, Carrier::JsonField(_)) {
                let keys = private();
                let message = Message { topic: TOPIC, payload };
                let refused = scheme.sign(keys.get("ed-1").unwrap(), message, &nonce(), Some(NOW));
                assert_eq!(refused, Err(SignError::Payload));
                continue;
            }
            let sent = seal(&scheme, "ed-1", payload);
            assert_eq!(judge(&scheme, &sent), Ok(()), "{}", scheme.carrier.name());
            assert_eq!(&*scheme.strip(&sent.payload).unwrap().payload, payload);
        }
    }
}

#[test]
fn whose_key_it_is_comes_with_what_was_verified() {
    let keys = public();
    let scheme = scheme(Carrier::Trailer);
    let identities = |kid| {
        let sent = seal(&scheme, kid, JSON);
        let said = verify(&scheme, &keys, &sent, NOW).unwrap();
        said.identities.iter().map(|name| name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(identities("hmac-1"), ["sensor-7"]);
    assert_eq!(identities("ed-1"), ["scada-1", "scada-2"]);
    assert!(identities("p256-1").is_empty());
}

#[test]
fn the_digest_tells_all_that_is_covered() {
    let keys = public();
    for carrier in carriers() {
        let scheme = scheme(carrier);
        let digest = |kid: &str, payload: &[u8], once: &Once, time: i64| {
            let sent = seal_with(&scheme, kid, payload, once, Some(time));
            verify(&scheme, &keys, &sent, NOW).unwrap().digest
        };
        let mut digests = vec![
            digest("hmac-1", JSON, &nonce(), NOW),
            digest("ed-1", JSON, &nonce(), NOW),
            digest("hmac-1", b"{}", &nonce(), NOW),
            digest("hmac-1", JSON, &Once::Counter(1), NOW),
            digest("hmac-1", JSON, &Once::Counter(2), NOW),
            digest("hmac-1", JSON, &nonce(), NOW - 1),
        ];
        assert_eq!(digest("hmac-1", JSON, &nonce(), NOW), digests[0], "the same message has the same digest");
        digests.sort_unstable();
        digests.dedup();
        assert_eq!(digests.len(), 6, "{}", scheme.carrier.name());
    }
}

#[test]
fn the_signature_may_stand_deep_in_the_json() {
    let deep = scheme(Carrier::JsonField(Field::parse("/meta/a~1b").unwrap()));
    let sent = seal(&deep, "p256-1", br#"{"v":1,"meta":{"a":2}}"#);
    assert_eq!(judge(&deep, &sent), Ok(()));
    assert_eq!(&*deep.strip(&sent.payload).unwrap().payload, br#"{"meta":{"a":2},"v":1}"#);
    // White space, the order of names and the spelling of numbers are not covered; all else is.
    let text = String::from_utf8(sent.payload.clone()).unwrap();
    let spaced = text.replace(r#""v":1"#, " \"v\" : 1.0e0 ");
    assert_eq!(judge(&deep, &Sent { payload: spaced.into_bytes(), ..sent.clone() }), Ok(()));
    let other = text.replace(r#""v":1"#, r#""v":2"#);
    assert_eq!(judge(&deep, &Sent { payload: other.into_bytes(), ..sent.clone() }), Err(SignatureFlaw::Signature));
    let keys = private();
    let again =
        |payload: &[u8]| deep.sign(keys.get("p256-1").unwrap(), Message { topic: TOPIC, payload }, &nonce(), Some(NOW));
    for payload in [&sent.payload[..], b"{}", b"[]", br#"{"meta":[]}"#] {
        assert_eq!(again(payload), Err(SignError::Payload));
    }
}

#[test]
fn what_can_not_be_signed_is_refused() {
    let keys = private();
    let sign = |scheme: &Scheme, kid: &str, once: &Once, time: Option<i64>| {
        let message = Message { topic: TOPIC, payload: b"{}" };
        scheme.sign(keys.get(kid).unwrap(), message, once, time).map(|_| ())
    };
    for carrier in carriers() {
        let scheme = scheme(carrier);
        let hmac = Scheme { algorithms: vec![Algorithm::Hs256], ..scheme.clone() };
        let counters = Scheme { freshness: Freshness::Counter, max_age: None, ..scheme.clone() };
        let nonces = Scheme { freshness: Freshness::Nonce, ..scheme.clone() };
        let legacy = Scheme { algorithms: vec![Algorithm::Rs256], ..scheme.clone() };
        assert_eq!(sign(&hmac, "ed-1", &nonce(), Some(NOW)), Err(SignError::Algorithm));
        assert_eq!(sign(&legacy, "rsa-1", &nonce(), Some(NOW)), Err(SignError::Algorithm));
        assert_eq!(sign(&counters, "ed-1", &nonce(), Some(NOW)), Err(SignError::Freshness));
        assert_eq!(sign(&nonces, "ed-1", &Once::Counter(1), Some(NOW)), Err(SignError::Freshness));
        assert_eq!(sign(&scheme, "ed-1", &Once::Counter(1), None), Err(SignError::NoTime));
        assert_eq!(sign(&scheme, "ed-1", &nonce(), Some(0)), Err(SignError::NoTime));
        assert_eq!(sign(&counters, "ed-1", &Once::Counter(1), None), Ok(()));
        let largest = sign(&counters, "ed-1", &Once::Counter(u64::MAX), None);
        let in_a_double = matches!(scheme.carrier, Carrier::JsonField(_));
        assert_eq!(largest, if in_a_double { Err(SignError::TooLong) } else { Ok(()) });
    }
}

#[test]
fn a_scheme_that_can_not_hold_is_told() {
    let with = |change: fn(&mut Scheme)| {
        let mut scheme = scheme(Carrier::Trailer);
        change(&mut scheme);
        scheme.check()
    };
    let same = |scheme: &mut Scheme| {
        scheme.carrier = Carrier::UserProperty(Names { nonce: "tg-kid".into(), ..Names::default() });
    };
    assert_eq!(with(|_| ()), Ok(()));
    assert_eq!(with(|scheme| scheme.algorithms.clear()), Err(SchemeProblem::NoAlgorithm));
    assert_eq!(
        with(|scheme| scheme.algorithms.push(Algorithm::Rs256)),
        Err(SchemeProblem::Algorithm(Algorithm::Rs256))
    );
    assert_eq!(with(|scheme| scheme.max_age = None), Err(SchemeProblem::Ageless));
    assert_eq!(with(same), Err(SchemeProblem::Names));
    assert_eq!(with(|scheme| scheme.carrier = Carrier::JwsDetached("".into())), Err(SchemeProblem::Names));
    let whole = |scheme: &mut Scheme| scheme.carrier = Carrier::JsonField(Field::parse("").unwrap());
    assert_eq!(with(whole), Err(SchemeProblem::Field));
}
